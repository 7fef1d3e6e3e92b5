/* test_error.c -- the error table: every code has its texts, no two share a value or a token. */
#include "error.h"
#include "fapws.h"
#include "check.h"

typedef struct {
    int code;
    int status;
    const char *token;
    const char *text;
    const char *source;
} row;

static const row rows[] = {
#define ROW(name, value, status, token, text, source) {value, status, token, text, source},
    FW_ERRORS(ROW)
#undef ROW
};

#define ROWS (sizeof rows / sizeof rows[0])

TEST(every_code_has_its_row)
{
    for (size_t i = 0; i < ROWS; i++) {
        NOTE("%s", rows[i].token);
        const char *name = fw_error_name(rows[i].code);
        const char *text = fw_error_text(rows[i].code);
        CHECK(name != NULL && strcmp(name, rows[i].token) == 0);
        CHECK(text != NULL && strcmp(text, rows[i].text) == 0);
        CHECK(fw_error_status(rows[i].code) == rows[i].status);
    }
}

TEST(codes_are_negative_and_distinct_and_tokens_too)
{
    for (size_t i = 0; i < ROWS; i++) {
        NOTE("%s", rows[i].token);
        CHECK(rows[i].code < 0);
        for (size_t j = 0; j < i; j++) {
            CHECK(rows[i].code != rows[j].code);
            CHECK(strcmp(rows[i].token, rows[j].token) != 0);
        }
    }
}

TEST(a_status_is_none_or_an_error_for_a_client)
{
    for (size_t i = 0; i < ROWS; i++) {
        NOTE("%s", rows[i].token);
        CHECK(rows[i].status == 0 || (rows[i].status >= 400 && rows[i].status <= 599));
    }
}

/* Logs and documents name them; nothing in a token needs quoting anywhere. */
TEST(tokens_are_lower_case_words)
{
    for (size_t i = 0; i < ROWS; i++) {
        NOTE("%s", rows[i].token);
        CHECK(rows[i].token[0] != '\0');
        CHECK(strspn(rows[i].token, "abcdefghijklmnopqrstuvwxyz_") == strlen(rows[i].token));
    }
}

/* Whoever is refused can read why: docs/refusals.md links to the section. */
TEST(what_a_client_gets_to_see_has_a_source)
{
    for (size_t i = 0; i < ROWS; i++) {
        NOTE("%s", rows[i].token);
        const char *source = rows[i].source;
        bool rule = strncmp(source, "RFC ", 4) == 0 || strncmp(source, "PROXY ", 6) == 0;
        CHECK(rule || (source[0] == '\0' && rows[i].status == 0));
    }
}

TEST(what_is_no_code_has_no_name_text_or_status)
{
    static const int none[] = {0, 1, 200, -19, -29, -9999, 2147483647, -2147483647 - 1};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        NOTE("%d", none[i]);
        CHECK(fw_error_name(none[i]) == NULL);
        CHECK(fw_error_text(none[i]) == NULL);
        CHECK(fw_error_status(none[i]) == 0);
    }
}
