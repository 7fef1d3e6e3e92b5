/* content.c -- the content of a request from the core to a bytes object.
 *
 * Never:  copies it: the core receives straight into the object's memory, which PureExchange cannot do. */
#include "accelerator.h"

typedef int64_t read_function(fw_worker *, int64_t, char *, size_t);

PyObject *read_content(PyObject *module, PyObject *arguments)
{
    (void)module;
    unsigned long long function, core;
    long long connection;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(arguments, "KKLn:read_content", &function, &core, &connection, &size))
        return NULL;
    PyObject *content = PyBytes_FromStringAndSize(NULL, size);
    if (content == NULL)
        return NULL;
    read_function *read = (read_function *)(uintptr_t)function;
    int64_t got;
    Py_BEGIN_ALLOW_THREADS;
    got = read((fw_worker *)(uintptr_t)core, connection, PyBytes_AS_STRING(content), (size_t)size);
    Py_END_ALLOW_THREADS;
    if (got == size)
        return content;
    Py_DECREF(content);
    Py_RETURN_NONE;
}
