/* sys/file_times.h -- the times of a file in struct stat, with their nanoseconds: macOS names them otherwise. */
#ifndef FAPWS_SYS_FILE_TIMES_H
#define FAPWS_SYS_FILE_TIMES_H

#include <sys/stat.h>

#ifdef __APPLE__
#define FW_MTIME(status) ((status)->st_mtimespec)
#define FW_CTIME(status) ((status)->st_ctimespec)
#else
#define FW_MTIME(status) ((status)->st_mtim)
#define FW_CTIME(status) ((status)->st_ctim)
#endif

#endif
