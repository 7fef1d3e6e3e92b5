/* respond.c -- a whole response, from a list or tuple of bytes to the core.
 *
 * Never:  explains a mistake: what is not plain goes back to Python. */
#include "accelerator.h"

#include <string.h>

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
Py_ssize_t join_head(char head[FW_HEAD_MAX], const response *given)
{
    if (!response_started(given) || given->headers == NULL || !PyList_CheckExact(given->headers))
        return -1;
    const char *end = head + FW_HEAD_MAX;
    char *at = put(head, end, given->status);
    for (Py_ssize_t i = 0; at != NULL && i < PyList_GET_SIZE(given->headers); i++) {
        PyObject *pair = PyList_GET_ITEM(given->headers, i);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2)
            return -1;
        at = put(put(at, end, PyTuple_GET_ITEM(pair, 0)), end, PyTuple_GET_ITEM(pair, 1));
    }
    return at == NULL ? -1 : at - head - 1;
}

/* How many join_head() has joined. */
size_t head_fields(const response *given)
{
    return 1 + 2 * (size_t)PyList_GET_SIZE(given->headers);
}

/* Two pieces and more, or none, as one; NULL without an exception: one of them is no plain bytes. */
static PyObject *join_pieces(PyObject *const *pieces, Py_ssize_t count)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!PyBytes_CheckExact(pieces[i]) || PyBytes_GET_SIZE(pieces[i]) > PY_SSIZE_T_MAX - size)
            return NULL;
        size += PyBytes_GET_SIZE(pieces[i]);
    }
    PyObject *joined = PyBytes_FromStringAndSize(NULL, size);
    if (joined == NULL)
        return NULL;
    char *at = PyBytes_AS_STRING(joined);
    for (Py_ssize_t i = 0; i < count; i++) {
        size_t length = (size_t)PyBytes_GET_SIZE(pieces[i]);
        memcpy(at, PyBytes_AS_STRING(pieces[i]), length);
        at += length;
    }
    return joined;
}

/* A reference of its own: the list is the application's, another thread may change it. */
static PyObject *content_of(PyObject *result)
{
    PyObject *const *pieces = PySequence_Fast_ITEMS(result);
    Py_ssize_t count = PySequence_Fast_GET_SIZE(result);
    if (count != 1)
        return join_pieces(pieces, count);
    if (!PyBytes_CheckExact(pieces[0]))
        return NULL;
    Py_INCREF(pieces[0]);
    return pieces[0];
}

/* What fw_respond() did not take silently, and what is to be closed, is the handler's. The usual list is
 * over without a look at what else the response holds, as in Python. */
static bool finish(PyObject *handler, const request *asked, PyObject *body, int64_t code,
                   bool usual)
{
    response *given = asked->response;
    if (code == 0 && (usual || response_kept_nothing(given))) {
        given->connection = -1;
        return true;
    }
    PyObject *rest = PyLong_FromLongLong(code);
    bool done = rest != NULL &&
                handler_call(handler, names.after_respond, given, asked->result, body, rest, NULL);
    Py_XDECREF(rest);
    return done;
}

bool respond_whole(exchange *self, PyObject *handler, const request *asked)
{
    response *given = asked->response;
    char head[FW_HEAD_MAX];
    Py_ssize_t head_size = join_head(head, given);
    PyObject *body = head_size < 0 ? NULL : content_of(asked->result);
    if (body == NULL) {
        if (PyErr_Occurred())
            return false;
        return handler_call(handler, names.respond_otherwise, given, asked->result, asked->environ,
                            NULL);
    }
    bool usual = PyList_CheckExact(asked->result) && PyList_GET_SIZE(asked->result) == 1 &&
                 !asked->has_content;
    size_t size = (size_t)PyBytes_GET_SIZE(body);
    /* Sending does not wait; letting go of the lock costs more than a small response keeps it. */
    PyThreadState *unlocked = size >= FW_UNLOCKED_MIN ? PyEval_SaveThread() : NULL;
    int64_t rest = self->respond(self->core, given->connection, head, (size_t)head_size,
                                 head_fields(given), PyBytes_AS_STRING(body), size);
    if (unlocked != NULL)
        PyEval_RestoreThread(unlocked);
    bool done = finish(handler, asked, body, rest, usual);
    Py_DECREF(body);
    return done;
}
