/* check.h -- the whole test framework: TEST(behaviour) { ... CHECK(...) ... } and one main().
 * A test goes on after a failed CHECK and counts once. An argument on the command line runs only
 * the tests whose name contains it. */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct check_test {
    const char *name;
    void (*run)(void);
    struct check_test *next;
} check_test;

static check_test *check_first;
static check_test **check_last = &check_first;
static bool check_ok;
static char check_note[512]; /* what a failed CHECK was about; set by NOTE */

#define TEST(behaviour)                                                                            \
    static void behaviour(void);                                                                   \
    __attribute__((constructor)) static void behaviour##_register(void)                            \
    {                                                                                              \
        static check_test test = {#behaviour, behaviour, NULL};                                    \
        *check_last = &test;                                                                       \
        check_last = &test.next;                                                                   \
    }                                                                                              \
    static void behaviour(void)

#define NOTE(...) ((void)snprintf(check_note, sizeof check_note, __VA_ARGS__))

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

static inline bool check(bool ok, const char *text, const char *file, int line)
{
    if (!ok) {
        check_ok = false;
        printf("%s:%d: CHECK(%s)%s%s\n", file, line, text, check_note[0] ? "  with " : "",
               check_note);
    }
    return ok;
}

int main(int argc, char **argv)
{
    int passed = 0;
    int failed = 0;
    for (const check_test *test = check_first; test != NULL; test = test->next) {
        if (argc > 1 && strstr(test->name, argv[1]) == NULL)
            continue;
        check_ok = true;
        check_note[0] = '\0';
        test->run();
        if (!check_ok)
            printf("FAILED %s\n", test->name);
        *(check_ok ? &passed : &failed) += 1;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}

#endif
