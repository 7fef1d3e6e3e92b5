/* test_names.c -- names of files against compiled patterns; tests/settings/test_name_patterns.py has the language. */
#include "check.h"

#include <stdint.h>

#include "static/names.h"

#define STEP_SIZE 33

static uint8_t program[2 * (1 + 64 * STEP_SIZE)];
static size_t length;

static void begin(void)
{
    program[length++] = 0;
}

/* Another step of the pattern that starts at first. */
static void step(size_t first, char kind, const char *bytes)
{
    program[first]++;
    uint8_t *at = program + length;
    memset(at, *bytes ? 0 : 0xff, STEP_SIZE); /* "": any byte */
    at[0] = (uint8_t)kind;
    for (; *bytes; bytes++)
        at[1 + ((uint8_t)*bytes >> 3)] |= (uint8_t)(1u << ((uint8_t)*bytes & 7));
    length += STEP_SIZE;
}

static bool is_of(const char *name)
{
    return fw__name_is_of((fw_slice){(const char *)program, length}, name);
}

/* *.[ab]{2,}.c? */
static void hashed(void)
{
    size_t first = length;
    begin();
    step(first, '*', "");
    step(first, '1', ".");
    step(first, '1', "ab");
    step(first, '1', "ab");
    step(first, '*', "ab");
    step(first, '1', ".");
    step(first, '1', "c");
    step(first, '?', "x");
}

TEST(steps_are_taken_once_perhaps_and_often)
{
    length = 0;
    hashed();
    CHECK(is_of("app.ab.c") && is_of("app.abba.cx") && is_of(".aa.c") && is_of("a.b.aa.aa.c"));
    CHECK(!is_of("app.a.c") && !is_of("app.ab.") && !is_of("app.ab.cxx") && !is_of("app.ab.d"));
    CHECK(!is_of("") && !is_of("ab.c") && !is_of("app.abc.c"));
}

TEST(only_the_last_segment_counts)
{
    length = 0;
    hashed();
    CHECK(is_of("x/y.ab.c/app.ab.c") && !is_of("app.ab.c/x") && !is_of("app.ab.c/"));
}

TEST(one_of_several_patterns_is_enough)
{
    length = 0;
    size_t first = length;
    begin();
    step(first, '1', "z");
    hashed();
    CHECK(is_of("z") && is_of("app.ab.c") && !is_of("zz"));
    length = 0;
    CHECK(!is_of("z"));
    begin(); /* of no step: the empty name */
    CHECK(is_of("") && is_of("folder/") && !is_of("z"));
}

TEST(bytes_are_bytes)
{
    length = 0;
    begin();
    step(0, '1', "\xff");
    step(0, '1', "\x80");
    CHECK(is_of("\xff\x80") && !is_of("\xff\x81") && !is_of("\x7f\x80"));
}

TEST(the_longest_pattern_and_no_longer_one)
{
    char name[64] = "";
    length = 0;
    begin();
    for (int i = 0; i < FW_NAME_STEPS; i++)
        step(0, '1', "a");
    memset(name, 'a', FW_NAME_STEPS);
    CHECK(is_of(name) && !is_of(name + 1));
    step(0, '1', "a");
    CHECK(!is_of(name)); /* is none */
}

TEST(a_program_that_is_cut_off_is_none)
{
    length = 0;
    hashed();
    for (size_t whole = length--; length > 0; length--)
        CHECK(length < whole && !is_of("app.ab.c"));
}

/* A pattern that backtracks: the time must not grow with its powers. */
TEST(stars_behind_stars_cost_little)
{
    char name[4096];
    length = 0;
    begin();
    for (int i = 0; i < 30; i++) {
        step(0, '*', "");
        step(0, '1', "a");
    }
    step(0, '1', "b");
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK(!is_of(name));
    name[sizeof name - 2] = 'b';
    CHECK(is_of(name));
}
