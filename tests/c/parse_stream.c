/* parse_stream.c -- the parser as a filter, for comparisons with parsers in other languages.
 * stdin:  messages, each a length (uint32, big-endian) and so many bytes.
 * stdout: for each one line of JSON, flushed: verdict ("ok", or the token of the code that the head
 *         or the content was given), and as far as the head was read what was understood. Bytes
 *         are strings of the same code points (latin-1). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/chunked.h"
#include "error.h"
#include "fapws.h"
#include "http/parser.h"

#define MAX_MESSAGE (1024 * 1024)
#define MAX_FIELDS 100

static void put_string(const char *key, fw_slice bytes)
{
    printf("\"%s\": \"", key);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    fputs("\", ", stdout);
}

static void put_head(const fw_head *head)
{
    put_string("method", head->method);
    put_string("target", head->target);
    put_string("authority", head->authority);
    put_string("path", head->path);
    put_string("query", head->query);
    printf("\"minor\": %d, \"content_length\": %" PRId64 ", ", head->minor, head->content_length);
    printf("\"chunked\": %s, \"keep_alive\": %s, \"fields\": [", head->chunked ? "true" : "false",
           head->keep_alive ? "true" : "false");
    for (size_t i = 0; i < head->field_count; i++) {
        fputs(i == 0 ? "{" : ", {", stdout);
        put_string("name", head->fields[i].name);
        put_string("value", head->fields[i].value);
        fputs("\"i\": 0}", stdout);
    }
    fputs("], ", stdout);
}

/* Bytes of content read, a negative code otherwise; *content is set in any case. */
static int64_t read_content(const fw_head *head, char *at, size_t len, fw_slice *content)
{
    *content = (fw_slice){at, 0};
    if (head->chunked) {
        fw_chunked decoder = {0};
        content->len = len;
        int64_t rest = fw_decode_chunked(&decoder, at, &content->len);
        return rest < 0 ? rest : (int64_t)len - rest;
    }
    if (head->content_length <= 0)
        return 0;
    if ((uint64_t)head->content_length > len)
        return FW_MORE;
    content->len = (size_t)head->content_length;
    return head->content_length;
}

static void judge(char *message, size_t len)
{
    static const fw_head_limits limits = {65536, 8192, MAX_FIELDS};
    static fw_field fields[MAX_FIELDS];
    fw_head head = {.fields = fields};

    putchar('{');
    int64_t verdict = fw_parse_head(message, len, 0, &limits, &head);
    if (verdict > 0) {
        fw_slice content;
        size_t head_len = (size_t)verdict;
        put_head(&head); /* before the content is decoded in place behind it */
        verdict = read_content(&head, message + head_len, len - head_len, &content);
        put_string("content", content);
        if (verdict >= 0)
            printf("\"consumed\": %zu, ", head_len + (size_t)verdict);
    }
    printf("\"verdict\": \"%s\"}\n", verdict >= 0 ? "ok" : fw_error_name((int)verdict));
    fflush(stdout);
}

int main(void)
{
    static char message[MAX_MESSAGE];
    unsigned char size[4];
    while (fread(size, sizeof size, 1, stdin) == 1) {
        size_t len = (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | size[3];
        if (len > sizeof message || fread(message, 1, len, stdin) != len) {
            fputs("parse_stream: a message is cut or too large\n", stderr);
            return EXIT_FAILURE;
        }
        judge(message, len);
    }
    return EXIT_SUCCESS;
}
