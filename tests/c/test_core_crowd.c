/* test_core_crowd.c -- many come, most leave: the memory that they had goes back to the system.
 * Resident memory is printed. It is compared where the system tells of it, and that it shrinks where the allocator
 * is the system's own: a sanitizer's keeps what was freed, and glibc's has to be asked, which the portable way
 * does not. */
#include "core_reply.h"

#include "worker.h"

#define MANY 400
#define HEAD 29000 /* bytes of a head that does not end */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#if defined(SANITIZED) || (defined(__GLIBC__) && defined(FW_PORTABLE))
#define GIVES_BACK false
#else
#define GIVES_BACK true
#endif

static test_site here;
static test_client many[MANY];

static size_t resident(void)
{
    size_t rss = 0;
    CHECK(uv_resident_set_memory(&rss) == 0);
    return rss;
}

/* qemu-user tells the same figure whatever its program touches. */
static bool resident_is_told(void)
{
    static volatile char block[8 << 20]; /* no allocator's, which would learn from it */
    size_t before = resident();
    for (size_t i = 0; i < sizeof block; i += 1024)
        block[i] = 1;
    return resident() > before + sizeof block / 2;
}

static void come(void)
{
    static char text[HEAD + 1];
    int at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; at < HEAD - 1100; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "X-%d: %01000d\r\n", i, i);
    uint64_t before = here.score.accepted, bytes = here.score.bytes_in;
    for (int i = 0; i < MANY; i++) {
        client_open(&here, &many[i]);
        client_say(&here, &many[i], text);
    }
    while (here.score.accepted < before + MANY || here.score.bytes_in < bytes + MANY * (unsigned)at)
        site_poll(&here, 1);
}

static void leave(int first, int end)
{
    uint64_t rest = here.score.connections - (uint64_t)(end - first);
    for (int i = first; i < end; i++)
        client_close(&many[i]);
    while (here.score.connections > rest)
        site_poll(&here, 1);
}

/* A worker that was kept from its turns for a second has looked before the last had gone. What the last fourth has
 * taken may be too little for a look of its own. */
static bool is_over(void)
{
    const fw_crowd *crowd = &here.worker->crowd;
    return crowd->most <= MANY / 4 && !uv_is_active((const uv_handle_t *)&crowd->timer);
}

static bool soon(bool (*done)(void))
{
    for (uint64_t end = clock_ms() + SOON_MS; !done() && clock_ms() < end;)
        site_poll(&here, 100);
    return done();
}

static void open_large(void)
{
    fw_settings settings = settings_usual();
    settings.max_header_size = 32768;
    site_open(&here, &settings);
}

TEST(memory_of_a_crowd_goes_back_when_it_has_left)
{
    bool told = resident_is_told();
    if (!told)
        printf("  left out: how much is resident, which does not grow here with what is written\n");
    open_large();
    size_t before = resident();
    for (int round = 0; round < 2; round++) {
        come();
        size_t full = resident();
        if (told)
            CHECK(full > before + (size_t)MANY * HEAD / 3);
        leave(1, MANY);                        /* one stays */
        here.worker->weighed = UINT64_MAX / 2; /* from now on only the crowd's timer weighs */
        here.score.rss = 1;
        bool due = uv_is_active((const uv_handle_t *)&here.worker->crowd.timer);
        size_t left = resident();
        CHECK(soon(is_over) && (here.score.rss > 1 || !told || !due));
        size_t after = resident();
        printf(
            "  KB resident: before %zu, full %zu, when all but one have left %zu, afterwards %zu\n",
            before / 1024, full / 1024, left / 1024, after / 1024);
        if (told && GIVES_BACK)
            CHECK(after < before + (full - before) / 4 && here.score.rss < full);
        client_say(&here, &many[0], "\r\n");
        CHECK(respond(&here, site_request(&here)->id, "200 OK", "x") == 0);
        CHECK(client_reply_is(&here, &many[0], 200, "x"));
        leave(0, 1);
    }
    site_close(&here);
}
