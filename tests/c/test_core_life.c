/* test_core_life.c -- a worker may end at any moment of its life, and before it has begun. What libuv
 * makes of a handle that nobody initialised differs from version to version. */
#include "core_site.h"

static fw_worker *new_worker(void)
{
    fw_settings settings = settings_usual();
    return fw_worker_new(&settings, NULL);
}

static int highest_descriptor(void)
{
    int fd = dup(0);
    CHECK(fd >= 0 && close(fd) == 0);
    return fd;
}

/* One descriptor more each time: every step of fw_worker_new() fails once. This test is the first: libuv
 * ends a process that has no descriptor for its first loop. */
TEST(worker_that_finds_no_descriptor_says_so_at_every_step)
{
    enum { MOST = 32 };
    struct rlimit before;
    rlim_t first = (rlim_t)highest_descriptor();
    fw_worker *worker = NULL;
    int refused = 0;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    while (!worker && refused < MOST) {
        struct rlimit now = {.rlim_cur = first + (rlim_t)refused, .rlim_max = before.rlim_max};
        CHECK(setrlimit(RLIMIT_NOFILE, &now) == 0);
        worker = new_worker();
        refused += worker == NULL;
    }
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    NOTE("refused %d times", refused);
    CHECK(worker != NULL && refused > 0);
    fw_worker_free(worker);
    CHECK(highest_descriptor() == (int)first);
}

TEST(worker_that_never_listened_can_be_freed)
{
    fw_worker *worker = new_worker();
    CHECK(worker != NULL);
    fw_worker_free(worker);
}

TEST(worker_that_never_listened_can_drain)
{
    for (int accept_rest = 0; accept_rest < 2; accept_rest++) {
        fw_worker *worker = new_worker();
        CHECK(fw_drain(worker, accept_rest, 0) == 0 && fw_poll(worker, 0) == 0);
        CHECK(fw_open_connections(worker) == 0);
        fw_worker_free(worker);
    }
}

TEST(worker_that_could_not_listen_can_be_freed_and_can_try_again)
{
    test_site site;
    fw_worker *worker = new_worker();
    CHECK(fw_listen(worker, -1) == FW_ESYSTEM && fw_listen(worker, -1) == FW_ESYSTEM);
    fw_worker_free(worker);
    site_open(&site, NULL);
    CHECK(fw_listen(site.worker, -1) == FW_ESYSTEM && site_quiet(&site));
    site_close(&site);
}
