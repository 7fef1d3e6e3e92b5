/* http/scan.h -- finds where a run of allowed bytes ends: 16 bytes a step with SSE2 or NEON, 8 elsewhere.
 * Owns:   nothing. The classes byte by byte are in bytes.c; a step must agree with them.
 * Never:  reads at or beyond end, so a slice may touch the end of a mapping.
 *
 * Three back ends give the same few operations on a block of bytes, and the classes are written
 * once in terms of them. In the result of a comparison a byte is all ones (SIMD) or 0x80 (SWAR)
 * where it holds, else 0. FW_SCAN_PORTABLE forces SWAR, so that tests cover it everywhere. */
#ifndef FAPWS_SCAN_H
#define FAPWS_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(FW_SCAN_PORTABLE) && defined(__SSE2__)
#include <emmintrin.h>
#define FW_BLOCK_SIZE 16
#elif !defined(FW_SCAN_PORTABLE) && defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define FW_BLOCK_SIZE 16
#else
#define FW_BLOCK_SIZE 8
#endif

/* What a byte may be part of; bits of fw__byte_class. */
#define FW_TOKEN 0x01  /* tchar, RFC 9110 5.6.2 */
#define FW_TARGET 0x02 /* request target: 0x21 to 0x7E without "#" */
#define FW_VALUE 0x04  /* field value: VCHAR, SP, HTAB, obs-text */
#define FW_NAME 0x08   /* reg-name without "%" and ",", RFC 3986 3.2.2 */
#define FW_HEX 0x10
#define FW_DIGIT 0x20

extern const uint8_t fw__byte_class[256];

static inline int fw_is(char c, int class)
{
    return fw__byte_class[(unsigned char)c] & class;
}

/* c must be of FW_HEX. */
static inline unsigned fw_hex_value(char c)
{
    return fw_is(c, FW_DIGIT) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

/* ---- Operations on a block ------------------------------------------------------------------- */

#if FW_BLOCK_SIZE == 16 && defined(__SSE2__)

typedef __m128i fw_block;

static inline fw_block fw_block_load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

static inline fw_block fw_block_of(unsigned char c)
{
    return _mm_set1_epi8((char)c);
}

static inline fw_block fw_block_or(fw_block a, fw_block b)
{
    return _mm_or_si128(a, b);
}

static inline fw_block fw_block_minus(fw_block a, fw_block b)
{
    return _mm_andnot_si128(b, a);
}

static inline fw_block fw_block_is(fw_block block, unsigned char c)
{
    return _mm_cmpeq_epi8(block, fw_block_of(c));
}

/* Unsigned; SSE2 compares only signed bytes, so by way of the minimum and maximum. */
static inline fw_block fw_block_upto(fw_block block, unsigned char last)
{
    return _mm_cmpeq_epi8(_mm_min_epu8(block, fw_block_of(last)), block);
}

static inline fw_block fw_block_from(fw_block block, unsigned char first)
{
    return _mm_cmpeq_epi8(_mm_max_epu8(block, fw_block_of(first)), block);
}

/* Index of the first byte that holds, FW_BLOCK_SIZE if none. */
static inline size_t fw_block_first(fw_block found)
{
    unsigned mask = (unsigned)_mm_movemask_epi8(found);
    return (size_t)__builtin_ctz(mask | 1U << FW_BLOCK_SIZE);
}

#elif FW_BLOCK_SIZE == 16

typedef uint8x16_t fw_block;

static inline fw_block fw_block_load(const char *at)
{
    return vld1q_u8((const uint8_t *)at);
}

static inline fw_block fw_block_of(unsigned char c)
{
    return vdupq_n_u8(c);
}

static inline fw_block fw_block_or(fw_block a, fw_block b)
{
    return vorrq_u8(a, b);
}

static inline fw_block fw_block_minus(fw_block a, fw_block b)
{
    return vbicq_u8(a, b);
}

static inline fw_block fw_block_is(fw_block block, unsigned char c)
{
    return vceqq_u8(block, vdupq_n_u8(c));
}

static inline fw_block fw_block_upto(fw_block block, unsigned char last)
{
    return vcleq_u8(block, vdupq_n_u8(last));
}

static inline fw_block fw_block_from(fw_block block, unsigned char first)
{
    return vcgeq_u8(block, vdupq_n_u8(first));
}

/* NEON has no movemask: narrowing each pair of bytes by 4 bits leaves 4 bits a byte, in order. */
static inline size_t fw_block_first(fw_block found)
{
    uint8x8_t narrow = vshrn_n_u16(vreinterpretq_u16_u8(found), 4);
    uint64_t mask = vget_lane_u64(vreinterpret_u64_u8(narrow), 0);
    return mask == 0 ? FW_BLOCK_SIZE : (size_t)__builtin_ctzll(mask) / 4;
}

#else

typedef uint64_t fw_block;

#define FW_LOW_BITS UINT64_C(0x7F7F7F7F7F7F7F7F)

static inline fw_block fw_block_load(const char *at)
{
    fw_block block;
    memcpy(&block, at, sizeof block);
    return block;
}

static inline fw_block fw_block_of(unsigned char c)
{
    return UINT64_C(0x0101010101010101) * c;
}

static inline fw_block fw_block_or(fw_block a, fw_block b)
{
    return a | b;
}

static inline fw_block fw_block_minus(fw_block a, fw_block b)
{
    return a & ~b;
}

/* Seven bits are added with the eighth clear, so nothing carries into the neighbour and the
 * result is exact for every byte, not only for the first that holds: big-endian needs that. */
static inline fw_block fw_block_is(fw_block block, unsigned char c)
{
    fw_block other = block ^ fw_block_of(c);
    return ~(((other & FW_LOW_BITS) + FW_LOW_BITS) | other) & ~FW_LOW_BITS;
}

/* last and first must be below 0x80. */
static inline fw_block fw_block_upto(fw_block block, unsigned char last)
{
    fw_block above = (block & FW_LOW_BITS) + fw_block_of((unsigned char)(0x7F - last));
    return ~(above | block) & ~FW_LOW_BITS;
}

static inline fw_block fw_block_from(fw_block block, unsigned char first)
{
    fw_block reached = (block & FW_LOW_BITS) + fw_block_of((unsigned char)(0x80 - first));
    return (reached | block) & ~FW_LOW_BITS;
}

static inline size_t fw_block_first(fw_block found)
{
    if (found == 0)
        return FW_BLOCK_SIZE;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (size_t)__builtin_clzll(found) / 8;
#else
    return (size_t)__builtin_ctzll(found) / 8;
#endif
}

#endif

/* ---- Classes: which bytes of a block end the run --------------------------------------------- */

static inline fw_block fw_block_ends_target(fw_block block)
{
    fw_block edge = fw_block_or(fw_block_upto(block, 0x20), fw_block_from(block, 0x7F));
    return fw_block_or(edge, fw_block_is(block, '#'));
}

static inline fw_block fw_block_ends_value(fw_block block)
{
    fw_block control = fw_block_minus(fw_block_upto(block, 0x1F), fw_block_is(block, '\t'));
    return fw_block_or(control, fw_block_is(block, 0x7F));
}

/* Letters and "-" are nearly every byte of nearly every field name; the other tokens are left to
 * the table. */
static inline fw_block fw_block_ends_word(fw_block block)
{
    fw_block lower = fw_block_or(block, fw_block_of(0x20));
    fw_block other = fw_block_or(fw_block_upto(lower, 'a' - 1), fw_block_from(lower, 'z' + 1));
    return fw_block_minus(other, fw_block_is(block, '-'));
}

static inline fw_block fw_block_ends_line(fw_block block)
{
    return fw_block_or(fw_block_is(block, '\r'), fw_block_is(block, '\n'));
}

/* ---- Scans: the first byte in [at, end) that ends the run, or end ---------------------------- */

static inline const char *fw_scan_class(const char *at, const char *end, int class)
{
    while (at < end && fw_is(*at, class))
        at++;
    return at;
}

static inline const char *fw_scan_target(const char *at, const char *end)
{
    while (end - at >= FW_BLOCK_SIZE) {
        size_t run = fw_block_first(fw_block_ends_target(fw_block_load(at)));
        at += run;
        if (run < FW_BLOCK_SIZE)
            return at;
    }
    return fw_scan_class(at, end, FW_TARGET);
}

static inline const char *fw_scan_value(const char *at, const char *end)
{
    while (end - at >= FW_BLOCK_SIZE) {
        size_t run = fw_block_first(fw_block_ends_value(fw_block_load(at)));
        at += run;
        if (run < FW_BLOCK_SIZE)
            return at;
    }
    return fw_scan_class(at, end, FW_VALUE);
}

static inline const char *fw_scan_token(const char *at, const char *end)
{
    while (end - at >= FW_BLOCK_SIZE) {
        size_t run = fw_block_first(fw_block_ends_word(fw_block_load(at)));
        at += run;
        if (run < FW_BLOCK_SIZE)
            break;
    }
    return fw_scan_class(at, end, FW_TOKEN);
}

/* The first CR or LF. */
static inline const char *fw_scan_line(const char *at, const char *end)
{
    while (end - at >= FW_BLOCK_SIZE) {
        size_t run = fw_block_first(fw_block_ends_line(fw_block_load(at)));
        at += run;
        if (run < FW_BLOCK_SIZE)
            return at;
    }
    while (at < end && *at != '\r' && *at != '\n')
        at++;
    return at;
}

#endif
