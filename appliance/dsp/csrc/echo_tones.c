#include "echo_tones.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "circle.h"
#include "wide.h"

/* Summed before it goes out: bounds the working memory for any number of segments, and keeps it in the first cache. */
#define TILE_SAMPLES 1024
#define TILE_SEGMENTS 64
#define TILE_POINTS (TILE_SEGMENTS + 1 + 2 * PP_ECHO_MARGIN)

/* One leg of one path, or what goes with it, at the points of a tile. */
typedef double row[TILE_POINTS];
typedef float thin_row[TILE_POINTS];

struct pp_echo_tones {
    size_t mics;
    size_t segment_samples;
    double nearest_m2;
    /* of the tile */
    row scale[PP_MAX_MICS];
    row offset[PP_MAX_MICS];
    float re[PP_MAX_MICS][TILE_SAMPLES];
    float im[PP_MAX_MICS][TILE_SAMPLES];
    /* of the path */
    row x, y, z, there, mean, slope;
    row turns[PP_MAX_MICS];
    thin_row strength;
    thin_row re_weight[PP_MAX_MICS];
    thin_row im_weight[PP_MAX_MICS];
    thin_row heard; /* 1 or 0 */
    int32_t step[TILE_POINTS];
    thin_row beyond; /* the step, as a share of the way to the next */
    /* of the segment */
    float share[PP_MAX_ECHO_SAMPLES];
    float cosine[PP_MAX_ECHO_SAMPLES];
    float sine[PP_MAX_ECHO_SAMPLES];
};

pp_echo_tones *pp_echo_tones_create(const pp_echo_tones_spec *spec, char *reason)
{
    if (spec->mics < 1 || spec->mics > PP_MAX_MICS) {
        snprintf(reason, PP_REASON_BYTES, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, spec->mics);
        return NULL;
    }
    if (spec->segment_samples < 1 || spec->segment_samples > PP_MAX_ECHO_SAMPLES) {
        snprintf(reason, PP_REASON_BYTES, "segment_samples: wanted 1 to %d, got %d", PP_MAX_ECHO_SAMPLES,
                 spec->segment_samples);
        return NULL;
    }
    if (!(spec->nearest_m > 0 && spec->nearest_m <= 10)) {
        snprintf(reason, PP_REASON_BYTES, "nearest_m: wanted above 0, to 10, got %g", spec->nearest_m);
        return NULL;
    }
    pp_echo_tones *const tones = calloc(1, sizeof(pp_echo_tones));
    if (tones == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    tones->mics = (size_t)spec->mics;
    tones->segment_samples = (size_t)spec->segment_samples;
    tones->nearest_m2 = spec->nearest_m * spec->nearest_m;
    for (size_t n = 0; n < tones->segment_samples; n++) {
        tones->share[n] = (float)((double)n / (double)tones->segment_samples);
    }
    return tones;
}

void pp_echo_tones_destroy(pp_echo_tones *tones)
{
    free(tones);
}

size_t pp_echo_tones_mics(const pp_echo_tones *tones)
{
    return tones->mics;
}

size_t pp_echo_tones_segment_samples(const pp_echo_tones *tones)
{
    return tones->segment_samples;
}

/* e^-x to 1e-6 of itself, as long as it is a float. */
PP_INLINE float decay(float x)
{
    const float doublings = -1.44269504F * x;
    const float shifted = doublings + PP_ROUNDING;
    const float u = 0.69314718F * (doublings - (shifted - PP_ROUNDING));
    const float rest =
        1 + u * (1 + u * (0.5F + u * (1.66666667e-1F + u * (4.16666667e-2F + u * (8.33333333e-3F + u * 1.38888889e-3F)))));
    /* the whole number of doublings stands in the lowest bits, and goes to where a float has its exponent */
    int32_t bits, origin;
    const float rounding = PP_ROUNDING;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&origin, &rounding, sizeof origin);
    bits -= origin;
    bits = bits < -126 ? -126 : bits;
    bits = bits > 127 ? 127 : bits;
    bits = (bits + 127) * (1 << 23);
    float power;
    memcpy(&power, &bits, sizeof power);
    return rest * power;
}

/* The path's scatterer at the points of a tile; 0 if it never reflects there. */
PP_INLINE int place(pp_echo_tones *tones, const pp_echoes *echoes, size_t first, size_t points, size_t path)
{
    const size_t scatterer = (size_t)echoes->scatterer[path];
    const double *from = echoes->places_m + 3 * (first * echoes->scatterers + scatterer);
    const float *strength = echoes->strength + first * echoes->scatterers + scatterer;
    float total = 0;
    for (size_t n = 0; n < points; n++) {
        tones->x[n] = from[3 * n * echoes->scatterers];
        tones->y[n] = from[3 * n * echoes->scatterers + 1];
        tones->z[n] = from[3 * n * echoes->scatterers + 2];
        tones->strength[n] = strength[n * echoes->scatterers] * echoes->weight[path];
        total += fabsf(tones->strength[n]);
    }
    return total > 0;
}

PP_INLINE void measure(const pp_echo_tones *tones, const double *to, size_t points, double *restrict distance)
{
    const double x = to[0], y = to[1], z = to[2];
    for (size_t n = 0; n < points; n++) {
        const double dx = tones->x[n] - x, dy = tones->y[n] - y, dz = tones->z[n] - z;
        distance[n] = sqrt(dx * dx + dy * dy + dz * dz);
    }
}

/* Phase (turns) and level at one microphone; the level waits in its real weight. */
PP_INLINE void hear(pp_echo_tones *tones, const pp_echoes *echoes, double carrier_hz, size_t points, size_t mic)
{
    row back;
    measure(tones, echoes->mics_m + 3 * mic, points, back);
    const float absorption = (float)echoes->absorption_per_m;
    for (size_t n = 0; n < points; n++) {
        const double length = tones->there[n] + back[n];
        const double product = tones->there[n] * back[n];
        /* the larger of the two, by no branch */
        const double twice = product + tones->nearest_m2 + fabs(product - tones->nearest_m2);
        tones->turns[mic][n] = -carrier_hz * (length * tones->scale[mic][n] + tones->offset[mic][n]);
        tones->re_weight[mic][n] = 2 * tones->strength[n] * decay(absorption * (float)length) / (float)twice;
    }
}

/* Where the path's shift lies among the steps of the responses, and whether it is heard at all. */
PP_INLINE void look_up(pp_echo_tones *tones, const pp_echo_carrier *carrier, size_t points)
{
    const double to_steps = carrier->points_hz / carrier->step_hz;
    const double middle = 0.5 * (double)(carrier->steps - 1);
    for (size_t n = PP_ECHO_MARGIN; n < points - PP_ECHO_MARGIN; n++) {
        const double at = tones->slope[n] * to_steps + middle;
        tones->heard[n] = 0;
        tones->step[n] = 0;
        tones->beyond[n] = 0;
        if (at >= 0 && at < (double)(carrier->steps - 1) && tones->strength[n] != 0) {
            tones->heard[n] = 1;
            tones->step[n] = (int32_t)at;
            tones->beyond[n] = (float)(at - (double)tones->step[n]);
        }
    }
}

/* Turn a microphone's weight by what its phase differs from the mean, and apply its response. */
PP_INLINE void weigh(pp_echo_tones *tones, const float *restrict response, size_t points, size_t mic)
{
    float *const restrict re = tones->re_weight[mic];
    float *const restrict im = tones->im_weight[mic];
    const int32_t *const restrict step = tones->step;
    const float *const restrict beyond = tones->beyond;
    const float *const restrict heard = tones->heard;
    for (size_t n = PP_ECHO_MARGIN; n < points - PP_ECHO_MARGIN; n++) {
        const float low = response[step[n]], high = response[step[n] + 1];
        re[n] *= heard[n] * (low + beyond[n] * (high - low));
    }
    for (size_t n = PP_ECHO_MARGIN; n < points - PP_ECHO_MARGIN; n++) {
        const pp_circle_point apart = pp_circle_at(pp_fraction_of_double(tones->turns[mic][n] - tones->mean[n]));
        im[n] = re[n] * apart.sine;
        re[n] *= apart.cosine;
    }
}

/* Add segment `s` of the path to the sums of all microphones. */
PP_INLINE void add_segment(pp_echo_tones *tones, size_t s, size_t samples)
{
    const size_t n = s + PP_ECHO_MARGIN;
    const pp_phase_cubic cubic =
        pp_cubic_between(tones->mean[n], tones->mean[n + 1], tones->slope[n], tones->slope[n + 1]);
    pp_turn(tones->share, cubic, samples, tones->cosine, tones->sine);
    for (size_t m = 0; m < tones->mics; m++) {
        pp_add_weighted(tones->share, samples, tones->cosine, tones->sine, tones->re_weight[m] + n,
                        tones->im_weight[m] + n, tones->re[m] + s * samples, tones->im[m] + s * samples);
    }
}

/* Add one path to the tile's sums. */
PP_INLINE void add_path(pp_echo_tones *tones, const pp_echoes *echoes, const pp_echo_carrier *carrier, size_t segments)
{
    const size_t points = segments + 1 + 2 * PP_ECHO_MARGIN;
    measure(tones, echoes->source_m, points, tones->there);
    const double each = 1.0 / (double)tones->mics;
    memset(tones->mean, 0, points * sizeof(double));
    for (size_t m = 0; m < tones->mics; m++) {
        hear(tones, echoes, carrier->carrier_hz, points, m);
        for (size_t n = 0; n < points; n++) {
            tones->mean[n] += tones->turns[m][n] * each;
        }
    }
    for (size_t n = PP_ECHO_MARGIN; n < points - PP_ECHO_MARGIN; n++) {
        tones->slope[n] = pp_slope(tones->mean + n - 2);
    }
    look_up(tones, carrier, points);
    for (size_t m = 0; m < tones->mics; m++) {
        weigh(tones, carrier->response + m * carrier->steps, points, m);
    }
    for (size_t s = 0; s < segments; s++) {
        if (tones->heard[s + PP_ECHO_MARGIN] == 0 && tones->heard[s + PP_ECHO_MARGIN + 1] == 0) {
            continue;
        }
        /* the usual lengths as constants make loops without ends */
        switch (tones->segment_samples) {
        case 8:
            add_segment(tones, s, 8);
            break;
        case 24:
            add_segment(tones, s, 24);
            break;
        default:
            add_segment(tones, s, tones->segment_samples);
        }
    }
}

PP_WIDE void pp_echo_tones_execute(pp_echo_tones *tones, const pp_echoes *echoes, const pp_echo_carrier *carrier,
                                   float *out)
{
    const size_t segments = echoes->points - 1 - 2 * PP_ECHO_MARGIN;
    size_t tile_segments = TILE_SAMPLES / tones->segment_samples;
    tile_segments = tile_segments < TILE_SEGMENTS ? tile_segments : TILE_SEGMENTS;
    for (size_t first = 0; first < segments; first += tile_segments) {
        const size_t tile = segments - first < tile_segments ? segments - first : tile_segments;
        const size_t samples = tile * tones->segment_samples, points = tile + 1 + 2 * PP_ECHO_MARGIN;
        for (size_t m = 0; m < tones->mics; m++) {
            memset(tones->re[m], 0, samples * sizeof(float));
            memset(tones->im[m], 0, samples * sizeof(float));
            for (size_t n = 0; n < points; n++) {
                tones->scale[m][n] = echoes->scale[(first + n) * tones->mics + m];
                tones->offset[m][n] = echoes->offset[(first + n) * tones->mics + m];
            }
        }
        for (size_t p = 0; p < echoes->paths; p++) {
            const int32_t scatterer = echoes->scatterer[p];
            if (scatterer >= 0 && (size_t)scatterer < echoes->scatterers && place(tones, echoes, first, points, p)) {
                add_path(tones, echoes, carrier, tile);
            }
        }
        for (size_t m = 0; m < tones->mics; m++) {
            float *const to = out + 2 * (m * segments + first) * tones->segment_samples;
            for (size_t n = 0; n < samples; n++) {
                to[2 * n] += tones->re[m][n];
                to[2 * n + 1] += tones->im[m][n];
            }
        }
    }
}
