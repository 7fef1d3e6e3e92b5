/* test_shapes.c -- header shapes: what is admitted, found again, pushed out, and what stays out. */
#include "worker.h"

#include "core_reply.h"

static test_site here;
static test_client one;

static void open_both(void)
{
    site_open(&here, NULL);
    client_open(&here, &one);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

/* The request as the application gets it, answered at once. Valid until the next. */
static const test_record *ask(const char *line, const char *fields)
{
    site_forget(&here);
    client_ask(&here, &one, line, fields);
    const test_record *request = site_request(&here);
    CHECK(respond(&here, request->id, "200 OK", "") == 0);
    CHECK(client_reply_is(&here, &one, 200, ""));
    return request;
}

TEST(a_shape_is_told_when_it_comes_again_and_a_number_from_then_on)
{
    open_both();
    const test_record *request = ask("GET / HTTP/1.1", "A: 1\r\nb: 2\r\n");
    CHECK(request->kind == FW_REQUEST && !request->defines);
    CHECK(strcmp(request->shape, "GET:1.1:0:Host:A:b") == 0);
    request = ask("GET /x HTTP/1.1", "A: 3\r\nb: 4\r\n");
    int64_t number = request->kind;
    CHECK(number >= 0 && number < FW_SHAPES && request->defines);
    for (int i = 0; i < 3; i++) {
        request = ask("GET /y HTTP/1.1", "A: 5\r\nb: 6\r\n");
        CHECK(request->kind == number && !request->defines);
        CHECK(strcmp(request->shape, "GET:1.1:0:Host:A:b") == 0);
        CHECK(strcmp(request->path, "/y") == 0 && strcmp(request->value[1], "5") == 0);
        CHECK(strcmp(request->value[2], "6") == 0 && request->values == 3);
    }
    close_both();
}

TEST(method_version_listener_case_and_order_make_another_shape)
{
    test_client local;
    open_both();
    int64_t number = -1;
    for (int i = 0; i < 3; i++)
        number = ask("GET / HTTP/1.1", "A: 1\r\nB: 2\r\n")->kind;
    CHECK(number >= 0);
    CHECK(ask("GET / HTTP/1.1", "B: 1\r\nA: 2\r\n")->kind != number);
    CHECK(ask("GET / HTTP/1.1", "a: 1\r\nB: 2\r\n")->kind != number);
    CHECK(ask("get / HTTP/1.1", "A: 1\r\nB: 2\r\n")->kind != number);
    CHECK(ask("GET / HTTP/1.1", "A: 1\r\n")->kind != number);
    CHECK(ask("GET / HTTP/1.0", "A: 1\r\nB: 2\r\nConnection: keep-alive\r\n")->kind != number);
    client_open_unix(&here, &local);
    client_ask(&here, &local, "GET / HTTP/1.1", "A: 1\r\nB: 2\r\n");
    CHECK(site_request(&here)->kind != number);
    CHECK(ask("GET / HTTP/1.1", "A: 1\r\nB: 2\r\n")->kind == number);
    client_close(&local);
    close_both();
}

TEST(names_that_must_not_reach_the_application_are_hidden)
{
    open_both();
    for (int i = 0; i < 3; i++) {
        const test_record *request = ask(
            "GET / HTTP/1.1", "Content_Length: 9\r\nA: 1\r\nproXY: evil\r\n_: 2\r\nProxy-X: 3\r\n");
        CHECK(strcmp(request->shape, "GET:1.1:0:Host:A:Proxy-X") == 0);
        CHECK(request->values == 3 && strcmp(request->value[1], "1") == 0);
        CHECK(strcmp(request->value[2], "3") == 0);
    }
    close_both();
}

TEST(an_absolute_target_overrides_host)
{
    open_both();
    for (int i = 0; i < 3; i++) {
        const test_record *request = ask("GET http://real:81/p?q HTTP/1.1", "A: 1\r\n");
        CHECK(strcmp(request->shape, "GET:1.1:0:Host:A") == 0);
        CHECK(strcmp(request->value[0], "real:81") == 0 && strcmp(request->value[1], "1") == 0);
        CHECK(strcmp(request->path, "/p") == 0 && strcmp(request->query, "q") == 0);
        CHECK(strcmp(request->target, "http://real:81/p?q") == 0);
    }
    close_both();
}

TEST(an_absolute_target_gives_a_host_where_there_is_none)
{
    open_both();
    client_say(&here, &one, "GET http://real HTTP/1.0\r\nA: 1\r\n\r\n");
    const test_record *request = site_request(&here);
    CHECK(strcmp(request->shape, "GET:1.0:0:A:Host") == 0 && strcmp(request->path, "/") == 0);
    CHECK(strcmp(request->value[0], "1") == 0 && strcmp(request->value[1], "real") == 0);
    close_both();
}

TEST(repeated_names_never_become_a_shape)
{
    open_both();
    for (int i = 0; i < 4; i++) {
        const test_record *request = ask("GET / HTTP/1.1", "A: 1\r\nCookie: x\r\na: 2\r\n");
        CHECK(request->kind == FW_REQUEST && !request->defines);
        CHECK(strcmp(request->shape, "GET:1.1:0:Host:A:Cookie:a") == 0 && request->values == 4);
    }
    close_both();
}

TEST(shapes_of_requests_with_content_are_cached_too)
{
    open_both();
    for (int i = 0; i < 3; i++) {
        client_say(&here, &one,
                   "PUT / HTTP/1.1\r\nHost: a\r\nContent-Type: t\r\nContent-Length: 2\r\n\r\nab");
        const test_record *request = site_request(&here);
        CHECK((request->kind >= 0) == (i > 0));
        CHECK(strcmp(request->shape, "PUT:1.1:0:Host:Content-Type:Content-Length") == 0);
        CHECK(strcmp(request->value[2], "2") == 0 && strcmp(request->body, "ab") == 0);
        CHECK(respond(&here, request->id, "200 OK", "") == 0);
        CHECK(client_reply_is(&here, &one, 200, ""));
    }
    close_both();
}

/* Whatever is pushed out when: the names and values of each request are its own (site_request reads
 * them by the shapes told so far). */
TEST(more_shapes_than_places_are_never_mixed_up)
{
    enum { COUNT = 400, ROUNDS = 6 };
    unsigned random = 7;
    int hits = 0;
    open_both();
    for (int i = 0; i < COUNT * ROUNDS; i++) {
        char fields[200];
        char expected[200];
        random = random * 1103515245u + 12345u;
        int number = (int)(random >> 16) % COUNT;
        (void)snprintf(fields, sizeof fields, "X-%d: %d\r\nA: b\r\n", number, i);
        (void)snprintf(expected, sizeof expected, "GET:1.1:0:Host:X-%d:A", number);
        for (int twice = 0; twice < 1 + i % 2; twice++) {
            const test_record *request = ask("GET / HTTP/1.1", fields);
            CHECK(strcmp(request->shape, expected) == 0);
            CHECK(request->values == 3 && atoi(request->value[1]) == i);
            hits += request->kind >= 0 && !request->defines;
        }
    }
    CHECK(hits > 0);
    close_both();
}

TEST(random_names_push_out_no_shape_in_use)
{
    open_both();
    for (int i = 0; i < 2; i++)
        (void)ask("GET / HTTP/1.1", "In-Use: 1\r\n");
    for (int i = 0; i < 1000; i++) {
        char fields[100];
        (void)snprintf(fields, sizeof fields, "Random-%d: 1\r\n", i);
        CHECK(ask("GET / HTTP/1.1", fields)->kind == FW_REQUEST);
    }
    CHECK(ask("GET / HTTP/1.1", "In-Use: 2\r\n")->kind >= 0);
    close_both();
}

/* ---- Numbers that are noted with a template (http/template.h) -------------------------------------- */

static bool is_noted(int64_t number)
{
    for (size_t i = 0; i < FW_TEMPLATES; i++) {
        const fw_template_note *note = &here.worker->templates[i].note;
        if (note->serial && note->number == number)
            return true;
    }
    return false;
}

static int64_t number_of(const char *line, const char *fields)
{
    int64_t number = -1;
    for (int i = 0; i < 4; i++) /* the first ones tell it, then the note does */
        number = ask(line, fields)->kind;
    CHECK(number >= 0 && is_noted(number));
    return number;
}

TEST(what_differs_beside_the_names_is_not_given_the_noted_number)
{
    open_both();
    int64_t number = number_of("GET /x%20y?q HTTP/1.1", "A: 1\r\n");
    const test_record *request = ask("GET /%41%0Ab HTTP/1.1", "A: 2\r\n");
    CHECK(request->kind == FW_REQUEST_RAW && strcmp(request->path, "/%41%0Ab") == 0);
    CHECK(strcmp(request->shape, "GET:1.1:0:Host:A") == 0 && strcmp(request->value[1], "2") == 0);
    request = ask("GET /%41 HTTP/1.1", "A: 3\r\n");
    CHECK(request->kind == number && strcmp(request->path, "/A") == 0);
    static const char *const methods[] = {"PUT", "GETS", "GE", "G", "EIGHTEEN", "NINETEEN9"};
    for (size_t i = 0; i < 3 * sizeof methods / sizeof *methods; i++) {
        char line[100];
        char expected[100];
        const char *method = methods[i / 3];
        (void)snprintf(line, sizeof line, "%s / HTTP/1.1", method);
        (void)snprintf(expected, sizeof expected, "%s:1.1:0:Host:A", method);
        CHECK(strcmp(ask(line, "A: 4\r\n")->shape, expected) == 0);
    }
    CHECK(strcmp(ask("GET http://b/ HTTP/1.1", "A: 1\r\n")->value[0], "b") == 0);
    CHECK(ask("GET / HTTP/1.1", "A: 1\r\n")->kind == number);
    close_both();
}

TEST(a_hidden_name_is_never_noted)
{
    open_both();
    for (int i = 0; i < 4; i++) {
        const test_record *request = ask("GET / HTTP/1.1", "A: 1\r\nB_C: 2\r\nD: 3\r\n");
        CHECK(strcmp(request->shape, "GET:1.1:0:Host:A:D") == 0 && request->values == 3);
        CHECK(strcmp(request->value[2], "3") == 0);
        CHECK(request->kind < 0 || !is_noted(request->kind));
    }
    close_both();
}

/* More clients than templates, so that they have all of them in common with others. */
TEST(another_listener_has_numbers_of_its_own)
{
    open_both();
    int64_t number = number_of("GET / HTTP/1.1", "A: 1\r\n");
    for (int i = 0; i < 4 * FW_TEMPLATES; i++) {
        test_client other;
        bool local = i % 3 == 2;
        if (local)
            client_open_unix(&here, &other);
        else
            client_open(&here, &other);
        client_ask(&here, &other, "GET / HTTP/1.1", "A: 1\r\n");
        const test_record *request = site_request(&here);
        CHECK(strcmp(request->shape, local ? "GET:1.1:1:Host:A" : "GET:1.1:0:Host:A") == 0);
        CHECK((request->kind == number) == !local);
        client_close(&other);
    }
    close_both();
}

TEST(a_remote_address_that_is_a_proxys_own_is_told_each_time)
{
    site_open(&here, NULL);
    CHECK(fw_expect_proxy(here.worker, 0) == 0);
    for (int i = 0; i < 4 * FW_TEMPLATES; i++) {
        bool nameless = i % 3 == 2;
        client_open(&here, &one);
        client_say(&here, &one,
                   nameless ? "PROXY UNKNOWN\r\n" : "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n");
        const test_record *request = ask("GET / HTTP/1.1", "A: 1\r\n");
        CHECK(strcmp(request->shape, nameless ? "GET:1.1:0?:Host:A" : "GET:1.1:0:Host:A") == 0);
        client_close(&one);
    }
    site_close(&here);
}

TEST(a_number_that_another_shape_has_got_is_not_used_any_more)
{
    test_client other;
    open_both();
    int64_t number = number_of("GET / HTTP/1.1", "A: 1\r\n");
    test_client first = one;
    client_open(&here, &other);
    one = other;
    bool gone = false;
    for (int i = 0; i < 100 * FW_SHAPES && !gone; i++) {
        char fields[100];
        (void)snprintf(fields, sizeof fields, "X-%d: 1\r\n", i / 2);
        const test_record *request = ask("GET / HTTP/1.1", fields);
        gone = request->kind == number && request->defines;
    }
    CHECK(gone);
    other = one;
    one = first;
    const test_record *request = ask("GET / HTTP/1.1", "A: 2\r\n");
    CHECK(strcmp(request->shape, "GET:1.1:0:Host:A") == 0 && request->kind == FW_REQUEST);
    client_close(&other);
    close_both();
}

/* ---- The table alone --------------------------------------------------------------------------- */

static fw_shapes shapes;

TEST(a_long_shape_is_not_kept)
{
    static char text[5000];
    bool define;
    memset(text, 'a', sizeof text);
    for (int i = 0; i < 3; i++) {
        CHECK(fw__shape_find(&shapes, text, 4097, &define) == -1 && !define);
        CHECK((fw__shape_find(&shapes, text, 4096, &define) >= 0) == (i > 0));
    }
    fw__shapes_free(&shapes);
    memset(&shapes, 0, sizeof shapes);
}

TEST(texts_that_differ_in_their_end_alone_find_every_place)
{
    bool found[FW_SHAPES] = {false}, define;
    for (int i = 0; i < 20 * FW_SHAPES; i++) {
        char text[20];
        size_t len = (size_t)snprintf(text, sizeof text, "Host:X-%d", i);
        CHECK(fw__shape_find(&shapes, text, len, &define) == -1);
        int number = fw__shape_find(&shapes, text, len, &define);
        CHECK(number >= 0 && define);
        found[number] = true;
    }
    for (int i = 0; i < FW_SHAPES; i++) {
        NOTE("place %d", i);
        CHECK(found[i]);
    }
    fw__shapes_free(&shapes);
    memset(&shapes, 0, sizeof shapes);
}

TEST(texts_of_every_length_are_told_apart)
{
    static char text[200];
    bool define;
    memset(text, 'a', sizeof text);
    for (size_t len = 1; len < sizeof text; len++) {
        NOTE("length %zu", len);
        CHECK(fw__shape_find(&shapes, text, len, &define) == -1 && !define);
        int number = fw__shape_find(&shapes, text, len, &define);
        CHECK(number >= 0 && number < FW_SHAPES && define);
        CHECK(fw__shape_find(&shapes, text, len, &define) == number && !define);
        text[len - 1] = 'b';
        CHECK(fw__shape_find(&shapes, text, len, &define) != number);
        text[len - 1] = 'a';
        CHECK(shapes.slots[number].len == len && memcmp(shapes.slots[number].text, text, len) == 0);
    }
    fw__shapes_free(&shapes);
    memset(&shapes, 0, sizeof shapes);
}
