/* test_core_proxy.c -- listeners whose connections begin with a PROXY header. */
#include "core_reply.h"

static test_site here;
static test_client one;

static void open_site(const fw_settings *settings)
{
    site_open(&here, settings);
    CHECK(fw_expect_proxy(here.worker, 0) == 0 && fw_expect_proxy(here.worker, 1) == 0);
}

static void close_both(void)
{
    client_close(&one);
    site_close(&here);
}

static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/* A version 2 header: command 0x20 or 0x21, family byte, what follows. */
static size_t version2(char *out, int command, int family, const void *rest, size_t len)
{
    static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";
    memcpy(out, signature, 12);
    out[12] = (char)command;
    out[13] = (char)family;
    out[14] = (char)(len >> 8);
    out[15] = (char)len;
    memcpy(out + 16, rest, len);
    return 16 + len;
}

static void check_peer(const char *header, size_t len, const char *address, const char *port)
{
    char own_port[8];
    open_site(NULL);
    for (size_t cut = 0; cut <= len; cut++) { /* the header in two pieces, or with the request */
        struct sockaddr_in name;
        socklen_t size = sizeof name;
        client_open(&here, &one);
        CHECK(getsockname(one.fd, (struct sockaddr *)&name, &size) == 0);
        (void)snprintf(own_port, sizeof own_port, "%d", ntohs(name.sin_port));
        NOTE("%.50s cut at %zu", header, cut);
        if (cut > 0) {
            CHECK(client_push(&here, &one, header, cut) && site_quiet(&here));
        }
        CHECK(client_push(&here, &one, header + cut, len - cut));
        client_say(&here, &one, request);
        for (int i = 0; i < 2; i++) { /* the second request has no header and the same peer */
            const test_record *got = site_request(&here);
            CHECK(strcmp(got->address, address ? address : "127.0.0.1") == 0);
            CHECK(strcmp(got->port, port ? port : own_port) == 0);
            CHECK(respond(&here, got->id, "200 OK", "x") == 0);
            CHECK(client_reply_is(&here, &one, 200, "x"));
            if (i == 0)
                client_say(&here, &one, request);
        }
        client_close(&one);
        site_forget(&here);
    }
    site_close(&here);
}

TEST(a_text_header_names_the_client)
{
    static const char four[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";
    static const char six[] = "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n";
    static const char unknown[] = "PROXY UNKNOWN ffff::1 whatever\r\n";
    check_peer(four, sizeof four - 1, "192.0.2.1", "56324");
    check_peer(six, sizeof six - 1, "2001:db8::1", "1");
    check_peer(unknown, sizeof unknown - 1, NULL, NULL);
}

TEST(a_binary_header_names_the_client)
{
    char header[300];
    char rest[200] = "\xC0\0\x02\x01\xC0\0\x02\x02\x12\x34\0\x50";
    size_t len = version2(header, 0x21, 0x11, rest, 12);
    check_peer(header, len, "192.0.2.1", "4660");
    len = version2(header, 0x21, 0x11, rest, 40); /* extensions behind the addresses */
    check_peer(header, len, "192.0.2.1", "4660");
    len = version2(header, 0x20, 0, rest, 0); /* LOCAL */
    check_peer(header, len, NULL, NULL);
    len = version2(header, 0x21, 0x31, rest, 200); /* unix, of no use */
    check_peer(header, len, NULL, NULL);
    memset(rest, 0, sizeof rest);
    rest[15] = rest[31] = 1;
    rest[33] = 7;
    len = version2(header, 0x21, 0x21, rest, 36);
    check_peer(header, len, "::1", "7");
}

static void check_refused(const char *header, size_t len)
{
    open_site(NULL);
    client_open(&here, &one);
    NOTE("%.50s", header);
    CHECK(client_push(&here, &one, header, len));
    client_say(&here, &one, request);
    CHECK(client_gets(&here, &one, "HTTP/1.1 400 ") && client_sees_end(&here, &one) && !one.reset);
    CHECK(site_quiet(&here) && here.score.requests == 0 && here.score.refused == 1);
    close_both();
}

TEST(what_does_not_begin_with_a_good_header_is_refused)
{
    static const char *const texts[] = {
        "",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 1.2.3.4  5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
        "PROXY TCP4 ::1 ::2 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "\r\n\r\nPROXY",
    };
    char header[300];
    char rest[200] = "";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        check_refused(texts[i], strlen(texts[i]));
    memset(header, 'x', sizeof header);
    memcpy(header, "PROXY UNKNOWN ", 14);
    check_refused(header, 200); /* longer than a line may be */
    check_refused(header, version2(header, 0x11, 0x11, rest, 12));
    check_refused(header, version2(header, 0x22, 0x11, rest, 12));
    check_refused(header, version2(header, 0x21, 0x11, rest, 11));
    check_refused(header, version2(header, 0x21, 0x21, rest, 35));
}

TEST(a_header_on_another_listener_is_a_bad_request)
{
    site_open(&here, NULL);
    CHECK(fw_expect_proxy(here.worker, 2) == FW_ESTATE &&
          fw_expect_proxy(here.worker, -1) == FW_ESTATE);
    client_open(&here, &one);
    client_say(&here, &one, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n");
    client_say(&here, &one, request);
    CHECK(client_gets(&here, &one, "HTTP/1.1 400 ") && here.score.requests == 0);
    close_both();
}

static void check_trust(bool local, bool trusted)
{
    (local ? client_open_unix : client_open)(&here, &one);
    client_say(&here, &one, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n");
    client_say(&here, &one, request);
    if (trusted) {
        const test_record *got = site_request(&here);
        CHECK(strcmp(got->address, "1.2.3.4") == 0);
        CHECK(respond(&here, got->id, "200 OK", "x") == 0 && client_gets(&here, &one, "200 OK"));
    } else {
        CHECK(client_gets(&here, &one, "HTTP/1.1 400 ") && client_sees_end(&here, &one));
    }
    client_close(&one);
}

TEST(only_trusted_addresses_may_send_headers_once_one_is_named)
{
    static const unsigned char other[4] = {10, 1, 2, 3}, home[4] = {127, 0, 0, 99};
    open_site(NULL);
    check_trust(false, true);
    CHECK(fw_trust(here.worker, 5, other, 8) == FW_ESTATE);
    CHECK(fw_trust(here.worker, 4, other, 33) == FW_ESTATE);
    CHECK(fw_trust(here.worker, 4, other, 8) == 0);
    check_trust(false, false);
    check_trust(true, false);
    CHECK(fw_trust(here.worker, 4, home, 26) == 0); /* up to 127.0.0.63 it is another network */
    check_trust(false, false);
    CHECK(fw_trust(here.worker, 4, home, 25) == 0);
    check_trust(false, true);
    check_trust(true, false);
    CHECK(fw_trust(here.worker, 0, NULL, 0) == 0);
    check_trust(true, true);
    site_close(&here);
}

/* Its connection must not live for ever: nothing of a request has come, and the header is over. */
TEST(a_client_that_sends_its_header_and_no_more_is_closed)
{
    fw_settings settings = settings_usual();
    settings.header_timeout = 100;
    settings.keepalive_timeout = 100;
    for (int apart = 0; apart < 2; apart++) {
        NOTE("in %d pieces", apart + 1);
        open_site(&settings);
        client_open(&here, &one);
        client_say(&here, &one, "PROXY TCP4 1.2.3.4");
        if (apart)
            CHECK(site_quiet(&here));
        client_say(&here, &one, " 5.6.7.8 1 2\r\n");
        uint64_t start = awake_ms(0);
        CHECK(client_sees_end(&here, &one) && awake_ms(0) - start < 1000);
        close_both();
    }
}
