/* floor.c -- the least that a server in CPython can cost: what `fapws : floor` is measured against.
 * Owns:   one epoll set, one buffer; no connection has any state.
 * Called: apps/run.py, as bench_floor.serve(application, port, backlog), on the only thread.
 * Never:  reads more of a request than its end, waits to write, or checks anything. It is no server:
 *         a request that comes in two pieces, or a response that does not fit, ends the program.
 *
 * It accepts, receives, calls the application with a copy of one environment and a start_response
 * made in C, sends one response for each request. Whatever a real server does beyond that is above.
 */
#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE
#include <Python.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, ROOM = 65536 };

static PyObject *application, *environment, *start_response, *status, *headers;
static char incoming[ROOM], outgoing[ROOM];

static PyObject *on_start_response(PyObject *self, PyObject *const *given, Py_ssize_t count)
{
    (void)self;
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "start_response(status, headers)");
        return NULL;
    }
    Py_INCREF(given[0]);
    Py_INCREF(given[1]);
    Py_XDECREF(status);
    Py_XDECREF(headers);
    status = given[0];
    headers = given[1];
    Py_RETURN_NONE;
}

static PyMethodDef start_method = {"start_response", (PyCFunction)(void *)on_start_response, METH_FASTCALL, NULL};

static size_t add(size_t at, const char *bytes, Py_ssize_t n)
{
    if (at + (size_t)n >= ROOM)
        Py_FatalError("floor: the response does not fit");
    memcpy(outgoing + at, bytes, (size_t)n);
    return at + (size_t)n;
}

static size_t add_text(size_t at, PyObject *text)
{
    Py_ssize_t n = 0;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &n);
    return bytes ? add(at, bytes, n) : at;
}

static size_t add_head(void)
{
    size_t at = add(0, "HTTP/1.1 ", 9);
    at = add_text(at, status);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); i++) {
        PyObject *pair = PyList_GET_ITEM(headers, i);
        at = add(at, "\r\n", 2);
        at = add_text(at, PyTuple_GET_ITEM(pair, 0));
        at = add(at, ": ", 2);
        at = add_text(at, PyTuple_GET_ITEM(pair, 1));
    }
    return add(at, "\r\n\r\n", 4);
}

/* Returns the length of the response in outgoing, 0 with an exception. Its application gives a list. */
static size_t respond(void)
{
    PyObject *copy = PyDict_Copy(environment);
    PyObject *given[] = {copy, start_response};
    PyObject *pieces = copy ? PyObject_Vectorcall(application, given, 2, NULL) : NULL;
    size_t at = 0;
    if (pieces && PyList_Check(pieces) && headers) {
        at = add_head();
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pieces); i++) {
            PyObject *piece = PyList_GET_ITEM(pieces, i);
            at = add(at, PyBytes_AsString(piece), PyBytes_Size(piece));
        }
    } else if (pieces)
        PyErr_SetString(PyExc_TypeError, "floor: a list is needed");
    Py_XDECREF(pieces);
    Py_XDECREF(copy);
    return at;
}

/* Returns 0 when an exception is set. */
static int on_readable(int fd)
{
    ssize_t n = recv(fd, incoming, ROOM, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            close(fd);
        return 1;
    }
    if (n < 4 || memcmp(incoming + n - 4, "\r\n\r\n", 4))
        Py_FatalError("floor: a request in pieces");
    size_t length = respond();
    if (length && send(fd, outgoing, length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        close(fd);
    return length > 0;
}

static void on_client(int set, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
}

static int listen_at(int port, int backlog)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, backlog))
        return -1;
    return fd;
}

static PyObject *serve(PyObject *self, PyObject *args)
{
    int port, backlog, set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS];
    (void)self;
    if (!PyArg_ParseTuple(args, "Oii", &application, &port, &backlog))
        return NULL;
    int listener = listen_at(port, backlog);
    environment = Py_BuildValue("{s:s,s:s,s:s,s:s,s:s,s:s}", "REQUEST_METHOD", "GET", "PATH_INFO", "/", "QUERY_STRING",
        "", "SERVER_NAME", "127.0.0.1", "SERVER_PROTOCOL", "HTTP/1.1", "HTTP_HOST", "127.0.0.1");
    start_response = PyCFunction_New(&start_method, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (listener < 0 || !environment || !start_response || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event))
        return PyErr_SetFromErrno(PyExc_OSError);
    for (;;) {
        int n;
        Py_BEGIN_ALLOW_THREADS
        n = epoll_wait(set, events, EVENTS, -1);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals())
            return NULL;
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                on_client(set, listener);
            else if (!on_readable(events[i].data.fd))
                return NULL;
        }
    }
}

static PyMethodDef methods[] = {{"serve", serve, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "bench_floor", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_bench_floor(void) { return PyModule_Create(&module); }
