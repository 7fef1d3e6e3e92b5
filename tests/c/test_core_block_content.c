/* test_core_block_content.c -- content above body_memory, which is received into blocks of memory that are used
 * again: within body_pool, and not for longer than others can wait. */
#include "core_reply.h"

#include <pthread.h>

#include "worker.h" /* its timer is fired ahead of time */

#define MB (1u << 20)

static test_site here;
static test_client one, two;
static char large[3 * MB];

/* How long content may be on its way before it is slow, and how long one may wait for a block. A test that is not
 * about that shall not depend on it: the machine may stop between two pieces. */
static void allow(uint32_t mark_ms, uint32_t turn_ms)
{
    here.worker->deadlines.waits[FW_DEADLINE_MARK] = mark_ms;
    here.worker->deadlines.waits[FW_DEADLINE_TURN] = turn_ms;
}

static void open_blocks(uint64_t body_pool, const fw_settings *given)
{
    fw_settings settings = given ? *given : settings_usual();
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 23);
    settings.body_memory = 100000;
    settings.body_pool = body_pool;
    settings.max_body_size = sizeof large;
    site_open(&here, &settings);
    client_open(&here, &one);
    client_open(&here, &two);
    allow(FAR_MS, FAR_MS);
}

static void close_blocks(void)
{
    client_close(&one);
    client_close(&two);
    site_close(&here);
}

static void send_whole(test_client *client, size_t size)
{
    client_announce(&here, client, size);
    CHECK(client_push(&here, client, large, size));
}

/* The block of the next request, whose content is the beginning of large. */
static char *take(int64_t *id, size_t size)
{
    uint64_t found = 0;
    const test_record *request = site_request(&here);
    NOTE("size %zu, content %lld", size, (long long)request->content);
    CHECK(request->content == FW_POOLED);
    *id = request->id;
    char *memory = fw_take_memory(here.worker, *id, &found);
    CHECK(memory != NULL && found == size && memcmp(memory, large, size) == 0);
    CHECK(fw_take_memory(here.worker, *id, &found) == NULL); /* once */
    return memory;
}

static void answer(test_client *client, int64_t id)
{
    CHECK(respond(&here, id, "200 OK", "thanks") == 0);
    CHECK(client_reply_is(&here, client, 200, "thanks"));
}

static char *serve(test_client *client, size_t size)
{
    int64_t id;
    char *memory = take(&id, size);
    fw_release_memory(here.worker, memory);
    answer(client, id);
    return memory;
}

static void check_in_file(test_client *client, size_t size)
{
    const test_record *request = site_request(&here);
    CHECK(request->content == FW_SPOOLED);
    int fd = fw_take_content(here.worker, request->id);
    char *found = malloc(size);
    CHECK(found && read(fd, found, size) == (ssize_t)size && memcmp(found, large, size) == 0);
    free(found);
    close(fd);
    answer(client, request->id);
}

TEST(contents_that_come_one_after_the_other_have_the_same_memory)
{
    open_blocks(8 * MB, NULL);
    send_whole(&one, 2 * MB);
    char *first = serve(&one, 2 * MB);
    for (size_t size = 100001; size <= 2 * MB; size += 300000) {
        send_whole(&one, size);
        CHECK(serve(&one, size) == first);
    }
    int64_t id = client_request(&here, &one, "GET / HTTP/1.1", "");
    answer(&one, id);
    CHECK(here.score.accepted == 2 && here.worker->spool.reserved == 0);
    close_blocks();
}

TEST(what_fits_less_waits_in_the_kernel_or_a_file)
{
    static const char chunk[] = "Transfer-Encoding: chunked\r\n";
    open_blocks(2 * MB, NULL);
    send_whole(&one, 100000);
    const test_record *small = site_request(&here);
    CHECK(small->content == FW_UNREAD);
    CHECK(fw_read_content(here.worker, small->id, (char[100000]){0}, 100000) == 100000);
    answer(&one, small->id);
    send_whole(&two, 2 * MB + 1); /* larger than the whole pool */
    check_in_file(&two, 2 * MB + 1);
    client_ask(&here, &two, "POST / HTTP/1.1", chunk);
    client_say(&here, &two, "30d40\r\n");
    CHECK(client_push(&here, &two, large, 200000));
    client_say(&here, &two, "\r\n0\r\n\r\n");
    check_in_file(&two, 200000);
    close_blocks();
}

TEST(content_that_comes_in_pieces_is_whole_when_it_is_given_out)
{
    open_blocks(8 * MB, NULL);
    for (int i = 0; i < 2; i++) {
        client_announce(&here, &one, 3 * MB);
        for (size_t at = 0; at < sizeof large; at += sizeof large / 16) {
            CHECK(site_quiet(&here));
            CHECK(client_push(&here, &one, large + at, sizeof large / 16));
        }
        (void)serve(&one, 3 * MB);
    }
    close_blocks();
}

TEST(content_on_a_unix_socket_comes_into_a_block_too)
{
    test_client other;
    open_blocks(8 * MB, NULL);
    client_open_unix(&here, &other);
    send_whole(&other, 3 * MB);
    (void)serve(&other, 3 * MB);
    client_close(&other);
    close_blocks();
}

TEST(a_content_waits_for_the_block_of_another_and_then_has_it)
{
    int64_t id;
    open_blocks(3 * MB, NULL);
    send_whole(&one, 2 * MB);
    char *memory = take(&id, 2 * MB);
    client_announce(&here, &two, 2 * MB);
    (void)send(two.fd, large, 100000, MSG_NOSIGNAL | MSG_DONTWAIT);
    CHECK(site_quiet(&here)); /* it is not read, and the loop does not spin on it */
    CHECK(here.worker->spool.reserved <= 3 * MB);
    answer(&one, id);
    CHECK(site_quiet(&here)); /* the caller has the block still */
    fw_release_memory(here.worker, memory);
    CHECK(client_push(&here, &two, large + 100000, 2 * MB - 100000));
    CHECK(serve(&two, 2 * MB) == memory);
    close_blocks();
}

TEST(a_content_that_waits_too_long_goes_to_a_file)
{
    int64_t id;
    open_blocks(3 * MB, NULL);
    send_whole(&one, 2 * MB);
    char *memory = take(&id, 2 * MB);
    allow(FAR_MS, FW_TURN_MS);
    uint64_t began = clock_ms();
    send_whole(&two, 2 * MB); /* in part, until the core reads again */
    check_in_file(&two, 2 * MB);
    CHECK(clock_ms() - began >= FW_TURN_MS);
    fw_release_memory(here.worker, memory);
    answer(&one, id);
    CHECK(here.worker->spool.reserved == 0 && here.worker->spool.bytes == 0);
    close_blocks();
}

/* Of the one content that has a block and is not whole. */
static const fw_content *content_in_block(void)
{
    fw_link *first = fw_list_first(&here.worker->spool.holders);
    return first ? FW_CONTAINER(first, fw_content, link) : NULL;
}

static void be_late(test_client *client, size_t sent)
{
    allow(FW_MARK_MS, FAR_MS);
    client_announce(&here, client, 2 * MB);
    CHECK(client_push(&here, client, large, sent));
    uint64_t end = clock_ms() + SOON_MS;
    while (!(content_in_block() && content_in_block()->late) && clock_ms() < end)
        CHECK(site_poll(&here, 10) == 0);
    CHECK(content_in_block() && content_in_block()->late);
    allow(FAR_MS, FAR_MS);
}

TEST(a_slow_client_keeps_its_block_only_while_nobody_wants_it)
{
    static const size_t sent[] = {0, 20000, MB + 5};
    open_blocks(3 * MB, NULL);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        be_late(&one, sent[i]);
        CHECK(client_push(&here, &one, large + sent[i], 2 * MB - sent[i]));
        (void)serve(&one, 2 * MB); /* slow, but alone */
        be_late(&one, sent[i]);
        send_whole(&two, 2 * MB);
        (void)serve(&two, 2 * MB); /* at once: its turn would come in FAR_MS */
        CHECK(client_push(&here, &one, large + sent[i], 2 * MB - sent[i]));
        check_in_file(&one, 2 * MB);
    }
    CHECK(here.worker->spool.reserved == 0 && here.worker->spool.files == 0);
    close_blocks();
}

TEST(a_slow_content_stays_in_its_block_when_files_have_no_room)
{
    fw_settings settings = settings_usual();
    settings.max_spool = 1000;
    open_blocks(3 * MB, &settings);
    be_late(&one, MB);
    allow(FAR_MS, FW_TURN_MS);
    client_announce(&here, &two, 2 * MB);
    (void)send(two.fd, large, 100000, MSG_NOSIGNAL | MSG_DONTWAIT);
    test_reply reply = {0};
    CHECK(client_reply(&here, &two, &reply) && reply.status == 503); /* its turn did not come */
    reply_free(&reply);
    site_expect(&here, FW_SPOOL_FULL, 0);
    CHECK(client_push(&here, &one, large + MB, MB));
    (void)serve(&one, 2 * MB);
    CHECK(here.worker->spool.bytes == 0 && here.worker->spool.files == 0);
    close_blocks();
}

TEST(clients_that_leave_give_their_blocks_and_their_turns_back)
{
    int64_t id;
    uint64_t size;
    open_blocks(3 * MB, NULL);
    for (int way = 0; way < 4; way++) {
        test_client gone, next;
        client_open(&here, &gone);
        client_open(&here, &next);
        client_announce(&here, &gone, 2 * MB);
        CHECK(client_push(&here, &gone, large, MB) && site_quiet(&here));
        if (way == 1) { /* the one that waits leaves */
            client_announce(&here, &next, 2 * MB);
            CHECK(site_quiet(&here));
            client_reset(&next);
            CHECK(client_push(&here, &gone, large + MB, MB));
            (void)serve(&gone, 2 * MB);
        } else if (way == 2) { /* it has been given out */
            CHECK(client_push(&here, &gone, large + MB, MB));
            id = site_request(&here)->id;
            client_reset(&gone);
            site_expect(&here, FW_GONE, id);
            CHECK(fw_take_memory(here.worker, id, &size) == NULL);
        } else if (way == 3) {
            shutdown(gone.fd, SHUT_WR);
            CHECK(client_sees_end(&here, &gone));
        } else {
            client_reset(&gone);
        }
        CHECK(site_quiet(&here));
        send_whole(&one, 3 * MB);
        (void)serve(&one, 3 * MB);
        CHECK(here.worker->spool.reserved == 0);
        client_close(&gone);
        client_close(&next);
    }
    close_blocks();
}

TEST(content_of_a_block_that_stops_or_crawls_is_a_408)
{
    fw_settings settings = settings_usual();
    settings.body_timeout = 200;
    open_blocks(3 * MB, &settings);
    allow(FW_MARK_MS, FAR_MS);
    client_announce(&here, &one, 2 * MB);
    CHECK(client_push(&here, &one, large, MB));
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    CHECK(here.score.requests == 0);
    close_blocks();
    settings.body_timeout = 0;
    settings.min_body_rate = 10000000;
    settings.min_body_after = 200;
    open_blocks(3 * MB, &settings);
    allow(FW_MARK_MS, FAR_MS);
    client_announce(&here, &one, 2 * MB);
    uint64_t end = clock_ms() + SOON_MS;
    while (!one.ended && !here.score.refused && clock_ms() < end) {
        (void)send(one.fd, "x", 1, MSG_NOSIGNAL);
        pump(&here, &one);
    }
    CHECK(client_reply_is(&here, &one, 408, "the request content did not come in time\n"));
    CHECK(here.worker->spool.reserved == 0);
    close_blocks();
}

static void *release(void *memory)
{
    fw_release_memory(here.worker, memory);
    return NULL;
}

TEST(another_thread_may_give_memory_back_and_so_may_one_who_outlives_the_worker)
{
    int64_t id;
    pthread_t thread;
    open_blocks(3 * MB, NULL);
    for (int i = 0; i < 3; i++) {
        send_whole(&one, 3 * MB);
        char *memory = take(&id, 3 * MB);
        answer(&one, id);
        CHECK(pthread_create(&thread, NULL, release, memory) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    send_whole(&one, 3 * MB);
    char *memory = take(&id, 3 * MB);
    answer(&one, id);
    close_blocks();
    CHECK(memcmp(memory, large, 3 * MB) == 0);
    fw_release_memory(NULL, memory);
}

TEST(what_is_kept_goes_back_when_it_is_idle_or_others_need_the_room)
{
    open_blocks(3 * MB, NULL);
    fw_spool *spool = &here.worker->spool;
    send_whole(&one, 2 * MB);
    (void)serve(&one, 2 * MB);
    CHECK(spool->pool.kept == 2 * MB);
    send_whole(&one, 3 * MB); /* the one that is kept is too small */
    (void)serve(&one, 3 * MB);
    CHECK(spool->pool.kept == 3 * MB && spool->reserved == 0);
    send_whole(&one, 100000); /* in the kernel, but it counts */
    const test_record *small = site_request(&here);
    CHECK(small->content == FW_UNREAD && spool->pool.kept == 0);
    CHECK(fw_read_content(here.worker, small->id, (char[100000]){0}, 100000) == 100000);
    answer(&one, small->id);
    send_whole(&one, 2 * MB);
    (void)serve(&one, 2 * MB);
    CHECK(uv_is_active((uv_handle_t *)&spool->pool.timer));
    CHECK(uv_timer_get_due_in(&spool->pool.timer) <= FW_POOL_IDLE_MS);
    CHECK(uv_timer_start(&spool->pool.timer, spool->pool.timer.timer_cb, 1, 0) == 0);
    uint64_t end = clock_ms() + SOON_MS;
    while (spool->pool.kept && clock_ms() < end)
        CHECK(site_poll(&here, 10) == 0);
    CHECK(spool->pool.kept == 0);
    close_blocks();
}
