/* sys/pollset.h -- which descriptors are ready: the worker's connections, listeners and watches.
 * Owns:   the kernel's set (epoll, kqueue), or the uv_poll_t of each descriptor where there is none
 *         that we know, or with FW_PORTABLE, so that tests reach that way everywhere.
 * Never:  keeps pointers to what it watches: a token is looked up when its event comes, so that an
 *         event of something that ended earlier in the same turn finds nothing.
 *
 * libuv would need five system calls for a descriptor's first wait and three for a change of interest;
 * a set needs one. It is waited for directly, not through libuv, which is left with the timers: a set
 * inside libuv's own would cost a second call for each turn.
 * The BSDs and macOS have libuv's polling, which is proven there, until the kqueue file has run on one of
 * them: -DFW_KQUEUE chooses it.
 * Level-triggered: what was not read or sent is told again, so nothing about it must be remembered. */
#ifndef FAPWS_SYS_POLLSET_H
#define FAPWS_SYS_POLLSET_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#if defined(FW_PORTABLE)
#define FW_POLLSET_UV 1
#elif defined(__linux__)
#define FW_POLLSET_EPOLL 1
#elif defined(FW_KQUEUE) &&                                                                        \
    (defined(__OpenBSD__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__APPLE__)) && \
    UINTPTR_MAX > 0xffffffff /* a kevent carries a token in a pointer's bits */
#define FW_POLLSET_KQUEUE 1
#else
#define FW_POLLSET_UV 1
#endif

#define FW_POLL_READ 1u
#define FW_POLL_WRITE 2u
#define FW_POLL_ERROR 4u /* only told, never asked for */
#define FW_POLL_END                                                                                \
    8u /* likewise, with FW_POLL_READ: the other side sends no more. May be missing */

#define FW_POLL_ALONE                                                                              \
    16u /* asked for with FW_POLL_READ: of several sets that wait, one is told, where the system can */

#define FW_POLL_EVENTS 1024 /* taken from the kernel at once */
#define FW_POLL_ROUNDS 48   /* how often in one turn, as long as so many come */

/* What a set reports of an event: the token that the descriptor was added with, FW_POLL_... bits. */
typedef void fw_polled(void *owner, int64_t token, unsigned events);

typedef struct {
    uv_loop_t *loop;
    fw_polled *polled;
    void *owner;
    int fd;                    /* of epoll or kqueue; -1: none */
    int error;                 /* errno of a turn that could not wait; 0: none has failed */
    uint32_t members;          /* descriptors that are waited for */
    struct fw_uv_poll **by_fd; /* FW_POLLSET_UV only */
    uint32_t by_fd_size;
} fw_pollset;

int fw__pollset_new(
    fw_pollset *set); /* loop, polled, owner are given; 0, FW_EMEMORY or FW_ESYSTEM */
void fw__pollset_free(fw_pollset *set);

/* Waits for events with fd from now on, instead of before; 0: for none. Level-triggered; each goes to
 * set->polled() with the token, which must not change while events are waited for. 0 or FW_ESYSTEM:
 * nothing has changed. */
int fw__pollset_set(fw_pollset *set, int fd, int64_t token, unsigned before, unsigned events);
/* The same for a descriptor that is about to be closed. */
void fw__pollset_drop(fw_pollset *set, int fd, unsigned before);

/* Reports ready descriptors and runs the timers that are due; wait: until there is one of either.
 * False when there is nothing left that could ever happen. */
bool fw__pollset_turn(fw_pollset *set, bool wait);

/* timers.c. Whether libuv's own descriptor is open: it would abort() the process. */
bool fw__loop_works(const uv_loop_t *loop);
/* For sets that libuv does not wait for. */
int fw__timers_wait(uv_loop_t *loop); /* ms until the next one is due; -1: there is none */
/* Those that are due; whether there are others. loop->data is not NULL once libuv cannot run any more. */
bool fw__timers_run(uv_loop_t *loop);

#endif
