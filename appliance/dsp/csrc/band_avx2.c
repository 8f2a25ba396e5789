/* AVX2 and FMA: a register holds two frames of the PCM, or a whole complex sample. */

#include "band_passes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

AVX2_INLINE __m256 load(const pp_quad *at)
{
    return _mm256_loadu_ps((const float *)at);
}

/* Four microphones are two frames to a register; any other number is rare enough for the plain code. */
AVX2 static void convert(const int32_t *pcm, size_t frames, size_t mics, size_t lanes, pp_quad *out)
{
    const size_t pairs = mics == PP_MICS_PER_QUAD ? frames / 2 : 0;
#pragma GCC unroll 8
    for (size_t n = 0; n < pairs; n++) {
        const __m256i two = _mm256_loadu_si256((const __m256i *)(const void *)(pcm + 2 * n * PP_MICS_PER_QUAD));
        _mm256_storeu_ps((float *)(out + 2 * n), _mm256_cvtepi32_ps(two));
    }
    pp_band_passes_generic.convert(pcm + 2 * pairs * mics, frames - 2 * pairs, mics, lanes, out + 2 * pairs);
}

/* The sum of the two halves. */
AVX2_INLINE __m128 halves(__m256 value)
{
    return _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps(value, 1));
}

/* Two neighbouring taps at once. Sums and differences as in the generic code would save a multiplication, which costs
 * nothing here, for an addition, which does. */
AVX2_INLINE void mix(const pp_quad *in, size_t outputs, size_t taps, size_t decimation, const pp_band_taps *tap,
                     const float *phasor_re, const float *phasor_im, pp_quad *out)
{
    for (size_t n = 0; n < outputs; n++) {
        const pp_quad *const old = in + n * decimation;
        __m256 re_sum = _mm256_mul_ps(load(old), load(tap->re));
        __m256 im_sum = _mm256_mul_ps(load(old), load(tap->im));
#pragma GCC unroll 15
        for (size_t k = 2; k < taps; k += 2) {
            const __m256 frames = load(old + k);
            re_sum = _mm256_fmadd_ps(frames, load(tap->re + k), re_sum);
            im_sum = _mm256_fmadd_ps(frames, load(tap->im + k), im_sum);
        }
        const __m128 re = halves(re_sum);
        const __m128 im = halves(im_sum);
        const __m128 turn_re = _mm_broadcast_ss(phasor_re + n);
        const __m128 turn_im = _mm_broadcast_ss(phasor_im + n);
        out[2 * n] = (pp_quad)_mm_fmsub_ps(re, turn_re, _mm_mul_ps(im, turn_im));
        out[2 * n + 1] = (pp_quad)_mm_fmadd_ps(re, turn_im, _mm_mul_ps(im, turn_re));
    }
}

AVX2 static void mix_192k(const pp_quad *in, size_t outputs, const pp_band_taps *taps, const float *phasor_re,
                          const float *phasor_im, pp_quad *out)
{
    mix(in, outputs, PP_BAND_1_TAPS_192K, 8, taps, phasor_re, phasor_im, out);
}

AVX2 static void mix_96k(const pp_quad *in, size_t outputs, const pp_band_taps *taps, const float *phasor_re,
                         const float *phasor_im, pp_quad *out)
{
    mix(in, outputs, PP_BAND_1_TAPS_96K, 4, taps, phasor_re, phasor_im, out);
}

AVX2 static void halve(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out)
{
    for (size_t n = 0; n < outputs; n++) {
        const pp_quad *const old = in + 4 * n;
        const pp_quad *const new = old + 2 * (PP_BAND_2_TAPS - 1);
        __m256 sum = _mm256_mul_ps(load(taps), _mm256_add_ps(load(old), load(new)));
#pragma GCC unroll 13
        for (size_t k = 1; k < PP_BAND_2_TAPS / 2; k++) {
            sum = _mm256_fmadd_ps(load(taps + 2 * k), _mm256_add_ps(load(old + 2 * k), load(new - 2 * k)), sum);
        }
        _mm256_storeu_ps((float *)(out + 2 * n), sum);
    }
}

const pp_band_passes *pp_band_passes_avx2(void)
{
    static const pp_band_passes avx2 = {
        .convert = convert, .mix_192k = mix_192k, .mix_96k = mix_96k, .halve = halve};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : NULL;
}

#else

const pp_band_passes *pp_band_passes_avx2(void)
{
    return NULL;
}

#endif
