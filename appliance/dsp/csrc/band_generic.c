/* Plain C for every processor. Loop counts are constants after inlining, which keeps accumulators in registers. */

#include "band_passes.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* PCM is aligned to its samples only. */
typedef int32_t pcm_quad __attribute__((vector_size(16), aligned(4), may_alias));

/* With constant `lanes` little but the conversions themselves is left. */
ALWAYS_INLINE void convert_lanes(const int32_t *pcm, size_t frames, size_t mics, size_t lanes, pp_quad *out)
{
#pragma GCC unroll 8
    for (size_t n = 0; n < frames; n++, pcm += mics) {
        out[n] = lanes == 1   ? (pp_quad){(float)pcm[0]}
                 : lanes == 2 ? (pp_quad){(float)pcm[0], (float)pcm[1]}
                 : lanes == 3 ? (pp_quad){(float)pcm[0], (float)pcm[1], (float)pcm[2]}
                              : __builtin_convertvector(*(const pcm_quad *)pcm, pp_quad);
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
        convert_lanes(pcm, frames, mics, 4, out);
    }
}

/* Samples at equal distance from the middle share their tap but for the sign of its imaginary part: their sum and
 * difference are multiplied once each. */
ALWAYS_INLINE void mix(const pp_quad *in, size_t outputs, size_t taps, size_t decimation, const pp_band_taps *tap,
                       const float *phasor_re, const float *phasor_im, pp_quad *out)
{
    for (size_t n = 0; n < outputs; n++) {
        const pp_quad *const old = in + n * decimation;
        const pp_quad *const new = old + taps - 1;
        pp_quad re = {0};
        pp_quad im = {0};
#pragma GCC unroll 15
        for (size_t k = 0; k < taps / 2; k++) {
            const pp_quad later = *(new - k);
            re += tap->re[k] * (old[k] + later);
            im += tap->im[k] * (old[k] - later);
        }
        const float turn_re = phasor_re[n];
        const float turn_im = phasor_im[n];
        out[2 * n] = re * turn_re - im * turn_im;
        out[2 * n + 1] = re * turn_im + im * turn_re;
    }
}

static void mix_192k(const pp_quad *in, size_t outputs, const pp_band_taps *taps, const float *phasor_re,
                     const float *phasor_im, pp_quad *out)
{
    mix(in, outputs, PP_BAND_1_TAPS_192K, 8, taps, phasor_re, phasor_im, out);
}

static void mix_96k(const pp_quad *in, size_t outputs, const pp_band_taps *taps, const float *phasor_re,
                    const float *phasor_im, pp_quad *out)
{
    mix(in, outputs, PP_BAND_1_TAPS_96K, 4, taps, phasor_re, phasor_im, out);
}

static void halve(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out)
{
    for (size_t n = 0; n < outputs; n++) {
        const pp_quad *const old = in + 4 * n;
        const pp_quad *const new = old + 2 * (PP_BAND_2_TAPS - 1);
        pp_quad re = {0};
        pp_quad im = {0};
#pragma GCC unroll 13
        for (size_t k = 0; k < PP_BAND_2_TAPS / 2; k++) {
            re += taps[2 * k] * (old[2 * k] + *(new - 2 * k));
            im += taps[2 * k] * (old[2 * k + 1] + *(new - 2 * k + 1));
        }
        out[2 * n] = re;
        out[2 * n + 1] = im;
    }
}

const pp_band_passes pp_band_passes_generic = {
    .convert = convert, .mix_192k = mix_192k, .mix_96k = mix_96k, .halve = halve};
