/* accelerator.h -- the parts of fapws._accelerator, an optional extension for CPython.
 *
 * It does in C what fapws/wsgi/exchange.py does in Python, with the same results: environ dicts
 * straight from the core's batch, answers straight from the application's status and headers.
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

#include "../fapws.h"

/* accelerator.c */

/* Interned once: a str made for each call would cost more than the call. */
struct names {
    PyObject *request_uri, *start_response_checked, *write;
};
extern struct names names;

/* answer.c */

/* The C half of fapws.wsgi.answer.Answer: its attributes and the usual call of start_response. */
typedef struct {
    PyObject_HEAD long long connection;
    PyObject *status;  /* NULL or None: start_response was not called */
    PyObject *headers; /* NULL as long as status is */
    PyObject *unsent;
    PyObject *spooled;
    char begun, empty, full;
} answer;

extern PyTypeObject answer_type;

bool answer_started(const answer *self); /* and the head is not with the core yet */

/* exchange.c */

extern PyTypeObject exchange_type;

#endif
