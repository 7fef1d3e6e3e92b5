/* sys/random.h -- bytes that nobody can guess. */
#ifndef FAPWS_SYS_RANDOM_H
#define FAPWS_SYS_RANDOM_H

#include <stddef.h>

/* Writes size bytes, a multiple of 8. Where the system has none to give they can be guessed, but they are unlike
 * those of any other call, process or place in memory: what stood there before decides about them, too. */
void fw__random(void *bytes, size_t size);

#endif
