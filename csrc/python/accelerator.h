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

#define FOREVER (-1)          /* ms; as in fapws/wsgi/exchange.py */
#define FW_UNLOCKED_MIN 65536 /* bytes of content from which other threads may run meanwhile */

/* getattr() without an exception for what is not there: 1, 0 or -1. */
#if PY_VERSION_HEX >= 0x030d0000
#define FW_LOOK_UP PyObject_GetOptionalAttr
#else
#define FW_LOOK_UP _PyObject_LookupAttr
#endif

/* accelerator.c */

/* Interned once: a str made for each call would cost more than the call. */
struct names {
    PyObject *request_uri, *start_response, *start_response_checked, *write, *close, *class_name,
        *file, *fileno, *tell;
    /* Methods of Handler in fapws/wsgi/handler.py. */
    PyObject *event, *uncached_environ, *take_content, *respond_otherwise, *after_respond,
        *stream_on, *tell_notes, *ended;
};
extern struct names names;

/* A method of the handler, called for what it does; up to five arguments, NULL ends them. False: it raised. */
bool handler_call(PyObject *handler, PyObject *name, ...);

/* response.c */

/* The C half of fapws.wsgi.response.Response: its attributes and the usual call of start_response. */
typedef struct {
    PyObject ob_base; /* what PyObject_HEAD stands for */
    long long connection;
    PyObject *status;  /* NULL or None: start_response was not called */
    PyObject *headers; /* NULL as long as status is */
    PyObject *unsent;
    PyObject *spooled;
    PyObject
        *write; /* NULL, or its bound method, made before; only while its application is called */
    char begun, empty, full;
} response;

extern PyTypeObject response_type;

bool response_started(const response *self); /* and the head is not with the core yet */
bool response_kept_nothing(
    const response *self); /* nothing that write() or the content left waits */
void response_reset(response *self);

/* exchange.c */

typedef int poll_function(fw_worker *, int);
typedef int64_t respond_function(fw_worker *, int64_t, const char *, size_t, size_t, const char *,
                                 size_t);
typedef int64_t begin_function(fw_worker *, int64_t, const char *, size_t, size_t);
typedef int64_t send_function(fw_worker *, int64_t, const char *, size_t);
typedef int64_t end_function(fw_worker *, int64_t);
typedef int64_t head_function(fw_worker *, int64_t, const char **);
typedef int64_t begin_sized_function(fw_worker *, int64_t, const char *, size_t, size_t, uint64_t);
typedef int64_t send_file_function(fw_worker *, int64_t, int, int64_t, uint64_t);
typedef int64_t respond_file_function(fw_worker *, int64_t, const char *, size_t, size_t, int,
                                      int64_t, size_t);
typedef int fd_function(fw_worker *, int64_t);

typedef struct {
    PyObject *shape;   /* (base, keys); NULL: nothing is known */
    PyObject *base;    /* borrowed from shape: a dict with the values of the request before */
    PyObject *keys;    /* borrowed from shape */
    PyObject **values; /* the same values by place, which saves looking them up; some may be NULL */
} known_shape;

/* What the next request takes over from the one before, if nobody else holds it; or NULL. */
typedef struct {
    response *response;
    PyObject *start; /* its start_response, bound */
    PyObject *write;
} reusable;

/* A request in hand. */
typedef struct {
    response *response; /* NULL in a failed one whose response is out: its close() failed */
    PyObject *environ;
    PyObject *result; /* of the application; NULL before */
    bool has_content;
} request;

typedef struct {
    PyObject ob_base;
    PyTypeObject *responses; /* what is made for each request: a subclass of ResponseBase */
    PyTypeObject *files;     /* FileWrapper */
    PyObject *shapes;        /* list of (base, keys) or None, by number */
    int64_t *records;
    unsigned long long capacity; /* records of the largest batch */
    const char *text;
    fw_worker *core;
    poll_function *poll;
    respond_function *respond;
    begin_function *begin;
    send_function *send;
    end_function *end;
    head_function *request_head;
    fd_function *connection_fd;
    begin_sized_function *begin_sized;
    send_file_function *send_file;
    respond_file_function *respond_file;
    int wait;             /* ms for the next poll; FOREVER: nobody wants to be asked before it */
    long long content_at; /* where the content of the next request begins */
    long long count;      /* records of the batch */
    long long left;       /* of them, still to come */
    const int64_t *next;  /* the next of them */
    const char *at;       /* the next field */
    const char *text_end;
    known_shape known[FW_SHAPES];
    reusable spare;
    request failed; /* the one that raised what run() has raised; empty: it was no request */
} exchange;

extern PyTypeObject exchange_type;

/* serve.c */

PyObject *exchange_run(PyObject *object, PyObject *const *arguments, Py_ssize_t count);
PyObject *exchange_take_failed(PyObject *object, PyObject *nothing);
void exchange_forget_failed(exchange *self);

/* reuse.c */

bool reuse_take(exchange *self, response **taken, PyObject **start);
void reuse_give_back(exchange *self, response *taken, PyObject *start);
void reuse_drop(reusable *spare);

/* records.c */

PyObject *exchange_take(PyObject *object, PyObject *count);
bool take_batch(exchange *self, long long records);     /* false: it raised */
PyObject *environ_of(exchange *self, int64_t kind);     /* of a request of a known shape */
PyObject *field_iterator(exchange *self, int64_t kind); /* over any other record's fields */
void exchange_forget(known_shape *known);

/* content.c */

/* read_content(fw_read_content, core, connection, size): bytes, or None when there are not so many. */
PyObject *read_content(PyObject *module, PyObject *arguments);
/* read_coming(function, core, connection, size): bytes, waited for; fewer where the content ends. Or the core's
 * code, an int. */
PyObject *read_coming(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* compile.c */

/* compile_script(source, path): the code of a script, bytes without a null byte, as compile() makes it. */
PyObject *compile_script(PyObject *module, PyObject *arguments);

/* respond.c */

#define FW_HEAD_MAX 4096 /* bytes; a larger head is joined in Python */

/* All of them are done when they return true, and raised something when they return false. */
bool respond_whole(exchange *self, PyObject *handler, const request *asked); /* a list or tuple */
Py_ssize_t join_head(char head[FW_HEAD_MAX], const response *given);
size_t head_fields(const response *given);

/* files.c */

bool respond_file(exchange *self, PyObject *handler, request *asked); /* a FileWrapper */

/* pieces.c */

/* begin() or begin_sized() has returned notes: false if telling them raised something. */
bool response_begun(PyObject *handler, response *given, int64_t notes);
/* The content has ended: what is owed is the core's end, and close(). */
bool response_end(exchange *self, PyObject *handler, request *asked);
/* close() of the application's object. What it raises fails no response: that one is out. */
bool close_result(PyObject *handler, request *asked);

bool is_plain_iterable(const exchange *self, PyObject *result);
bool respond_pieces(exchange *self, PyObject *handler, request *asked);
PyObject *exchange_send_pieces(PyObject *object, PyObject *arguments);

/* ask.c */

PyObject *exchange_original_request(PyObject *object, PyObject *given);

#endif
