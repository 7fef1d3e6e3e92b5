/* records.c -- from the core's batch to environ dicts and fields.
 *
 * Owns:   the exchange's place in the batch, and what it knows of each shape.
 * Never:  calls the application.
 *
 * Browsers repeat most of their fields with every request. So the base of a shape keeps the values of
 * the request before; only those that differ are made anew, and one copy of the dict has all others. */
#include "accelerator.h"

#include <string.h>

#define REMEMBERED_MAX 256 /* bytes; a longer value is not kept for the next request of its shape */
#define TARGET 2           /* place of RAW_URI among the keys of a shape (fw_poll() in fapws.h) */
typedef struct {
    const char *at;
    size_t size;
} field; /* of the batch's text, without the line feed */

#define TAKEN (-1) /* in records[0], as Exchange.take() has it */

bool take_batch(exchange *self, long long records)
{
    if (self->records == NULL) {
        PyErr_SetString(PyExc_ValueError, "the core is freed");
        return false;
    }
    if (records < 0 || (unsigned long long)records > self->capacity) {
        PyErr_SetString(PyExc_ValueError, "no batch has so many records");
        return false;
    }
    self->count = self->left = records;
    self->content_at = 0;
    self->next = self->records + 1;
    self->at = self->text;
    if (self->records[0] >= 0) /* else it is taken once more */
        self->text_end = self->text + self->records[0];
    self->records[0] = TAKEN;
    return true;
}

PyObject *exchange_take(PyObject *object, PyObject *count)
{
    long long records = PyLong_AsLongLong(count);
    if (records == -1 && PyErr_Occurred())
        return NULL;
    if (!take_batch((exchange *)object, records))
        return NULL;
    Py_RETURN_NONE;
}

static field next_field(exchange *self)
{
    const char *start = self->at;
    const char *stop = memchr(start, '\n', (size_t)(self->text_end - start));
    if (stop == NULL)
        stop = self->text_end;
    self->at = stop < self->text_end ? stop + 1 : stop;
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
    case FW_FAULT: return 2;
    case FW_REQUEST:
    case FW_REQUEST_RAW: {
        /* METHOD:VERSION:LISTENER, then ":" NAME for each field, and five fields before theirs. */
        const char *stop = memchr(self->at, '\n', (size_t)(self->text_end - self->at));
        size_t colons = 0;
        for (const char *p = self->at; stop != NULL && p < stop; p++)
            colons += *p == ':';
        return 1 + 5 + colons - 2;
    }
    default: return 0;
    }
}

PyObject *field_iterator(exchange *self, int64_t kind)
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

void exchange_forget(known_shape *known)
{
    if (known->shape == NULL)
        return;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(known->keys); i++)
        Py_XDECREF(known->values[i]);
    PyMem_Free(known->values);
    Py_DECREF(known->shape);
    *known = (known_shape){NULL, NULL, NULL, NULL};
}

/* Goes on behind the next field if it is this value: values have no line feed, so that its place tells their
 * ends without a search. False: nothing is taken. */
static bool take_same(exchange *self, PyObject *value)
{
    if (value == NULL) /* others are of one byte a character: text_of() made them */
        return false;
    size_t size = (size_t)PyUnicode_GET_LENGTH(value);
    if ((size_t)(self->text_end - self->at) <= size || self->at[size] != '\n' ||
        memcmp(PyUnicode_1BYTE_DATA(value), self->at, size) != 0)
        return false;
    self->at += size + 1;
    return true;
}

/* What the exchange knows of a shape, made anew when the core has given its number to another one. */
static known_shape *known_of(exchange *self, int64_t kind)
{
    PyObject *shape = PyList_GetItem(self->shapes, (Py_ssize_t)kind); /* borrowed */
    if (shape == NULL || kind >= FW_SHAPES || !PyTuple_Check(shape) ||
        PyTuple_GET_SIZE(shape) != 2 || !PyDict_Check(PyTuple_GET_ITEM(shape, 0)) ||
        !PyTuple_Check(PyTuple_GET_ITEM(shape, 1))) {
        PyErr_Format(PyExc_SystemError, "the core named shape %lld before it told it",
                     (long long)kind);
        return NULL;
    }
    known_shape *known = &self->known[kind];
    if (known->shape == shape)
        return known;
    exchange_forget(known);
    PyObject *keys = PyTuple_GET_ITEM(shape, 1);
    known->values = PyMem_Calloc((size_t)PyTuple_GET_SIZE(keys) + 1, sizeof *known->values);
    if (known->values == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    Py_INCREF(shape);
    known->shape = shape;
    known->base = PyTuple_GET_ITEM(shape, 0);
    known->keys = keys;
    return known;
}

static bool set_value(PyObject *dict, const known_shape *known, Py_ssize_t place, PyObject *value)
{
    return value != NULL &&
           PyDict_SetItem(dict, PyTuple_GET_ITEM(known->keys, place), value) == 0 &&
           (place != TARGET || PyDict_SetItem(dict, names.request_uri, value) == 0);
}

/* Sets what differs from the request before. Values too long to be kept are left for later. */
static bool renew_base(exchange *self, known_shape *known, bool *long_values)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(known->keys); i++) {
        if (take_same(self, known->values[i]))
            continue;
        field text = next_field(self);
        if (text.size > REMEMBERED_MAX) {
            *long_values = true;
            continue;
        }
        PyObject *value = text_of(text);
        if (!set_value(known->base, known, i, value)) {
            Py_XDECREF(value);
            return false;
        }
        Py_XSETREF(known->values[i], value);
    }
    return true;
}

static bool set_long_values(exchange *self, PyObject *made, const known_shape *known)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(known->keys); i++) {
        field text = next_field(self);
        if (text.size <= REMEMBERED_MAX)
            continue;
        PyObject *value = text_of(text);
        bool set = set_value(made, known, i, value);
        Py_XDECREF(value);
        if (!set)
            return false;
    }
    return true;
}

PyObject *environ_of(exchange *self, int64_t kind)
{
    known_shape *known = known_of(self, kind);
    if (known == NULL)
        return NULL;
    const char *first = self->at;
    bool long_values = false;
    if (!renew_base(self, known, &long_values))
        return NULL;
    PyObject *made = PyDict_Copy(known->base);
    if (made == NULL || !long_values)
        return made;
    self->at = first;
    if (set_long_values(self, made, known))
        return made;
    Py_DECREF(made);
    return NULL;
}
