#include "quality.h"

/* From 2^31 - 2^8 up, and from its negative down: seen as unsigned numbers these are one range. Turned on so far that it
 * begins at the lowest signed number, one comparison of signed numbers finds it, which every processor has. */
#define LOWEST_CLIPPED 0x7FFFFF00U
#define HIGHEST_CLIPPED 0x80000100U
#define TURN (0x80000000U - LOWEST_CLIPPED)
#define BEHIND_CLIPPED (INT32_MIN + (int32_t)(HIGHEST_CLIPPED - LOWEST_CLIPPED) + 1)

#define QUADS 4

typedef uint32_t code_quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t flag_quad __attribute__((vector_size(16)));

bool pp_is_clipped(const int32_t *pcm, size_t values)
{
    flag_quad clipped[QUADS] = {{0}};
    const size_t whole = values / (4 * QUADS) * (4 * QUADS);
    for (size_t n = 0; n < whole; n += 4 * QUADS) {
#pragma GCC unroll 4
        for (size_t q = 0; q < QUADS; q++) {
            clipped[q] |= (flag_quad)(*(const code_quad *)(pcm + n + 4 * q) + TURN) < BEHIND_CLIPPED;
        }
    }
    flag_quad any = (clipped[0] | clipped[1]) | (clipped[2] | clipped[3]);
    for (size_t n = whole; n < values; n++) {
        any[0] |= (int32_t)((uint32_t)pcm[n] + TURN) < BEHIND_CLIPPED;
    }
    return (any[0] | any[1] | any[2] | any[3]) != 0;
}

bool pp_is_zero(const int32_t *pcm, size_t values)
{
    for (size_t n = 0; n < values; n++) {
        if (pcm[n] != 0) {
            return false;
        }
    }
    return true;
}
