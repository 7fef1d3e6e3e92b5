/* content.c -- the content of a request from the core to a bytes object.
 *
 * Never:  copies it: the core receives straight into the object's memory, which pure Python cannot do. */
#include "accelerator.h"
#include "error.h"

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

/* Until *got bytes are size, or there are no more: the core's last word. */
static int64_t read_until_full(read_function *read, fw_worker *core, int64_t connection, char *room,
                               int64_t size, int64_t *got)
{
    int64_t came;
    do {
        came = read(core, connection, room + *got, (size_t)(size - *got));
        *got += came > 0 ? came : 0;
    } while (came > 0 && *got < size);
    return came;
}

PyObject *read_coming(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError,
                        "read_coming() takes a function, a core, a connection, a size");
        return NULL;
    }
    unsigned long long function = PyLong_AsUnsignedLongLong(arguments[0]);
    unsigned long long core = PyLong_AsUnsignedLongLong(arguments[1]);
    long long connection = PyLong_AsLongLong(arguments[2]);
    Py_ssize_t size = PyNumber_AsSsize_t(arguments[3], PyExc_OverflowError);
    PyObject *content = PyErr_Occurred() ? NULL : PyBytes_FromStringAndSize(NULL, size);
    if (content == NULL)
        return NULL;
    int64_t got = 0, came;
    do {
        Py_BEGIN_ALLOW_THREADS;
        came = read_until_full((read_function *)(uintptr_t)function, (fw_worker *)(uintptr_t)core,
                               connection, PyBytes_AS_STRING(content), size, &got);
        Py_END_ALLOW_THREADS;
    } while (came == FW_MORE && PyErr_CheckSignals() == 0);
    if (came < 0) {
        Py_DECREF(content);
        return came == FW_MORE ? NULL : PyLong_FromLongLong(came);
    }
    if (got < size)
        (void)_PyBytes_Resize(&content, (Py_ssize_t)got); /* NULL, and an exception, on failure */
    return content;
}
