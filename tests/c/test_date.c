/* test_date.c -- HTTP-dates, written and read. */
#include "check.h"
#include "http/date.h"

static int64_t read_of(const char *text)
{
    int64_t seconds = -1;
    NOTE("%s", text);
    return fw_read_date((fw_slice){text, strlen(text)}, &seconds) ? seconds : -1;
}

TEST(the_three_forms_of_rfc_9110_5_6_7_are_the_same_second)
{
    CHECK(read_of("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
    CHECK(read_of("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777);
    CHECK(read_of("Sun Nov  6 08:49:37 1994") == 784111777);
    CHECK(read_of("Thu, 29 Feb 2024 23:59:59 GMT") == 1709251199);
    CHECK(read_of("Sat, 31 Dec 2016 23:59:60 GMT") == 1483228800);
}

TEST(what_is_no_date_is_none)
{
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "Sun, 06 Nov 1994 08:49:37 GM",
                                      "Sun, 06 Nov 1994 24:00:00 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 0000 08:49:37 GMT",
                                      "Sun, 06 Nov 199a 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 -8:49:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(read_of(bad[i]) == -1);
}

TEST(what_is_written_is_read)
{
    static const time_t times[] = {0, 1, 784111777, 951782400, 4102444800};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[FW_DATE_SIZE];
        CHECK(fw_write_date(times[i], text) == 29 && read_of(text) == (int64_t)times[i]);
    }
}
