/* test_encodings.c -- which sibling of a file a client gets, by its Accept-Encoding fields. */
#include "check.h"
#include "static/encodings.h"

#define ALL ((1u << FW_ENCODINGS) - 1)

static const char *chosen(const char *first, const char *second, unsigned there)
{
    fw_field fields[3] = {{{"accept", 6}, {"br", 2}},
                          {{"Accept-Encoding", 15}, {first, first ? strlen(first) : 0}},
                          {{"accept-encoding", 15}, {second, second ? strlen(second) : 0}}};
    fw_head head = {.fields = fields, .field_count = first ? second ? 3 : 2 : 1};
    fw_encoding choice = fw__choose_encoding(&head, there);
    return choice == FW_ENCODINGS ? "identity" : fw__encodings[choice].name;
}

static void expect(const char *field, const char *wanted)
{
    NOTE("%s: %s", field ? field : "(none)", chosen(field, NULL, ALL));
    CHECK(strcmp(chosen(field, NULL, ALL), wanted) == 0);
}

TEST(a_client_that_names_nothing_gets_the_file_as_it_is)
{
    expect(NULL, "identity");
    expect("", "identity");
    expect("identity", "identity");
    expect("deflate, compress", "identity");
    expect("brotli, gz", "identity");
}

TEST(the_smallest_of_those_with_the_same_weight_is_sent)
{
    expect("gzip", "gzip");
    expect("gzip, deflate, br, zstd", "br");
    expect("gzip, zstd", "zstd");
    expect("zstd;q=0.5,br;q=0.5,gzip;q=0.5", "br");
    expect("X-GZIP", "gzip");
    expect("GZip", "gzip");
    expect("*", "br");
    expect("gzip, identity", "gzip");
}

TEST(weights_are_obeyed)
{
    expect("br;q=0.1, gzip;q=0.9", "gzip");
    expect("br;q=0.899, zstd;q=0.9 , gzip;q=0.90", "zstd");
    expect("br;q=0, gzip", "gzip");
    expect("br;q=0.000, gzip;q=0.001", "gzip");
    expect("gzip;q=0.5, identity;q=1", "identity");
    expect("gzip;q=0.5, identity;q=0.5", "gzip");
    expect("gzip;q=0, *", "br");
    expect("br;q=0, zstd;q=0.0, *;q=0.3", "gzip");
    expect("*;q=0", "identity");
    expect("*;q=0, gzip", "gzip");
    expect("identity;q=0", "identity");
    expect("gzip \t;\tq=1.000", "gzip");
    expect("gzip;Q=0.4,br;q=0.3", "gzip");
    expect("br, br;q=0, gzip", "gzip");
}

TEST(what_is_no_weight_is_no_wish)
{
    static const char *const bad[] = {
        "gzip;q=",      "gzip;q=2",     "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=-1", "gzip;q=a",
        "gzip;q=0.a",   "gzip;q=1.0.0", "gzip;q",       "gzip;",         "gzip;r=1",  "gzip;q =1",
        "gzip;q= 1",    "gzip q=1",     "gzip;;q=1",    "gzip;q=1;q=1",  "gzip;q=10", "gzip;q=.5",
        "gzip;q=\"1\"", ";q=1",         "gzi p",        "=gzip",         ",,,",       " , \t,",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect(bad[i], "identity");
    expect(" ,gzip , ,", "gzip");
    expect("gzip;q=x, br", "br");
}

TEST(several_fields_are_one_list)
{
    CHECK(strcmp(chosen("deflate", "gzip", ALL), "gzip") == 0);
    CHECK(strcmp(chosen("br;q=0.1", "gzip;q=0.2", ALL), "gzip") == 0);
}

TEST(only_what_is_there_is_chosen)
{
    CHECK(strcmp(chosen("br, gzip", NULL, 1u << FW_GZIP), "gzip") == 0);
    CHECK(strcmp(chosen("br, gzip", NULL, 1u << FW_ZSTD), "identity") == 0);
    CHECK(strcmp(chosen("*", NULL, 1u << FW_ZSTD), "zstd") == 0);
    CHECK(strcmp(chosen("br", NULL, 0), "identity") == 0);
}
