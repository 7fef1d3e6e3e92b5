/* exchange.c -- the type fapws._accelerator.Exchange: one for each core, made by fapws/wsgi/exchange.py.
 * Its work is in serve.c. */
#include "accelerator.h"

#include <structmember.h>

static PyObject *exchange_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    (void)keywords;
    PyTypeObject *responses, *files;
    PyObject *shapes;
    unsigned long long records, words, text, core, functions[10];
    if (!PyArg_ParseTuple(arguments, "O!O!O!KKKKKKKKKKKKKK:Exchange", &PyType_Type, &responses,
                          &PyType_Type, &files, &PyList_Type, &shapes, &records, &words, &text,
                          &core, &functions[0], &functions[1], &functions[2], &functions[3],
                          &functions[4], &functions[5], &functions[6], &functions[7], &functions[8],
                          &functions[9]))
        return NULL;
    if (!PyType_IsSubtype(responses, &response_type)) {
        PyErr_SetString(PyExc_TypeError, "the type of the responses is no ResponseBase");
        return NULL;
    }
    exchange *self = (exchange *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(responses);
    self->responses = responses;
    Py_INCREF(files);
    self->files = files;
    Py_INCREF(shapes);
    self->shapes = shapes;
    self->records = (int64_t *)(uintptr_t)records;
    self->capacity = words / FW_RECORD_WORDS;
    self->text = (const char *)(uintptr_t)text;
    self->core = (fw_worker *)(uintptr_t)core;
    self->poll = (poll_function *)(uintptr_t)functions[0];
    self->respond = (respond_function *)(uintptr_t)functions[1];
    self->begin = (begin_function *)(uintptr_t)functions[2];
    self->send = (send_function *)(uintptr_t)functions[3];
    self->end = (end_function *)(uintptr_t)functions[4];
    self->request_head = (head_function *)(uintptr_t)functions[5];
    self->connection_fd = (fd_function *)(uintptr_t)functions[6];
    self->begin_sized = (begin_sized_function *)(uintptr_t)functions[7];
    self->send_file = (send_file_function *)(uintptr_t)functions[8];
    self->respond_file = (respond_file_function *)(uintptr_t)functions[9];
    self->wait = FOREVER;
    return (PyObject *)self;
}

/* A program may keep a response, and with it this, for longer than the core lives. The core's functions
 * refuse NULL. */
static PyObject *exchange_release(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    exchange *self = (exchange *)object;
    self->core = NULL;
    self->records = NULL;
    self->count = self->left = 0;
    Py_RETURN_NONE;
}

/* The type of the responses knows the server, which has the exchange. */
static int exchange_traverse(PyObject *object, visitproc visit, void *arg)
{
    exchange *self = (exchange *)object;
    Py_VISIT(self->responses);
    Py_VISIT(self->files);
    Py_VISIT(self->shapes);
    Py_VISIT(self->spare.response);
    Py_VISIT(self->spare.start);
    Py_VISIT(self->spare.write);
    Py_VISIT(self->failed.response);
    Py_VISIT(self->failed.environ);
    Py_VISIT(self->failed.result);
    for (size_t i = 0; i < FW_SHAPES; i++)
        Py_VISIT(self->known[i].shape);
    return 0;
}

static int exchange_clear(PyObject *object)
{
    exchange *self = (exchange *)object;
    Py_CLEAR(self->responses);
    Py_CLEAR(self->files);
    Py_CLEAR(self->shapes);
    reuse_drop(&self->spare);
    exchange_forget_failed(self);
    for (size_t i = 0; i < FW_SHAPES; i++)
        exchange_forget(&self->known[i]);
    return 0;
}

static void exchange_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    exchange_clear(object);
    Py_TYPE(object)->tp_free(object);
}

static PyMethodDef methods[] = {
    {"take", exchange_take, METH_O, "take(count): begins a new batch."},
    {"run", (PyCFunction)(void (*)(void))exchange_run, METH_FASTCALL,
     "run(application, handler, ready): serves until something else is to be done. See "
     "PureExchange of fapws.wsgi.exchange."},
    {"take_failed", exchange_take_failed, METH_NOARGS,
     "take_failed(): whose exception came out of run()."},
    {"send_pieces", exchange_send_pieces, METH_VARARGS,
     "send_pieces(response, pieces, most, seconds): sends while all is plain."},
    {"original_request", exchange_original_request, METH_O,
     "original_request(response): the request's head and its client's descriptor, or a negative "
     "code."},
    {"release", exchange_release, METH_NOARGS, "release(): before the core is freed."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"wait", T_INT, offsetof(exchange, wait), 0,
     "ms for the next poll; FOREVER: run() polls by itself."},
    {"count", T_LONGLONG, offsetof(exchange, count), READONLY, "How many records the batch has."},
    {"left", T_LONGLONG, offsetof(exchange, left), READONLY,
     "How many records of the batch are still to come."},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject exchange_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "fapws._accelerator.Exchange",
    .tp_basicsize = sizeof(exchange),
    .tp_dealloc = exchange_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = exchange_traverse,
    .tp_clear = exchange_clear,
    .tp_methods = methods,
    .tp_members = members,
    .tp_new = exchange_new,
};
