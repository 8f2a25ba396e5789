#include "phasor_sum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "taps.h"
#include "wide.h"

/* Adding and taking away rounds a float of less than 2^22, or a double of less than 2^51, to a whole number. */
#define ROUNDING 12582912.0F
#define ROUNDING_DOUBLE 6755399441055744.0

/* Samples summed before they go out; bounds the working memory for any number of segments. */
#define TILE_SAMPLES 2048

struct pp_phasor_sum {
    size_t mics;
    size_t segment_samples;
    float re[PP_MAX_MICS][TILE_SAMPLES];
    float im[PP_MAX_MICS][TILE_SAMPLES];
    float cosine[PP_MAX_SEGMENT_SAMPLES];
    float sine[PP_MAX_SEGMENT_SAMPLES];
    float share[PP_MAX_SEGMENT_SAMPLES]; /* of the segment that lies before the sample, 0 to 1 */
};

/* A cubic over one segment, in turns of the share. */
typedef struct {
    float c0, c1, c2, c3;
} phase_cubic;

/* The microphones' complex weights at one point. */
typedef struct {
    float re[PP_MAX_MICS];
    float im[PP_MAX_MICS];
} path_weights;

pp_phasor_sum *pp_phasor_sum_create(const pp_phasor_sum_spec *spec, char *reason)
{
    if (spec->mics < 1 || spec->mics > PP_MAX_MICS) {
        snprintf(reason, PP_REASON_BYTES, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, spec->mics);
        return NULL;
    }
    if (spec->segment_samples < 1 || spec->segment_samples > PP_MAX_SEGMENT_SAMPLES) {
        snprintf(reason, PP_REASON_BYTES, "segment_samples: wanted 1 to %d, got %d", PP_MAX_SEGMENT_SAMPLES,
                 spec->segment_samples);
        return NULL;
    }
    pp_phasor_sum *const sum = malloc(sizeof(pp_phasor_sum));
    if (sum == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    sum->mics = (size_t)spec->mics;
    sum->segment_samples = (size_t)spec->segment_samples;
    for (size_t n = 0; n < sum->segment_samples; n++) {
        sum->share[n] = (float)((double)n / (double)sum->segment_samples);
    }
    return sum;
}

void pp_phasor_sum_destroy(pp_phasor_sum *sum)
{
    free(sum);
}

size_t pp_phasor_sum_mics(const pp_phasor_sum *sum)
{
    return sum->mics;
}

size_t pp_phasor_sum_segment_samples(const pp_phasor_sum *sum)
{
    return sum->segment_samples;
}

/* Cosine and sine of `count` ways. */
PP_INLINE void turn(const float *restrict share, phase_cubic cubic, size_t count, float *restrict cosine,
                    float *restrict sine)
{
    for (size_t n = 0; n < count; n++) {
        const float s = share[n];
        const float turns = cubic.c0 + s * (cubic.c1 + s * (cubic.c2 + s * cubic.c3));
        const float x = turns - ((turns + ROUNDING) - ROUNDING);
        const float squared = x * x;
        float even = pp_cosine[PP_PHASOR_TERMS - 1];
        float odd = pp_sine[PP_PHASOR_TERMS - 1];
        for (size_t k = PP_PHASOR_TERMS - 1; k-- > 0;) {
            even = even * squared + pp_cosine[k];
            odd = odd * squared + pp_sine[k];
        }
        cosine[n] = even;
        sine[n] = odd * x;
    }
}

/* Phasors times a weight that is a straight line, onto one microphone's sums. */
PP_INLINE void add_weighted(const pp_phasor_sum *sum, const path_weights *from, const path_weights *to, size_t mic,
                            float *restrict re, float *restrict im)
{
    const float re_from = from->re[mic], re_slope = to->re[mic] - re_from;
    const float im_from = from->im[mic], im_slope = to->im[mic] - im_from;
    for (size_t n = 0; n < sum->segment_samples; n++) {
        const float w_re = re_from + sum->share[n] * re_slope;
        const float w_im = im_from + sum->share[n] * im_slope;
        re[n] += w_re * sum->cosine[n] - w_im * sum->sine[n];
        im[n] += w_re * sum->sine[n] + w_im * sum->cosine[n];
    }
}

PP_INLINE double mean_over(const double *ways, double turns_per_way, size_t mics)
{
    double total = 0;
    for (size_t m = 0; m < mics; m++) {
        total += ways[m];
    }
    return total * turns_per_way / (double)mics;
}

/* Hermite's cubic from p[2] to p[3], with the slopes of central differences of fourth order. */
PP_INLINE phase_cubic cubic_of(const double p[6])
{
    const double rise = p[3] - p[2];
    const double slope_from = (8 * (p[3] - p[1]) - (p[4] - p[0])) / 12;
    const double slope_to = (8 * (p[4] - p[2]) - (p[5] - p[1])) / 12;
    const double whole = (p[2] + ROUNDING_DOUBLE) - ROUNDING_DOUBLE;
    return (phase_cubic){(float)(p[2] - whole), (float)slope_from, (float)(3 * rise - 2 * slope_from - slope_to),
                         (float)(slope_from + slope_to - 2 * rise)};
}

/* Each microphone's gain at one point, turned by what its phase differs by from the path's mean. */
PP_INLINE void weigh(const double *ways, double turns_per_way, double mean, const float *gain, size_t mics, path_weights *weights)
{
    for (size_t m = 0; m < mics; m++) {
        const double apart = ways[m] * turns_per_way - mean;
        const float x = (float)(apart - ((apart + ROUNDING_DOUBLE) - ROUNDING_DOUBLE));
        const float squared = x * x;
        float even = pp_cosine[PP_PHASOR_TERMS - 1];
        float odd = pp_sine[PP_PHASOR_TERMS - 1];
        for (size_t k = PP_PHASOR_TERMS - 1; k-- > 0;) {
            even = even * squared + pp_cosine[k];
            odd = odd * squared + pp_sine[k];
        }
        weights->re[m] = gain[m] * even;
        weights->im[m] = gain[m] * odd * x;
    }
}

PP_INLINE int is_silent(const float *from, const float *to, size_t mics)
{
    for (size_t m = 0; m < mics; m++) {
        if (from[m] != 0 || to[m] != 0) {
            return 0;
        }
    }
    return 1;
}

/* One path over a tile; `ways` and `gain` begin PP_PHASOR_MARGIN points before it, points are `stride` apart. */
PP_WIDE static void add_path(pp_phasor_sum *sum, const double *ways, double turns_per_way, const float *gain, size_t stride,
                     size_t segments)
{
    const size_t mics = sum->mics;
    double p[6];
    for (size_t k = 1; k < 6; k++) {
        p[k] = mean_over(ways + (k - 1) * stride, turns_per_way, mics);
    }
    path_weights weights[2];
    ways += PP_PHASOR_MARGIN * stride;
    gain += PP_PHASOR_MARGIN * stride;
    weigh(ways, turns_per_way, p[3], gain, mics, &weights[0]);
    for (size_t s = 0; s < segments; s++) {
        memmove(p, p + 1, 5 * sizeof(double));
        p[5] = mean_over(ways + (s + 1 + PP_PHASOR_MARGIN) * stride, turns_per_way, mics);
        const path_weights *const from = &weights[s % 2];
        path_weights *const to = &weights[(s + 1) % 2];
        weigh(ways + (s + 1) * stride, turns_per_way, p[3], gain + (s + 1) * stride, mics, to);
        if (is_silent(gain + s * stride, gain + (s + 1) * stride, mics)) {
            continue;
        }
        turn(sum->share, cubic_of(p), sum->segment_samples, sum->cosine, sum->sine);
        for (size_t m = 0; m < mics; m++) {
            const size_t at = s * sum->segment_samples;
            add_weighted(sum, from, to, m, sum->re[m] + at, sum->im[m] + at);
        }
    }
}

void pp_phasor_sum_execute(pp_phasor_sum *sum, const double *way, double turns_per_way, const float *gain,
                           const unsigned char *chosen, size_t segments, size_t paths, float *out)
{
    const size_t stride = paths * sum->mics;
    const size_t tile_segments = TILE_SAMPLES / sum->segment_samples;
    for (size_t first = 0; first < segments; first += tile_segments) {
        const size_t tile = segments - first < tile_segments ? segments - first : tile_segments;
        const size_t samples = tile * sum->segment_samples;
        for (size_t m = 0; m < sum->mics; m++) {
            memset(sum->re[m], 0, samples * sizeof(float));
            memset(sum->im[m], 0, samples * sizeof(float));
        }
        for (size_t p = 0; p < paths; p++) {
            const size_t at = first * stride + p * sum->mics;
            if (chosen == NULL || chosen[p] != 0) {
                add_path(sum, way + at, turns_per_way, gain + at, stride, tile);
            }
        }
        for (size_t m = 0; m < sum->mics; m++) {
            float *const to = out + 2 * (m * segments + first) * sum->segment_samples;
            for (size_t n = 0; n < samples; n++) {
                to[2 * n] += sum->re[m][n];
                to[2 * n + 1] += sum->im[m][n];
            }
        }
    }
}
