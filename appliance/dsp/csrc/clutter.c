#include "clutter.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct pp_clutter {
    double time_constant_s;
    size_t rows; /* 0: the room is not known */
    float re[PP_MAX_ROWS];
    float im[PP_MAX_ROWS];
};

pp_clutter *pp_clutter_create(double time_constant_s, char *reason)
{
    if (!(time_constant_s > 0 && time_constant_s < INFINITY)) {
        snprintf(reason, PP_REASON_BYTES, "time_constant_s: wanted more than 0, got %g", time_constant_s);
        return NULL;
    }
    pp_clutter *const clutter = malloc(sizeof(pp_clutter));
    if (clutter == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    *clutter = (pp_clutter){.time_constant_s = time_constant_s};
    return clutter;
}

void pp_clutter_destroy(pp_clutter *clutter)
{
    free(clutter);
}

void pp_clutter_reset(pp_clutter *clutter)
{
    clutter->rows = 0;
}

/* What has faded beyond all measure becomes 0, before arithmetic on it becomes slow. */
static float followed(float before, float now, float share)
{
    const float after = before + share * (now - before);
    return fabsf(after) < FLT_MIN ? 0.0F : after;
}

void pp_clutter_execute(pp_clutter *clutter, const float *iq, size_t rows, size_t samples, double rate_hz, bool frozen,
                        float *moving)
{
    const float share = frozen ? 0.0F : (float)-expm1(-(double)samples / (clutter->time_constant_s * rate_hz));
    const float each = 1.0F / (float)samples;
    const bool known = clutter->rows == rows;
    bool finite = true;
    for (size_t row = 0; row < rows; row++) {
        const float *const in = iq + row * samples * 2;
        float *const out = moving + row * samples * 2;
        float re = 0;
        float im = 0;
        for (size_t n = 0; n < samples; n++) {
            re += in[2 * n];
            im += in[2 * n + 1];
        }
        re *= each;
        im *= each;
        const float re_before = known ? clutter->re[row] : re;
        const float im_before = known ? clutter->im[row] : im;
        clutter->re[row] = followed(re_before, re, share);
        clutter->im[row] = followed(im_before, im, share);
        const float re_slope = (clutter->re[row] - re_before) * each;
        const float im_slope = (clutter->im[row] - im_before) * each;
        finite = finite && isfinite(clutter->re[row]) && isfinite(clutter->im[row]);
        for (size_t n = 0; n < samples; n++) {
            out[2 * n] = in[2 * n] - (re_before + (float)n * re_slope);
            out[2 * n + 1] = in[2 * n + 1] - (im_before + (float)n * im_slope);
        }
    }
    clutter->rows = finite ? rows : 0;
}
