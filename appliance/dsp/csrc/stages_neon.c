/* NEON of 64-bit ARM: four floats to a vector. Taps stay in registers, four to each, and are multiplied by element. */

#include "stages.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdbool.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define QUAD 4
#define QUADS(taps) (((taps) + QUAD - 1) / QUAD)

/* The element has to be a literal. `k` is a constant once its loop is unrolled. */
#define ADD_BY_TAP(sum, value, taps, k)                               \
    ((k) % QUAD == 0   ? vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 0) \
     : (k) % QUAD == 1 ? vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 1) \
     : (k) % QUAD == 2 ? vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 2) \
                       : vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 3))

#define SUBTRACT_BY_TAP(sum, value, taps, k)                                \
    ((k) % QUAD == 0   ? vfmsq_laneq_f32(sum, value, (taps)[(k) / QUAD], 0) \
     : (k) % QUAD == 1 ? vfmsq_laneq_f32(sum, value, (taps)[(k) / QUAD], 1) \
     : (k) % QUAD == 2 ? vfmsq_laneq_f32(sum, value, (taps)[(k) / QUAD], 2) \
                       : vfmsq_laneq_f32(sum, value, (taps)[(k) / QUAD], 3))

/* What is inlined into a loop over outputs gets each element of its taps spread over a register of its own, and there are
 * too few. So one or two outputs are a function, which loads its taps anew. */
#define ONE_OUTPUT static __attribute__((noinline)) void

/* Taps that a table repeats, side by side and with zeros up to a whole vector. */
ALWAYS_INLINE void gather(const float *table, size_t repeat, size_t count, float *taps)
{
    for (size_t k = 0; k < count; k++) {
        taps[k] = table[k * repeat];
    }
    for (size_t k = count; k < QUADS(count) * QUAD; k++) {
        taps[k] = 0;
    }
}

ALWAYS_INLINE void load_taps(const float *taps, size_t count, float32x4_t *loaded)
{
#pragma GCC unroll 16
    for (size_t q = 0; q < QUADS(count); q++) {
        loaded[q] = vld1q_f32(taps + q * QUAD);
    }
}

/* The taps of one carrier, side by side. */
typedef struct {
    float of_sum[QUADS(PP_MIX_HALF_MAX) * QUAD];
    float of_difference[QUADS(PP_MIX_HALF_MAX) * QUAD];
} mix_taps;

ALWAYS_INLINE void gather_mixer(const pp_mixer *mixer, size_t taps, mix_taps *gathered)
{
    gather(mixer->of_sum[0], PP_VECTOR, taps / 2 + 1, gathered->of_sum);
    gather(mixer->of_difference[0], PP_VECTOR, taps / 2, gathered->of_difference);
}

ALWAYS_INLINE float32x4_t pcm_4(const int32_t *pcm)
{
    return vcvtq_f32_s32(vld1q_s32(pcm));
}

ALWAYS_INLINE float32x4_t low_halves(float32x4_t a, float32x4_t b)
{
    return vreinterpretq_f32_f64(vtrn1q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
}

ALWAYS_INLINE float32x4_t high_halves(float32x4_t a, float32x4_t b)
{
    return vreinterpretq_f32_f64(vtrn2q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
}

/* One microphone: four rows of four outputs in one go, transposed. */
ALWAYS_INLINE void convert_1(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    size_t n = 0;
    for (; n + QUAD <= outputs; n += QUAD) {
        for (size_t r = 0; r < decimation; r += QUAD) {
            const int32_t *const at = pcm + n * decimation + r;
            float *const row = rows + r * PP_PHASE_FLOATS + n;
            const float32x4x2_t ab = vtrnq_f32(pcm_4(at), pcm_4(at + decimation));
            const float32x4x2_t cd = vtrnq_f32(pcm_4(at + 2 * decimation), pcm_4(at + 3 * decimation));
            vst1q_f32(row, low_halves(ab.val[0], cd.val[0]));
            vst1q_f32(row + PP_PHASE_FLOATS, low_halves(ab.val[1], cd.val[1]));
            vst1q_f32(row + 2 * PP_PHASE_FLOATS, high_halves(ab.val[0], cd.val[0]));
            vst1q_f32(row + 3 * PP_PHASE_FLOATS, high_halves(ab.val[1], cd.val[1]));
        }
    }
    for (; n < outputs; n++) {
        for (size_t r = 0; r < decimation; r++) {
            rows[r * PP_PHASE_FLOATS + n] = (float)pcm[n * decimation + r];
        }
    }
}

/* Two microphones: two rows of two outputs, of which there is always an even number. */
ALWAYS_INLINE void convert_2(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    for (size_t n = 0; n < outputs; n += 2) {
#pragma GCC unroll 8
        for (size_t r = 0; r < decimation; r += 2) {
            const float32x4_t a = pcm_4(pcm + (n * decimation + r) * 2);
            const float32x4_t b = pcm_4(pcm + ((n + 1) * decimation + r) * 2);
            float *const row = rows + r * PP_PHASE_FLOATS + n * 2;
            vst1q_f32(row, low_halves(a, b));
            vst1q_f32(row + PP_PHASE_FLOATS, high_halves(a, b));
        }
    }
}

/* Offsets of rows that are constants cost nothing. */
ALWAYS_INLINE void convert_2_by(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    switch (decimation) {
    case 4:
        convert_2(pcm, outputs, 4, rows);
        break;
    case 8:
        convert_2(pcm, outputs, 8, rows);
        break;
    default:
        convert_2(pcm, outputs, 16, rows);
    }
}

/* From four microphones on an entry fills a vector, and frames stay in order: one plane for each four microphones. */
#define PLANE_FLOATS (PP_MAX_DECIMATION * PP_PHASE_FLOATS / 2)

ALWAYS_INLINE void convert_4(const int32_t *pcm, size_t frames, float *plane)
{
    for (size_t n = 0; n < frames; n += 4) {
        const int32x4x4_t four = vld1q_s32_x4(pcm + n * QUAD);
        const float32x4x4_t converted = {{vcvtq_f32_s32(four.val[0]), vcvtq_f32_s32(four.val[1]),
                                          vcvtq_f32_s32(four.val[2]), vcvtq_f32_s32(four.val[3])}};
        vst1q_f32_x4(plane + n * QUAD, converted);
    }
}

ALWAYS_INLINE void convert_8(const int32_t *pcm, size_t frames, float *plane)
{
    for (size_t n = 0; n < frames; n += 2) {
        const int32x4x4_t two = vld1q_s32_x4(pcm + n * 2 * QUAD);
        const float32x4x2_t first = {{vcvtq_f32_s32(two.val[0]), vcvtq_f32_s32(two.val[2])}};
        const float32x4x2_t second = {{vcvtq_f32_s32(two.val[1]), vcvtq_f32_s32(two.val[3])}};
        vst1q_f32_x2(plane + n * QUAD, first);
        vst1q_f32_x2(plane + PLANE_FLOATS + n * QUAD, second);
    }
}

/* 3, 5, 6 and 7 microphones. */
ALWAYS_INLINE void convert_any(const int32_t *pcm, size_t frames, size_t mics, float *plane)
{
    for (size_t n = 0; n < frames; n++) {
        for (size_t m = 0; m < pp_lanes(mics); m++) {
            plane[m / QUAD * PLANE_FLOATS + n * QUAD + m % QUAD] = m < mics ? (float)pcm[n * mics + m] : 0.0F;
        }
    }
}

static void convert(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    const size_t lanes = pp_lanes(mics);
    const size_t frames = outputs * decimation;
    float *const phases = rows + PP_PHASE_HISTORY * lanes;
    float *const plane = rows + PP_PHASE_HISTORY * decimation * QUAD;
    switch (mics) {
    case 1:
        convert_1(pcm, outputs, decimation, phases);
        break;
    case 2:
        convert_2_by(pcm, outputs, decimation, phases);
        break;
    case 4:
        convert_4(pcm, frames, plane);
        break;
    case 8:
        convert_8(pcm, frames, plane);
        break;
    default:
        convert_any(pcm, frames, mics, plane);
    }
}

static void keep(float *rows, size_t outputs, size_t decimation, size_t lanes)
{
    if (lanes < QUAD) {
        pp_keep_phases(rows, outputs, decimation, lanes);
        return;
    }
    for (size_t m = 0; m < lanes; m += QUAD) {
        float *const plane = rows + m / QUAD * PLANE_FLOATS;
        memmove(plane, plane + outputs * decimation * QUAD, PP_PHASE_HISTORY * decimation * QUAD * sizeof(float));
    }
}

/* Rotate by the chunk's first phasor times the table's, and store. */
ALWAYS_INLINE void turn(const pp_mix_part *part, size_t i, float32x4_t re, float32x4_t im)
{
    const float32x4_t table_re = vld1q_f32(part->mixer->turn[0] + part->first + i);
    const float32x4_t table_im = vld1q_f32(part->mixer->turn[1] + part->first + i);
    const float32x4_t turn_re =
        vfmsq_n_f32(vmulq_n_f32(table_re, part->start_re), table_im, part->start_im);
    const float32x4_t turn_im =
        vfmaq_n_f32(vmulq_n_f32(table_re, part->start_im), table_im, part->start_re);
    vst1q_f32(part->re + i, vfmsq_f32(vmulq_f32(re, turn_re), im, turn_im));
    vst1q_f32(part->im + i, vfmaq_f32(vmulq_f32(re, turn_im), im, turn_re));
}

/* One or two carriers, which share loads: more would not leave their taps in registers. One or two microphones: two
 * vectors of rows of phases, sums and differences as in the generic loop. `at`: as the vectors' first entry of the first
 * row, and one and two entries later. */
ALWAYS_INLINE void mix_phases(const float *const at[3], const mix_taps *taps, const pp_mix_part *part, size_t i,
                              bool two, size_t decimation, size_t length)
{
    float32x4_t sum_taps[2][QUADS(PP_MIX_HALF_MAX)];
    float32x4_t difference_taps[2][QUADS(PP_MIX_HALF_MAX)];
    for (size_t c = 0; c <= two; c++) {
        load_taps(taps[c].of_sum, length / 2 + 1, sum_taps[c]);
        load_taps(taps[c].of_difference, length / 2, difference_taps[c]);
    }
    const size_t first = (PP_PHASE_HISTORY + 1) * decimation - length;
    float32x4_t re[2][2];
    float32x4_t im[2][2];
#define SAMPLE(k) vld1q_f32_x2(at[(first + (k)) / decimation] + (first + (k)) % decimation * PP_PHASE_FLOATS)
#pragma GCC unroll 64
    for (size_t k = 0; k < length / 2; k++) {
        const float32x4x2_t old = SAMPLE(k);
        const float32x4x2_t new = SAMPLE(length - 1 - k);
        for (size_t v = 0; v < 2; v++) {
            const float32x4_t sum = vaddq_f32(old.val[v], new.val[v]);
            const float32x4_t difference = vsubq_f32(old.val[v], new.val[v]);
            for (size_t c = 0; c <= two; c++) {
                if (k == 0) {
                    re[c][v] = vmulq_laneq_f32(sum, sum_taps[c][0], 0);
                    im[c][v] = vmulq_laneq_f32(difference, difference_taps[c][0], 0);
                } else {
                    re[c][v] = ADD_BY_TAP(re[c][v], sum, sum_taps[c], k);
                    im[c][v] = ADD_BY_TAP(im[c][v], difference, difference_taps[c], k);
                }
            }
        }
    }
    const float32x4x2_t centre = SAMPLE(length / 2);
#undef SAMPLE
    for (size_t c = 0; c <= two; c++) {
        for (size_t v = 0; v < 2; v++) {
            re[c][v] = ADD_BY_TAP(re[c][v], centre.val[v], sum_taps[c], length / 2);
            turn(&part[c], i + v * QUAD, re[c][v], im[c][v]);
        }
    }
}

/* Four or eight: two outputs of frames in order, of which there is always an even number. */
ALWAYS_INLINE void mix_plane(const float *at, const mix_taps *taps, const pp_mix_part *part, size_t i, size_t lanes,
                             bool two, size_t decimation, size_t length)
{
    float32x4_t re_taps[2][QUADS(PP_MIX_HALF_MAX)];
    float32x4_t im_taps[2][QUADS(PP_MIX_HALF_MAX)];
    for (size_t c = 0; c <= two; c++) {
        load_taps(taps[c].of_sum, length / 2 + 1, re_taps[c]);
        load_taps(taps[c].of_difference, length / 2, im_taps[c]);
    }
    const float32x4_t zero = vdupq_n_f32(0);
    float32x4_t re0a = zero, im0a = zero, re0b = zero, im0b = zero;
    float32x4_t re1a = zero, im1a = zero, re1b = zero, im1b = zero;
/* Sample `x` is tap k of output a or b of carrier c. */
#define ADD_TAP(c, output, x, k)                                                                              \
    if ((k) == 0) {                                                                                           \
        re##c##output = vmulq_laneq_f32(x, re_taps[c][0], 0);                                                 \
        im##c##output = vmulq_laneq_f32(x, im_taps[c][0], 0);                                                 \
    } else {                                                                                                  \
        re##c##output = ADD_BY_TAP(re##c##output, x, re_taps[c], (k) <= length / 2 ? (k) : length - 1 - (k)); \
    }                                                                                                         \
    if ((k) > 0 && (k) < length / 2) {                                                                        \
        im##c##output = ADD_BY_TAP(im##c##output, x, im_taps[c], k);                                          \
    } else if ((k) > length / 2) {                                                                            \
        im##c##output = SUBTRACT_BY_TAP(im##c##output, x, im_taps[c], length - 1 - (k));                      \
    }
#define ADD_SAMPLE(x, k)                                      \
    if ((k) < length) {                                       \
        ADD_TAP(0, a, x, (k))                                 \
        if (two) {                                            \
            ADD_TAP(1, a, x, (k))                             \
        }                                                     \
    }                                                         \
    if ((k) >= decimation && (k) - decimation < length) {     \
        ADD_TAP(0, b, x, (k) - decimation)                    \
        if (two) {                                            \
            ADD_TAP(1, b, x, (k) - decimation)                \
        }                                                     \
    }
    at += ((PP_PHASE_HISTORY + 1) * decimation - length) * QUAD;
#pragma GCC unroll 64
    for (size_t k = 0; k < length + decimation; k += 4) {
        const float32x4x4_t x = vld1q_f32_x4(at + k * QUAD);
        ADD_SAMPLE(x.val[0], k)
        ADD_SAMPLE(x.val[1], k + 1)
        ADD_SAMPLE(x.val[2], k + 2)
        ADD_SAMPLE(x.val[3], k + 3)
    }
#undef ADD_SAMPLE
#undef ADD_TAP
    turn(&part[0], i, re0a, im0a);
    turn(&part[0], i + lanes, re0b, im0b);
    if (two) {
        turn(&part[1], i, re1a, im1a);
        turn(&part[1], i + lanes, re1b, im1b);
    }
}

typedef void mix_phases_function(const float *const at[3], const mix_taps *taps, const pp_mix_part *part, size_t i);
typedef void mix_plane_function(const float *at, const mix_taps *taps, const pp_mix_part *part, size_t i, size_t lanes);

ALWAYS_INLINE void mix(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers,
                       size_t decimation, size_t length, mix_phases_function *const phases[2],
                       mix_plane_function *const plane[2])
{
    for (size_t c = 0; c < carriers; c += 2) {
        const size_t two = c + 1 < carriers;
        mix_taps taps[2];
        for (size_t each = 0; each <= two; each++) {
            gather_mixer(parts[c + each].mixer, length, &taps[each]);
        }
        if (lanes < QUAD) {
            for (size_t i = 0; i < floats; i += 2 * QUAD) {
                const float *const at[3] = {rows + i, rows + i + lanes, rows + i + 2 * lanes};
                phases[two](at, taps, &parts[c], i);
            }
        }
        for (size_t m = 0; m + QUAD <= lanes; m += QUAD) {
            const float *at = rows + m / QUAD * PLANE_FLOATS;
            for (size_t i = m; i < floats; i += 2 * lanes, at += 2 * decimation * QUAD) {
                plane[two](at, taps, &parts[c], i, lanes);
            }
        }
    }
}

/* One function for each decimation, form of the input and number of carriers. */
#define MIX_BY(decimation, length)                                                                                    \
    ONE_OUTPUT mix_one_phases_by_##decimation(const float *const at[3], const mix_taps *taps,                         \
                                              const pp_mix_part *part, size_t i)                                      \
    {                                                                                                                 \
        mix_phases(at, taps, part, i, false, decimation, length);                                                     \
    }                                                                                                                 \
    ONE_OUTPUT mix_two_phases_by_##decimation(const float *const at[3], const mix_taps *taps,                         \
                                              const pp_mix_part *part, size_t i)                                      \
    {                                                                                                                 \
        mix_phases(at, taps, part, i, true, decimation, length);                                                      \
    }                                                                                                                 \
    ONE_OUTPUT mix_one_plane_by_##decimation(const float *at, const mix_taps *taps, const pp_mix_part *part,          \
                                             size_t i, size_t lanes)                                                  \
    {                                                                                                                 \
        mix_plane(at, taps, part, i, lanes, false, decimation, length);                                               \
    }                                                                                                                 \
    ONE_OUTPUT mix_two_plane_by_##decimation(const float *at, const mix_taps *taps, const pp_mix_part *part,          \
                                             size_t i, size_t lanes)                                                  \
    {                                                                                                                 \
        mix_plane(at, taps, part, i, lanes, true, decimation, length);                                                \
    }                                                                                                                 \
    static void mix_by_##decimation(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts,         \
                                    size_t carriers)                                                                  \
    {                                                                                                                 \
        static mix_phases_function *const phases[2] = {mix_one_phases_by_##decimation,                                \
                                                       mix_two_phases_by_##decimation};                               \
        static mix_plane_function *const plane[2] = {mix_one_plane_by_##decimation, mix_two_plane_by_##decimation};   \
        mix(rows, floats, lanes, parts, carriers, decimation, length, phases, plane);                                 \
    }

MIX_BY(4, PP_STAGE_1_TAPS_96K)
MIX_BY(8, PP_STAGE_1_TAPS_192K)
MIX_BY(16, PP_STAGE_1_TAPS_384K)

/* One or two microphones: several entries to a vector. Two sums, because one would wait for itself. */
ALWAYS_INLINE float32x4_t weigh(const float *in, const float *taps, size_t floats)
{
    float32x4_t even = vdupq_n_f32(0);
    float32x4_t odd = vdupq_n_f32(0);
#pragma GCC unroll 64
    for (size_t i = 0; i < floats; i += 2 * QUAD) {
        even = vfmaq_f32(even, vld1q_f32(taps + i), vld1q_f32(in + i));
        odd = vfmaq_f32(odd, vld1q_f32(taps + i + QUAD), vld1q_f32(in + i + QUAD));
    }
    return vaddq_f32(even, odd);
}

/* From four microphones on a tap is an element; the window's zeros make whole loads. */
ALWAYS_INLINE void weigh_parts(const float *re, const float *im, size_t quads, const float *gathered, float *out)
{
    float32x4_t taps[QUADS(PP_STAGE_2_WINDOW)];
    load_taps(gathered, PP_STAGE_2_WINDOW, taps);
    float32x4_t re0 = vdupq_n_f32(0);
    float32x4_t im0 = re0;
    float32x4_t re1 = re0;
    float32x4_t im1 = re0;
#pragma GCC unroll 64
    for (size_t i = 0; i < PP_STAGE_2_WINDOW * quads; i += 4) {
        const float32x4x4_t x = vld1q_f32_x4(re + i * QUAD);
        const float32x4x4_t y = vld1q_f32_x4(im + i * QUAD);
        /* Even and odd entries, or the first and the last four microphones. */
        re0 = ADD_BY_TAP(re0, x.val[0], taps, i / quads);
        im0 = ADD_BY_TAP(im0, y.val[0], taps, i / quads);
        re1 = ADD_BY_TAP(re1, x.val[1], taps, (i + 1) / quads);
        im1 = ADD_BY_TAP(im1, y.val[1], taps, (i + 1) / quads);
        re0 = ADD_BY_TAP(re0, x.val[2], taps, (i + 2) / quads);
        im0 = ADD_BY_TAP(im0, y.val[2], taps, (i + 2) / quads);
        re1 = ADD_BY_TAP(re1, x.val[3], taps, (i + 3) / quads);
        im1 = ADD_BY_TAP(im1, y.val[3], taps, (i + 3) / quads);
    }
    if (quads == 1) {
        const float32x4x2_t sum = {{vaddq_f32(re0, re1), vaddq_f32(im0, im1)}};
        vst2q_f32(out, sum);
    } else {
        const float32x4x2_t first = {{re0, im0}};
        const float32x4x2_t second = {{re1, im1}};
        vst2q_f32(out, first);
        vst2q_f32(out + 2 * QUAD, second);
    }
}

ONE_OUTPUT weigh_parts_4(const float *re, const float *im, const float *taps, float *out)
{
    weigh_parts(re, im, 1, taps, out);
}

ONE_OUTPUT weigh_parts_8(const float *re, const float *im, const float *taps, float *out)
{
    weigh_parts(re, im, 2, taps, out);
}

ONE_OUTPUT weigh_parts_1(const float *re, const float *im, const float *taps, float *out)
{
    const float32x4_t sum_re = weigh(re, taps, PP_STAGE_2_WINDOW);
    const float32x4_t sum_im = weigh(im, taps, PP_STAGE_2_WINDOW);
    const float32x4_t pairs = vpaddq_f32(sum_re, sum_im);
    vst1_f32(out, vget_low_f32(vpaddq_f32(pairs, pairs)));
}

ONE_OUTPUT weigh_parts_2(const float *re, const float *im, const float *taps, float *out)
{
    const float32x4_t sum_re = weigh(re, taps, PP_STAGE_2_WINDOW * 2);
    const float32x4_t sum_im = weigh(im, taps, PP_STAGE_2_WINDOW * 2);
    vst1q_f32(out, vaddq_f32(vzip1q_f32(sum_re, sum_im), vzip2q_f32(sum_re, sum_im)));
}

static void decimate_stage_2(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                             float *out)
{
    float gathered[PP_STAGE_2_WINDOW];
    if (lanes >= QUAD) {
        gather(taps, lanes, PP_STAGE_2_WINDOW, gathered);
        taps = gathered;
    }
    void (*const output)(const float *, const float *, const float *, float *) = lanes == 1   ? weigh_parts_1
                                                                                 : lanes == 2 ? weigh_parts_2
                                                                                 : lanes == 4 ? weigh_parts_4
                                                                                              : weigh_parts_8;
    for (size_t n = 0; n < outputs; n++) {
        const size_t oldest = n * PP_STAGE_2_DECIMATION * lanes;
        output(re + oldest, im + oldest, taps, out + 2 * n * lanes);
    }
}

ONE_OUTPUT weigh_1(const float *in, const float *taps, float *out)
{
    const float32x4_t sum = weigh(in, taps, PP_STAGE_3_TAPS * 2);
    vst1_f32(out, vadd_f32(vget_low_f32(sum), vget_high_f32(sum)));
}

/* From two microphones on entries are one, two or four vectors, and taps elements; four vectors in one go. */
ALWAYS_INLINE void weigh_entries(const float *in, size_t quads, const float *gathered, float *out)
{
    float32x4_t half[QUADS(PP_STAGE_3_TAPS / 2)];
    load_taps(gathered, PP_STAGE_3_TAPS / 2, half);
    float32x4_t sum0 = vdupq_n_f32(0);
    float32x4_t sum1 = sum0;
    float32x4_t sum2 = sum0;
    float32x4_t sum3 = sum0;
#pragma GCC unroll 128
    for (size_t i = 0; i < PP_STAGE_3_TAPS * quads; i += 4) {
        const float32x4x4_t x = vld1q_f32_x4(in + i * QUAD);
#define TAP(j) ((i + j) / quads < PP_STAGE_3_TAPS / 2 ? (i + j) / quads : PP_STAGE_3_TAPS - 1 - (i + j) / quads)
        sum0 = ADD_BY_TAP(sum0, x.val[0], half, TAP(0));
        sum1 = ADD_BY_TAP(sum1, x.val[1], half, TAP(1));
        sum2 = ADD_BY_TAP(sum2, x.val[2], half, TAP(2));
        sum3 = ADD_BY_TAP(sum3, x.val[3], half, TAP(3));
#undef TAP
    }
    if (quads == 4) {
        vst1q_f32(out, sum0);
        vst1q_f32(out + QUAD, sum1);
        vst1q_f32(out + 2 * QUAD, sum2);
        vst1q_f32(out + 3 * QUAD, sum3);
        return;
    }
    const float32x4_t even = vaddq_f32(sum0, sum2);
    const float32x4_t odd = vaddq_f32(sum1, sum3);
    if (quads == 2) {
        vst1q_f32(out, even);
        vst1q_f32(out + QUAD, odd);
    } else {
        vst1q_f32(out, vaddq_f32(even, odd));
    }
}

ONE_OUTPUT weigh_2(const float *in, const float *half, float *out)
{
    weigh_entries(in, 1, half, out);
}

ONE_OUTPUT weigh_4(const float *in, const float *half, float *out)
{
    weigh_entries(in, 2, half, out);
}

ONE_OUTPUT weigh_8(const float *in, const float *half, float *out)
{
    weigh_entries(in, 4, half, out);
}

static void decimate_stage_3(const float *in, size_t outputs, size_t lanes, const float *taps, float *out)
{
    float half[QUADS(PP_STAGE_3_TAPS / 2) * QUAD];
    if (lanes > 1) {
        gather(taps, pp_stage_3_repeat(lanes), PP_STAGE_3_TAPS / 2, half);
        taps = half;
    }
    void (*const output)(const float *, const float *, float *) =
        lanes == 1 ? weigh_1 : lanes == 2 ? weigh_2 : lanes == 4 ? weigh_4 : weigh_8;
    for (size_t n = 0; n < outputs; n++) {
        output(in + n * PP_STAGE_3_DECIMATION * 2 * lanes, taps, out + n * 2 * lanes);
    }
}

const pp_stages *pp_stages_neon(void)
{
    static const pp_stages neon = {
        .name = "neon",
        .convert = convert,
        .keep = keep,
        .mix_by_4 = mix_by_4,
        .mix_by_8 = mix_by_8,
        .mix_by_16 = mix_by_16,
        .decimate_stage_2 = decimate_stage_2,
        .decimate_stage_3 = decimate_stage_3,
    };
    return &neon;
}

#else

const pp_stages *pp_stages_neon(void)
{
    return NULL;
}

#endif
