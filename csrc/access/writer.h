/* access/writer.h -- lines to a file, by a thread of its own, so that no response ever waits for a disk.
 * Owns:   two blocks of FW_LOG_BLOCK bytes (a crowd may make them FW_LOG_MOST for a while), the
 *         descriptor, the thread.
 * Never:  makes its caller wait: when both blocks are as large as can be and full, a line is dropped and counted.
 *
 * The thread writes when half a block is full, at the latest FW_LOG_WAIT_MS after a line came, however
 * long the application may keep the worker's own thread. To a datagram socket (syslog) each line goes
 * by itself. */
#ifndef FAPWS_LOG_WRITER_H
#define FAPWS_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FW_LOG_BLOCK 65536 /* bytes written at once; no line is longer */
#define FW_LOG_MOST                                                                                \
    2097152 /* bytes that wait to be written; a batch of the longest lines has room */
#define FW_LOG_WAIT_MS 1000  /* ms; a line waits no longer for others to be written with it */
#define FW_LOG_FINAL_MS 2000 /* ms; the end of a worker waits so long for its last lines */

typedef struct fw_log_writer fw_log_writer;

/* NULL: no memory, or no thread; fd is then still the caller's. */
fw_log_writer *fw_log_writer_new(int fd);
/* Another descriptor takes the place of the one before, which is closed. */
void fw_log_writer_renew(fw_log_writer *writer, int fd);
void fw_log_writer_add(fw_log_writer *writer, const char *line, size_t len);
/* Lines that were dropped or could not be written, reported once, when writing works again; or 0. */
uint64_t fw_log_writer_recovered(fw_log_writer *writer);
/* Waits until all is written, FW_LOG_FINAL_MS at most; returns the lines lost and not reported. */
uint64_t fw_log_writer_flush(fw_log_writer *writer);
/* After a flush. A thread that hangs in the system is left behind with what it holds. */
void fw_log_writer_free(fw_log_writer *writer);

#endif
