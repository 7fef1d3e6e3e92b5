/* health.h -- whether a worker can still hear a client: an application may have forked, or closed what the
 * worker listens with. */
#ifndef FAPWS_HEALTH_H
#define FAPWS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int broken;          /* the code that fw_poll() gives from now on; 0: all is well */
    unsigned vain;       /* events in a row of which nothing came ... */
    uint64_t vain_since; /* ... since this moment, in ms */
    unsigned generation; /* of the process that made the worker, and the children that it had */
    unsigned children;
} fw_health;

void fw__health_breaks(fw_health *health, int code); /* for ever; the first code counts */
void fw__health_event(fw_health *health, bool useful, uint64_t now);

/* sys/fork.c */
int fw__forks_count(void);          /* begins to; 0 or FW_EMEMORY */
unsigned fw__fork_generation(void); /* another one in each child */
unsigned fw__fork_children(void);   /* how many this process has forked */

#endif
