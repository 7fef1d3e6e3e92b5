/* files.c -- wsgi.file_wrapper over a file as open() gives it: its bytes go from the system to the client.
 *
 * Does what Handler._respond_with_file() of fapws/wsgi/handler.py does. A file that is not quite as it should be is
 * left to that, and so is whatever goes wrong before the response has begun: nothing was done then.
 *
 * Never:  moves the file's position, or trusts a number of a descriptor beyond the call that it was asked in: the
 *         application may close its file in another thread. */
#include "accelerator.h"
#include "error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIGITS_MAX 18 /* of a length that is surely no more than an int64_t holds */

typedef struct {
    int descriptor;
    int64_t offset, size; /* what is left of the file from its position */
} span;

/* ---- What is left of a file -------------------------------------------------------------------- */

static struct {
    PyTypeObject *raw, *reader, *random; /* NULL until a file was sent */
} types;

static PyTypeObject *type_of(PyObject *module, const char *name)
{
    PyObject *found = PyObject_GetAttrString(module, name);
    if (found != NULL && PyType_Check(found))
        return (PyTypeObject *)found; /* for as long as the process lives */
    PyErr_Clear();
    Py_XDECREF(found);
    return NULL;
}

static bool know_types(void)
{
    if (types.random != NULL)
        return true;
    PyObject *module = PyImport_ImportModule("io");
    if (module == NULL)
        return false;
    types.raw = type_of(module, "FileIO");
    types.reader = type_of(module, "BufferedReader");
    types.random = type_of(module, "BufferedRandom");
    Py_DECREF(module);
    return types.raw != NULL && types.reader != NULL && types.random != NULL;
}

/* Whether no method was set on the object itself. */
static bool as_made(PyObject *file)
{
    PyObject *own = PyObject_GenericGetDict(file, NULL), *name, *value;
    Py_ssize_t at = 0;
    bool made = own != NULL && PyDict_Check(own);
    while (made && PyDict_Next(own, &at, &name, &value))
        made = !PyCallable_Check(value);
    Py_XDECREF(own);
    return made;
}

/* Whether it is one of the standard library's own, all the way down to the descriptor. */
static bool is_plain(PyObject *file)
{
    if (!know_types())
        return false;
    if (Py_TYPE(file) == types.raw)
        return as_made(file);
    if (Py_TYPE(file) != types.reader && Py_TYPE(file) != types.random)
        return false;
    PyObject *raw = PyObject_GetAttrString(file, "raw");
    bool plain = raw != NULL && Py_TYPE(raw) == types.raw && as_made(file) && as_made(raw);
    Py_XDECREF(raw);
    return plain;
}

static int64_t number_of(PyObject *file, PyObject *method)
{
    PyObject *told = PyObject_CallMethodNoArgs(file, method);
    int64_t number = told == NULL ? -1 : PyLong_AsLongLong(told);
    Py_XDECREF(told);
    return number;
}

/* False, with an exception perhaps: Python has to look. */
static bool find_span(PyObject *file, span *found)
{
    struct stat status;
    if (!is_plain(file))
        return false;
    found->descriptor = (int)number_of(file, names.fileno);
    if (found->descriptor < 0 || fstat(found->descriptor, &status) || !S_ISREG(status.st_mode))
        return false;
    found->offset = number_of(file, names.tell);
    found->size = (int64_t)status.st_size - found->offset;
    return found->offset >= 0 && found->size > 0;
}

/* ---- Content-Length ----------------------------------------------------------------------------- */

static bool is_content_length(PyObject *name)
{
    static const char wanted[] = "content-length";
    if (PyUnicode_GET_LENGTH(name) != sizeof wanted - 1)
        return false;
    const char *text = (const char *)PyUnicode_1BYTE_DATA(name);
    for (size_t i = 0; i < sizeof wanted - 1; i++)
        if ((text[i] | 0x20) != wanted[i])
            return false;
    return true;
}

/* The response ends there if that comes first. False: Python has to read it. join_head() has looked at all of
 * them: they are pairs of str of one byte a character. */
static bool bound_by_length(const response *given, int64_t *size)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(given->headers); i++) {
        PyObject *pair = PyList_GET_ITEM(given->headers, i), *value = PyTuple_GET_ITEM(pair, 1);
        if (!is_content_length(PyTuple_GET_ITEM(pair, 0)))
            continue;
        Py_ssize_t digits = PyUnicode_GET_LENGTH(value);
        const char *text = (const char *)PyUnicode_1BYTE_DATA(value);
        int64_t length = 0;
        if (digits < 1 || digits > DIGITS_MAX)
            return false;
        for (Py_ssize_t at = 0; at < digits; at++) {
            if (text[at] < '0' || text[at] > '9')
                return false;
            length = length * 10 + (text[at] - '0');
        }
        if (length < *size)
            *size = length;
    }
    return true;
}

/* ---- The response -------------------------------------------------------------------------------- */

typedef struct {
    exchange *exchange;
    PyObject *handler;
    request *asked;
    span part;
    const char *head;
    size_t head_size;
} file_response;

static bool leave_to_python(const file_response *turn)
{
    const request *asked = turn->asked;
    PyErr_Clear();
    return handler_call(turn->handler, names.respond_otherwise, asked->response, asked->result,
                        asked->environ, NULL);
}

/* Read and sent with its head in one call. */
static bool respond_small(const file_response *turn)
{
    exchange *self = turn->exchange;
    response *given = turn->asked->response;
    size_t fields = head_fields(given);
    int64_t notes;
    Py_BEGIN_ALLOW_THREADS;
    notes = self->respond_file(self->core, given->connection, turn->head, turn->head_size, fields,
                               turn->part.descriptor, turn->part.offset, (size_t)turn->part.size);
    Py_END_ALLOW_THREADS;
    if (notes == FW_ESYSTEM)
        return leave_to_python(turn);
    if (notes == 0)
        return close_result(turn->handler, turn->asked);
    PyObject *told = PyLong_FromLongLong(notes), *nothing = PyBytes_FromStringAndSize(NULL, 0);
    bool done = told != NULL && nothing != NULL &&
                handler_call(turn->handler, names.after_respond, given, turn->asked->result,
                             nothing, told, NULL);
    Py_XDECREF(told);
    Py_XDECREF(nothing);
    return done;
}

/* Python goes on, and closes the descriptor; rest: what the core said, below 0 or bytes still to be sent. */
static bool hand_over(const file_response *turn, int descriptor, int64_t rest)
{
    const request *asked = turn->asked;
    int64_t left = rest < 0 ? turn->part.size : rest;
    PyObject *nothing = PyObject_CallMethod(turn->handler, "file_on", "OOOiLLi", asked->response,
                                            asked->result, asked->environ, descriptor,
                                            (long long)(turn->part.offset + turn->part.size - left),
                                            (long long)left, rest > 0);
    Py_XDECREF(nothing);
    return nothing != NULL;
}

static bool send_large(const file_response *turn, int descriptor)
{
    exchange *self = turn->exchange;
    response *given = turn->asked->response;
    int64_t rest;
    Py_BEGIN_ALLOW_THREADS;
    rest = self->send_file(self->core, given->connection, descriptor, turn->part.offset,
                           (uint64_t)turn->part.size);
    Py_END_ALLOW_THREADS;
    if (rest < 0 || (rest & FW_REST_MASK) != 0)
        return hand_over(turn, descriptor, rest < 0 ? rest : rest & FW_REST_MASK);
    (void)close(descriptor);
    return response_end(self, turn->handler, turn->asked);
}

/* By a descriptor of its own: the rest may be sent when the application has closed its file. */
static bool respond_large(const file_response *turn)
{
    exchange *self = turn->exchange;
    response *given = turn->asked->response;
    int descriptor = fcntl(turn->part.descriptor, F_DUPFD_CLOEXEC, 0);
    if (descriptor < 0)
        return leave_to_python(turn);
    int64_t notes = self->begin_sized(self->core, given->connection, turn->head, turn->head_size,
                                      head_fields(given), (uint64_t)turn->part.size);
    if (notes < 0) {
        (void)close(descriptor);
        return leave_to_python(turn); /* which says why */
    }
    if (response_begun(turn->handler, given, notes))
        return send_large(turn, descriptor);
    (void)close(descriptor);
    return false;
}

/* The file, or NULL: Python has to look. */
static PyObject *file_of(const request *asked, span *part)
{
    PyObject *file = PyObject_GetAttr(asked->result, names.file);
    if (file != NULL && find_span(file, part) && bound_by_length(asked->response, &part->size))
        return file;
    Py_XDECREF(file);
    return NULL;
}

bool respond_file(exchange *self, PyObject *handler, request *asked)
{
    char head[FW_HEAD_MAX];
    file_response turn = {.exchange = self, .handler = handler, .asked = asked, .head = head};
    const response *given = asked->response;
    bool untouched =
        !given->full && !given->empty && (given->unsent == NULL || given->unsent == Py_None);
    Py_ssize_t size = untouched ? join_head(head, given) : -1;
    PyObject *file = size < 0 ? NULL : file_of(asked, &turn.part);
    if (file == NULL)
        return leave_to_python(&turn);
    turn.head_size = (size_t)size;
    bool done = turn.part.size <= FW_FILE_WHOLE ? respond_small(&turn) : respond_large(&turn);
    Py_DECREF(file);
    return done;
}
