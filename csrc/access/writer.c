/* access/writer.c -- see writer.h. What both threads touch is under lock; block[1 - filling] belongs to
 * the writing thread alone while busy. */
#include "access/writer.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#define STACK_SIZE (128u * 1024u) /* bytes; the thread calls nothing but the system */
#define DATAGRAM_LEAST 256        /* bytes; what takes less is no log */
#define HALF (FW_LOG_BLOCK / 2)
#define NS_PER_MS 1000000u

struct fw_log_writer {
    uv_mutex_t lock;
    uv_cond_t wake; /* for the thread: something to do */
    uv_cond_t done; /* for flush: all is written */
    uv_thread_t thread;
    char *block[2];
    size_t size[2];     /* of the blocks: FW_LOG_BLOCK, and more while many lines come at once */
    int filling;        /* which one takes lines */
    size_t filled;      /* bytes in it */
    uint64_t first;     /* uv_hrtime() of the first line in it */
    bool busy;          /* the thread writes the other one */
    bool hurry;         /* another thread waits: do not wait for more lines */
    bool stop;          /* the thread is to end */
    int fd;             /* the thread's */
    int next_fd;        /* to be taken over; -1: none */
    bool torn;          /* the last write ended inside a line */
    uint64_t lost;      /* lines, since the last that could be written */
    uint64_t recovered; /* lines lost before writing worked again, not reported yet */
    /* recovered is not 0: asked at every poll, without the lock. An int, because a number of 64 bits that
     * is atomic needs a library on some 32-bit systems. */
    atomic_int has_news;
};

static uint64_t count_lines(const char *bytes, size_t len)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += bytes[i] == '\n';
    return lines;
}

/* ---- The thread --------------------------------------------------------------------------------- */

static bool write_whole(fw_log_writer *writer, const char *bytes, size_t *len)
{
    size_t left = *len;
    while (left) {
        ssize_t written = write(writer->fd, bytes, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        bytes += written;
        left -= (size_t)written;
        writer->torn = bytes[-1] != '\n';
    }
    *len = left;
    return left == 0;
}

/* Lines that could not be written. */
static uint64_t write_stream(fw_log_writer *writer, const char *bytes, size_t len)
{
    size_t one = 1;
    if (writer->torn && !write_whole(writer, "\n", &one))
        return count_lines(bytes, len);
    size_t left = len;
    if (write_whole(writer, bytes, &left))
        return 0;
    return count_lines(bytes + len - left, left);
}

/* A line too long for a datagram is cut, and gets the mark of a value that was cut. */
static bool send_line(int fd, const char *line, size_t len)
{
    static char mark[] = "\\...";
    struct iovec pieces[2] = {{(void *)(uintptr_t)line, len}, {mark, sizeof mark - 1}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 1};
    while (sendmsg(fd, &message, 0) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EMSGSIZE || pieces[0].iov_len <= DATAGRAM_LEAST)
            return false;
        pieces[0].iov_len /= 2;
        message.msg_iovlen = 2;
    }
    return true;
}

static uint64_t write_datagrams(fw_log_writer *writer, const char *bytes, size_t len)
{
    uint64_t lost = 0;
    while (len) {
        const char *stop = memchr(bytes, '\n', len);
        size_t size = stop ? (size_t)(stop - bytes) : len;
        lost += !send_line(writer->fd, bytes, size);
        size_t used = stop ? size + 1 : size;
        bytes += used;
        len -= used;
    }
    return lost;
}

static uint64_t write_block(fw_log_writer *writer, const char *bytes, size_t len)
{
    int kind = 0;
    socklen_t size = sizeof kind;
    if (getsockopt(writer->fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_DGRAM)
        return write_datagrams(writer, bytes, len);
    return write_stream(writer, bytes, len);
}

/* Until a good part of the block is full, or its first line has waited long enough. */
static void wait_for_more(fw_log_writer *writer)
{
    uint64_t until = writer->first + (uint64_t)FW_LOG_WAIT_MS * NS_PER_MS;
    while (writer->filled < HALF && !writer->hurry && !writer->stop) {
        uint64_t now = uv_hrtime();
        if (now >= until)
            break;
        uv_cond_timedwait(&writer->wake, &writer->lock, until - now);
    }
}

static void take_over(fw_log_writer *writer)
{
    int old = writer->fd;
    writer->fd = writer->next_fd;
    writer->next_fd = -1;
    writer->torn = false;
    close(old);
}

/* Shrinks blocks that grew while lines came faster than they could be written. */
static void give_back(fw_log_writer *writer, int which)
{
    char *less = NULL;
    if (writer->size[which] > FW_LOG_BLOCK)
        less = realloc(writer->block[which], FW_LOG_BLOCK);
    if (!less)
        return;
    writer->block[which] = less;
    writer->size[which] = FW_LOG_BLOCK;
}

static void write_one(fw_log_writer *writer)
{
    const char *bytes = writer->block[writer->filling];
    size_t len = writer->filled;
    writer->filling = 1 - writer->filling;
    writer->filled = 0;
    writer->busy = true;
    uv_mutex_unlock(&writer->lock);
    uint64_t lost = write_block(writer, bytes, len);
    uv_mutex_lock(&writer->lock);
    writer->busy = false;
    give_back(writer, 1 - writer->filling);
    if (lost == 0 && writer->lost) {
        writer->recovered += writer->lost;
        writer->lost = 0;
        atomic_store_explicit(&writer->has_news, 1, memory_order_relaxed);
    }
    writer->lost += lost;
}

static void run_thread(void *data)
{
    fw_log_writer *writer = data;
    uv_mutex_lock(&writer->lock);
    for (;;) {
        while (writer->filled == 0 && writer->next_fd < 0 && !writer->stop)
            uv_cond_wait(&writer->wake, &writer->lock);
        if (writer->filled)
            wait_for_more(writer);
        if (writer->next_fd >= 0)
            take_over(writer);
        if (writer->filled)
            write_one(writer);
        if (writer->filled == 0)
            uv_cond_signal(&writer->done);
        if (writer->stop && writer->filled == 0)
            break;
    }
    uv_mutex_unlock(&writer->lock);
}

/* Signals are for the worker's own thread, which Python watches. */
static int start_thread(fw_log_writer *writer)
{
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK_SIZE};
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int code = uv_thread_create_ex(&writer->thread, &options, run_thread, writer);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return code;
}

/* ---- The worker's side ------------------------------------------------------------------------------ */

static void free_memory(fw_log_writer *writer)
{
    uv_cond_destroy(&writer->wake);
    uv_cond_destroy(&writer->done);
    uv_mutex_destroy(&writer->lock);
    free(writer->block[0]);
    free(writer->block[1]);
    free(writer);
}

fw_log_writer *fw_log_writer_new(int fd)
{
    fw_log_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    writer->fd = fd;
    writer->next_fd = -1;
    writer->block[0] = malloc(FW_LOG_BLOCK);
    writer->block[1] = malloc(FW_LOG_BLOCK);
    writer->size[0] = writer->size[1] = FW_LOG_BLOCK;
    if (uv_mutex_init(&writer->lock) || uv_cond_init(&writer->wake) ||
        uv_cond_init(&writer->done)) {
        free(writer->block[0]);
        free(writer->block[1]);
        free(writer);
        return NULL;
    }
    if (!writer->block[0] || !writer->block[1] || start_thread(writer)) {
        free_memory(writer);
        return NULL;
    }
    return writer;
}

void fw_log_writer_renew(fw_log_writer *writer, int fd)
{
    uv_mutex_lock(&writer->lock);
    if (writer->next_fd >= 0)
        close(writer->next_fd);
    writer->next_fd = fd;
    uv_cond_signal(&writer->wake);
    uv_mutex_unlock(&writer->lock);
}

/* Makes room for len more bytes in the block that is being filled; false: there is none. */
static bool make_room(fw_log_writer *writer, size_t len)
{
    size_t need = writer->filled + len, size = writer->size[writer->filling];
    if (need <= size)
        return true;
    while (size < need && size < FW_LOG_MOST)
        size *= 2;
    char *more = size < need ? NULL : realloc(writer->block[writer->filling], size);
    if (!more)
        return false;
    writer->block[writer->filling] = more;
    writer->size[writer->filling] = size;
    return true;
}

void fw_log_writer_add(fw_log_writer *writer, const char *line, size_t len)
{
    uv_mutex_lock(&writer->lock);
    if (!make_room(writer, len)) {
        writer->lost++;
    } else {
        bool was_empty = writer->filled == 0;
        bool was_low = writer->filled < HALF;
        memcpy(writer->block[writer->filling] + writer->filled, line, len);
        writer->filled += len;
        if (was_empty)
            writer->first = uv_hrtime();
        if (!writer->busy && (was_empty || (was_low && writer->filled >= HALF)))
            uv_cond_signal(&writer->wake);
    }
    uv_mutex_unlock(&writer->lock);
}

uint64_t fw_log_writer_recovered(fw_log_writer *writer)
{
    if (!atomic_load_explicit(&writer->has_news, memory_order_relaxed))
        return 0;
    uv_mutex_lock(&writer->lock);
    uint64_t lines = writer->recovered;
    writer->recovered = 0;
    atomic_store_explicit(&writer->has_news, 0, memory_order_relaxed);
    uv_mutex_unlock(&writer->lock);
    return lines;
}

uint64_t fw_log_writer_flush(fw_log_writer *writer)
{
    uint64_t until = uv_hrtime() + (uint64_t)FW_LOG_FINAL_MS * NS_PER_MS;
    uint64_t now;
    uv_mutex_lock(&writer->lock);
    writer->hurry = true;
    uv_cond_signal(&writer->wake);
    while ((writer->filled || writer->busy) && (now = uv_hrtime()) < until)
        uv_cond_timedwait(&writer->done, &writer->lock, until - now);
    writer->hurry = false;
    uint64_t lost = writer->lost + count_lines(writer->block[writer->filling], writer->filled);
    uv_mutex_unlock(&writer->lock);
    return lost;
}

void fw_log_writer_free(fw_log_writer *writer)
{
    uv_mutex_lock(&writer->lock);
    bool hangs = writer->busy;
    writer->stop = true;
    uv_cond_signal(&writer->wake);
    uv_mutex_unlock(&writer->lock);
    if (hangs)
        return;
    uv_thread_join(&writer->thread);
    close(writer->fd);
    if (writer->next_fd >= 0)
        close(writer->next_fd);
    free_memory(writer);
}
