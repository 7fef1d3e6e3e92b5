/* response.c -- the C half of fapws.wsgi.answer.Answer.
 *
 * Owns:   the attributes of an answer; a plain call of start_response ends here.
 * Called: by the application, and by Python code through the attributes.
 * Never:  judges a call that is not plain: start_response_checked() of the subclass does, in Python.
 *
 * The cycle collector knows answers: headers may be a list of a class whose instances know start_response.
 */
#include "accelerator.h"

#include <structmember.h>

bool answer_started(const answer *self)
{
    return self->status != NULL && self->status != Py_None && !self->begun;
}

/* Types as PEP 3333 wants them, exactly; anything else is Python's to explain. */
static bool plain_call(const answer *self, PyObject *const *arguments, Py_ssize_t count,
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
    answer *self = (answer *)object;
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
    return PyObject_GetAttr(object, names.write);
}

static int answer_traverse(PyObject *object, visitproc visit, void *arg)
{
    answer *self = (answer *)object;
    Py_VISIT(self->status);
    Py_VISIT(self->headers);
    Py_VISIT(self->unsent);
    Py_VISIT(self->spooled);
    return 0;
}

static int answer_clear(PyObject *object)
{
    answer *self = (answer *)object;
    Py_CLEAR(self->status);
    Py_CLEAR(self->headers);
    Py_CLEAR(self->unsent);
    Py_CLEAR(self->spooled);
    return 0;
}

static void answer_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    (void)answer_clear(object);
    Py_TYPE(object)->tp_free(object);
}

static PyMemberDef members[] = {
    {"connection", T_LONGLONG, offsetof(answer, connection), 0, NULL},
    {"status", T_OBJECT, offsetof(answer, status), 0, NULL},
    {"headers", T_OBJECT_EX, offsetof(answer, headers), 0, NULL},
    {"unsent", T_OBJECT, offsetof(answer, unsent), 0, NULL},
    {"spooled", T_OBJECT, offsetof(answer, spooled), 0, NULL},
    {"begun", T_BOOL, offsetof(answer, begun), 0, NULL},
    {"empty", T_BOOL, offsetof(answer, empty), 0, NULL},
    {"full", T_BOOL, offsetof(answer, full), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"start_response", (PyCFunction)(void (*)(void))start_response, METH_FASTCALL | METH_KEYWORDS,
     "start_response($self, status, headers, exc_info=None)\n--\n\n"
     "PEP 3333, \"The start_response() Callable\"."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject answer_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "fapws._accelerator.AnswerBase",
    .tp_basicsize = sizeof(answer),
    .tp_dealloc = answer_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = answer_traverse,
    .tp_clear = answer_clear,
    .tp_methods = methods,
    .tp_members = members,
    .tp_new = PyType_GenericNew,
};
