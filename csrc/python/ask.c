/* ask.c -- what else a program may ask of a request. */
#include "accelerator.h"

PyObject *exchange_original_request(PyObject *object, PyObject *given)
{
    exchange *self = (exchange *)object;
    if (!PyObject_TypeCheck(given, &response_type)) {
        PyErr_SetString(PyExc_TypeError, "original_request() takes a response");
        return NULL;
    }
    int64_t connection = ((response *)given)->connection;
    const char *head;
    int64_t size = self->request_head(self->core, connection, &head);
    int fd = size < 0 ? (int)size : self->connection_fd(self->core, connection);
    if (fd < 0)
        return PyLong_FromLong(fd);
    /* First the text: what the collector runs for a tuple may end the request, and with it the head. */
    PyObject *text = PyUnicode_DecodeLatin1(head, (Py_ssize_t)size, NULL),
             *number = PyLong_FromLong(fd), *pair = PyTuple_New(2);
    if (pair != NULL && text != NULL && number != NULL) {
        PyTuple_SET_ITEM(pair, 0, text);
        PyTuple_SET_ITEM(pair, 1, number);
        return pair;
    }
    Py_XDECREF(pair);
    Py_XDECREF(text);
    Py_XDECREF(number);
    return NULL;
}
