#include "quality.h"

/* From 2^31 - 2^8 up, and from its negative down: seen as unsigned numbers these are one range. */
#define LOWEST_CLIPPED 0x7FFFFF00U
#define HIGHEST_CLIPPED 0x80000100U

bool pp_is_clipped(const int32_t *pcm, size_t values)
{
    uint32_t clipped = 0;
    for (size_t n = 0; n < values; n++) {
        clipped |= (uint32_t)pcm[n] - LOWEST_CLIPPED <= HIGHEST_CLIPPED - LOWEST_CLIPPED;
    }
    return clipped != 0;
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
