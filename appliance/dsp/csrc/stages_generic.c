/* Plain C for every processor. Loop counts are constants after inlining, which lets the compiler keep every
 * accumulator in a register; an array of accumulators would go through memory. */

#include "stages.h"
#include "taps.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* PCM is aligned to its samples only. */
typedef int32_t pcm_quad __attribute__((vector_size(16), aligned(4), may_alias));

/* With constant `mics` and `lanes` little but the conversions themselves is left. */
ALWAYS_INLINE void convert_lanes(const int32_t *pcm, size_t frames, size_t mics, size_t lanes, pp_quad *out)
{
#pragma GCC unroll 8
    for (size_t n = 0; n < frames; n++) {
        const int32_t *const frame = pcm + n * mics;
        switch (lanes) {
        case 1:
            out[n] = (pp_quad){(float)frame[0]};
            break;
        case 2:
            out[n] = (pp_quad){(float)frame[0], (float)frame[1]};
            break;
        case 3:
            out[n] = (pp_quad){(float)frame[0], (float)frame[1], (float)frame[2]};
            break;
        default:
            out[n] = __builtin_convertvector(*(const pcm_quad *)frame, pp_quad);
        }
    }
}

static void convert(const int32_t *pcm, size_t frames, size_t mics, size_t lanes, pp_quad *out)
{
    switch (lanes) {
    case 1:
        convert_lanes(pcm, frames, mics, 1, out);
        break;
    case 2:
        convert_lanes(pcm, frames, mics, 2, out);
        break;
    case 3:
        convert_lanes(pcm, frames, mics, 3, out);
        break;
    default:
        if (mics == PP_MICS_PER_QUAD) {
            convert_lanes(pcm, frames, PP_MICS_PER_QUAD, PP_MICS_PER_QUAD, out);
        } else {
            convert_lanes(pcm, frames, mics, PP_MICS_PER_QUAD, out);
        }
    }
}

/* Samples at equal distance from the middle share their tap but for the sign of its imaginary part, so their sum
 * and difference are multiplied once each: half the multiplications of a complex filter. */
ALWAYS_INLINE void mix(const pp_quad *in, size_t outputs, size_t taps, size_t decimation, const pp_mix_taps *tap,
                       const float *phasor_re, const float *phasor_im, pp_quad *out)
{
    const size_t middle = taps / 2;
    for (size_t n = 0; n < outputs; n++) {
        const pp_quad *const old = in + n * decimation;
        const pp_quad *const new = old + taps - 1;
        pp_quad re = tap->of_sum[middle] * old[middle];
        pp_quad im = {0};
#pragma GCC unroll 16
        for (size_t k = 0; k < middle; k++) {
            const pp_quad later = *(new - k);
            re += tap->of_sum[k] * (later + old[k]);
            im += tap->of_difference[k] * (later - old[k]);
        }
        const float turn_re = phasor_re[n];
        const float turn_im = phasor_im[n];
        out[2 * n] = re * turn_re - im * turn_im;
        out[2 * n + 1] = re * turn_im + im * turn_re;
    }
}

ALWAYS_INLINE void decimate(const pp_quad *in, size_t outputs, size_t taps, size_t decimation, const pp_quad *tap,
                            pp_quad *out)
{
    for (size_t n = 0; n < outputs; n++) {
        const pp_quad *const old = in + 2 * n * decimation;
        const pp_quad *const new = old + 2 * (taps - 1);
        pp_quad re = {0};
        pp_quad im = {0};
#pragma GCC unroll 42
        for (size_t k = 0; k < taps / 2; k++) {
            re += tap[k] * (old[2 * k] + *(new - 2 * k));
            im += tap[k] * (old[2 * k + 1] + *(new - 2 * k + 1));
        }
        if (taps % 2 == 1) {
            re += tap[taps / 2] * old[taps - 1];
            im += tap[taps / 2] * old[taps];
        }
        out[2 * n] = re;
        out[2 * n + 1] = im;
    }
}

static void mix_192k(const pp_quad *in, size_t outputs, const pp_mix_taps *taps, const float *phasor_re,
                     const float *phasor_im, pp_quad *out)
{
    mix(in, outputs, PP_STAGE_1_TAPS_192K, 8, taps, phasor_re, phasor_im, out);
}

static void mix_96k(const pp_quad *in, size_t outputs, const pp_mix_taps *taps, const float *phasor_re,
                    const float *phasor_im, pp_quad *out)
{
    mix(in, outputs, PP_STAGE_1_TAPS_96K, 4, taps, phasor_re, phasor_im, out);
}

static void decimate_stage_2(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out)
{
    decimate(in, outputs, PP_STAGE_2_TAPS, 5, taps, out);
}

static void decimate_stage_3(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out)
{
    decimate(in, outputs, PP_STAGE_3_TAPS, 2, taps, out);
}

const pp_stages *pp_stages_here(void)
{
    static const pp_stages generic = {
        .convert = convert,
        .mix_192k = mix_192k,
        .mix_96k = mix_96k,
        .decimate_stage_2 = decimate_stage_2,
        .decimate_stage_3 = decimate_stage_3,
    };
    return &generic;
}
