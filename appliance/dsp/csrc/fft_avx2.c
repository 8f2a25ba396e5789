/* AVX2 and FMA: a register holds a whole point, four real parts and four imaginary ones. */

#include "fft_passes.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

typedef __m256 point;

AVX2_INLINE point load(const pp_quad *at)
{
    return _mm256_loadu_ps((const float *)at);
}

AVX2_INLINE void store(pp_quad *at, point value)
{
    _mm256_storeu_ps((float *)at, value);
}

/* Imaginary parts, then real parts. */
AVX2_INLINE point exchanged(point value)
{
    return _mm256_permute2f128_ps(value, value, 1);
}

/* -1 over the real parts, 1 over the imaginary ones. */
AVX2_INLINE point minus_plus(void)
{
    return _mm256_set_ps(1, 1, 1, 1, -1, -1, -1, -1);
}

/* `value` times re + j im, the imaginary part given as its signs need it: [-im | im]. */
AVX2_INLINE point times(point value, point re, point signed_im)
{
    return _mm256_fmadd_ps(value, re, _mm256_mul_ps(exchanged(value), signed_im));
}

AVX2_INLINE void butterfly(pp_quad *at, size_t leg, point two, point one, point three)
{
    const point zero = load(at);
    const point even = _mm256_add_ps(zero, two);
    const point less = _mm256_sub_ps(zero, two);
    const point odd = _mm256_add_ps(one, three);
    const point turned = exchanged(_mm256_sub_ps(one, three));
    store(at, _mm256_add_ps(even, odd));
    store(at + leg, _mm256_fnmadd_ps(turned, minus_plus(), less));
    store(at + 2 * leg, _mm256_sub_ps(even, odd));
    store(at + 3 * leg, _mm256_fmadd_ps(turned, minus_plus(), less));
}

AVX2 static void first_2(pp_quad *data, size_t points)
{
    for (pp_quad *at = data; at < data + 2 * points; at += 4) {
        const point even = load(at);
        const point odd = load(at + 2);
        store(at, _mm256_add_ps(even, odd));
        store(at + 2, _mm256_sub_ps(even, odd));
    }
}

AVX2 static void first_4(pp_quad *data, size_t points)
{
    for (pp_quad *at = data; at < data + 2 * points; at += 8) {
        butterfly(at, 2, load(at + 2), load(at + 4), load(at + 6));
    }
}

AVX2 static void combine_4(pp_quad *data, size_t points, size_t span, const pp_twiddles *twiddles)
{
    const size_t leg = 2 * span;
    for (size_t k = 0; k < span; k++) {
        const pp_twiddles *const w = twiddles + k;
        const point re_1 = _mm256_broadcast_ss(&w->re[0]);
        const point re_2 = _mm256_broadcast_ss(&w->re[1]);
        const point re_3 = _mm256_broadcast_ss(&w->re[2]);
        const point im_1 = _mm256_mul_ps(_mm256_broadcast_ss(&w->im[0]), minus_plus());
        const point im_2 = _mm256_mul_ps(_mm256_broadcast_ss(&w->im[1]), minus_plus());
        const point im_3 = _mm256_mul_ps(_mm256_broadcast_ss(&w->im[2]), minus_plus());
        for (pp_quad *at = data + 2 * k; at < data + 2 * points; at += 4 * leg) {
            butterfly(at, leg, times(load(at + leg), re_2, im_2), times(load(at + 2 * leg), re_1, im_1),
                      times(load(at + 3 * leg), re_3, im_3));
        }
    }
}

const pp_fft_passes *pp_fft_passes_avx2(void)
{
    static const pp_fft_passes avx2 = {.first_2 = first_2, .first_4 = first_4, .combine_4 = combine_4};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : NULL;
}

#else

const pp_fft_passes *pp_fft_passes_avx2(void)
{
    return NULL;
}

#endif
