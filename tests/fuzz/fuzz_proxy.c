/* fuzz_proxy.c -- any bytes as a PROXY header (csrc/http/proxy.c).
 * Input: the header, perhaps with bytes behind it.
 * Holds: the verdict depends neither on how the bytes arrive nor on what is behind the header, and a
 *        header is never longer than its input or than FW_PROXY_MAX. */
#include "fuzz.h"

#include "error.h"
#include "http/proxy.h"

static int64_t parse(const char *bytes, size_t len, fw_proxy *proxy)
{
    char *copy = fuzz_copy(bytes, len);
    memset(proxy, 0x55, sizeof *proxy); /* nothing may be left unset */
    int64_t verdict = fw_parse_proxy(copy, len, proxy);
    free(copy);
    return verdict;
}

static bool same(const fw_proxy *a, const fw_proxy *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->address, b->address, sizeof a->address) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    fw_proxy whole;
    fw_proxy part;
    int64_t verdict = parse(bytes, size, &whole);
    MUST(verdict == FW_MORE || verdict == FW_EPROXY || verdict > 0);
    if (verdict > 0) {
        MUST((size_t)verdict <= size && verdict <= FW_PROXY_MAX);
        MUST(whole.family == 0 || whole.family == 4 || whole.family == 6);
        MUST(parse(bytes, (size_t)verdict, &part) == verdict && same(&whole, &part));
    }
    MUST(verdict != FW_MORE || size < FW_PROXY_MAX);
    size_t longest = size < 300 ? size : 300;
    bool told = false;
    for (size_t len = 0; len <= longest; len++) {
        int64_t got = parse(bytes, len, &part);
        MUST(got == verdict || (got == FW_MORE && !told));
        MUST(got <= 0 || len >= (size_t)verdict);
        told = got != FW_MORE;
    }
    return 0;
}
