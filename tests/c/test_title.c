/* test_title.c -- whose memory the title of a process is written into. */
#include "fapws.h"
#include "error.h"
#include "check.h"

#if defined(__linux__)

#include <errno.h>
#include <stdlib.h>

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

/* Whether the system says where the arguments lie. qemu-user writes zeros into this file. */
static bool area_is_told(void)
{
    char text[2048];
    FILE *file = fopen("/proc/self/stat", "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[len] = '\0';
    if (file)
        (void)fclose(file);
    char *at = strrchr(text, ')');
    for (int field = 3; at && field <= 48; field++) /* arg_start of proc(5) */
        at = strchr(at + 1, ' ');
    return at && strtoul(at, NULL, 10) != 0;
}

TEST(arguments_of_a_program_that_runs_this_one_are_left_alone)
{
    static char elsewhere[] = "valgrind's clients have a stack of their own";
    char *name = program_invocation_name;
    program_invocation_name = elsewhere;
    CHECK(fw_set_title("taken") == (area_is_told() ? FW_ESTATE : FW_ESYSTEM));
    program_invocation_name = name;
    NOTE("%s", shown());
    CHECK(strcmp(shown(), "taken") != 0 && strcmp(elsewhere, "taken") != 0);
}

TEST(title_takes_the_place_of_the_arguments)
{
    if (!area_is_told()) {
        printf("not run: /proc/self/stat does not say where the arguments are (an emulator)\n");
        CHECK(fw_set_title("fapws: t") == FW_ESYSTEM);
        return;
    }
    CHECK(fw_set_title("fapws: t") == 0);
    NOTE("%s", shown());
    CHECK(strcmp(shown(), "fapws: t") == 0);
}

#endif
