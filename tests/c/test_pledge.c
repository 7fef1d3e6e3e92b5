/* test_pledge.c -- what OpenBSD would be told, with its two calls played, and what others are told. */
#include "error.h"
#include "fapws.h"
#include "check.h"

static char told[64];
static int answer;

static int pledge(const char *promises, const char *on_exec)
{
    (void)snprintf(told, sizeof told, "%s %s", promises, on_exec ? on_exec : "-");
    return answer;
}

static int unveil(const char *path, const char *permissions)
{
    (void)snprintf(told, sizeof told, "%s %s", path ? path : "-", permissions ? permissions : "-");
    return answer;
}

int fw_played_pledge(const char *promises);
int fw_played_unveil(const char *path, const char *permissions);
#ifndef __OpenBSD__
#define __OpenBSD__ 1
#endif
#define fw_pledge fw_played_pledge
#define fw_unveil fw_played_unveil
#include "sys/pledge.c"
#undef fw_pledge
#undef fw_unveil

TEST(promises_are_handed_on_and_hold_for_this_program)
{
    CHECK(fw_played_pledge("stdio inet") == 0 && strcmp(told, "stdio inet -") == 0);
    answer = -1;
    CHECK(fw_played_pledge("nonsense") == FW_ESYSTEM);
    answer = 0;
}

TEST(paths_are_handed_on_and_two_nulls_lock_them)
{
    CHECK(fw_played_unveil("/srv", "r") == 0 && strcmp(told, "/srv r") == 0);
    CHECK(fw_played_unveil(NULL, NULL) == 0 && strcmp(told, "- -") == 0);
    answer = -1;
    CHECK(fw_played_unveil("/none", "r") == FW_ESYSTEM);
    answer = 0;
}

#ifdef __linux__
TEST(elsewhere_nobody_is_made_to_believe_in_a_promise)
{
    CHECK(fw_pledge("stdio") == FW_ESTATE && fw_unveil("/", "r") == FW_ESTATE);
}
#endif
