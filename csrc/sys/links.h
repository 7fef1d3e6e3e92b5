/* sys/links.h -- opens what lies below a directory, also by way of symbolic links that do not leave it. */
#ifndef FAPWS_SYS_LINKS_H
#define FAPWS_SYS_LINKS_H

#include <stdbool.h>

/* As fw__open_beneath(), name by name. same_owner: only links whose owner has what they lead to, too; -EACCES for
 * another one. -EXDEV: a link leads out, or is absolute. */
int fw__open_by_links(int root, const char *path, bool same_owner);

#endif
