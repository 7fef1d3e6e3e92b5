/* test_core_health.c -- what becomes of a worker whose descriptors are closed over its head, or that is found
 * again in a child that was forked. */
#include <sys/wait.h>

#include "core_reply.h"
#include "worker.h"

static test_site here;
static test_client one;

static int64_t open_with_request(void)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    return client_request(&here, &one, "GET / HTTP/1.1", "");
}

/* The code with which a poll ends; 0: it goes on. A slow machine takes longer for as many events. */
static int poll_fails(void)
{
    for (uint64_t end = awake_ms(0) + SOON_MS; awake_ms(20) < end;) {
        uv_update_time(&here.worker->loop);
        here.worker->health.vain_since = uv_now(&here.worker->loop);
        int count = fw_poll(here.worker, 20);
        if (count < 0)
            return count;
    }
    return 0;
}

TEST(a_closed_listener_is_told_and_told_again)
{
    site_open(&here, NULL);
    CHECK(site_quiet(&here)); /* libuv adds a descriptor to its set with the first turn */
    int fd = here.worker->accepting.listeners[0].fd, kept = dup(fd);
    close(fd);
    client_open(&here, &one);
    CHECK(poll_fails() == FW_ELISTENER && fw_poll(here.worker, 0) == FW_ELISTENER);
    client_close(&one);
    close(kept);
    site_close(&here);
}

#if defined(FW_POLLSET_EPOLL)
TEST(a_closed_set_is_told)
{
    (void)open_with_request();
    close(here.worker->pollset.fd);
    CHECK(poll_fails() == FW_EEVENTS);
    client_close(&one);
    site_close(&here);
}

TEST(events_of_descriptors_that_are_closed_are_no_reason_to_turn_for_ever)
{
    site_open(&here, NULL);
    client_open(&here, &one);
    client_say(&here, &one, "GET / HTTP/1.1\r\n");
    site_poll(&here, 10);
    int fd = here.worker->table.conns[0]->socket.fd, kept = dup(fd);
    close(fd);
    client_say(&here, &one, "Host: x\r\n");
    CHECK(poll_fails() == FW_ESPIN);
    client_close(&one);
    close(kept);
    site_close(&here);
}
#endif

/* The worker cannot be freed then: libuv would abort(). It stays where it is. */
TEST(a_closed_loop_of_libuv_is_told)
{
    static fw_worker *volatile kept;
    site_open(&here, NULL);
    kept = here.worker;
    close(uv_backend_fd(&kept->loop));
    CHECK(poll_fails() == FW_EEVENTS);
}

TEST(a_child_that_was_forked_can_use_nothing)
{
    int64_t id = open_with_request();
    int status, fd = here.worker->table.conns[0]->socket.fd;
    CHECK(fw_let_go(here.worker) == FW_ESTATE && fw_let_go(NULL) == FW_ESTATE);
    pid_t child = fork();
    if (child == 0) {
        bool refused = fw_poll(here.worker, 0) == FW_ETHREAD &&
                       fw_respond(here.worker, id, "200 OK", 6, 1, "child", 5) == FW_ETHREAD;
        bool closed = fw_let_go(here.worker) == 0 && close(fd) != 0;
        fw_worker_free(here.worker);
        _exit(refused && closed ? 0 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(respond(&here, id, "200 OK", "x") == 0 && client_reply_is(&here, &one, 200, "x"));
    client_close(&one);
    site_close(&here);
}

TEST(the_end_of_a_connection_does_not_wait_for_a_child)
{
    int64_t id = open_with_request();
    int status, ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) { /* it keeps all that it has inherited until it is told to go */
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    CHECK(respond(&here, id, "200 OK\nConnection\nclose", "x") == 0);
    CHECK(client_reply_is(&here, &one, 200, "x") && client_sees_end(&here, &one));
    close(ends[1]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    client_close(&one);
    site_close(&here);
}
