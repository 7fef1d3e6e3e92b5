/* fuzz.h -- what the fuzzers share: promises that must hold, and random numbers that an input
 * decides, so that a crash comes again with its input. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libFuzzer keeps the input of a program that aborts. */
#define MUST(condition)                                                                            \
    ((condition) ? (void)0 : fuzz_failed(#condition " does not hold", __FILE__, __LINE__))

_Noreturn static inline void fuzz_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

/* A copy of exactly this size: AddressSanitizer then sees the first byte read too far. */
static inline char *fuzz_copy(const void *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

typedef struct {
    uint64_t state;
} fuzz_random;

/* FNV-1a of the input: another input, other numbers. */
static inline fuzz_random fuzz_seed(const uint8_t *data, size_t size)
{
    fuzz_random random = {UINT64_C(0xCBF29CE484222325)};
    for (size_t i = 0; i < size; i++)
        random.state = (random.state ^ data[i]) * UINT64_C(0x100000001B3);
    return random;
}

/* 0 to below - 1 (xorshift64*). */
static inline size_t fuzz_pick(fuzz_random *random, size_t below)
{
    random->state += random->state == 0;
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (size_t)((random->state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

#endif
