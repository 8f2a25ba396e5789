/* NEON of 64-bit ARM: four floats to a vector. Taps stay in registers, four to each, and are multiplied by element. */

#include "stages.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdbool.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define QUAD 4
#define QUADS(taps) (((taps) + QUAD - 1) / QUAD)

/* The element has to be a literal. `k` is a constant once its loop is unrolled. */
#define ADD_BY_TAP(sum, value, taps, k)                               \
    ((k) % QUAD == 0   ? vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 0) \
     : (k) % QUAD == 1 ? vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 1) \
     : (k) % QUAD == 2 ? vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 2) \
                       : vfmaq_laneq_f32(sum, value, (taps)[(k) / QUAD], 3))

/* Taps that a table repeats, side by side. */
ALWAYS_INLINE void gather(const float *table, size_t repeat, size_t count, float32x4_t *taps)
{
#pragma GCC unroll 64
    for (size_t k = 0; k < count; k += QUAD) {
        float four[QUAD] = {0};
        for (size_t i = 0; i < QUAD && k + i < count; i++) {
            four[i] = table[(k + i) * repeat];
        }
        taps[k / QUAD] = vld1q_f32(four);
    }
}

ALWAYS_INLINE float32x4_t pcm_4(const int32_t *pcm)
{
    return vcvtq_f32_s32(vld1q_s32(pcm));
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
            vst1q_f32(row, vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0])));
            vst1q_f32(row + PP_PHASE_FLOATS, vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1])));
            vst1q_f32(row + 2 * PP_PHASE_FLOATS, vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0])));
            vst1q_f32(row + 3 * PP_PHASE_FLOATS, vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1])));
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
            vst1q_f32(row, vcombine_f32(vget_low_f32(a), vget_low_f32(b)));
            vst1q_f32(row + PP_PHASE_FLOATS, vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
        }
    }
}

/* Four and eight microphones, two outputs in one go. */
ALWAYS_INLINE void convert_quads(const int32_t *pcm, size_t outputs, size_t decimation, size_t lanes, float *rows)
{
    for (size_t n = 0; n < outputs; n += 2) {
#pragma GCC unroll 16
        for (size_t r = 0; r < decimation; r++) {
            float *const row = rows + r * PP_PHASE_FLOATS + n * lanes;
            for (size_t m = 0; m < lanes; m += QUAD) {
                const float32x4_t now = pcm_4(pcm + (n * decimation + r) * lanes + m);
                const float32x4_t next = pcm_4(pcm + ((n + 1) * decimation + r) * lanes + m);
                vst1q_f32(row + m, now);
                vst1q_f32(row + lanes + m, next);
            }
        }
    }
}

ALWAYS_INLINE void convert_by(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    switch (mics) {
    case 1:
        convert_1(pcm, outputs, decimation, rows);
        break;
    case 2:
        convert_2(pcm, outputs, decimation, rows);
        break;
    case 4:
        convert_quads(pcm, outputs, decimation, 4, rows);
        break;
    case 8:
        convert_quads(pcm, outputs, decimation, 8, rows);
        break;
    default:
        pp_stages_generic()->convert(pcm, outputs, decimation, mics, rows);
    }
}

static void convert(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    switch (decimation) {
    case 4:
        convert_by(pcm, outputs, 4, mics, rows);
        break;
    case 8:
        convert_by(pcm, outputs, 8, mics, rows);
        break;
    default:
        convert_by(pcm, outputs, PP_MAX_DECIMATION, mics, rows);
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

/* One or two carriers, which share sums and differences. More would not leave their taps in registers. */
ALWAYS_INLINE void mix_carriers(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, bool two,
                                size_t decimation, size_t taps)
{
    const pp_mix_part one = parts[0];
    const pp_mix_part other = parts[two ? 1 : 0];
    float32x4_t sum_taps[2][QUADS(PP_MIX_HALF_MAX)];
    float32x4_t difference_taps[2][QUADS(PP_MIX_HALF_MAX)];
    gather(one.mixer->of_sum[0], PP_VECTOR, taps / 2 + 1, sum_taps[0]);
    gather(one.mixer->of_difference[0], PP_VECTOR, taps / 2, difference_taps[0]);
    gather(other.mixer->of_sum[0], PP_VECTOR, taps / 2 + 1, sum_taps[1]);
    gather(other.mixer->of_difference[0], PP_VECTOR, taps / 2, difference_taps[1]);
    const size_t first = (PP_PHASE_HISTORY + 1) * decimation - taps;
    const float *at[3] = {rows, rows + lanes, rows + 2 * lanes};
    for (size_t i = 0; i < floats; i += QUAD) {
        const float32x4_t zero = vdupq_n_f32(0);
#define SAMPLE(k) vld1q_f32(at[(first + (k)) / decimation] + (first + (k)) % decimation * PP_PHASE_FLOATS)
        const float32x4_t centre = SAMPLE(taps / 2);
        float32x4_t re0 = ADD_BY_TAP(zero, centre, sum_taps[0], taps / 2);
        float32x4_t re1 = ADD_BY_TAP(zero, centre, sum_taps[1], taps / 2);
        float32x4_t im0 = zero;
        float32x4_t im1 = zero;
#pragma GCC unroll 64
        for (size_t k = 0; k < taps / 2; k++) {
            const float32x4_t old = SAMPLE(k);
            const float32x4_t new = SAMPLE(taps - 1 - k);
            const float32x4_t sum = vaddq_f32(old, new);
            const float32x4_t difference = vsubq_f32(old, new);
            re0 = ADD_BY_TAP(re0, sum, sum_taps[0], k);
            im0 = ADD_BY_TAP(im0, difference, difference_taps[0], k);
            if (two) {
                re1 = ADD_BY_TAP(re1, sum, sum_taps[1], k);
                im1 = ADD_BY_TAP(im1, difference, difference_taps[1], k);
            }
        }
#undef SAMPLE
        turn(&one, i, re0, im0);
        if (two) {
            turn(&other, i, re1, im1);
        }
        at[0] += QUAD;
        at[1] += QUAD;
        at[2] += QUAD;
    }
}

ALWAYS_INLINE void mix(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers,
                       size_t decimation, size_t taps)
{
    size_t c = 0;
    for (; c + 2 <= carriers; c += 2) {
        mix_carriers(rows, floats, lanes, parts + c, true, decimation, taps);
    }
    if (c < carriers) {
        mix_carriers(rows, floats, lanes, parts + c, false, decimation, taps);
    }
}

static void mix_by_4(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    mix(rows, floats, lanes, parts, carriers, 4, PP_STAGE_1_TAPS_96K);
}

static void mix_by_8(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    mix(rows, floats, lanes, parts, carriers, 8, PP_STAGE_1_TAPS_192K);
}

static void mix_by_16(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    mix(rows, floats, lanes, parts, carriers, 16, PP_STAGE_1_TAPS_384K);
}

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

/* From four microphones on a tap is an element. */
ALWAYS_INLINE void weigh_parts(const float *re, const float *im, size_t lanes, const float32x4_t *taps, float *out)
{
    for (size_t m = 0; m < lanes; m += QUAD) {
        float32x4x2_t sum = {{vdupq_n_f32(0), vdupq_n_f32(0)}};
#pragma GCC unroll 64
        for (size_t k = 0; k < PP_STAGE_2_TAPS; k++) {
            sum.val[0] = ADD_BY_TAP(sum.val[0], vld1q_f32(re + k * lanes + m), taps, k);
            sum.val[1] = ADD_BY_TAP(sum.val[1], vld1q_f32(im + k * lanes + m), taps, k);
        }
        vst2q_f32(out + 2 * m, sum);
    }
}

static void decimate_stage_2(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                             float *out)
{
    const size_t begin = (PP_STAGE_2_WINDOW - PP_STAGE_2_TAPS) * lanes;
    float32x4_t tap[QUADS(PP_STAGE_2_TAPS)];
    gather(taps + begin, lanes, PP_STAGE_2_TAPS, tap);
    for (size_t n = 0; n < outputs; n++) {
        const float *const old_re = re + n * PP_STAGE_2_DECIMATION * lanes;
        const float *const old_im = im + n * PP_STAGE_2_DECIMATION * lanes;
        float *const to = out + 2 * n * lanes;
        if (lanes == 1) {
            const float32x4_t pairs =
                vpaddq_f32(weigh(old_re, taps, PP_STAGE_2_WINDOW), weigh(old_im, taps, PP_STAGE_2_WINDOW));
            vst1_f32(to, vget_low_f32(vpaddq_f32(pairs, pairs)));
        } else if (lanes == 2) {
            const float32x4_t sum_re = weigh(old_re, taps, PP_STAGE_2_WINDOW * 2);
            const float32x4_t sum_im = weigh(old_im, taps, PP_STAGE_2_WINDOW * 2);
            vst1q_f32(to, vaddq_f32(vzip1q_f32(sum_re, sum_im), vzip2q_f32(sum_re, sum_im)));
        } else if (lanes == 4) {
            weigh_parts(old_re + begin, old_im + begin, 4, tap, to);
        } else {
            weigh_parts(old_re + begin, old_im + begin, 8, tap, to);
        }
    }
}

/* Eight floats of each entry. */
ALWAYS_INLINE void weigh_entries(const float *in, size_t width, const float32x4_t *half, float *out)
{
    float32x4_t low = vdupq_n_f32(0);
    float32x4_t high = vdupq_n_f32(0);
#pragma GCC unroll 64
    for (size_t k = 0; k < PP_STAGE_3_TAPS / 2; k++) {
        const float *const old = in + k * width;
        const float *const new = in + (PP_STAGE_3_TAPS - 1 - k) * width;
        low = ADD_BY_TAP(low, vaddq_f32(vld1q_f32(old), vld1q_f32(new)), half, k);
        high = ADD_BY_TAP(high, vaddq_f32(vld1q_f32(old + QUAD), vld1q_f32(new + QUAD)), half, k);
    }
    vst1q_f32(out, low);
    vst1q_f32(out + QUAD, high);
}

static void decimate_stage_3(const float *in, size_t outputs, size_t lanes, const float *taps, float *out)
{
    const size_t width = 2 * lanes;
    float32x4_t half[QUADS(PP_STAGE_3_TAPS / 2)];
    gather(taps, pp_stage_3_repeat(lanes), PP_STAGE_3_TAPS / 2, half);
    for (size_t n = 0; n < outputs; n++, in += PP_STAGE_3_DECIMATION * width, out += width) {
        if (lanes == 1) {
            const float32x4_t sum = weigh(in, taps, PP_STAGE_3_TAPS * 2);
            vst1_f32(out, vadd_f32(vget_low_f32(sum), vget_high_f32(sum)));
        } else if (lanes == 2) {
            vst1q_f32(out, weigh(in, taps, PP_STAGE_3_TAPS * 4));
        } else if (lanes == 4) {
            weigh_entries(in, 8, half, out);
        } else {
            weigh_entries(in, 16, half, out);
            weigh_entries(in + 8, 16, half, out + 8);
        }
    }
}

const pp_stages *pp_stages_neon(void)
{
    static const pp_stages neon = {
        .name = "neon",
        .convert = convert,
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
