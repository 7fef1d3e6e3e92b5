/* test_buffer.c -- the byte queue and the intrusive list. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/list.h"
#include "check.h"

TEST(an_empty_buffer_has_no_memory)
{
    fw_buffer buffer = {0};
    CHECK(fw_buffer_len(&buffer) == 0);
    CHECK(fw_buffer_append(&buffer, NULL, 0) == 0 && buffer.data == NULL);
    CHECK(fw_buffer_append(&buffer, "hello", 5) == 0 && buffer.data != NULL);
    fw_buffer_consume(&buffer, 5);
    CHECK(buffer.data == NULL && buffer.size == 0 && fw_buffer_len(&buffer) == 0);
    fw_buffer_clear(&buffer);
    CHECK(fw_buffer_append(&buffer, "x", 1) == 0);
    fw_buffer_clear(&buffer);
    CHECK(buffer.data == NULL && buffer.start == 0 && buffer.end == 0);
}

TEST(reserved_room_counts_only_once_it_is_used)
{
    fw_buffer buffer = {0};
    char *room = fw_buffer_reserve(&buffer, 1000);
    CHECK(room != NULL && fw_buffer_len(&buffer) == 0);
    memset(room, 'r', 1000);
    buffer.end += 1000;
    CHECK(fw_buffer_len(&buffer) == 1000 && fw_buffer_at(&buffer)[999] == 'r');
    CHECK(fw_buffer_reserve(&buffer, 0) != NULL && fw_buffer_len(&buffer) == 1000);
    fw_buffer_clear(&buffer);
}

TEST(bytes_come_out_as_they_went_in)
{
    fw_buffer buffer = {0};
    unsigned char in = 0;
    unsigned char out = 0;
    unsigned random = 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 1103515245u + 12345u;
        size_t len = (random >> 16) % 700;
        if (random & 0x8000) {
            char *room = fw_buffer_reserve(&buffer, len);
            for (size_t j = 0; j < len; j++)
                room[j] = (char)in++;
            buffer.end += len;
        } else {
            if (len > fw_buffer_len(&buffer))
                len = fw_buffer_len(&buffer);
            for (size_t j = 0; j < len; j++)
                CHECK((unsigned char)fw_buffer_at(&buffer)[j] == out++);
            fw_buffer_consume(&buffer, len);
        }
    }
    CHECK((unsigned char)(in - out) == (unsigned char)fw_buffer_len(&buffer));
    fw_buffer_clear(&buffer);
}

/* A queue that is always short of empty must not grow with what has passed through it. */
TEST(used_up_bytes_make_room_for_new_ones)
{
    static const char piece[100] = "piece";
    fw_buffer buffer = {0};
    CHECK(fw_buffer_append(&buffer, piece, sizeof piece) == 0);
    for (int i = 0; i < 10000; i++) {
        CHECK(fw_buffer_append(&buffer, piece, sizeof piece) == 0);
        fw_buffer_consume(&buffer, sizeof piece);
        CHECK(strcmp(fw_buffer_at(&buffer), "piece") == 0);
    }
    CHECK(buffer.size <= 1024);
    fw_buffer_clear(&buffer);
}

/* ---- The list ---------------------------------------------------------------------------------- */

typedef struct {
    int number;
    fw_link link;
} member;

static int first_number(const fw_list *list)
{
    fw_link *first = fw_list_first(list);
    return first ? FW_CONTAINER(first, member, link)->number : -1;
}

static void take_first(fw_list *list)
{
    fw_link_remove(fw_list_first(list));
}

TEST(members_leave_a_list_in_their_order)
{
    fw_list list;
    member members[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    fw_list_init(&list);
    CHECK(fw_list_first(&list) == NULL && !fw_link_linked(&members[0].link));
    for (int i = 1; i < 4; i++)
        fw_list_append(&list, &members[i].link);
    fw_list_prepend(&list, &members[0].link);
    for (int i = 0; i < 4; i++) {
        CHECK(first_number(&list) == i && fw_link_linked(&members[i].link));
        take_first(&list);
        CHECK(!fw_link_linked(&members[i].link));
    }
    CHECK(fw_list_first(&list) == NULL);
}

TEST(a_member_leaves_from_anywhere_and_may_come_back)
{
    fw_list list;
    member members[5];
    for (int gone = 0; gone < 5; gone++) {
        fw_list_init(&list);
        memset(members, 0, sizeof members);
        for (int i = 0; i < 5; i++) {
            members[i].number = i;
            fw_list_append(&list, &members[i].link);
        }
        fw_link_remove(&members[gone].link);
        fw_link_remove(&members[gone].link); /* not in any list: nothing happens */
        for (int i = 0; i < 5; i++) {
            if (i == gone)
                continue;
            CHECK(first_number(&list) == i);
            take_first(&list);
        }
        fw_list_append(&list, &members[gone].link);
        CHECK(first_number(&list) == gone);
    }
}

TEST(a_buffer_is_made_to_fit_what_is_left)
{
    fw_buffer buffer = {0};
    char text[10000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    CHECK(fw_buffer_append(&buffer, text, sizeof text) == 0);
    fw_buffer_fit(&buffer); /* nothing to gain */
    CHECK(buffer.size == 16384);
    fw_buffer_consume(&buffer, sizeof text - 700);
    fw_buffer_fit(&buffer);
    CHECK(buffer.size == 1024 && fw_buffer_len(&buffer) == 700);
    CHECK(memcmp(fw_buffer_at(&buffer), text + sizeof text - 700, 700) == 0);
    fw_buffer_consume(&buffer, 699);
    fw_buffer_fit(&buffer); /* not worth a call for so little */
    CHECK(buffer.size == 1024 && fw_buffer_len(&buffer) == 1);
    fw_buffer_consume(&buffer, 1);
    fw_buffer_fit(&buffer);
    CHECK(buffer.data == NULL && buffer.size == 0);
}
