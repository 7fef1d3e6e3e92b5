/* sys/fork.c -- forks of this process, which an application may do at any moment.
 * Owns:   two counts, which belong to no worker because pthread_atfork() hands nothing over.
 * Never:  closes anything: fw_let_go() of worker.c does, when the child asks for it.
 * Counted, not asked for with getpid(), which is a system call. A child of vfork() or posix_spawn() runs
 * none of this, and runs another program at once. */
#include "error.h"
#include "health.h"

#include <pthread.h>

static unsigned generation; /* how many forks this process is away from the first one */
static unsigned children;   /* forked by this process */
static bool counting;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_parent(void)
{
    children++;
}

static void in_child(void)
{
    generation++;
    children = 0;
}

static void count(void)
{
    counting = pthread_atfork(NULL, in_parent, in_child) == 0;
}

int fw__forks_count(void)
{
    return pthread_once(&once, count) == 0 && counting ? 0 : FW_EMEMORY;
}

unsigned fw__fork_generation(void)
{
    return generation;
}

unsigned fw__fork_children(void)
{
    return children;
}
