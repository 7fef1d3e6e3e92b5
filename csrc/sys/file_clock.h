/* sys/file_clock.h -- the clock that the times of files are taken from. */
#ifndef FAPWS_SYS_FILE_CLOCK_H
#define FAPWS_SYS_FILE_CLOCK_H

#include <time.h>

/* A file that is written to from now on has that time, or a later one. */
void fw__file_clock(struct timespec *now);

#endif
