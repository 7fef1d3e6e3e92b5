/* pieces.c -- responses that an iterable gives piece by piece.
 *
 * Most have one piece: its head and it are sent, the iterator is asked for another, has none, and close() is
 * called. Whatever else comes is handed over to fapws/wsgi/stream.py at the point reached; what
 * an application and its client see is the same.
 *
 * Never:  asks for a piece before the one before is with the kernel (PEP 3333), for a third one, or for
 *         any where write() has left something that goes first. */
#include "accelerator.h"

#include <time.h>

static bool is_none(const PyObject *value)
{
    return value == NULL || value == Py_None;
}

static int64_t send_unlocked(const exchange *self, int64_t connection, PyObject *piece)
{
    const char *at = PyBytes_AS_STRING(piece);
    size_t size = (size_t)PyBytes_GET_SIZE(piece);
    if (size < FW_UNLOCKED_MIN)
        return self->send(self->core, connection, at, size);
    int64_t rest;
    Py_BEGIN_ALLOW_THREADS rest = self->send(self->core, connection, at, size);
    Py_END_ALLOW_THREADS return rest;
}

/* ---- Whole responses of one piece -------------------------------------------------------------- */

/* Whether Python would see nothing but an iterable: no list by __class__, and nothing that the handler treats
 * apart. */
bool is_plain_iterable(const exchange *self, PyObject *result)
{
    PyTypeObject *type = Py_TYPE(result);
    const unsigned long apart = Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS |
                                Py_TPFLAGS_BYTES_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS;
    return (PyType_GetFlags(type) & apart) == 0 && type != self->files &&
           type->tp_getattro == PyObject_GenericGetAttr &&
           _PyType_Lookup(type, names.class_name) ==
               _PyType_Lookup(&PyBaseObject_Type, names.class_name);
}

typedef struct {
    exchange *exchange;
    PyObject *handler;
    request *asked;
    PyObject *pieces; /* the iterator; NULL: it has ended */
} iteration;

/* Python goes on from here. piece: one that was taken from the iterator and is not sent, or NULL. rest: what
 * the core said of it, NULL: it was not asked. */
static bool hand_over(const iteration *turn, PyObject *piece, PyObject *rest)
{
    const request *asked = turn->asked;
    PyObject *ahead = piece == NULL ? PyTuple_New(0) : PyTuple_Pack(1, piece);
    bool done = ahead != NULL &&
                handler_call(turn->handler, names.stream_on, asked->response, asked->result,
                             asked->environ, turn->pieces == NULL ? Py_None : turn->pieces, ahead,
                             rest == NULL ? Py_None : rest, NULL);
    Py_XDECREF(ahead);
    return done;
}

static bool hand_over_rest(const iteration *turn, PyObject *piece, int64_t code)
{
    PyObject *rest = PyLong_FromLongLong(code);
    bool done = rest != NULL && hand_over(turn, piece, rest);
    Py_XDECREF(rest);
    return done;
}

/* The next piece in *piece. NULL there: the iterator has ended, and is let go of. False: it raised. */
static bool ask_for(iteration *turn, PyObject **piece)
{
    *piece = PyIter_Next(turn->pieces);
    if (*piece != NULL)
        return true;
    if (PyErr_Occurred())
        return false;
    Py_CLEAR(turn->pieces);
    return true;
}

bool close_result(PyObject *handler, request *asked)
{
    if (!response_kept_nothing(asked->response))
        return handler_call(handler, names.close, asked->response, asked->result, NULL);
    asked->response->connection = -1;
    PyObject *close, *nothing = NULL;
    int found = FW_LOOK_UP(asked->result, names.close, &close);
    if (found > 0 && close != Py_None)
        nothing = PyObject_CallNoArgs(close);
    bool done = nothing != NULL || found == 0 || (found > 0 && close == Py_None);
    Py_XDECREF(close);
    Py_XDECREF(nothing);
    if (!done)
        asked->response = NULL;
    return done;
}

bool response_end(exchange *self, PyObject *handler, request *asked)
{
    int64_t notes = self->end(self->core, asked->response->connection);
    if (notes != 0) {
        PyObject *told = PyLong_FromLongLong(notes);
        bool done = told != NULL && handler_call(handler, names.ended, told, NULL);
        Py_XDECREF(told);
        if (!done)
            return false;
    }
    return close_result(handler, asked);
}

static bool end(iteration *turn)
{
    if (!is_none(turn->asked->response->unsent))
        return hand_over(turn, NULL, NULL);
    return response_end(turn->exchange, turn->handler, turn->asked);
}

bool response_begun(PyObject *handler, response *given, int64_t notes)
{
    given->begun = 1;
    given->empty = (notes & FW_NOTE_NO_CONTENT) != 0;
    if ((notes & ~(int64_t)FW_NOTE_NO_CONTENT) == 0)
        return true;
    PyObject *told = PyLong_FromLongLong(notes);
    bool done = told != NULL && handler_call(handler, names.tell_notes, told, NULL);
    Py_XDECREF(told);
    return done;
}

/* The head goes to the core; false as well if it was handed over, with *done saying how that went. */
static bool begin(const iteration *turn, PyObject *piece, bool *done)
{
    exchange *self = turn->exchange;
    response *given = turn->asked->response;
    char head[FW_HEAD_MAX];
    Py_ssize_t size =
        is_none(given->unsent) && !given->full && !given->empty ? join_head(head, given) : -1;
    if (size < 0) {
        *done = hand_over(turn, piece, NULL);
        return false;
    }
    int64_t notes =
        self->begin(self->core, given->connection, head, (size_t)size, head_fields(given));
    if (notes < 0) {
        *done = hand_over_rest(turn, piece, notes);
        return false;
    }
    *done = response_begun(turn->handler, given, notes);
    return *done;
}

/* From the first piece with something in it (NULL: there was none) to the end. */
static bool send_first(iteration *turn, PyObject *piece)
{
    bool done;
    if (!begin(turn, piece, &done))
        return done;
    response *given = turn->asked->response;
    if (piece == NULL || given->empty)
        return end(turn);
    int64_t rest = send_unlocked(turn->exchange, given->connection, piece);
    if (rest != 0)
        return hand_over_rest(turn, piece, rest);
    if (given->full || given->empty)
        return end(turn);
    PyObject *second;
    if (!ask_for(turn, &second))
        return false;
    if (second == NULL)
        return end(turn);
    done = hand_over(turn, second, NULL);
    Py_DECREF(second);
    return done;
}

static bool is_empty(PyObject *piece)
{
    return piece != NULL && PyBytes_CheckExact(piece) && PyBytes_GET_SIZE(piece) == 0;
}

static bool respond_in_turn(iteration *turn)
{
    PyObject *piece;
    if (turn->asked->response->begun || !is_none(turn->asked->response->unsent))
        return hand_over(turn, NULL, NULL); /* write() was called */
    if (!ask_for(turn, &piece))
        return false;
    if (is_empty(piece) && is_none(turn->asked->response->unsent)) {
        Py_DECREF(piece);
        if (!ask_for(turn, &piece))
            return false;
    }
    bool plain = piece == NULL || (PyBytes_CheckExact(piece) && PyBytes_GET_SIZE(piece) > 0);
    bool done = plain ? send_first(turn, piece) : hand_over(turn, piece, NULL);
    Py_XDECREF(piece);
    return done;
}

bool respond_pieces(exchange *self, PyObject *handler, request *asked)
{
    iteration turn = {self, handler, asked, PyObject_GetIter(asked->result)};
    if (turn.pieces == NULL)
        return false;
    bool done = respond_in_turn(&turn);
    Py_XDECREF(turn.pieces);
    return done;
}

/* ---- The pieces of a stream ---------------------------------------------------------------------- */

/* Takes over both references; rest is NULL when an error was raised already. */
static PyObject *pair_of(PyObject *piece, PyObject *rest)
{
    PyObject *pair = rest == NULL ? NULL : PyTuple_Pack(2, piece, rest);
    Py_DECREF(piece);
    Py_XDECREF(rest);
    return pair;
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec;
}

/* Python keeps content given to write(), which must go out before the iterator's. */
static bool is_plain_piece(const response *given, PyObject *piece)
{
    return PyBytes_CheckExact(piece) && PyBytes_GET_SIZE(piece) > 0 && !given->full &&
           is_none(given->unsent);
}

PyObject *exchange_send_pieces(PyObject *object, PyObject *arguments)
{
    exchange *self = (exchange *)object;
    response *given;
    PyObject *pieces;
    Py_ssize_t most, sent = 0;
    double seconds;
    if (!PyArg_ParseTuple(arguments, "O!Ond:send_pieces", &response_type, &given, &pieces, &most,
                          &seconds))
        return NULL;
    if (!PyIter_Check(pieces)) {
        PyErr_SetString(PyExc_TypeError, "send_pieces() takes an iterator");
        return NULL;
    }
    int64_t ends = now_ns() + (int64_t)(seconds * 1e9); /* seconds is below 0 after a pause */
    do {
        PyObject *piece = PyIter_Next(pieces);
        if (piece == NULL) {
            if (!PyErr_Occurred())
                PyErr_SetNone(PyExc_StopIteration);
            return NULL;
        }
        if (!is_plain_piece(given, piece)) {
            Py_INCREF(Py_None);
            return pair_of(piece, Py_None);
        }
        Py_ssize_t size = PyBytes_GET_SIZE(piece);
        int64_t rest = send_unlocked(self, given->connection, piece);
        if (rest != 0)
            return pair_of(piece, PyLong_FromLongLong(rest));
        Py_DECREF(piece);
        sent += size;
    } while (sent < most && now_ns() < ends);
    Py_RETURN_NONE;
}
