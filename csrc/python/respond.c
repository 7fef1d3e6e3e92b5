/* respond.c -- from a finished response to the core.
 *
 * Never:  explains a mistake: what is not plain goes back to Python. */
#include "accelerator.h"

#include <string.h>
#include <time.h>

#define HEAD_MAX 4096      /* bytes; a larger head is joined in Python */
#define UNLOCKED_MIN 65536 /* bytes of content from which other threads may run meanwhile */

/* Appends a str and a line feed; the place behind, or NULL if it is none that fits as it is. */
static char *put(char *at, const char *end, PyObject *text)
{
    if (at == NULL || !PyUnicode_CheckExact(text))
        return NULL;
#if PY_VERSION_HEX < 0x030c0000
    if (PyUnicode_READY(text) < 0) {
        PyErr_Clear();
        return NULL;
    }
#endif
    size_t size = (size_t)PyUnicode_GET_LENGTH(text);
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND || size + 1 > (size_t)(end - at))
        return NULL;
    memcpy(at, PyUnicode_1BYTE_DATA(text), size);
    at[size] = '\n';
    return at + size + 1;
}

/* Joins status, names and values as fw_respond() wants them; the size, or -1 if Python must do it. */
static Py_ssize_t join_head(char head[HEAD_MAX], const response *given)
{
    const char *end = head + HEAD_MAX;
    char *at = put(head, end, given->status);
    for (Py_ssize_t i = 0; at != NULL && i < PyList_GET_SIZE(given->headers); i++) {
        PyObject *pair = PyList_GET_ITEM(given->headers, i);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
            return -1;
        at = put(put(at, end, PyTuple_GET_ITEM(pair, 0)), end, PyTuple_GET_ITEM(pair, 1));
    }
    return at == NULL ? -1 : at - head - 1;
}

/* Takes over both references; rest is NULL when an error was raised already. */
static PyObject *pair_of(PyObject *piece, PyObject *rest)
{
    PyObject *pair = rest == NULL ? NULL : PyTuple_Pack(2, piece, rest);
    Py_DECREF(piece);
    Py_XDECREF(rest);
    return pair;
}

PyObject *exchange_respond(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    exchange *self = (exchange *)object;
    if (count != 2 || !PyObject_TypeCheck(arguments[0], &response_type)) {
        PyErr_SetString(PyExc_TypeError, "respond() takes a response and a result");
        return NULL;
    }
    response *given = (response *)arguments[0];
    PyObject *result = arguments[1];
    if (!PyList_CheckExact(result) || PyList_GET_SIZE(result) != 1 || !response_started(given))
        Py_RETURN_NONE;
    PyObject *body = PyList_GET_ITEM(result, 0);
    if (!PyBytes_CheckExact(body) || given->headers == NULL || !PyList_CheckExact(given->headers))
        Py_RETURN_NONE;
    char head[HEAD_MAX];
    Py_ssize_t head_size = join_head(head, given);
    if (head_size < 0)
        Py_RETURN_NONE;
    size_t fields = 1 + 2 * (size_t)PyList_GET_SIZE(given->headers);
    size_t size = (size_t)PyBytes_GET_SIZE(body);
    /* Sending does not wait; letting go of the lock costs more than a small response keeps it. */
    PyThreadState *unlocked = NULL;
    Py_INCREF(body); /* the list is the application's: another thread may change it */
    if (size >= UNLOCKED_MIN)
        unlocked = PyEval_SaveThread();
    int64_t rest = self->respond(self->core, given->connection, head, (size_t)head_size, fields,
                                 PyBytes_AS_STRING(body), size);
    if (unlocked != NULL)
        PyEval_RestoreThread(unlocked);
    if (rest != 0)
        return pair_of(body, PyLong_FromLongLong(rest));
    Py_DECREF(body);
    given->connection = -1;
    return PyLong_FromLong(0);
}

static int64_t send_unlocked(const exchange *self, int64_t connection, const char *at, size_t size)
{
    if (size < UNLOCKED_MIN)
        return self->send(self->core, connection, at, size);
    int64_t rest;
    Py_BEGIN_ALLOW_THREADS rest = self->send(self->core, connection, at, size);
    Py_END_ALLOW_THREADS return rest;
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

/* Python keeps content given to write(), which must go out before the iterator's. */
static bool is_plain_piece(const response *given, PyObject *piece)
{
    return PyBytes_CheckExact(piece) && PyBytes_GET_SIZE(piece) > 0 && !given->full &&
           (given->unsent == NULL || given->unsent == Py_None);
}

PyObject *exchange_send_pieces(PyObject *object, PyObject *arguments)
{
    exchange *self = (exchange *)object;
    response *given;
    PyObject *pieces;
    Py_ssize_t most, sent = 0;
    double seconds;
    if (!PyArg_ParseTuple(arguments, "O!Ond:send_pieces", &response_type, &given, &pieces, &most,
                          &seconds))
        return NULL;
    if (!PyIter_Check(pieces)) {
        PyErr_SetString(PyExc_TypeError, "send_pieces() takes an iterator");
        return NULL;
    }
    int64_t ends = now_ns() + (int64_t)(seconds * 1e9); /* seconds is below 0 after a pause */
    do {
        PyObject *piece = PyIter_Next(pieces);
        if (piece == NULL) {
            if (!PyErr_Occurred())
                PyErr_SetNone(PyExc_StopIteration);
            return NULL;
        }
        if (!is_plain_piece(given, piece)) {
            Py_INCREF(Py_None);
            return pair_of(piece, Py_None);
        }
        Py_ssize_t size = PyBytes_GET_SIZE(piece);
        int64_t rest =
            send_unlocked(self, given->connection, PyBytes_AS_STRING(piece), (size_t)size);
        if (rest != 0)
            return pair_of(piece, PyLong_FromLongLong(rest));
        Py_DECREF(piece);
        sent += size;
    } while (sent < most && now_ns() < ends);
    Py_RETURN_NONE;
}

/* ---- What else a program may ask ------------------------------------------------------------- */

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
