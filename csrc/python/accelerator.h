/* accelerator.h -- the parts of fapws._accelerator, an optional extension for CPython.
 *
 * It does in C what fapws/wsgi/exchange.py does in Python, with the same results: environ dicts
 * straight from the core's batch, responses straight from the application's status and headers.
 * The core is not linked in: what is needed of it comes as addresses. Where it is missing (PyPy,
 * a build without it, FAPWS_PURE=1) nothing but speed is lost.
 */
#ifndef FAPWS_ACCELERATOR_H
#define FAPWS_ACCELERATOR_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fapws.h"

/* accelerator.c */

/* Interned once: a str made for each call would cost more than the call. */
struct names {
    PyObject *request_uri, *start_response_checked, *write;
};
extern struct names names;

/* response.c */

/* The C half of fapws.wsgi.response.Response: its attributes and the usual call of start_response. */
typedef struct {
    PyObject ob_base; /* what PyObject_HEAD stands for */
    long long connection;
    PyObject *status;  /* NULL or None: start_response was not called */
    PyObject *headers; /* NULL as long as status is */
    PyObject *unsent;
    PyObject *spooled;
    char begun, empty, full;
} response;

extern PyTypeObject response_type;

bool response_started(const response *self); /* and the head is not with the core yet */

/* exchange.c */

typedef int64_t respond_function(fw_worker *, int64_t, const char *, size_t, size_t, const char *,
                                 size_t);
typedef int64_t send_function(fw_worker *, int64_t, const char *, size_t);
typedef int64_t head_function(fw_worker *, int64_t, const char **);
typedef int fd_function(fw_worker *, int64_t);

typedef struct {
    PyObject *shape;   /* (base, keys); NULL: nothing is known */
    PyObject *base;    /* borrowed from shape: a dict with the values of the request before */
    PyObject *keys;    /* borrowed from shape */
    PyObject **values; /* the same values by place, which saves looking them up; some may be NULL */
} known_shape;

typedef struct {
    PyObject ob_base;
    PyTypeObject *responses; /* what is made for each request: a subclass of ResponseBase */
    PyObject *shapes;        /* list of (base, keys) or None, by number */
    int64_t *records;
    unsigned long long capacity; /* records of the largest batch */
    const char *text;
    fw_worker *core;
    respond_function *respond;
    send_function *send;
    head_function *request_head;
    fd_function *connection_fd;
    long long count;     /* records of the batch */
    long long left;      /* of them, still to come */
    const int64_t *next; /* the next of them */
    const char *at;      /* the next field */
    const char *end;
    known_shape known[FW_SHAPES];
    PyObject *row; /* the tuple given out last; used again once no other reference is left */
} exchange;

extern PyTypeObject exchange_type;

/* records.c */

PyObject *exchange_take(PyObject *object, PyObject *count);
PyObject *exchange_next(PyObject *object);
void exchange_forget(known_shape *known);

/* respond.c */

PyObject *exchange_respond(PyObject *object, PyObject *const *arguments, Py_ssize_t count);
PyObject *exchange_send_pieces(PyObject *object, PyObject *arguments);
PyObject *exchange_original_request(PyObject *object, PyObject *given);

#endif
