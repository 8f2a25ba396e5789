/* Points on the unit circle and cubics of phase, in plain float arithmetic that compilers make vectors of. */

#ifndef PP_CIRCLE_H
#define PP_CIRCLE_H

#include "taps.h"
#include "wide.h"

/* Adding and taking away rounds a float of less than 2^22, or a double of less than 2^51, to a whole number. */
#define PP_ROUNDING 12582912.0F
#define PP_ROUNDING_DOUBLE 6755399441055744.0

_Static_assert(PP_PHASOR_TERMS == 7, "as many as are summed");

typedef struct {
    float cosine;
    float sine;
} pp_circle_point;

/* A polynomial of x by pairs of its terms (Estrin's scheme), none of which waits for more than two others. */
PP_INLINE float pp_series(const float *terms, float x, float x2, float x4)
{
    const float low = (terms[0] + terms[1] * x) + (terms[2] + terms[3] * x) * x2;
    const float high = (terms[4] + terms[5] * x) + terms[6] * x2;
    return low + high * x4;
}

/* Of an angle in turns, -0.5 to 0.5, to 1e-7. */
PP_INLINE pp_circle_point pp_circle_at(float turns)
{
    const float x = turns * turns, x2 = x * x, x4 = x2 * x2;
    return (pp_circle_point){pp_series(pp_cosine, x, x2, x4), pp_series(pp_sine, x, x2, x4) * turns};
}

/* What is left of a number of turns without whole ones, -0.5 to 0.5. */
PP_INLINE float pp_fraction(float turns)
{
    return turns - ((turns + PP_ROUNDING) - PP_ROUNDING);
}

PP_INLINE float pp_fraction_of_double(double turns)
{
    return (float)(turns - ((turns + PP_ROUNDING_DOUBLE) - PP_ROUNDING_DOUBLE));
}

/* A cubic over one segment, in turns of the share that lies behind, 0 to 1. */
typedef struct {
    float c0, c1, c2, c3;
} pp_phase_cubic;

/* The slope (a point) at p[2] of five equally spaced values: the central difference of fourth order. */
PP_INLINE double pp_slope(const double *p)
{
    return (8 * (p[3] - p[1]) - (p[4] - p[0])) / 12;
}

/* Hermite's cubic from one point to the next; only the fraction of the phase itself is kept. */
PP_INLINE pp_phase_cubic pp_cubic_between(double from, double to, double slope_from, double slope_to)
{
    const double rise = to - from;
    return (pp_phase_cubic){pp_fraction_of_double(from), (float)slope_from, (float)(3 * rise - 2 * slope_from - slope_to),
                            (float)(slope_from + slope_to - 2 * rise)};
}

/* The phasors of `count` samples, whose shares of the segment are `share`. */
PP_INLINE void pp_turn(const float *restrict share, pp_phase_cubic cubic, size_t count, float *restrict cosine,
                       float *restrict sine)
{
    PP_AS_A_LOOP
    for (size_t n = 0; n < count; n++) {
        const float s = share[n];
        const pp_circle_point point = pp_circle_at(pp_fraction(cubic.c0 + s * (cubic.c1 + s * (cubic.c2 + s * cubic.c3))));
        cosine[n] = point.cosine;
        sine[n] = point.sine;
    }
}

/* Add the phasors of `count` samples times a complex weight that is a straight line from one end to the other. */
PP_INLINE void pp_add_weighted(const float *restrict share, size_t count, const float *restrict cosine,
                               const float *restrict sine, const float re_ends[2], const float im_ends[2],
                               float *restrict re, float *restrict im)
{
    const float re_from = re_ends[0], re_slope = re_ends[1] - re_ends[0];
    const float im_from = im_ends[0], im_slope = im_ends[1] - im_ends[0];
    PP_AS_A_LOOP
    for (size_t n = 0; n < count; n++) {
        const float w_re = re_from + share[n] * re_slope;
        const float w_im = im_from + share[n] * im_slope;
        re[n] = re[n] + w_re * cosine[n] - w_im * sine[n];
        im[n] = im[n] + w_re * sine[n] + w_im * cosine[n];
    }
}

#endif
