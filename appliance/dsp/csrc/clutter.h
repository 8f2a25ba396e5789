/* Static clutter: subtracts from each carrier and microphone the mean that it follows slowly.
 *
 * The mean is followed from call to call, along a straight line within each: a step would be a tone of its own. */

#ifndef PP_CLUTTER_H
#define PP_CLUTTER_H

#include <stdbool.h>
#include <stddef.h>

#include "limits.h"

typedef struct pp_clutter pp_clutter;

/* `time_constant_s` > 0, of the mean. NULL with the reason in `reason` [PP_REASON_BYTES] when it is not, or when memory
 * ends. */
pp_clutter *pp_clutter_create(double time_constant_s, char *reason);

void pp_clutter_destroy(pp_clutter *clutter);

/* Forget the room: the next block's mean is the room. */
void pp_clutter_reset(pp_clutter *clutter);

/* `iq` [rows][samples] complex as pairs of float, 1 to PP_MAX_ROWS rows of 1 or more samples at `rate_hz` > 0, without
 * its static part into `moving`, of the same shape. While `frozen` the mean stays as it is. Where `rows` is another
 * number than before, and behind samples that are no numbers, the room is forgotten. */
void pp_clutter_execute(pp_clutter *clutter, const float *iq, size_t rows, size_t samples, double rate_hz, bool frozen,
                        float *moving);

#endif
