/* accelerator.c -- the module fapws._accelerator: ResponseBase and Exchange. */
#include "accelerator.h"

struct names names;

static bool intern(PyObject **name, const char *text)
{
    *name = PyUnicode_InternFromString(text);
    return *name != NULL;
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

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fapws._accelerator",
    .m_doc = "What fapws.wsgi.exchange does, in C. See csrc/python/accelerator.h.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__accelerator(void);

PyMODINIT_FUNC PyInit__accelerator(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (intern(&names.request_uri, "REQUEST_URI") && intern(&names.write, "write") &&
        intern(&names.start_response_checked, "start_response_checked") &&
        add_type(module, "ResponseBase", &response_type) &&
        add_type(module, "Exchange", &exchange_type))
        return module;
    Py_DECREF(module);
    return NULL;
}
