/* sys/memory.h -- memory that the C library keeps after free(). */
#ifndef FAPWS_MEMORY_H
#define FAPWS_MEMORY_H

void fw_memory_give_back(void); /* to the system, as far as whole pages of it are free */

#endif
