/* sys/links.h -- opens what lies below a directory, also by way of symbolic links that do not leave it. */
#ifndef FAPWS_SYS_LINKS_H
#define FAPWS_SYS_LINKS_H

#include <stdbool.h>

#include "sys/beneath.h"

/* As fw__find_beneath(), name by name; found->readable: whether it must be, now. same_owner: only links whose owner
 * has what they lead to, too; -EACCES for another one. -EXDEV: a link leads out, or is absolute. */
int fw__find_by_links(int root, const char *path, bool same_owner, fw_found *found);

#endif
