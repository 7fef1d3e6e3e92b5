/* reuse.c -- a response and its two bound methods, used again for the next request.
 *
 * Owns:   the exchange's spare.
 * Never:  gives away what anybody else still holds: a reference too many, or a weak one, and all three are let
 *         go of. Who keeps a start_response keeps the response of its own request.
 *
 * The methods hold the response, and while its application is called it holds write(): reuse_give_back()
 * undoes this circle, so that nothing waits for the collector. */
#include "accelerator.h"

static bool alone(PyObject *object, Py_ssize_t references)
{
    return object == NULL || Py_REFCNT(object) == references;
}

static bool nobody_holds(const reusable *spare)
{
    const PyCFunctionObject *start = (const PyCFunctionObject *)spare->start;
    const PyMethodObject *write = (const PyMethodObject *)spare->write;
    Py_ssize_t methods = 1 + (write != NULL);
    return PyCFunction_CheckExact(spare->start) && start->m_weakreflist == NULL &&
           (write == NULL || (PyMethod_Check(spare->write) && write->im_weakreflist == NULL)) &&
           alone(spare->start, 1) && alone(spare->write, 1) &&
           alone((PyObject *)spare->response, 1 + methods);
}

void reuse_drop(reusable *spare)
{
    Py_CLEAR(spare->write);
    Py_CLEAR(spare->start);
    Py_CLEAR(spare->response);
}

/* A response with its start_response; both are the caller's until reuse_give_back(). */
bool reuse_take(exchange *self, response **taken, PyObject **start)
{
    response *made = self->spare.response;
    if (made != NULL) {
        *start = self->spare.start;
        made->write = self->spare.write;
        self->spare = (reusable){NULL, NULL, NULL};
        *taken = made;
        return true;
    }
    made = (response *)self->responses->tp_alloc(self->responses, 0);
    if (made == NULL)
        return false;
    *start = PyObject_GetAttr((PyObject *)made, names.start_response);
    made->write = *start == NULL ? NULL : PyObject_GetAttr((PyObject *)made, names.write);
    if (made->write != NULL) {
        *taken = made;
        return true;
    }
    Py_CLEAR(*start);
    Py_DECREF(made);
    return false;
}

void reuse_give_back(exchange *self, response *taken, PyObject *start)
{
    reusable spare = {taken, start, taken->write};
    taken->write = NULL;
    if (self->spare.response != NULL || !nobody_holds(&spare)) {
        reuse_drop(&spare);
        return;
    }
    response_reset(taken); /* may run code of the application's: it finds nothing spare */
    if (self->spare.response != NULL)
        reuse_drop(&spare);
    else
        self->spare = spare;
}
