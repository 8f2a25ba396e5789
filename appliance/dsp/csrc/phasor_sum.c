#include "phasor_sum.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "circle.h"
#include "wide.h"

/* Samples summed before they go out; bounds the working memory for any number of segments. */
#define TILE_SAMPLES 2048

/* Paths whose phasors are taken at once where nothing lies between points. */
#define TOGETHER 64

struct pp_phasor_sum {
    size_t mics;
    size_t segment_samples;
    float re[PP_MAX_MICS][TILE_SAMPLES];
    float im[PP_MAX_MICS][TILE_SAMPLES];
    float cosine[PP_MAX_SEGMENT_SAMPLES];
    float sine[PP_MAX_SEGMENT_SAMPLES];
    float share[PP_MAX_SEGMENT_SAMPLES]; /* of the segment that lies before the sample, 0 to 1 */
};

/* The microphones' complex weights at both ends of a segment. */
typedef struct {
    float re[PP_MAX_MICS][2];
    float im[PP_MAX_MICS][2];
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

PP_INLINE double mean_over(const double *ways, double turns_per_way, size_t mics)
{
    double total = 0;
    for (size_t m = 0; m < mics; m++) {
        total += ways[m];
    }
    return total * turns_per_way / (double)mics;
}

/* Each microphone's gain at one end, turned by what its phase differs by from the path's mean. */
PP_INLINE void weigh(const double *ways, double turns_per_way, double mean, const float *gain, size_t mics, size_t end,
                     path_weights *weights)
{
    for (size_t m = 0; m < mics; m++) {
        const pp_circle_point apart = pp_circle_at(pp_fraction_of_double(ways[m] * turns_per_way - mean));
        weights->re[m][end] = gain[m] * apart.cosine;
        weights->im[m][end] = gain[m] * apart.sine;
    }
}

PP_INLINE void begin_with_end(path_weights *weights, size_t mics)
{
    for (size_t m = 0; m < mics; m++) {
        weights->re[m][0] = weights->re[m][1];
        weights->im[m][0] = weights->im[m][1];
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
    path_weights weights;
    ways += PP_PHASOR_MARGIN * stride;
    gain += PP_PHASOR_MARGIN * stride;
    weigh(ways, turns_per_way, p[3], gain, mics, 0, &weights);
    for (size_t s = 0; s < segments; s++) {
        memmove(p, p + 1, 5 * sizeof(double));
        p[5] = mean_over(ways + (s + 1 + PP_PHASOR_MARGIN) * stride, turns_per_way, mics);
        if (s > 0) {
            begin_with_end(&weights, mics);
        }
        weigh(ways + (s + 1) * stride, turns_per_way, p[3], gain + (s + 1) * stride, mics, 1, &weights);
        if (is_silent(gain + s * stride, gain + (s + 1) * stride, mics)) {
            continue;
        }
        const pp_phase_cubic cubic = pp_cubic_between(p[2], p[3], pp_slope(p), pp_slope(p + 1));
        pp_turn(sum->share, cubic, sum->segment_samples, sum->cosine, sum->sine);
        for (size_t m = 0; m < mics; m++) {
            const size_t at = s * sum->segment_samples;
            pp_add_weighted(sum->share, sum->segment_samples, sum->cosine, sum->sine, weights.re[m], weights.im[m],
                            sum->re[m] + at, sum->im[m] + at);
        }
    }
}

/* Samples that are points themselves: nothing lies between them. */
PP_WIDE static void add_points(pp_phasor_sum *sum, const double *ways, double turns_per_way, const float *gain,
                               const unsigned char *chosen, size_t points, size_t paths)
{
    const size_t mics = sum->mics;
    for (size_t s = 0; s < points; s++) {
        for (size_t first = 0; first < paths; first += TOGETHER) {
            const size_t together = paths - first < TOGETHER ? paths - first : TOGETHER;
            const size_t at = (s * paths + first) * mics;
            float re[TOGETHER * PP_MAX_MICS], im[TOGETHER * PP_MAX_MICS];
            for (size_t k = 0; k < together * mics; k++) {
                const pp_circle_point point = pp_circle_at(pp_fraction_of_double(ways[at + k] * turns_per_way));
                re[k] = gain[at + k] * point.cosine;
                im[k] = gain[at + k] * point.sine;
            }
            for (size_t p = 0; p < together; p++) {
                for (size_t m = 0; m < mics && (chosen == NULL || chosen[first + p] != 0); m++) {
                    sum->re[m][s] += re[p * mics + m];
                    sum->im[m][s] += im[p * mics + m];
                }
            }
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
        if (sum->segment_samples == 1) {
            const size_t at = (first + PP_PHASOR_MARGIN) * stride;
            add_points(sum, way + at, turns_per_way, gain + at, chosen, tile, paths);
        }
        for (size_t p = 0; p < paths && sum->segment_samples > 1; p++) {
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
