/* exchange.c -- from the core's batch to (kind, answer, content, environ), and from a finished
 * answer to the core.
 *
 * Owns:   its place in the batch; the last values of each shape, which live in the shape's base.
 * Called: by Server.run(): take(count) after each fw_poll(), respond(answer, result) after a request.
 * Never:  calls the application, explains a mistake: what is not plain goes back to Python.
 *
 * Browsers repeat most of their fields with every request. So the base of a shape keeps the values of
 * the request before; only those that differ are made anew, and one copy of the dict has all others.
 */
#include "accelerator.h"

#include <string.h>
#include <time.h>

#define HEAD_MAX 4096      /* bytes; a larger head is joined in Python */
#define REMEMBERED_MAX 256 /* bytes; a longer value is not kept for the next request of its shape */
#define UNLOCKED_MIN 65536 /* bytes of content from which other threads may run meanwhile */
#define TARGET 2           /* place of RAW_URI among the keys of a shape (fw_poll() in fapws.h) */
#define ROW 4

typedef int64_t respond_function(fw_worker *, int64_t, const char *, size_t, size_t, const char *,
                                 size_t);
typedef int64_t head_function(fw_worker *, int64_t, const char **);
typedef int fd_function(fw_worker *, int64_t);

typedef int64_t send_function(fw_worker *, int64_t, const char *, size_t);

typedef struct {
    const char *at;
    size_t size;
} field; /* of the batch's text, without the line feed */

typedef struct {
    PyObject_HEAD PyTypeObject
        *answers;     /* what is made for each request: a subclass of AnswerBase */
    PyObject *shapes; /* list of (base, keys) or None, by number */
    const int64_t *records;
    const char *text;
    fw_worker *core;
    respond_function *respond;
    send_function *send;
    head_function *request_head;
    fd_function *connection_fd;
    int64_t left;        /* records still to come */
    const int64_t *next; /* the next of them */
    const char *at;      /* the next field */
    const char *end;
    PyObject *row; /* the tuple given out last; used again once nobody else holds it */
} exchange;

/* ---- From the batch -------------------------------------------------------------------------- */

static PyObject *take(PyObject *object, PyObject *count)
{
    exchange *self = (exchange *)object;
    long long records = PyLong_AsLongLong(count);
    if (records == -1 && PyErr_Occurred())
        return NULL;
    self->left = records;
    self->next = self->records + 1;
    self->at = self->text;
    self->end = self->text + self->records[0];
    Py_INCREF(object);
    return object;
}

static field next_field(exchange *self)
{
    const char *start = self->at;
    const char *stop = memchr(start, '\n', (size_t)(self->end - start));
    if (stop == NULL)
        stop = self->end;
    self->at = stop < self->end ? stop + 1 : stop;
    return (field){start, (size_t)(stop - start)};
}

static PyObject *text_of(field text)
{
    return PyUnicode_DecodeLatin1(text.at, (Py_ssize_t)text.size, NULL);
}

/* How many fields follow for a record that is no request of a cached shape. */
static size_t fields_of(const exchange *self, int64_t kind)
{
    switch (kind) {
    case FW_SHAPE: return 1;
    case FW_DEBUG: return 4;
    case FW_REQUEST:
    case FW_REQUEST_RAW: {
        /* METHOD:VERSION:LISTENER, then ":" NAME for each field, and five fields before theirs. */
        const char *stop = memchr(self->at, '\n', (size_t)(self->end - self->at));
        size_t colons = 0;
        for (const char *p = self->at; stop != NULL && p < stop; p++)
            colons += *p == ':';
        return 1 + 5 + colons - 2;
    }
    default: return 0;
    }
}

static PyObject *field_iterator(exchange *self, int64_t kind)
{
    size_t count = fields_of(self, kind);
    PyObject *list = PyList_New((Py_ssize_t)count);
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        PyObject *text = text_of(next_field(self));
        if (text == NULL) {
            Py_DECREF(list);
            return NULL;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, text);
    }
    PyObject *iterator = PyObject_GetIter(list);
    Py_DECREF(list);
    return iterator;
}

static bool is_same(PyObject *value, field text)
{
    return value != NULL && PyUnicode_KIND(value) == PyUnicode_1BYTE_KIND &&
           (size_t)PyUnicode_GET_LENGTH(value) == text.size &&
           memcmp(PyUnicode_1BYTE_DATA(value), text.at, text.size) == 0;
}

/* Sets what differs from the request before. Values too long to be kept are left for later. */
static bool renew_base(exchange *self, PyObject *base, PyObject *keys, bool *long_values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys); i++) {
        field text = next_field(self);
        if (text.size > REMEMBERED_MAX) {
            *long_values = true;
            continue;
        }
        PyObject *key = PyTuple_GET_ITEM(keys, i);
        PyObject *former = PyDict_GetItemWithError(base, key);
        if (former == NULL && PyErr_Occurred())
            return false;
        if (is_same(former, text))
            continue;
        PyObject *value = text_of(text);
        bool set = value != NULL && PyDict_SetItem(base, key, value) == 0 &&
                   (i != TARGET || PyDict_SetItem(base, names.request_uri, value) == 0);
        Py_XDECREF(value);
        if (!set)
            return false;
    }
    return true;
}

static bool set_long_values(exchange *self, PyObject *made, PyObject *keys)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys); i++) {
        field text = next_field(self);
        if (text.size <= REMEMBERED_MAX)
            continue;
        PyObject *value = text_of(text);
        bool set = value != NULL && PyDict_SetItem(made, PyTuple_GET_ITEM(keys, i), value) == 0 &&
                   (i != TARGET || PyDict_SetItem(made, names.request_uri, value) == 0);
        Py_XDECREF(value);
        if (!set)
            return false;
    }
    return true;
}

static PyObject *environ_of(exchange *self, int64_t kind)
{
    PyObject *shape = PyList_GetItem(self->shapes, (Py_ssize_t)kind); /* borrowed */
    if (shape == NULL || !PyTuple_Check(shape) || PyTuple_GET_SIZE(shape) != 2) {
        PyErr_Format(PyExc_SystemError, "the core named shape %lld before it told it",
                     (long long)kind);
        return NULL;
    }
    PyObject *base = PyTuple_GET_ITEM(shape, 0), *keys = PyTuple_GET_ITEM(shape, 1);
    const char *first = self->at;
    bool long_values = false;
    if (!renew_base(self, base, keys, &long_values))
        return NULL;
    PyObject *made = PyDict_Copy(base);
    if (made == NULL || !long_values)
        return made;
    self->at = first;
    if (set_long_values(self, made, keys))
        return made;
    Py_DECREF(made);
    return NULL;
}

static PyObject *answer_for(const exchange *self, int64_t connection)
{
    PyObject *made = self->answers->tp_alloc(self->answers, 0);
    if (made != NULL)
        ((answer *)made)->connection = connection;
    return made;
}

/* Takes over the references; NULL among them is an error that has been raised already. */
static PyObject *give_row(exchange *self, PyObject *items[ROW])
{
    PyObject *row = self->row;
    if (row == NULL || Py_REFCNT(row) != 1) {
        row = PyTuple_New(ROW);
        Py_XSETREF(self->row, row);
    }
    bool whole = row != NULL;
    for (int i = 0; i < ROW; i++)
        whole = whole && items[i] != NULL;
    for (int i = 0; i < ROW; i++) {
        if (!whole) {
            Py_XDECREF(items[i]);
            continue;
        }
        PyObject *former = PyTuple_GET_ITEM(row, i);
        PyTuple_SET_ITEM(row, i, items[i]);
        Py_XDECREF(former);
    }
    if (whole)
        Py_INCREF(row);
    return whole ? row : NULL;
}

static PyObject *next_record(PyObject *object)
{
    exchange *self = (exchange *)object;
    if (self->left <= 0)
        return NULL;
    self->left--;
    int64_t kind = self->next[0], connection = self->next[1], content = self->next[2];
    self->next += FW_RECORD_WORDS;
    PyObject *items[ROW] = {
        PyLong_FromLongLong(kind),
        kind >= FW_REQUEST_RAW ? answer_for(self, connection) : PyLong_FromLongLong(connection),
        PyLong_FromLongLong(content),
        kind >= 0 ? environ_of(self, kind) : field_iterator(self, kind),
    };
    return give_row(self, items);
}

/* ---- To the core ----------------------------------------------------------------------------- */

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

/* Joins status, names and values as fw_respond() wants them; the size, or 0 if Python must do it. */
static size_t join_head(char head[HEAD_MAX], const answer *given)
{
    const char *end = head + HEAD_MAX;
    char *at = put(head, end, given->status);
    for (Py_ssize_t i = 0; at != NULL && i < PyList_GET_SIZE(given->headers); i++) {
        PyObject *pair = PyList_GET_ITEM(given->headers, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2)
            return 0;
        at = put(put(at, end, PyTuple_GET_ITEM(pair, 0)), end, PyTuple_GET_ITEM(pair, 1));
    }
    return at == NULL ? 0 : (size_t)(at - head - 1);
}

static PyObject *respond(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    exchange *self = (exchange *)object;
    if (count != 2 || !PyObject_TypeCheck(arguments[0], &answer_type)) {
        PyErr_SetString(PyExc_TypeError, "respond() takes an answer and a result");
        return NULL;
    }
    answer *given = (answer *)arguments[0];
    PyObject *result = arguments[1];
    if (!PyList_CheckExact(result) || PyList_GET_SIZE(result) != 1 || !answer_started(given))
        Py_RETURN_NONE;
    PyObject *body = PyList_GET_ITEM(result, 0);
    if (!PyBytes_CheckExact(body) || !PyList_Check(given->headers))
        Py_RETURN_NONE;
    char head[HEAD_MAX];
    size_t head_size = join_head(head, given);
    if (head_size == 0)
        Py_RETURN_NONE;
    size_t fields = 1 + 2 * (size_t)PyList_GET_SIZE(given->headers);
    size_t size = (size_t)PyBytes_GET_SIZE(body);
    /* Sending does not wait; letting go of the lock costs more than a small answer keeps it. */
    PyThreadState *unlocked = NULL;
    if (size >= UNLOCKED_MIN) {
        Py_INCREF(body);
        unlocked = PyEval_SaveThread();
    }
    int64_t rest = self->respond(self->core, given->connection, head, head_size, fields,
                                 PyBytes_AS_STRING(body), size);
    if (unlocked != NULL) {
        PyEval_RestoreThread(unlocked);
        Py_DECREF(body);
    }
    if (rest == 0)
        given->connection = -1;
    return PyLong_FromLongLong(rest);
}

static PyObject *pair_of(PyObject *piece, PyObject *rest)
{
    PyObject *pair = rest == NULL ? NULL : PyTuple_Pack(2, piece, rest);
    Py_DECREF(piece);
    Py_XDECREF(rest);
    return pair;
}

static int64_t send_unlocked(const exchange *self, int64_t connection, const char *at, size_t size)
{
    if (size < UNLOCKED_MIN)
        return self->send(self->core, connection, at, size);
    int64_t rest;
    Py_BEGIN_ALLOW_THREADS rest = self->send(self->core, connection, at, size);
    Py_END_ALLOW_THREADS return rest;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What write() was given goes before what the iterator gives, and Python has it. */
static bool is_plain_piece(const answer *given, PyObject *piece)
{
    return PyBytes_CheckExact(piece) && PyBytes_GET_SIZE(piece) > 0 && !given->full &&
           (given->unsent == NULL || given->unsent == Py_None);
}

static PyObject *send_pieces(PyObject *object, PyObject *arguments)
{
    exchange *self = (exchange *)object;
    answer *given;
    PyObject *pieces;
    Py_ssize_t most, sent = 0;
    double seconds;
    if (!PyArg_ParseTuple(arguments, "O!Ond:send_pieces", &answer_type, &given, &pieces, &most,
                          &seconds))
        return NULL;
    uint64_t ends = now_ns() + (uint64_t)(seconds * 1e9);
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

static PyObject *asked(PyObject *object, PyObject *given)
{
    exchange *self = (exchange *)object;
    if (!PyObject_TypeCheck(given, &answer_type)) {
        PyErr_SetString(PyExc_TypeError, "asked() takes an answer");
        return NULL;
    }
    int64_t connection = ((answer *)given)->connection;
    const char *head;
    int64_t size = self->request_head(self->core, connection, &head);
    int fd = size < 0 ? (int)size : self->connection_fd(self->core, connection);
    if (fd < 0)
        return PyLong_FromLong(fd);
    PyObject *pair = PyTuple_New(2);
    PyObject *text = text_of((field){head, (size_t)size}), *number = PyLong_FromLong(fd);
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

/* ---- The type -------------------------------------------------------------------------------- */

static PyObject *exchange_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    PyTypeObject *answers;
    PyObject *shapes;
    unsigned long long records, text, core, functions[4];
    if (!PyArg_ParseTuple(arguments, "O!O!KKKKKKK:Exchange", &PyType_Type, &answers, &PyList_Type,
                          &shapes, &records, &text, &core, &functions[0], &functions[1],
                          &functions[2], &functions[3]))
        return NULL;
    if (!PyType_IsSubtype(answers, &answer_type)) {
        PyErr_SetString(PyExc_TypeError, "the type of the answers is no AnswerBase");
        return NULL;
    }
    exchange *self = (exchange *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(answers);
    self->answers = answers;
    Py_INCREF(shapes);
    self->shapes = shapes;
    self->records = (const int64_t *)(uintptr_t)records;
    self->text = (const char *)(uintptr_t)text;
    self->core = (fw_worker *)(uintptr_t)core;
    self->respond = (respond_function *)(uintptr_t)functions[0];
    self->send = (send_function *)(uintptr_t)functions[1];
    self->request_head = (head_function *)(uintptr_t)functions[2];
    self->connection_fd = (fd_function *)(uintptr_t)functions[3];
    return (PyObject *)self;
}

/* The type of the answers knows the server, which has the exchange. */
static int exchange_traverse(PyObject *object, visitproc visit, void *arg)
{
    exchange *self = (exchange *)object;
    Py_VISIT(self->answers);
    Py_VISIT(self->shapes);
    Py_VISIT(self->row);
    return 0;
}

static int exchange_clear(PyObject *object)
{
    exchange *self = (exchange *)object;
    Py_CLEAR(self->answers);
    Py_CLEAR(self->shapes);
    Py_CLEAR(self->row);
    return 0;
}

static void exchange_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    exchange_clear(object);
    Py_TYPE(object)->tp_free(object);
}

static PyMethodDef methods[] = {
    {"take", take, METH_O,
     "take(count): an iterator over the records of a new batch. See Exchange of "
     "fapws.wsgi.exchange."},
    {"respond", (PyCFunction)(void (*)(void))respond, METH_FASTCALL,
     "respond(answer, result): as fw_respond(), or None when the answer is not plain."},
    {"send_pieces", send_pieces, METH_VARARGS,
     "send_pieces(answer, pieces, most, seconds): sends while all is plain."},
    {"asked", asked, METH_O,
     "asked(answer): the request's head and its client's descriptor, or a negative code."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject exchange_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "fapws._accelerator.Exchange",
    .tp_basicsize = sizeof(exchange),
    .tp_dealloc = exchange_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = exchange_traverse,
    .tp_clear = exchange_clear,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = next_record,
    .tp_methods = methods,
    .tp_new = exchange_new,
};
