/* response.c -- the C half of fapws.wsgi.response.Response.
 *
 * Owns:   the attributes of a response; a plain call of start_response ends here.
 * Never:  judges a call that is not plain: start_response_checked() of the subclass does, in Python.
 *
 * The cycle collector knows responses: headers may be a list of a class whose instances know start_response. */
#include "accelerator.h"

#include <structmember.h>

bool response_started(const response *self)
{
    return self->status != NULL && self->status != Py_None && !self->begun;
}

static bool is_none(const PyObject *value)
{
    return value == NULL || value == Py_None;
}

bool response_kept_nothing(const response *self)
{
    return is_none(self->unsent) && is_none(self->spooled);
}

void response_reset(response *self)
{
    self->connection = -1;
    self->begun = self->empty = self->full = 0;
    Py_CLEAR(self->status);
    Py_CLEAR(self->headers);
    Py_CLEAR(self->unsent);
    Py_CLEAR(self->spooled);
}

/* Types as PEP 3333 wants them, exactly; anything else is Python's to explain. */
static bool plain_call(const response *self, PyObject *const *arguments, Py_ssize_t count,
                       PyObject *keywords)
{
    if (keywords != NULL || count < 2 || count > 3 || (count == 3 && arguments[2] != Py_None))
        return false;
    if (self->status != NULL && self->status != Py_None)
        return false;
    if (!PyUnicode_CheckExact(arguments[0]) || !PyList_CheckExact(arguments[1]))
        return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(arguments[1]); i++)
        if (!PyTuple_CheckExact(PyList_GET_ITEM(arguments[1], i)))
            return false;
    return true;
}

static PyObject *start_response(PyObject *object, PyObject *const *arguments, Py_ssize_t count,
                                PyObject *keywords)
{
    response *self = (response *)object;
    if (!plain_call(self, arguments, count, keywords)) {
        PyObject *checked = PyObject_GetAttr(object, names.start_response_checked);
        if (checked == NULL)
            return NULL;
        PyObject *result = PyObject_Vectorcall(checked, arguments, (size_t)count, keywords);
        Py_DECREF(checked);
        return result;
    }
    PyObject *former = self->headers; /* what None in status leaves possible */
    Py_INCREF(arguments[0]);
    Py_INCREF(arguments[1]);
    Py_XSETREF(self->status, arguments[0]);
    self->headers = arguments[1];
    Py_XDECREF(former);
    if (self->write == NULL)
        return PyObject_GetAttr(object, names.write);
    Py_INCREF(self->write);
    return self->write;
}

static int response_traverse(PyObject *object, visitproc visit, void *arg)
{
    response *self = (response *)object;
    Py_VISIT(self->status);
    Py_VISIT(self->headers);
    Py_VISIT(self->unsent);
    Py_VISIT(self->spooled);
    Py_VISIT(self->write);
    return 0;
}

static int response_clear(PyObject *object)
{
    response *self = (response *)object;
    Py_CLEAR(self->status);
    Py_CLEAR(self->headers);
    Py_CLEAR(self->unsent);
    Py_CLEAR(self->spooled);
    Py_CLEAR(self->write);
    return 0;
}

static void response_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    (void)response_clear(object);
    Py_TYPE(object)->tp_free(object);
}

static PyMemberDef members[] = {
    {"connection", T_LONGLONG, offsetof(response, connection), 0, NULL},
    {"status", T_OBJECT, offsetof(response, status), 0, NULL},
    {"headers", T_OBJECT_EX, offsetof(response, headers), 0, NULL},
    {"unsent", T_OBJECT, offsetof(response, unsent), 0, NULL},
    {"spooled", T_OBJECT, offsetof(response, spooled), 0, NULL},
    {"begun", T_BOOL, offsetof(response, begun), 0, NULL},
    {"empty", T_BOOL, offsetof(response, empty), 0, NULL},
    {"full", T_BOOL, offsetof(response, full), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"start_response", (PyCFunction)(void (*)(void))start_response, METH_FASTCALL | METH_KEYWORDS,
     "start_response($self, status, headers, exc_info=None)\n--\n\n"
     "PEP 3333, \"The start_response() Callable\"."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject response_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "fapws._accelerator.ResponseBase",
    .tp_basicsize = sizeof(response),
    .tp_dealloc = response_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = response_traverse,
    .tp_clear = response_clear,
    .tp_methods = methods,
    .tp_members = members,
    .tp_new = PyType_GenericNew,
};
