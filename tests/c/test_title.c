/* test_title.c -- whose memory the title of a process is written into. */
#include "fapws.h"
#include "error.h"
#include "check.h"

#if defined(__linux__)

#include <errno.h>

/* What ps would show; at most the first 255 bytes. */
static const char *shown(void)
{
    static char text[256];
    FILE *file = fopen("/proc/self/cmdline", "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[len] = '\0';
    if (file)
        (void)fclose(file);
    return text;
}

TEST(arguments_of_a_program_that_runs_this_one_are_left_alone)
{
    static char elsewhere[] = "valgrind's clients have a stack of their own";
    char *name = program_invocation_name;
    program_invocation_name = elsewhere;
    CHECK(fw_set_title("taken") == FW_ESTATE);
    program_invocation_name = name;
    NOTE("%s", shown());
    CHECK(strcmp(shown(), "taken") != 0 && strcmp(elsewhere, "taken") != 0);
}

TEST(title_takes_the_place_of_the_arguments)
{
    CHECK(fw_set_title("fapws: t") == 0);
    NOTE("%s", shown());
    CHECK(strcmp(shown(), "fapws: t") == 0);
}

#endif
