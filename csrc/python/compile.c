/* compile.c -- the code of a script.
 *
 * Python's compile() first makes the types of all nodes of a syntax tree, in case it is given one: half a megabyte
 * that each worker would keep, and some ms of its start. */
#include "accelerator.h"

PyObject *compile_script(PyObject *module, PyObject *arguments)
{
    (void)module;
    const char *source;
    PyObject *path;
    if (!PyArg_ParseTuple(arguments, "yU:compile_script", &source, &path))
        return NULL;
    if (PySys_Audit("compile", "yO", source, path) < 0)
        return NULL;
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    flags.cf_flags = PyCF_SOURCE_IS_UTF8; /* as compile() has it: a coding line still counts */
    return Py_CompileStringObject(source, path, Py_file_input, &flags, -1);
}
