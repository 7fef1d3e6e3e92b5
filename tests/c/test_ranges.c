/* test_ranges.c -- what a Range field asks of a file, by the grammar and the rules of RFC 9110 14. */
#include "guard.h"

#include "check.h"
#include "static/ranges.h"

static fw_range range;

/* Of bytes that touch a page which must not be touched. */
static fw_range_verdict read_range(const char *value, uint64_t size)
{
    size_t len = strlen(value);
    NOTE("%s of %llu", value, (unsigned long long)size);
    range = (fw_range){0};
    return fw__range_read((fw_slice){guard_before_end(value, len), len}, size, &range);
}

static void check_part(const char *value, uint64_t size, uint64_t first, uint64_t count)
{
    CHECK(read_range(value, size) == FW_RANGE_PART && range.first == first && range.size == count);
}

static void check_whole(const char *value, uint64_t size)
{
    CHECK(read_range(value, size) == FW_RANGE_WHOLE);
}

static void check_none(const char *value, uint64_t size)
{
    CHECK(read_range(value, size) == FW_RANGE_NONE);
}

TEST(one_range_is_the_part_that_it_names)
{
    check_part("bytes=0-499", 10000, 0, 500);
    check_part("bytes=500-999", 10000, 500, 500);
    check_part("bytes=9500-", 10000, 9500, 500);
    check_part("bytes=-500", 10000, 9500, 500);
    check_part("bytes=0-0", 10000, 0, 1);
    check_part("bytes=-1", 10000, 9999, 1);
    check_part("bytes=0-", 10000, 0, 10000);
    check_part("BYTES=0-1", 10, 0, 2);
    check_part("bytes=000-0001", 10, 0, 2);
}

TEST(what_goes_beyond_the_end_is_cut_off)
{
    check_part("bytes=5-10", 10, 5, 5);
    check_part("bytes=9-9999999999999999999999999999", 10, 9, 1);
    check_part("bytes=-11", 10, 0, 10);
    check_part("bytes=-99999999999999999999999999999", 10, 0, 10);
    check_part("bytes=4294967296-4294967297", (uint64_t)5 << 30, (uint64_t)1 << 32, 2);
    check_part("bytes=9223372036854775806-", INT64_MAX, (uint64_t)INT64_MAX - 1, 1);
}

TEST(what_begins_behind_the_end_is_nothing)
{
    check_none("bytes=10-", 10);
    check_none("bytes=10-20", 10);
    check_none("bytes=-0", 10);
    check_none("bytes=18446744073709551615-", 10);
    check_none("bytes=99999999999999999999999999-", 10);
    check_none("bytes=0-", 0);
    check_none("bytes=0-0", 0);
    check_none("bytes=10-11, 20-21", 10);
    check_none("bytes=-0,10-", 10);
}

/* It is satisfiable, but no Content-Range names nothing. */
TEST(last_bytes_of_an_empty_file_are_the_whole)
{
    check_whole("bytes=-1", 0);
    check_whole("bytes=5-,-1", 0);
}

TEST(several_that_are_one_are_sent_as_one)
{
    check_part("bytes=0-1,2-3", 10, 0, 4);
    check_part("bytes=2-3,0-1", 10, 0, 4);
    check_part("bytes=0-5,3-7", 10, 0, 8);
    check_part("bytes=0-9,3-4", 10, 0, 10);
    check_part("bytes=4-4,4-4,4-4", 10, 4, 1);
    check_part("bytes=0-1,10-11", 10, 0, 2);
    check_part("bytes=5-,-5", 10, 5, 5);
    check_part("bytes=, 0-1 ,\t2-3,,", 10, 0, 4);
}

TEST(several_that_lie_apart_are_the_whole)
{
    check_whole("bytes=0-0,-1", 10);
    check_whole("bytes=0-1,3-4", 10);
    check_whole("bytes=8-9,0-1,4-5", 10);
}

TEST(what_is_no_range_of_bytes_is_the_whole)
{
    static const char *const values[] = {"",
                                         "bytes",
                                         "bytes=",
                                         "bytes=,",
                                         "bytes= , ",
                                         "bytes=-",
                                         "bytes=a-",
                                         "bytes=0-a",
                                         "bytes=a-b",
                                         "bytes=2-1",
                                         "bytes=0",
                                         "bytes=0-1-2",
                                         "bytes=--1",
                                         "bytes=0--1",
                                         "bytes=+0-1",
                                         "bytes=0x0-1",
                                         "bytes=0 -1",
                                         "bytes=0- 1",
                                         "bytes =0-1",
                                         "bytes=0-1;x",
                                         "bytes=0-1 2-3",
                                         "bytes=0-1,x",
                                         "bytes=x,0-1",
                                         "bytes:0-1",
                                         "items=0-1",
                                         "bytess=0-1",
                                         "byte=0-1",
                                         "0-1",
                                         "=0-1",
                                         "bytes=0-1,2-1",
                                         "bytes=20-1",
                                         "bytes=0-1,-",
                                         "bytes==0-1",
                                         "none",
                                         "bytes=*",
                                         "bytes=0-*",
                                         "bytes=- 1",
                                         "bytes=-1-2",
                                         "bytes=0-1,=",
                                         "\"bytes\"=0-1"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_whole(values[i], 10);
}
