/* accelerator.c -- the module fapws._accelerator: ResponseBase and Exchange. */
#include "accelerator.h"

#include <stdarg.h>

#define HANDLER_ARGUMENTS 6

struct names names;

static bool intern(PyObject **name, const char *text)
{
    *name = PyUnicode_InternFromString(text);
    return *name != NULL;
}

static bool intern_names(void)
{
    const struct {
        PyObject **name;
        const char *text;
    } all[] = {
        {&names.request_uri, "REQUEST_URI"},
        {&names.start_response, "start_response"},
        {&names.start_response_checked, "start_response_checked"},
        {&names.write, "write"},
        {&names.close, "close"},
        {&names.class_name, "__class__"},
        {&names.file, "file"},
        {&names.fileno, "fileno"},
        {&names.tell, "tell"},
        {&names.event, "event"},
        {&names.uncached_environ, "uncached_environ"},
        {&names.take_content, "take_content"},
        {&names.respond_otherwise, "respond_otherwise"},
        {&names.after_respond, "after_respond"},
        {&names.stream_on, "stream_on"},
        {&names.tell_notes, "tell_notes"},
        {&names.ended, "ended"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!intern(all[i].name, all[i].text))
            return false;
    return true;
}

bool handler_call(PyObject *handler, PyObject *name, ...)
{
    PyObject *given[1 + HANDLER_ARGUMENTS] = {handler}, *next;
    size_t count = 1;
    va_list more;
    va_start(more, name);
    while (count <= HANDLER_ARGUMENTS && (next = va_arg(more, PyObject *)) != NULL)
        given[count++] = next;
    va_end(more);
    PyObject *nothing = PyObject_VectorcallMethod(name, given, count, NULL);
    Py_XDECREF(nothing);
    return nothing != NULL;
}

static bool add_type(PyObject *module, const char *name, PyTypeObject *type)
{
    if (PyType_Ready(type) < 0)
        return false;
    Py_INCREF(type);
    if (PyModule_AddObject(module, name, (PyObject *)type) == 0)
        return true;
    Py_DECREF(type);
    return false;
}

static PyMethodDef functions[] = {
    {"read_content", read_content, METH_VARARGS,
     "read_content(function, core, connection, size): bytes, or None. See make_content_reader()."},
    {"read_coming", (PyCFunction)(void (*)(void))read_coming, METH_FASTCALL,
     "read_coming(function, core, connection, size): bytes, or a code. See coming_input.py."},
    {"compile_script", compile_script, METH_VARARGS,
     "compile_script(source, path): what compile() makes of it. See fapws/worker/loader.py."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fapws._accelerator",
    .m_doc = "What fapws.wsgi.exchange does, in C. See csrc/python/accelerator.h.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__accelerator(void);

PyMODINIT_FUNC PyInit__accelerator(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
#ifdef Py_GIL_DISABLED
    /* Its objects trust in the lock. setup.py leaves it out of such builds, so that nothing turns the lock on. */
    PyUnstable_Module_SetGIL(module, Py_MOD_GIL_USED);
#endif
    if (intern_names() && add_type(module, "ResponseBase", &response_type) &&
        add_type(module, "Exchange", &exchange_type))
        return module;
    Py_DECREF(module);
    return NULL;
}
