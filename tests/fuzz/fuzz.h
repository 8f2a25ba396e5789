/* What the harnesses share: numbers drawn from the fuzzer's bytes, memory that ends where it was asked to, a check that
 * stops the fuzzer. When the bytes are used up every draw gives 0. */

#ifndef FUZZ_H
#define FUZZ_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                         \
        }                                                                    \
    } while (0)

typedef struct {
    const uint8_t *bytes;
    size_t left;
} fuzz_input;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static inline bool fuzz_more(const fuzz_input *input)
{
    return input->left > 0;
}

static inline uint64_t fuzz_bits(fuzz_input *input, size_t count)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < count && input->left > 0; i++) {
        bits = bits << 8 | *input->bytes++;
        input->left--;
    }
    return bits;
}

static inline int fuzz_int(fuzz_input *input, int low, int high)
{
    return low + (int)(fuzz_bits(input, 2) % (uint64_t)(high - low + 1));
}

/* Mostly within the range, now and then any double there is: NaN, infinite, denormal. */
static inline double fuzz_double(fuzz_input *input, double low, double high)
{
    if (fuzz_int(input, 0, 31) == 31) {
        const uint64_t bits = fuzz_bits(input, 8);
        double any;
        memcpy(&any, &bits, sizeof any);
        return any;
    }
    return low + (high - low) * (double)fuzz_bits(input, 4) / UINT32_MAX;
}

/* To the byte, so that a step beyond the end is seen; `offset` bytes from where malloc aligns. */
static inline void *fuzz_memory(size_t bytes, size_t offset)
{
    char *const memory = malloc(bytes + offset);
    CHECK(bytes + offset == 0 || memory != NULL);
    return memory == NULL ? NULL : memory + offset;
}

static inline void fuzz_free(void *memory, size_t offset)
{
    free(memory == NULL ? NULL : (char *)memory - offset);
}

/* Silence, full scale, steps, single units, or noise. */
static inline void fuzz_pcm(fuzz_input *input, int32_t *pcm, size_t values)
{
    const int kind = fuzz_int(input, 0, 5);
    uint32_t noise = (uint32_t)fuzz_bits(input, 4) | 1;
    for (size_t i = 0; i < values; i++) {
        noise = noise * 1664525U + 1013904223U;
        const int32_t values_of_kind[] = {0, INT32_MAX, INT32_MIN, noise >> 31 ? INT32_MAX : INT32_MIN, 1 - (int32_t)(noise >> 30),
                                          (int32_t)noise};
        pcm[i] = values_of_kind[kind];
    }
}

/* Finite, within +-limit, and no denormal: those slow some processors down a hundredfold. */
static inline void fuzz_check_floats(const float *values, size_t count, float limit)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(fabsf(values[i]) <= limit);
        CHECK(fpclassify(values[i]) != FP_SUBNORMAL);
    }
}

#endif
