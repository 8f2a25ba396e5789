/* What can be told of PCM from its samples alone. */

#ifndef PP_QUALITY_H
#define PP_QUALITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether one of `pcm` [values] is at or beyond the highest or the lowest code of a converter of 24 bits. */
bool pp_is_clipped(const int32_t *pcm, size_t values);

/* Whether all of `pcm` [values] are 0. */
bool pp_is_zero(const int32_t *pcm, size_t values);

#endif
