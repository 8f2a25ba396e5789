#include "doppler.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "delay_line.h"
#include "fft.h"

#define QUADS_MAX ((PP_MAX_ROWS + PP_MICS_PER_QUAD - 1) / PP_MICS_PER_QUAD)

/* The lines slide to their start only once in so many windows. */
#define LINE_WINDOWS 4

/* -400 dB: samples below this are 0, before arithmetic on what is left of them becomes slow. */
#define NOTHING 1e-20F

/* Of floats: PP_SMALLEST_POWER, 1 / sqrt 2, infinity, and what makes any number none. */
#define SMALLEST_POWER_BITS 0x1E3CE508
#define HALF_ROOT_BITS 0x3F3504F3
#define INFINITY_BITS 0x7F800000
#define NAN_BITS 0x7FC00000

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef int32_t int_quad __attribute__((vector_size(16)));
typedef float row_quad __attribute__((vector_size(16), aligned(4), may_alias));

struct pp_doppler {
    size_t rows;
    size_t quads;
    size_t window_samples;
    size_t hop_samples;
    float *window;  /* [window_samples] */
    pp_quad *lines; /* [window_samples][2]: one transform's work */
    pp_fft *fft;
    void (*weigh)(const pp_quad *samples, const float *window, size_t points, pp_quad *lines);
    void (*measure)(pp_quad *lines, size_t points);
    pp_delay_line samples[QUADS_MAX];
};

static bool spec_is_valid(const pp_doppler_spec *spec, char *reason)
{
    const int window = spec->window_samples;
    if (spec->rows < 1 || spec->rows > PP_MAX_ROWS) {
        snprintf(reason, PP_REASON_BYTES, "rows: wanted 1 to %d, got %d", PP_MAX_ROWS, spec->rows);
        return false;
    }
    if (window < PP_FFT_MIN_POINTS || window > PP_FFT_MAX_POINTS || (window & (window - 1)) != 0) {
        snprintf(reason, PP_REASON_BYTES, "window_samples: wanted a power of two from %d to %d, got %d",
                 PP_FFT_MIN_POINTS, PP_FFT_MAX_POINTS, window);
        return false;
    }
    if (spec->hop_samples < 1 || spec->hop_samples > window) {
        snprintf(reason, PP_REASON_BYTES, "hop_samples: wanted 1 to %d, got %d", window, spec->hop_samples);
        return false;
    }
    return true;
}

/* Blackman, not Hann: what little of the static room is left over must not leak into the slowest band, and its side
 * lobes start at -58 dB instead of -31 dB. */
static void fill_window(float *window, size_t samples)
{
    const double turn = 6.283185307179586 / (double)samples;
    for (size_t n = 0; n < samples; n++) {
        const double phase = turn * (double)n;
        const double blackman = 0.42 - 0.5 * cos(phase) + 0.08 * cos(2.0 * phase);
        window[n] = (float)(fmax(blackman, 0.0) / (0.42 * (double)samples));
    }
}

static void choose_loops(pp_doppler *doppler);

pp_doppler *pp_doppler_create(const pp_doppler_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_doppler *const doppler = malloc(sizeof(pp_doppler));
    if (doppler == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    const size_t window_samples = (size_t)spec->window_samples;
    *doppler = (pp_doppler){
        .rows = (size_t)spec->rows,
        .quads = ((size_t)spec->rows + PP_MICS_PER_QUAD - 1) / PP_MICS_PER_QUAD,
        .window_samples = window_samples,
        .hop_samples = (size_t)spec->hop_samples,
        .window = malloc(window_samples * sizeof(float)),
        .lines = aligned_alloc(sizeof(pp_quad), window_samples * 2 * sizeof(pp_quad)),
        .fft = pp_fft_create(window_samples),
    };
    bool ok = doppler->window != NULL && doppler->lines != NULL && doppler->fft != NULL;
    for (size_t q = 0; q < doppler->quads; q++) {
        ok &= pp_delay_line_create(&doppler->samples[q], PP_COMPLEX_FLOATS, 0, LINE_WINDOWS * window_samples);
    }
    if (!ok) {
        pp_doppler_destroy(doppler);
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    fill_window(doppler->window, window_samples);
    choose_loops(doppler);
    return doppler;
}

void pp_doppler_destroy(pp_doppler *doppler)
{
    if (doppler == NULL) {
        return;
    }
    for (size_t q = 0; q < doppler->quads; q++) {
        pp_delay_line_destroy(&doppler->samples[q]);
    }
    pp_fft_destroy(doppler->fft);
    free(doppler->lines);
    free(doppler->window);
    free(doppler);
}

size_t pp_doppler_rows(const pp_doppler *doppler)
{
    return doppler->rows;
}

size_t pp_doppler_bins(const pp_doppler *doppler)
{
    return doppler->window_samples;
}

void pp_doppler_reset(pp_doppler *doppler)
{
    for (size_t q = 0; q < doppler->quads; q++) {
        pp_delay_line_reset(&doppler->samples[q]);
    }
}

size_t pp_doppler_until_hop(const pp_doppler *doppler)
{
    return doppler->window_samples - (doppler->samples[0].end - doppler->samples[0].oldest);
}

static pp_quad without_traces(pp_quad value)
{
    const int_quad keep = ~((value > -NOTHING) & (value < NOTHING));
    return (pp_quad)((int_quad)value & keep);
}

/* `count` samples of up to four rows, `stride` floats apart, side by side; lanes beyond `lanes` become 0. */
static void gather(const float *iq, size_t stride, size_t lanes, size_t count, pp_quad *out)
{
    if (lanes == PP_MICS_PER_QUAD) {
        const float *const a = iq;
        const float *const b = a + stride;
        const float *const c = b + stride;
        const float *const d = c + stride;
        for (size_t n = 0; n < 2 * count; n++) {
            out[n] = without_traces((pp_quad){a[n], b[n], c[n], d[n]});
        }
        return;
    }
    for (size_t n = 0; n < 2 * count; n++) {
        pp_quad values = {0};
        for (size_t lane = 0; lane < lanes; lane++) {
            values[lane] = iq[lane * stride + n];
        }
        out[n] = without_traces(values);
    }
}

/* A window of samples -> the transform's input. */
ALWAYS_INLINE void weigh(const pp_quad *samples, const float *window, size_t points, pp_quad *lines)
{
    for (size_t n = 0; n < points; n++) {
        lines[2 * n] = samples[2 * n] * window[n];
        lines[2 * n + 1] = samples[2 * n + 1] * window[n];
    }
}

ALWAYS_INLINE int32_t bits_of(float value)
{
    int32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

ALWAYS_INLINE float of_bits(int32_t bits)
{
    float value = 0;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* 10 log10 of a power, to 1e-5 dB: the exponent, and a series in (m - 1) / (m + 1) for the mantissa m between 0.71 and
 * 1.41 (Abramowitz and Stegun, 4.1.27). Too small a power counts as PP_SMALLEST_POWER; what is no number stays none.
 * Powers are compared as integers, which have the same order, because a comparison of floats may trap, and then the
 * compiler leaves the loop as it is. */
ALWAYS_INLINE float in_db(float power)
{
    const int32_t given = bits_of(power) & INT32_MAX;
    const int32_t bits = given < SMALLEST_POWER_BITS ? SMALLEST_POWER_BITS : given;
    const int32_t exponent = (bits - HALF_ROOT_BITS) >> 23;
    const float m = of_bits((int32_t)((uint32_t)bits - ((uint32_t)exponent << 23)));
    const float s = (m - 1.0F) / (m + 1.0F);
    const float s2 = s * s;
    const float series = s * (2.0F + s2 * (2.0F / 3 + s2 * (2.0F / 5 + s2 * (2.0F / 7 + s2 * (2.0F / 9)))));
    const float db = (float)exponent * 3.01029996F + series * 4.34294482F;
    return of_bits(bits_of(db) | (given >= INFINITY_BITS ? NAN_BITS : 0));
}

/* The lines [points][2] become their power in dB, [points], in the same place. */
ALWAYS_INLINE void measure(pp_quad *lines, size_t points)
{
    for (size_t n = 0; n < points; n++) {
        lines[n] = lines[2 * n] * lines[2 * n] + lines[2 * n + 1] * lines[2 * n + 1];
    }
    float *const values = (float *)lines;
    for (size_t i = 0; i < points * PP_MICS_PER_QUAD; i++) {
        values[i] = in_db(values[i]);
    }
}

/* Side by side -> up to four rows of `power_dbfs`, the negative frequencies first. */
static void scatter(const pp_quad *levels, size_t bins, size_t lanes, float *power_dbfs)
{
    for (size_t bin = 0; bin < bins; bin += 4) {
        const pp_quad *const at = levels + ((bin + bins / 2) & (bins - 1));
        const pp_quad ab_low = __builtin_shufflevector(at[0], at[1], 0, 4, 1, 5);
        const pp_quad ab_high = __builtin_shufflevector(at[0], at[1], 2, 6, 3, 7);
        const pp_quad cd_low = __builtin_shufflevector(at[2], at[3], 0, 4, 1, 5);
        const pp_quad cd_high = __builtin_shufflevector(at[2], at[3], 2, 6, 3, 7);
        const pp_quad row[PP_MICS_PER_QUAD] = {
            __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5),
            __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
            __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
            __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7),
        };
        for (size_t lane = 0; lane < lanes; lane++) {
            *(row_quad *)(power_dbfs + lane * bins + bin) = row[lane];
        }
    }
}

/* The same for each instruction set: the compiler does the rest. */
static void weigh_generic(const pp_quad *samples, const float *window, size_t points, pp_quad *lines)
{
    weigh(samples, window, points, lines);
}

static void measure_generic(pp_quad *lines, size_t points)
{
    measure(lines, points);
}

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) static void weigh_avx2(const pp_quad *samples, const float *window, size_t points,
                                                           pp_quad *lines)
{
    weigh(samples, window, points, lines);
}

__attribute__((target("avx2,fma"))) static void measure_avx2(pp_quad *lines, size_t points)
{
    measure(lines, points);
}

#endif

static void choose_loops(pp_doppler *doppler)
{
    doppler->weigh = weigh_generic;
    doppler->measure = measure_generic;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        doppler->weigh = weigh_avx2;
        doppler->measure = measure_avx2;
    }
#endif
}

/* The window that is full, of all rows. */
static void transform(pp_doppler *doppler, float *power_dbfs)
{
    const size_t bins = doppler->window_samples;
    for (size_t q = 0; q < doppler->quads; q++) {
        const pp_quad *const samples = (const pp_quad *)pp_delay_line_oldest(&doppler->samples[q]);
        doppler->weigh(samples, doppler->window, bins, doppler->lines);
        pp_fft_execute(doppler->fft, doppler->lines);
        doppler->measure(doppler->lines, bins);
        const size_t row = q * PP_MICS_PER_QUAD;
        const size_t lanes = doppler->rows - row < PP_MICS_PER_QUAD ? doppler->rows - row : PP_MICS_PER_QUAD;
        scatter(doppler->lines, bins, lanes, power_dbfs + row * bins);
    }
}

size_t pp_doppler_execute(pp_doppler *doppler, const float *iq, size_t samples, float *power_dbfs)
{
    size_t spectra = 0;
    for (size_t done = 0; done < samples;) {
        const size_t wanted = pp_doppler_until_hop(doppler);
        const size_t taken = samples - done < wanted ? samples - done : wanted;
        for (size_t q = 0; q < doppler->quads; q++) {
            const size_t row = q * PP_MICS_PER_QUAD;
            const size_t lanes = doppler->rows - row < PP_MICS_PER_QUAD ? doppler->rows - row : PP_MICS_PER_QUAD;
            gather(iq + (row * samples + done) * 2, samples * 2, lanes, taken,
                   (pp_quad *)pp_delay_line_append(&doppler->samples[q], taken));
        }
        done += taken;
        if (taken == wanted) {
            transform(doppler, power_dbfs + spectra * doppler->rows * doppler->window_samples);
            spectra++;
            for (size_t q = 0; q < doppler->quads; q++) {
                doppler->samples[q].oldest += doppler->hop_samples;
            }
        }
    }
    return spectra;
}
