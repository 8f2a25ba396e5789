/* From an amplitude, of full scale, to the integers of a sound card. */

#ifndef PP_AMPLITUDE_H
#define PP_AMPLITUDE_H

#include <math.h>
#include <stdint.h>

#include "limits.h"

/* The largest float that, as a sample, is not above `max_amplitude` (0 to 1.0 of full scale) nor beyond int32. */
static inline float pp_limit_of(double max_amplitude)
{
    const double limit = fmin(floor(max_amplitude * PP_FULL_SCALE), INT32_MAX);
    const float nearest = (float)limit;
    return (double)nearest > limit ? nextafterf(nearest, 0) : nearest;
}

/* A sample rounded half away from 0. Conversion cuts off; half a step makes that a rounding, in vectors too, which a
 * library's rounding would not be. */
static inline int32_t pp_rounded(float sample)
{
    return (int32_t)(sample + copysignf(0.5F, sample));
}

#endif
