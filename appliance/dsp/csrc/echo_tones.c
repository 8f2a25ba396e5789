#include "echo_tones.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "circle.h"
#include "wide.h"

/* What is computed at once: points, in whole vectors of floats, and the samples between them, which then stay in the
 * first cache for four microphones. */
#define TILE_POINTS 64
#define TILE_SAMPLES 840
#define LANES 8

/* Of points: what lies behind the tile's end is computed with the last vector, and forgotten. */
typedef double row[TILE_POINTS + LANES];
typedef float thin_row[TILE_POINTS + LANES];

struct pp_echo_tones {
    size_t mics;
    size_t segment_samples;
    float nearest_m2;
    float re[PP_MAX_MICS][TILE_SAMPLES];
    float im[PP_MAX_MICS][TILE_SAMPLES];
    /* of the leg: its array's centre, how far each microphone is from it, and over the tile: delays at the centre, and
     * what turns a microphone's phase away from the phase there */
    double centre_m[3];
    float beside_m[PP_MAX_MICS][3];
    row scale, offset;
    thin_row turns_per_m[PP_MAX_MICS];      /* of the way from the centre to the microphone */
    thin_row more_turns_per_m[PP_MAX_MICS]; /* of the way to the centre */
    thin_row more_turns[PP_MAX_MICS];
    /* of the path */
    row x, y, z, turns;
    thin_row dx, dy, dz; /* from the centre */
    thin_row strength, there, back, length, level;
    thin_row apart[PP_MAX_MICS]; /* turns by which a microphone's phase differs from the centre's, then from the mean */
    thin_row re_weight[PP_MAX_MICS];
    thin_row im_weight[PP_MAX_MICS];
    thin_row c0, c1, c2, c3; /* the cubic behind each point */
    thin_row heard;          /* 1 or 0 */
    int32_t step[TILE_POINTS + LANES];
    thin_row beyond; /* the step, as a share of the way to the next */
    row slope;
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
    tones->nearest_m2 = (float)(spec->nearest_m * spec->nearest_m);
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

/* What makes delays of a leg's lengths, over a tile. */
PP_INLINE void set_delays(pp_echo_tones *tones, const pp_echoes *echoes, double carrier_hz, size_t leg, size_t first,
                          size_t points)
{
    const double each = 1.0 / (double)tones->mics;
    for (size_t n = 0; n < points; n++) {
        const double *const scale = echoes->scale + ((first + n) * echoes->legs + leg) * tones->mics;
        const double *const offset = echoes->offset + (first + n) * tones->mics;
        double scales = 0, offsets = 0;
        for (size_t m = 0; m < tones->mics; m++) {
            scales += scale[m];
            offsets += offset[m];
        }
        tones->scale[n] = scales * each;
        tones->offset[n] = offsets * each;
        for (size_t m = 0; m < tones->mics; m++) {
            tones->turns_per_m[m][n] = (float)(-carrier_hz * scale[m]);
            tones->more_turns_per_m[m][n] = (float)(-carrier_hz * (scale[m] - tones->scale[n]));
            tones->more_turns[m][n] = (float)(-carrier_hz * (offset[m] - tones->offset[n]));
        }
    }
}

PP_INLINE void set_array(pp_echo_tones *tones, const double *mics_m)
{
    for (size_t axis = 0; axis < 3; axis++) {
        double total = 0;
        for (size_t m = 0; m < tones->mics; m++) {
            total += mics_m[3 * m + axis];
        }
        tones->centre_m[axis] = total / (double)tones->mics;
        for (size_t m = 0; m < tones->mics; m++) {
            tones->beside_m[m][axis] = (float)(mics_m[3 * m + axis] - tones->centre_m[axis]);
        }
    }
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

/* Phase at the array's centre, and the level there but for the distances. */
PP_INLINE void reach(pp_echo_tones *tones, const pp_echoes *echoes, double carrier_hz, size_t points, size_t path)
{
    const double *const source = echoes->source_m + 3 * echoes->leg[path], *const centre = tones->centre_m;
    const float absorption = (float)echoes->absorption_per_m;
    for (size_t n = 0; n < points; n++) {
        const double sx = tones->x[n] - source[0], sy = tones->y[n] - source[1], sz = tones->z[n] - source[2];
        const double dx = tones->x[n] - centre[0], dy = tones->y[n] - centre[1], dz = tones->z[n] - centre[2];
        const double there = sqrt(sx * sx + sy * sy + sz * sz), back = sqrt(dx * dx + dy * dy + dz * dz);
        tones->turns[n] = -carrier_hz * ((there + back) * tones->scale[n] + tones->offset[n]);
        tones->dx[n] = (float)dx;
        tones->dy[n] = (float)dy;
        tones->dz[n] = (float)dz;
        tones->there[n] = (float)there;
        tones->back[n] = (float)back;
    }
    for (size_t n = 0; n < points; n++) {
        tones->length[n] = tones->there[n] + tones->back[n];
        tones->level[n] = tones->strength[n] * decay(absorption * tones->length[n]);
    }
}

/* What phase (turns) and level at one microphone differ by from those at the centre, of which it is not far; the level
 * waits in its real weight. */
PP_INLINE void hear(pp_echo_tones *tones, const pp_echoes *echoes, size_t points, size_t mic)
{
    const float x = tones->beside_m[mic][0], y = tones->beside_m[mic][1], z = tones->beside_m[mic][2];
    const float far2 = x * x + y * y + z * z, absorption = (float)echoes->absorption_per_m;
    for (size_t n = 0; n < points; n++) {
        const float more2 = far2 - 2 * (x * tones->dx[n] + y * tones->dy[n] + z * tones->dz[n]);
        const float squared = tones->back[n] * tones->back[n] + more2;
        const float to_mic = sqrtf(squared > 0 ? squared : 0);
        /* a difference of squares by the sum: nothing is lost */
        const float more = more2 / (to_mic + tones->back[n] + FLT_MIN);
        const float lost = absorption * more;
        const float product = tones->there[n] * to_mic;
        tones->apart[mic][n] = more * tones->turns_per_m[mic][n] + tones->length[n] * tones->more_turns_per_m[mic][n] +
                               tones->more_turns[mic][n];
        tones->re_weight[mic][n] = tones->level[n] * (1 - lost * (1 - 0.5F * lost)) /
                                   (product > tones->nearest_m2 ? product : tones->nearest_m2);
    }
}

/* The phase of the path becomes the mean of its microphones' phases, and a cubic from each point to the next. */
PP_INLINE void bend(pp_echo_tones *tones, size_t points)
{
    const float each = 1 / (float)tones->mics;
    thin_row mean = {0};
    for (size_t m = 0; m < tones->mics; m++) {
        for (size_t n = 0; n < points; n++) {
            mean[n] += each * tones->apart[m][n];
        }
    }
    for (size_t m = 0; m < tones->mics; m++) {
        for (size_t n = 0; n < points; n++) {
            tones->apart[m][n] -= mean[n];
        }
    }
    for (size_t n = 0; n < points; n++) {
        tones->turns[n] += mean[n];
    }
    for (size_t n = 0; n < points; n++) {
        tones->slope[n + PP_ECHO_MARGIN] = pp_slope(tones->turns + n);
    }
    for (size_t n = 0; n < points; n++) {
        const pp_phase_cubic cubic =
            pp_cubic_between(tones->turns[n], tones->turns[n + 1], tones->slope[n], tones->slope[n + 1]);
        tones->c0[n] = cubic.c0;
        tones->c1[n] = cubic.c1;
        tones->c2[n] = cubic.c2;
        tones->c3[n] = cubic.c3;
    }
}

/* Where the path's shift lies among the steps of the responses, and whether it is heard at all. */
PP_INLINE void look_up(pp_echo_tones *tones, const pp_echo_carrier *carrier, size_t points)
{
    const float to_steps = (float)(carrier->points_hz / carrier->step_hz);
    const float middle = 0.5F * (float)(carrier->steps - 1), last = 2 * middle;
    const int32_t last_step = (int32_t)carrier->steps - 2;
    for (size_t n = 0; n < points; n++) {
        const float at = tones->c1[n] * to_steps + middle;
        /* no branches, for vectors; what is no number goes to step 0 */
        const float above = at > 0 ? at : 0;
        const float inside = above < last ? above : last;
        const int32_t whole = (int32_t)inside, step = whole < last_step ? whole : last_step;
        tones->heard[n] = (float)((at >= 0) & (at < last) & (tones->strength[n] != 0));
        tones->step[n] = step;
        tones->beyond[n] = inside - (float)step;
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
    const float *const restrict turns = tones->apart[mic];
    for (size_t n = 0; n < points; n++) {
        const float low = response[step[n]], high = response[step[n] + 1];
        re[n] *= heard[n] * (low + beyond[n] * (high - low));
    }
    for (size_t n = 0; n < points; n++) {
        const pp_circle_point apart = pp_circle_at(pp_fraction(turns[n]));
        im[n] = re[n] * apart.sine;
        re[n] *= apart.cosine;
    }
}

/* Add segment `s` of the path to the sums of all microphones. */
PP_INLINE void add_segment(pp_echo_tones *tones, size_t s, size_t samples)
{
    const size_t n = s + PP_ECHO_MARGIN;
    const pp_phase_cubic cubic = {tones->c0[n], tones->c1[n], tones->c2[n], tones->c3[n]};
    pp_turn(tones->share, cubic, samples, tones->cosine, tones->sine);
    for (size_t m = 0; m < tones->mics; m++) {
        pp_add_weighted(tones->share, samples, tones->cosine, tones->sine, tones->re_weight[m] + n,
                        tones->im_weight[m] + n, tones->re[m] + s * samples, tones->im[m] + s * samples);
    }
}

/* Add one path, whose scatterer is placed, to the tile's sums. */
PP_INLINE void add_path(pp_echo_tones *tones, const pp_echoes *echoes, const pp_echo_carrier *carrier, size_t segments,
                        size_t path)
{
    const size_t points = (segments + 1 + 2 * PP_ECHO_MARGIN + LANES - 1) / LANES * LANES;
    reach(tones, echoes, carrier->carrier_hz, points, path);
    for (size_t m = 0; m < tones->mics; m++) {
        hear(tones, echoes, points, m);
    }
    bend(tones, points);
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

PP_INLINE int is_known(const pp_echoes *echoes, size_t path)
{
    const int32_t scatterer = echoes->scatterer[path], leg = echoes->leg[path];
    return scatterer >= 0 && (size_t)scatterer < echoes->scatterers && leg >= 0 && (size_t)leg < echoes->legs;
}

PP_WIDE void pp_echo_tones_execute(pp_echo_tones *tones, const pp_echoes *echoes, const pp_echo_carrier *carrier,
                                   float *out)
{
    const size_t segments = echoes->points - 1 - 2 * PP_ECHO_MARGIN;
    const size_t most = TILE_POINTS - 1 - 2 * PP_ECHO_MARGIN;
    size_t tile_segments = TILE_SAMPLES / tones->segment_samples;
    tile_segments = tile_segments < most ? tile_segments : most;
    for (size_t first = 0; first < segments; first += tile_segments) {
        const size_t tile = segments - first < tile_segments ? segments - first : tile_segments;
        const size_t samples = tile * tones->segment_samples, points = tile + 1 + 2 * PP_ECHO_MARGIN;
        size_t leg = echoes->legs;
        for (size_t m = 0; m < tones->mics; m++) {
            memset(tones->re[m], 0, samples * sizeof(float));
            memset(tones->im[m], 0, samples * sizeof(float));
        }
        for (size_t p = 0; p < echoes->paths; p++) {
            if (!is_known(echoes, p) || !place(tones, echoes, first, points, p)) {
                continue;
            }
            if (leg != (size_t)echoes->leg[p]) {
                leg = (size_t)echoes->leg[p];
                set_array(tones, echoes->mics_m + 3 * leg * tones->mics);
                set_delays(tones, echoes, carrier->carrier_hz, leg, first, points);
            }
            add_path(tones, echoes, carrier, tile, p);
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
