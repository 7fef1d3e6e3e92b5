/* serve.c -- batch after batch, record after record: the application is called from here.
 *
 * Owns:   the request in hand, and the one that failed until take_failed().
 * Never:  handles an exception: it goes up to the loop in fapws/wsgi/serve.py, which asks take_failed() whose
 *         it is, so that a traceback begins there with and without the accelerator. */
#include "accelerator.h"

static bool tell_event(exchange *self, PyObject *handler, const int64_t record[FW_RECORD_WORDS])
{
    PyObject *kind = PyLong_FromLongLong(record[0]), *connection = PyLong_FromLongLong(record[1]),
             *fields = field_iterator(self, record[0]);
    bool told = kind != NULL && connection != NULL && fields != NULL &&
                handler_call(handler, names.event, kind, connection, fields, NULL);
    Py_XDECREF(kind);
    Py_XDECREF(connection);
    Py_XDECREF(fields);
    return told;
}

static PyObject *uncached_environ(exchange *self, PyObject *handler, int64_t number)
{
    PyObject *kind = PyLong_FromLongLong(number), *fields = field_iterator(self, number);
    PyObject *made = NULL;
    if (kind != NULL && fields != NULL)
        made = PyObject_CallMethodObjArgs(handler, names.uncached_environ, kind, fields, NULL);
    Py_XDECREF(kind);
    Py_XDECREF(fields);
    return made;
}

static bool take_content(PyObject *handler, const request *asked, int64_t bytes, long long place)
{
    PyObject *content = PyLong_FromLongLong(bytes), *at = PyLong_FromLongLong(place);
    bool taken = content != NULL && at != NULL &&
                 handler_call(handler, names.take_content, asked->environ, asked->response, content,
                              at, NULL);
    Py_XDECREF(content);
    Py_XDECREF(at);
    return taken;
}

static bool respond(exchange *self, PyObject *handler, request *asked)
{
    PyObject *result = asked->result;
    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return respond_whole(self, handler, asked);
    if (self->core != NULL && Py_TYPE(result) == self->files)
        return respond_file(self, handler, asked);
    if (self->core != NULL && is_plain_iterable(self, result))
        return respond_pieces(self, handler, asked);
    return handler_call(handler, names.respond_otherwise, asked->response, result, asked->environ,
                        NULL);
}

static void forget(const request *failed)
{
    Py_XDECREF(failed->response);
    Py_XDECREF(failed->environ);
    Py_XDECREF(failed->result);
}

void exchange_forget_failed(exchange *self)
{
    request failed = self->failed;
    self->failed = (request){NULL, NULL, NULL, false};
    forget(&failed);
}

static void remember_failed(exchange *self, const request *asked)
{
    request former = self->failed; /* of a call within a call */
    Py_XINCREF(asked->response);
    Py_XINCREF(asked->environ);
    Py_XINCREF(asked->result);
    self->failed = *asked;
    forget(&former);
}

static PyObject *or_none(PyObject *object)
{
    return object == NULL ? Py_None : object;
}

PyObject *exchange_take_failed(PyObject *object, PyObject *nothing)
{
    (void)nothing;
    exchange *self = (exchange *)object;
    if (self->failed.environ == NULL)
        Py_RETURN_NONE;
    PyObject *told = PyTuple_Pack(3, or_none((PyObject *)self->failed.response),
                                  or_none(self->failed.result), self->failed.environ);
    exchange_forget_failed(self);
    return told;
}

static bool ask_application(exchange *self, PyObject *application, PyObject *handler,
                            request *asked, PyObject *start)
{
    PyObject *given[] = {NULL, asked->environ, start};
    asked->result =
        PyObject_Vectorcall(application, given + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (asked->result != NULL && respond(self, handler, asked))
        return true;
    remember_failed(self, asked);
    return false;
}

static bool serve_request(exchange *self, PyObject *application, PyObject *handler,
                          const int64_t record[FW_RECORD_WORDS])
{
    request asked = {NULL, NULL, NULL, record[2] != 0};
    PyObject *start;
    if (!reuse_take(self, &asked.response, &start))
        return false;
    response *given = asked.response;
    given->connection = record[1];
    long long content_at = self->content_at;
    self->content_at += record[2] > 0 ? record[2] : 0;
    asked.environ =
        record[0] >= 0 ? environ_of(self, record[0]) : uncached_environ(self, handler, record[0]);
    bool done = asked.environ != NULL &&
                (record[2] == 0 || take_content(handler, &asked, record[2], content_at)) &&
                ask_application(self, application, handler, &asked, start);
    Py_XDECREF(asked.result);
    Py_XDECREF(asked.environ);
    reuse_give_back(self, given, start);
    return done;
}

/* All that is left of the batch. */
static bool serve(exchange *self, PyObject *application, PyObject *handler)
{
    while (self->left > 0) {
        const int64_t record[FW_RECORD_WORDS] = {self->next[0], self->next[1], self->next[2]};
        self->left--;
        self->next += FW_RECORD_WORDS;
        bool done = record[0] >= FW_REQUEST_RAW ? serve_request(self, application, handler, record)
                                                : tell_event(self, handler, record);
        if (!done)
            return false;
    }
    return true;
}

static int poll_unlocked(const exchange *self)
{
    int count;
    Py_BEGIN_ALLOW_THREADS count = self->poll(self->core, FOREVER);
    Py_END_ALLOW_THREADS return count;
}

PyObject *exchange_run(PyObject *object, PyObject *const *arguments, Py_ssize_t given)
{
    exchange *self = (exchange *)object;
    if (given != 3) {
        PyErr_SetString(PyExc_TypeError, "run() takes an application, a handler and a queue");
        return NULL;
    }
    exchange_forget_failed(self);
    int count = 0;
    while (count >= 0) {
        if (!serve(self, arguments[0], arguments[1]))
            return NULL;
        Py_ssize_t ready = PyObject_Size(arguments[2]);
        if (ready < 0 || PyErr_CheckSignals() < 0)
            return NULL;
        if (ready > 0 || self->wait != FOREVER)
            break;
        count = poll_unlocked(self);
        if (count >= 0 && !take_batch(self, count))
            return NULL;
    }
    return PyLong_FromLong(count < 0 ? count : 0);
}
