/* AVX2 and FMA: eight floats to a vector. Sums are written out by hand where gcc 12 would leave them in memory. */

#include "stages.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define ALWAYS_INLINE static inline __attribute__((always_inline)) AVX2

/* A load that gcc does not repeat for each use of its value. */
ALWAYS_INLINE __m256 once(const float *from)
{
    return _mm256_castsi256_ps(_mm256_lddqu_si256((const __m256i *)from));
}

ALWAYS_INLINE __m256 pcm_8(const int32_t *pcm)
{
    return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)pcm));
}

/* One microphone: four rows of eight outputs in one go, transposed. */
ALWAYS_INLINE void convert_1(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    size_t n = 0;
    for (; n + 8 <= outputs; n += 8) {
        for (size_t r = 0; r < decimation; r += 4) {
            const int32_t *const at = pcm + n * decimation + r;
            float *const row = rows + r * PP_PHASE_FLOATS + n;
            /* Output j beside output j + 4, so that the transposition need not cross the vector's halves. */
#define BESIDE(j)                                                                          \
    _mm256_cvtepi32_ps(_mm256_loadu2_m128i((const __m128i *)(at + ((j) + 4) * decimation), \
                                           (const __m128i *)(at + (j)*decimation)))
            const __m256 a = BESIDE(0);
            const __m256 b = BESIDE(1);
            const __m256 c = BESIDE(2);
            const __m256 d = BESIDE(3);
#undef BESIDE
            const __m256 ab_low = _mm256_unpacklo_ps(a, b);
            const __m256 ab_high = _mm256_unpackhi_ps(a, b);
            const __m256 cd_low = _mm256_unpacklo_ps(c, d);
            const __m256 cd_high = _mm256_unpackhi_ps(c, d);
            _mm256_storeu_ps(row, _mm256_shuffle_ps(ab_low, cd_low, 0x44));
            _mm256_storeu_ps(row + PP_PHASE_FLOATS, _mm256_shuffle_ps(ab_low, cd_low, 0xEE));
            _mm256_storeu_ps(row + 2 * PP_PHASE_FLOATS, _mm256_shuffle_ps(ab_high, cd_high, 0x44));
            _mm256_storeu_ps(row + 3 * PP_PHASE_FLOATS, _mm256_shuffle_ps(ab_high, cd_high, 0xEE));
        }
    }
    for (; n < outputs; n++) {
        for (size_t r = 0; r < decimation; r++) {
            rows[r * PP_PHASE_FLOATS + n] = (float)pcm[n * decimation + r];
        }
    }
}

ALWAYS_INLINE void convert_2(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    for (size_t n = 0; n < outputs; n++) {
        float *row = rows + n * 2;
        for (size_t r = 0; r < decimation; r += 4, pcm += 8, row += 4 * PP_PHASE_FLOATS) {
            const __m256 frames = pcm_8(pcm);
            const __m128 low = _mm256_castps256_ps128(frames);
            const __m128 high = _mm256_extractf128_ps(frames, 1);
            _mm_storel_pi((__m64 *)row, low);
            _mm_storeh_pi((__m64 *)(row + PP_PHASE_FLOATS), low);
            _mm_storel_pi((__m64 *)(row + 2 * PP_PHASE_FLOATS), high);
            _mm_storeh_pi((__m64 *)(row + 3 * PP_PHASE_FLOATS), high);
        }
    }
}

/* Two outputs in one go: a group has an even number of them. Whole vectors are stored, since a processor stores half a
 * one no faster. */
ALWAYS_INLINE void convert_4(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    for (size_t n = 0; n < outputs; n += 2, pcm += 2 * 4 * decimation, rows += 2 * 4) {
#pragma GCC unroll 8
        for (size_t r = 0; r < decimation; r += 2) {
            float *const row = rows + r * PP_PHASE_FLOATS;
            const __m256 first = pcm_8(pcm + r * 4);
            const __m256 second = pcm_8(pcm + (decimation + r) * 4);
            _mm256_storeu_ps(row, _mm256_permute2f128_ps(first, second, 0x20));
            _mm256_storeu_ps(row + PP_PHASE_FLOATS, _mm256_permute2f128_ps(first, second, 0x31));
        }
    }
}

ALWAYS_INLINE void convert_8(const int32_t *pcm, size_t outputs, size_t decimation, float *rows)
{
    for (size_t n = 0; n < outputs; n++) {
#pragma GCC unroll 16
        for (size_t r = 0; r < decimation; r++) {
            _mm256_storeu_ps(rows + r * PP_PHASE_FLOATS + n * 8, pcm_8(pcm + (n * decimation + r) * 8));
        }
    }
}

/* 3, 5, 6 and 7 microphones: a masked load reads nothing behind the block. */
ALWAYS_INLINE void convert_masked(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i present = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)mics), lane);
    for (size_t n = 0; n < outputs; n++) {
        for (size_t r = 0; r < decimation; r++) {
            const int32_t *const frame = pcm + (n * decimation + r) * mics;
            float *const row = rows + r * PP_PHASE_FLOATS;
            if (mics < 4) {
                const __m128i loaded = _mm_maskload_epi32(frame, _mm256_castsi256_si128(present));
                _mm_storeu_ps(row + n * 4, _mm_cvtepi32_ps(loaded));
            } else {
                _mm256_storeu_ps(row + n * 8, _mm256_cvtepi32_ps(_mm256_maskload_epi32(frame, present)));
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
        convert_4(pcm, outputs, decimation, rows);
        break;
    case 8:
        convert_8(pcm, outputs, decimation, rows);
        break;
    default:
        convert_masked(pcm, outputs, decimation, mics, rows);
    }
}

static AVX2 void convert(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    rows += PP_PHASE_HISTORY * pp_lanes(mics);
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
ALWAYS_INLINE void turn(const pp_mix_part *part, size_t i, __m256 re, __m256 im)
{
    const __m256 table_re = _mm256_loadu_ps(part->mixer->turn[0] + part->first + i);
    const __m256 table_im = _mm256_loadu_ps(part->mixer->turn[1] + part->first + i);
    const __m256 start_re = _mm256_set1_ps(part->start_re);
    const __m256 start_im = _mm256_set1_ps(part->start_im);
    const __m256 turn_re = _mm256_fnmadd_ps(table_im, start_im, _mm256_mul_ps(table_re, start_re));
    const __m256 turn_im = _mm256_fmadd_ps(table_im, start_re, _mm256_mul_ps(table_re, start_im));
    _mm256_storeu_ps(part->re + i, _mm256_fnmadd_ps(im, turn_im, _mm256_mul_ps(re, turn_re)));
    _mm256_storeu_ps(part->im + i, _mm256_fmadd_ps(im, turn_re, _mm256_mul_ps(re, turn_im)));
}

/* Sums and differences are made once for all carriers. One and two carriers take two vectors at a time, a and b, which
 * share the loads of their taps: those bound the speed; more would not fit the registers.
 * `at`: this output's entry of the first row and those one and two entries later. */
#define PLACE(k) (at[(first + (k)) / decimation] + i + (first + (k)) % decimation * PP_PHASE_FLOATS)
#define SAMPLE(k, v) once(PLACE(k) + (v)*PP_VECTOR)
/* Loaded once for two vectors, or by the one instruction that multiplies by it. */
#define TAP(of, k) (vectors > 1 ? once((of) + (k)*PP_VECTOR) : _mm256_load_ps((of) + (k)*PP_VECTOR))
#define START(c)                                                                                \
    const float *const sum_taps##c = part[carriers > c ? c : 0].mixer->of_sum[0];               \
    const float *const difference_taps##c = part[carriers > c ? c : 0].mixer->of_difference[0]; \
    const __m256 middle_tap##c = _mm256_load_ps(sum_taps##c + taps / 2 * PP_VECTOR);            \
    __m256 re_a##c = _mm256_mul_ps(centre_a, middle_tap##c);                                    \
    __m256 re_b##c = _mm256_mul_ps(centre_b, middle_tap##c);                                    \
    __m256 im_a##c = _mm256_setzero_ps();                                                       \
    __m256 im_b##c = _mm256_setzero_ps()
#define ADD(c)                                                                \
    if (carriers > c) {                                                       \
        const __m256 sum_tap = TAP(sum_taps##c, k);                           \
        const __m256 difference_tap = TAP(difference_taps##c, k);             \
        re_a##c = _mm256_fmadd_ps(sum_a, sum_tap, re_a##c);                   \
        im_a##c = _mm256_fmadd_ps(difference_a, difference_tap, im_a##c);     \
        if (vectors > 1) {                                                    \
            re_b##c = _mm256_fmadd_ps(sum_b, sum_tap, re_b##c);               \
            im_b##c = _mm256_fmadd_ps(difference_b, difference_tap, im_b##c); \
        }                                                                     \
    }
#define TURN(c)                                              \
    if (carriers > c) {                                      \
        turn(&part[c], i, re_a##c, im_a##c);                 \
        if (vectors > 1) {                                   \
            turn(&part[c], i + PP_VECTOR, re_b##c, im_b##c); \
        }                                                    \
    }
ALWAYS_INLINE void mix_vectors(const float *const at[3], const pp_mix_part *part, size_t i, size_t vectors,
                               size_t carriers, size_t decimation, size_t taps)
{
    const size_t first = (PP_PHASE_HISTORY + 1) * decimation - taps;
    const size_t b = vectors - 1;
    const __m256 centre_a = SAMPLE(taps / 2, 0);
    const __m256 centre_b = SAMPLE(taps / 2, b);
    START(0);
    START(1);
    START(2);
    START(3);
#pragma GCC unroll 64
    for (size_t k = 0; k < taps / 2; k++) {
        const __m256 old_a = SAMPLE(k, 0);
        const __m256 old_b = SAMPLE(k, b);
        const __m256 new_a = SAMPLE(taps - 1 - k, 0);
        const __m256 new_b = SAMPLE(taps - 1 - k, b);
        const __m256 sum_a = _mm256_add_ps(old_a, new_a);
        const __m256 sum_b = _mm256_add_ps(old_b, new_b);
        const __m256 difference_a = _mm256_sub_ps(old_a, new_a);
        const __m256 difference_b = _mm256_sub_ps(old_b, new_b);
        ADD(0)
        ADD(1)
        ADD(2)
        ADD(3)
    }
    TURN(0)
    TURN(1)
    TURN(2)
    TURN(3)
}

ALWAYS_INLINE void mix_carriers(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts,
                                size_t carriers, size_t decimation, size_t taps)
{
    pp_mix_part part[PP_MAX_CARRIERS];
    for (size_t c = 0; c < carriers; c++) {
        part[c] = parts[c];
    }
    const float *const at[3] = {rows, rows + lanes, rows + 2 * lanes};
    size_t i = 0;
    if (carriers <= 2) {
        for (; i + PP_VECTOR < floats; i += 2 * PP_VECTOR) {
            mix_vectors(at, part, i, 2, carriers, decimation, taps);
        }
    }
    for (; i < floats; i += PP_VECTOR) {
        mix_vectors(at, part, i, 1, carriers, decimation, taps);
    }
}

ALWAYS_INLINE void mix(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers,
                       size_t decimation, size_t taps)
{
    switch (carriers) {
    case 1:
        mix_carriers(rows, floats, lanes, parts, 1, decimation, taps);
        break;
    case 2:
        mix_carriers(rows, floats, lanes, parts, 2, decimation, taps);
        break;
    case 3:
        mix_carriers(rows, floats, lanes, parts, 3, decimation, taps);
        break;
    default:
        mix_carriers(rows, floats, lanes, parts, PP_MAX_CARRIERS, decimation, taps);
    }
}

static AVX2 void mix_by_4(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    mix(rows, floats, lanes, parts, carriers, 4, PP_STAGE_1_TAPS_96K);
}

static AVX2 void mix_by_8(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    mix(rows, floats, lanes, parts, carriers, 8, PP_STAGE_1_TAPS_192K);
}

static AVX2 void mix_by_16(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    mix(rows, floats, lanes, parts, carriers, 16, PP_STAGE_1_TAPS_384K);
}

ALWAYS_INLINE __m128 halves(__m256 value)
{
    return _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps(value, 1));
}

/* [a_0 .. a_3 | a_4 .. a_7] and b -> both summed over what lies `lanes` apart, interleaved: [lanes][2]. */
ALWAYS_INLINE void store_interleaved(__m256 a, __m256 b, size_t lanes, float *out)
{
    const __m256 low = _mm256_unpacklo_ps(a, b);
    const __m256 high = _mm256_unpackhi_ps(a, b);
    if (lanes == 1) {
        const __m128 pairs = halves(_mm256_add_ps(low, high));
        _mm_storel_pi((__m64 *)out, _mm_add_ps(pairs, _mm_movehl_ps(pairs, pairs)));
    } else if (lanes == 2) {
        _mm_storeu_ps(out, halves(_mm256_add_ps(low, high)));
    } else {
        const __m256 first = _mm256_permute2f128_ps(low, high, 0x20);
        const __m256 second = _mm256_permute2f128_ps(low, high, 0x31);
        if (lanes == 4) {
            _mm256_storeu_ps(out, _mm256_add_ps(first, second));
        } else {
            _mm256_storeu_ps(out, first);
            _mm256_storeu_ps(out + PP_VECTOR, second);
        }
    }
}

/* What one group gives in stage 2 or 3 is a function of its own, since inlined into its loop the compiler carries taps
 * and entries over from one group to the next, through the stack. */
#define ONE_GROUP static __attribute__((noinline)) AVX2 void

/* Both outputs of a group, which share the loads of their taps. */
ALWAYS_INLINE void weigh_parts(const float *re, const float *im, size_t lanes, const float *taps, float *out)
{
    /* One or two microphones need the whole window to fill their vectors; more leave out its zeros. */
    const size_t begin = lanes <= 2 ? 0 : (PP_STAGE_2_WINDOW - PP_STAGE_2_TAPS) * lanes;
    const size_t step = PP_STAGE_2_DECIMATION * lanes;
    __m256 re_a = _mm256_setzero_ps();
    __m256 im_a = _mm256_setzero_ps();
    __m256 re_b = _mm256_setzero_ps();
    __m256 im_b = _mm256_setzero_ps();
#pragma GCC unroll 64
    for (size_t i = begin; i < PP_STAGE_2_WINDOW * lanes; i += PP_VECTOR) {
        const __m256 tap = _mm256_load_ps(taps + i);
        re_a = _mm256_fmadd_ps(tap, _mm256_loadu_ps(re + i), re_a);
        im_a = _mm256_fmadd_ps(tap, _mm256_loadu_ps(im + i), im_a);
        re_b = _mm256_fmadd_ps(tap, _mm256_loadu_ps(re + step + i), re_b);
        im_b = _mm256_fmadd_ps(tap, _mm256_loadu_ps(im + step + i), im_b);
    }
    store_interleaved(re_a, im_a, lanes, out);
    store_interleaved(re_b, im_b, lanes, out + 2 * lanes);
}

ONE_GROUP weigh_parts_1(const float *re, const float *im, const float *taps, float *out)
{
    weigh_parts(re, im, 1, taps, out);
}

ONE_GROUP weigh_parts_2(const float *re, const float *im, const float *taps, float *out)
{
    weigh_parts(re, im, 2, taps, out);
}

ONE_GROUP weigh_parts_4(const float *re, const float *im, const float *taps, float *out)
{
    weigh_parts(re, im, 4, taps, out);
}

ONE_GROUP weigh_parts_8(const float *re, const float *im, const float *taps, float *out)
{
    weigh_parts(re, im, 8, taps, out);
}

static AVX2 void decimate_stage_2(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                                  float *out)
{
    void (*const output)(const float *, const float *, const float *, float *) = lanes == 1   ? weigh_parts_1
                                                                                 : lanes == 2 ? weigh_parts_2
                                                                                 : lanes == 4 ? weigh_parts_4
                                                                                              : weigh_parts_8;
    for (size_t n = 0; n < outputs; n += PP_STAGE_2_OUTPUTS) {
        const size_t oldest = n * PP_STAGE_2_DECIMATION * lanes;
        output(re + oldest, im + oldest, taps, out + 2 * n * lanes);
    }
}

/* One or two microphones: several entries to a vector. Two sums, because one would wait for itself. */
ALWAYS_INLINE __m128 weigh(const float *in, const float *taps, size_t floats)
{
    __m256 even = _mm256_setzero_ps();
    __m256 odd = _mm256_setzero_ps();
#pragma GCC unroll 64
    for (size_t i = 0; i < floats; i += PP_VECTOR) {
        if (i / PP_VECTOR % 2 == 0) {
            even = _mm256_fmadd_ps(_mm256_loadu_ps(in + i), _mm256_load_ps(taps + i), even);
        } else {
            odd = _mm256_fmadd_ps(_mm256_loadu_ps(in + i), _mm256_load_ps(taps + i), odd);
        }
    }
    return halves(_mm256_add_ps(even, odd));
}

ONE_GROUP weigh_1(const float *in, const float *taps, float *out)
{
    const __m128 sum = weigh(in, taps, PP_STAGE_3_TAPS * 2);
    _mm_storel_pi((__m64 *)out, _mm_add_ps(sum, _mm_movehl_ps(sum, sum)));
}

ONE_GROUP weigh_2(const float *in, const float *taps, float *out)
{
    _mm_storeu_ps(out, weigh(in, taps, PP_STAGE_3_TAPS * 4));
}

/* From four microphones on an entry fills its vectors, and entries that share their tap are added first. `outputs` at a
 * time share the loads of their taps. */
ALWAYS_INLINE void weigh_folded(const float *in, const float *taps, size_t width, size_t outputs, float *out)
{
    const size_t next = (outputs - 1) * PP_STAGE_3_DECIMATION * width;
    const float *const newest = in + (PP_STAGE_3_TAPS - 1) * width;
    __m256 even_a = _mm256_setzero_ps();
    __m256 odd_a = _mm256_setzero_ps();
    __m256 even_b = _mm256_setzero_ps();
    __m256 odd_b = _mm256_setzero_ps();
#define PAIR(k, from) _mm256_add_ps(_mm256_loadu_ps(in + (k)*width + from), _mm256_loadu_ps(newest - (k)*width + from))
#pragma GCC unroll 64
    for (size_t k = 0; k < PP_STAGE_3_TAPS / 2; k += 2) {
        const __m256 even_tap = once(taps + k * PP_VECTOR);
        const __m256 odd_tap = once(taps + (k + 1) * PP_VECTOR);
        even_a = _mm256_fmadd_ps(PAIR(k, 0), even_tap, even_a);
        odd_a = _mm256_fmadd_ps(PAIR(k + 1, 0), odd_tap, odd_a);
        if (outputs > 1) {
            even_b = _mm256_fmadd_ps(PAIR(k, next), even_tap, even_b);
            odd_b = _mm256_fmadd_ps(PAIR(k + 1, next), odd_tap, odd_b);
        }
    }
#undef PAIR
    _mm256_storeu_ps(out, _mm256_add_ps(even_a, odd_a));
    if (outputs > 1) {
        _mm256_storeu_ps(out + width, _mm256_add_ps(even_b, odd_b));
    }
}

ONE_GROUP weigh_4(const float *in, const float *taps, float *out)
{
    weigh_folded(in, taps, 8, 1, out);
}

ONE_GROUP weigh_4_twice(const float *in, const float *taps, float *out)
{
    weigh_folded(in, taps, 8, 2, out);
}

ONE_GROUP weigh_8(const float *in, const float *taps, float *out)
{
    weigh_folded(in, taps, 16, 1, out);
    weigh_folded(in + PP_VECTOR, taps, 16, 1, out + PP_VECTOR);
}

ONE_GROUP weigh_8_twice(const float *in, const float *taps, float *out)
{
    weigh_folded(in, taps, 16, 2, out);
    weigh_folded(in + PP_VECTOR, taps, 16, 2, out + PP_VECTOR);
}

static AVX2 void decimate_stage_3(const float *in, size_t outputs, size_t lanes, const float *taps, float *out)
{
    void (*const output)(const float *, const float *, float *) =
        lanes == 1 ? weigh_1 : lanes == 2 ? weigh_2 : lanes == 4 ? weigh_4 : weigh_8;
    void (*const twice)(const float *, const float *, float *) = lanes == 4 ? weigh_4_twice : weigh_8_twice;
    const size_t step = PP_STAGE_3_DECIMATION * 2 * lanes;
    const size_t pairs = lanes < 4 ? 0 : outputs / 2;
    for (size_t n = 0; n < 2 * pairs; n += 2) {
        twice(in + n * step, taps, out + n * 2 * lanes);
    }
    for (size_t n = 2 * pairs; n < outputs; n++) {
        output(in + n * step, taps, out + n * 2 * lanes);
    }
}

const pp_stages *pp_stages_avx2(void)
{
    static const pp_stages avx2 = {
        .name = "avx2",
        .convert = convert,
        .keep = pp_keep_phases,
        .mix_by_4 = mix_by_4,
        .mix_by_8 = mix_by_8,
        .mix_by_16 = mix_by_16,
        .decimate_stage_2 = decimate_stage_2,
        .decimate_stage_3 = decimate_stage_3,
    };
    return &avx2;
}

#else

const pp_stages *pp_stages_avx2(void)
{
    return NULL;
}

#endif
