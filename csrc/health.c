/* health.c -- see health.h.
 * Never:  repairs anything: fw_poll() tells the code, and another worker takes over. */
#include "health.h"

#include "error.h"

#define VAIN_MS 1000  /* in so much time ... */
#define VAIN_MAX 5000 /* ... so many events in a row of which nothing came are a loop that spins */

void fw__health_breaks(fw_health *health, int code)
{
    if (!health->broken)
        health->broken = code;
}

/* A few useless events are usual. A stream of them is a descriptor that this process has closed while another one
 * has it too: the kernel reports it for ever, and it cannot be taken out. */
void fw__health_event(fw_health *health, bool useful, uint64_t now)
{
    if (useful || now - health->vain_since >= VAIN_MS) {
        health->vain_since = now;
        health->vain = 0;
    }
    if (!useful && ++health->vain > VAIN_MAX)
        fw__health_breaks(health, FW_ESPIN);
}
