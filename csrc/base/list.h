/* base/list.h -- an intrusive doubly linked list: FIFO queues whose members can leave from the middle.
 * Owns: nothing; the links live inside the members. */
#ifndef FAPWS_LIST_H
#define FAPWS_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct fw_link {
    struct fw_link *prev;
    struct fw_link *next; /* NULL: not in any list */
} fw_link;

typedef struct {
    fw_link head; /* head.next is the oldest member */
} fw_list;

#define FW_CONTAINER(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void fw_list_init(fw_list *list)
{
    list->head.prev = &list->head;
    list->head.next = &list->head;
}

static inline bool fw_link_linked(const fw_link *link)
{
    return link->next != NULL;
}

static inline fw_link *fw_list_first(const fw_list *list)
{
    return list->head.next == &list->head ? NULL : list->head.next;
}

static inline void fw_list_append(fw_list *list, fw_link *link)
{
    link->prev = list->head.prev;
    link->next = &list->head;
    list->head.prev->next = link;
    list->head.prev = link;
}

/* All members of from become those of list, which is empty. */
static inline void fw_list_take(fw_list *list, fw_list *from)
{
    if (from->head.next == &from->head)
        return;
    list->head = from->head;
    list->head.next->prev = &list->head;
    list->head.prev->next = &list->head;
    fw_list_init(from);
}

static inline void fw_list_prepend(fw_list *list, fw_link *link)
{
    link->next = list->head.next;
    link->prev = &list->head;
    list->head.next->prev = link;
    list->head.next = link;
}

static inline void fw_link_remove(fw_link *link)
{
    if (link->next == NULL)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
    link->prev = NULL;
}

#endif
