/* test_known_heads.c -- heads of responses that come again: what is kept, found, and never mistaken. */
#include "response/known_heads.h"

#include <stdio.h>
#include <string.h>

#include "check.h"

static fw_known_heads known;

static void forget(void)
{
    fw__known_heads_free(&known);
    memset(&known, 0, sizeof known);
}

/* Looks for a text and notes it if it is not known, as fw__head_build() does. Whether it was known. */
static bool look(const char *text, size_t count)
{
    char out[FW_KNOWN_HEAD_MAX];
    fw_head_facts facts = {.declared = (int64_t)count};
    uint64_t hash;
    size_t put = fw__known_head_find(&known, text, strlen(text), count, out, &facts, &hash);
    if (put == 0)
        fw__known_head_keep(&known, hash, text, strlen(text), count, "lines", 5, &facts);
    else
        CHECK(put == 5 && memcmp(out, "lines", 5) == 0 && facts.status == text &&
              facts.declared == (int64_t)count);
    return put != 0;
}

TEST(a_head_is_known_when_it_comes_for_the_third_time)
{
    forget();
    CHECK(!look("200 OK\nA\nb", 3));
    CHECK(!look("200 OK\nA\nb", 3));
    CHECK(look("200 OK\nA\nb", 3));
    CHECK(look("200 OK\nA\nb", 3));
    forget();
}

TEST(a_head_of_another_count_or_another_byte_is_another)
{
    forget();
    for (int i = 0; i < 2; i++)
        (void)look("200 OK\nA\nb", 3);
    CHECK(look("200 OK\nA\nb", 3));
    CHECK(!look("200 OK\nA\nb", 5));
    CHECK(!look("200 OK\nA\nc", 3));
    CHECK(!look("200 OK\nA\nb ", 3));
    forget();
}

TEST(heads_that_differ_each_time_push_none_out)
{
    forget();
    for (int i = 0; i < 2; i++)
        (void)look("200 OK\nA\nb", 3);
    for (int i = 0; i < 1000; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "200 OK\nSet-Cookie\nsession=%d", i);
        CHECK(!look(text, 3));
        CHECK(look("200 OK\nA\nb", 3));
    }
    forget();
}

TEST(a_long_head_is_not_kept)
{
    static char text[FW_KNOWN_HEAD_MAX + 2];
    forget();
    memset(text, 'x', FW_KNOWN_HEAD_MAX + 1);
    for (int i = 0; i < 4; i++)
        CHECK(!look(text, 1));
    forget();
}
