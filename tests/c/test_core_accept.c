/* test_core_accept.c -- accept() that fails without an end: it is tried a few times, told of, and then
 * tried now and then, until it works again. The system's accept4() and, for the errors at which the core
 * tries the older call, accept() are taken the place of, so this runs where the core calls accept4(). */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "core_reply.h"

#include "conn/accepting.h"

#include <dlfcn.h>
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

static test_site here;
static int fails_with;     /* 0: it works */
static int times;          /* that it was called */
static int most = 1 << 30; /* calls that fail */
static bool only_accept4;  /* accept() works all the time */

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    int (*system_accept4)(int, struct sockaddr *, socklen_t *, int);
    void *symbol = dlsym(RTLD_NEXT, "accept4");
    memcpy(&system_accept4, &symbol, sizeof symbol);
    times++;
#if defined(__linux__)
    if ((!fails_with || times > most) && !symbol) /* a static program has no other */
        return (int)syscall(SYS_accept4, fd, address, len, flags);
#endif
    if (!fails_with || times > most)
        return system_accept4(fd, address, len, flags);
    errno = fails_with;
    return -1;
}

int accept(int fd, struct sockaddr *address, socklen_t *len)
{
    int (*system_accept)(int, struct sockaddr *, socklen_t *);
    void *symbol = dlsym(RTLD_NEXT, "accept");
    memcpy(&system_accept, &symbol, sizeof symbol);
#if defined(__linux__)
    if ((!fails_with || times > most || only_accept4) && !symbol)
        return (int)syscall(SYS_accept4, fd, address, len, 0);
#endif
    if (!fails_with || times > most || only_accept4)
        return system_accept(fd, address, len);
    errno = fails_with; /* accept4() has counted */
    return -1;
}

static void respond_next(test_client *client)
{
    CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
    CHECK(client_reply_is(&here, client, 200, "x"));
}

#if !defined(FW_PORTABLE) &&                                                                       \
    (defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__))

static void check_failing(int error)
{
    test_client inside, outside;
    fails_with = 0;
    site_open(&here, NULL);
    client_open(&here, &inside);
    client_ask(&here, &inside, "GET / HTTP/1.1", "");
    respond_next(&inside);
    fails_with = error;
    times = 0;
    client_open(&here, &outside);
    client_ask(&here, &outside, "GET / HTTP/1.1", "");
    uint64_t start = clock_ms();
    site_expect(&here, FW_STARVED, error);
    for (int i = 0; here.score.accept_pauses < 4 && i < SOON_MS / 50; i++)
        CHECK(site_take(&here, 50) == NULL); /* it is told once */
    uint64_t took = clock_ms() - start, pauses = here.score.accept_pauses;
    NOTE("%d calls with %s, %d pauses in %d ms", times, strerror(error), (int)pauses, (int)took);
    CHECK(pauses >= 4 && pauses <= took / FW_STARVED_MS + 2);
    CHECK((uint64_t)times == FW_ACCEPT_FAILURES + pauses - 1); /* then one between two pauses */
    NOTE("%s", "");
    client_ask(&here, &inside, "GET / HTTP/1.1", ""); /* a connection that is open is served */
    respond_next(&inside);
    fails_with = 0;
    respond_next(&outside);
    client_close(&inside);
    client_close(&outside);
    site_close(&here);
}

TEST(accept_that_fails_again_and_again_pauses_is_told_once_and_goes_on)
{
    check_failing(EPERM);
    check_failing(ECONNABORTED);
    check_failing(ENOSYS);
}

TEST(where_a_sandbox_refuses_accept4_accept_takes_the_clients)
{
    const int refusals[] = {ENOSYS, EPERM};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        test_client one;
        site_open(&here, NULL);
        fails_with = refusals[i];
        only_accept4 = true;
        client_open(&here, &one);
        client_ask(&here, &one, "GET / HTTP/1.1", "");
        respond_next(&one);
        CHECK(here.score.accept_pauses == 0);
        client_close(&one);
        site_close(&here);
        fails_with = 0;
        only_accept4 = false;
    }
}

TEST(clients_that_are_gone_before_they_are_accepted_keep_nobody_out)
{
    test_client one;
    fails_with = ECONNABORTED;
    times = 0;
    most = 10;
    site_open(&here, NULL);
    client_open(&here, &one);
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    respond_next(&one);
    most = 1 << 30;
    CHECK(times > 10 && here.score.accept_pauses == 0);
    client_close(&one);
    site_close(&here);
}

TEST(a_service_that_stops_does_not_wait_for_an_accept_that_fails)
{
    test_client one;
    fails_with = EPERM;
    times = 0;
    site_open(&here, NULL);
    client_open(&here, &one);
    CHECK(fw_drain(here.worker, 1, 10) == 0);
    NOTE("%d calls", times);
    CHECK(times <= 32);
    client_close(&one);
    site_close(&here);
    fails_with = 0;
}

#else

TEST(accept_is_called_as_usual_where_there_is_no_accept4)
{
    test_client one;
    site_open(&here, NULL);
    client_open(&here, &one);
    client_ask(&here, &one, "GET / HTTP/1.1", "");
    respond_next(&one);
    CHECK(times == 0);
    client_close(&one);
    site_close(&here);
}

#endif
