/* Tests of the C core that need no Python; run by test_c_core.py under sanitizers. Buffers are allocated to the byte, so
 * that a step beyond an end is seen. */

#include <fenv.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "cfar.h"
#include "check.h"
#include "chirp.h"
#include "clutter.h"
#include "doppler.h"
#include "downconvert.h"
#include "fft.h"
#include "fft_passes.h"
#include "echo_paths.h"
#include "echo_tones.h"
#include "multipath.h"
#include "phase.h"
#include "phasor_sum.h"
#include "quality.h"
#include "stages.h"
#include "tone.h"

/* A copy of `pcm` that ends where its allocation ends. */
static int32_t *copy_of(const int32_t *pcm, size_t values)
{
    int32_t *const copy = exactly(values * sizeof(int32_t));
    memcpy(copy, pcm, values * sizeof(int32_t));
    return copy;
}

static void test_phase(void)
{
    for (int i = 0; i < 1000; i++) {
        const uint64_t turns = (uint64_t)random_u32() << 32 | random_u32();
        const double angle = (double)turns / 18446744073709551616.0 * 6.283185307179586;
        const pp_phasor phasor = pp_phasor_at(turns);
        CHECK(fabs(phasor.cosine - cos(angle)) < 2e-11);
        CHECK(fabs(phasor.sine - sin(angle)) < 2e-11);
    }
    /* 48 kHz at 192 kHz is a quarter turn, 40 kHz five 24ths, rounded once. */
    CHECK(pp_phase_step(48000.0, 192000.0) == UINT64_C(1) << 62);
    const uint64_t rest = pp_phase_step(40000.0, 192000.0) * 24;
    CHECK(rest < 64 || rest > UINT64_MAX - 64);
}

/* Every instruction set; those that this processor lacks are left out. */
static const char *const instruction_sets[] = {"generic", "avx2", "neon"};
enum { INSTRUCTION_SETS = 3 };

static bool present(const char *instruction_set)
{
    return pp_stages_here(instruction_set) != NULL;
}

static pp_downconverter *new_converter(int rate_hz, int mics, int carriers, const char *instruction_set)
{
    const pp_downconverter_spec spec = {
        rate_hz, mics, carriers, {30000.0, 40000.0, 44444.4, 45000.0}, instruction_set};
    char reason[PP_REASON_BYTES];
    pp_downconverter *const converter = pp_downconverter_create(&spec, reason);
    CHECK(converter != NULL);
    return converter;
}

static void test_downconverter_cuts(int rate_hz, int mics, int carriers, const char *instruction_set)
{
    enum { FRAMES = 2900 };
    const size_t width = (size_t)mics;
    int32_t *const pcm = exactly(FRAMES * width * sizeof(int32_t));
    for (size_t i = 0; i < FRAMES * width; i++) {
        pcm[i] = (int32_t)random_u32();
    }
    pp_downconverter *const whole = new_converter(rate_hz, mics, carriers, instruction_set);
    pp_downconverter *const cut = new_converter(rate_hz, mics, carriers, instruction_set);
    const size_t samples = pp_downconverter_output_samples(whole, FRAMES);
    const size_t rows = width * (size_t)carriers;
    float *const wanted = exactly(rows * samples * 2 * sizeof(float));
    CHECK(pp_downconverter_execute(whole, pcm, FRAMES, wanted, samples + 1) == PP_WRONG_SIZE);
    CHECK(pp_downconverter_execute(whole, pcm, FRAMES, wanted, samples) == samples);

    size_t sample = 0;
    for (size_t frame = 0; frame < FRAMES;) {
        const size_t left = FRAMES - frame;
        const size_t drawn = random_u32() % 800;
        const size_t frames = drawn < left ? drawn : left;
        int32_t *const block = copy_of(pcm + frame * width, frames * width);
        const size_t now = pp_downconverter_output_samples(cut, frames);
        float *const iq = exactly(rows * now * 2 * sizeof(float));
        CHECK(pp_downconverter_execute(cut, block, frames, iq, now) == now);
        for (size_t row = 0; row < rows; row++) {
            CHECK(memcmp(iq + row * now * 2, wanted + (row * samples + sample) * 2, now * 2 * sizeof(float)) == 0);
        }
        free(iq);
        free(block);
        frame += frames;
        sample += now;
    }
    CHECK(sample == samples);
    free(wanted);
    free(pcm);
    pp_downconverter_destroy(cut);
    pp_downconverter_destroy(whole);
}

/* Whole noise through one instruction set: iq [carriers][mics][samples] complex, `values` floats. */
static float *baseband(const int32_t *pcm, size_t frames, int rate_hz, int mics, int carriers,
                       const char *instruction_set, size_t *values)
{
    pp_downconverter *const converter = new_converter(rate_hz, mics, carriers, instruction_set);
    const size_t samples = pp_downconverter_output_samples(converter, frames);
    *values = (size_t)(carriers * mics) * samples * 2;
    float *const iq = exactly(*values * sizeof(float));
    CHECK(pp_downconverter_execute(converter, pcm, frames, iq, samples) == samples);
    pp_downconverter_destroy(converter);
    return iq;
}

/* Instruction sets differ by rounding alone: 5e-7 of full scale, root mean square. */
static void test_downconverter_alike(int rate_hz, int mics, int carriers, const char *instruction_set)
{
    enum { FRAMES = 6000 };
    int32_t *const pcm = exactly(FRAMES * (size_t)mics * sizeof(int32_t));
    for (size_t i = 0; i < FRAMES * (size_t)mics; i++) {
        pcm[i] = (int32_t)random_u32();
    }
    size_t values = 0;
    float *const wanted = baseband(pcm, FRAMES, rate_hz, mics, carriers, "generic", &values);
    float *const iq = baseband(pcm, FRAMES, rate_hz, mics, carriers, instruction_set, &values);
    double squares = 0;
    double loudest = 0;
    for (size_t i = 0; i < values; i++) {
        squares += ((double)iq[i] - wanted[i]) * ((double)iq[i] - wanted[i]);
        loudest = fmax(loudest, fabs((double)iq[i]));
    }
    CHECK(sqrt(squares / (double)values) < 5e-7);
    CHECK(loudest > 0.01);
    free(iq);
    free(wanted);
    free(pcm);
}

/* What fades to nothing never becomes so small that a processor would slow down over it: no result loses bits by being a
 * subnormal number, which is what the flag tells. */
static void test_downconverter_fades(int rate_hz, int mics, const char *instruction_set)
{
    enum { FRAMES = 9600 };
    const pp_downconverter_spec spec = {rate_hz, mics, 3, {30000.0, 40000.0, 45000.0}, instruction_set};
    char reason[PP_REASON_BYTES];
    pp_downconverter *const converter = pp_downconverter_create(&spec, reason);
    CHECK(converter != NULL);
    const size_t width = (size_t)mics;
    int32_t *const pcm = exactly(FRAMES * width * sizeof(int32_t));
    const size_t samples = pp_downconverter_output_samples(converter, FRAMES);
    float *const iq = exactly(3 * width * samples * 2 * sizeof(float));
    for (int kind = 0; kind < 3; kind++) {
        for (size_t n = 0; n < FRAMES * width; n++) {
            const double fading = 0x1p31 * exp2(-(double)(n / width) / 100.0) * cos((double)n);
            const int32_t bit = n / width == 1234 ? 1 : 0;
            pcm[n] = kind == 0 ? (int32_t)fmin(fading, INT32_MAX) : kind == 1 ? bit : 0;
        }
        feclearexcept(FE_ALL_EXCEPT);
        CHECK(pp_downconverter_execute(converter, pcm, FRAMES, iq, samples) == samples);
        CHECK(!fetestexcept(FE_UNDERFLOW | FE_OVERFLOW | FE_INVALID));
    }
    for (size_t i = 0; i < 3 * width * samples * 2; i++) {
        CHECK(iq[i] == 0);
    }
    free(iq);
    free(pcm);
    pp_downconverter_destroy(converter);
}

/* Blocks may begin at any sample, and every sample may be at either end of its range. */
static void test_downconverter_extremes(int rate_hz, int mics, const char *instruction_set)
{
    enum { FRAMES = 3000 };
    const size_t values = FRAMES * (size_t)mics;
    int32_t *const pcm = exactly((values + 1) * sizeof(int32_t));
    for (size_t i = 0; i < values; i++) {
        pcm[i + 1] = random_u32() % 2 == 0 ? INT32_MIN : INT32_MAX;
    }
    float *iq[2];
    size_t bytes = 0;
    for (size_t shift = 0; shift < 2; shift++) {
        pp_downconverter *const converter = new_converter(rate_hz, mics, 4, instruction_set);
        const size_t samples = pp_downconverter_output_samples(converter, FRAMES);
        bytes = 4 * (size_t)mics * samples * 2 * sizeof(float);
        iq[shift] = exactly(bytes);
        memmove(pcm + shift, pcm + 1, values * sizeof(int32_t));
        CHECK(pp_downconverter_execute(converter, pcm + shift, FRAMES, iq[shift], samples) == samples);
        memmove(pcm + 1, pcm + shift, values * sizeof(int32_t));
        for (size_t i = 0; i < bytes / sizeof(float); i++) {
            CHECK(fabsf(iq[shift][i]) < 4.0F);
        }
        pp_downconverter_destroy(converter);
    }
    CHECK(memcmp(iq[0], iq[1], bytes) == 0);
    free(iq[0]);
    free(iq[1]);
    free(pcm);
}

static void test_downconverter_refusals(void)
{
    const pp_downconverter_spec bad[] = {
        {44100, 1, 1, {40000.0}, NULL}, {192000, 0, 1, {40000.0}, NULL}, {192000, 9, 1, {40000.0}, NULL},
        {192000, 1, 0, {40000.0}, NULL}, {192000, 1, 5, {40000.0}, NULL}, {192000, 1, 1, {NAN}, NULL},
        {192000, 1, 2, {40000.0}, NULL}, {96000, 1, 1, {46000.0}, NULL}, {192000, 1, 1, {INFINITY}, NULL},
        {384000, 1, 1, {180001.0}, NULL}, {192000, 1, 1, {40000.0}, "sse9"}, {192000, 1, 1, {40000.0}, ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char reason[PP_REASON_BYTES] = "";
        CHECK(pp_downconverter_create(&bad[i], reason) == NULL);
        CHECK(strstr(reason, "wanted") != NULL);
    }
    pp_downconverter_destroy(NULL);
}

static void test_downconverter_far_frames(void)
{
    pp_downconverter *const converter = new_converter(192000, 1, 1, "auto");
    static const int32_t pcm[160];
    float iq[4];
    pp_downconverter_reset(converter, INT64_MAX);
    CHECK(pp_downconverter_execute(converter, pcm, 160, iq, 2) == 2);
    pp_downconverter_reset(converter, 0);
    CHECK(pp_downconverter_execute(converter, NULL, 0, NULL, 0) == 0);
    CHECK(iq[0] == 0 && iq[3] == 0);
    pp_downconverter_destroy(converter);
}

static void test_tone(void)
{
    char reason[PP_REASON_BYTES];
    const pp_tone_spec spec = {192000, 3, 0.125, 0.05};
    const pp_tone_spec short_fade = {192000, 3, 0.125, 0.04};
    CHECK(pp_tone_create(&short_fade, reason) == NULL);
    pp_tone *const tone = pp_tone_create(&spec, reason);
    CHECK(tone != NULL);
    for (int i = 0; i < 200; i++) {
        const size_t frames = random_u32() % 500;
        int32_t *const samples = exactly(frames * 3 * sizeof(int32_t));
        double carriers_hz[PP_MAX_CARRIERS];
        for (size_t c = 0; c < PP_MAX_CARRIERS; c++) {
            carriers_hz[c] = 31000.0 + random_u32() % 65000;
        }
        pp_tone_play(tone, carriers_hz, random_u32() % 6, random_u32() % 3 * 0.1, reason);
        const double loudest = pp_tone_loudest(tone);
        CHECK(loudest <= 0.125 * (1 + 1e-12));
        pp_tone_execute(tone, samples, frames);
        for (size_t n = 0; n < frames * 3; n++) {
            CHECK(fabs((double)samples[n]) <= 0.125 * PP_FULL_SCALE);
            CHECK(samples[n] == samples[n / 3 * 3]);
        }
        free(samples);
    }
    pp_tone_destroy(tone);
    pp_tone_destroy(NULL);
}

/* The same wishes at the same frames give the same bits, however the stream is cut. */
static void test_tone_cuts(int outputs)
{
    enum { FRAMES = 30000, WISHES = 3 };
    static const double carriers_hz[WISHES][PP_MAX_CARRIERS] = {
        {40000.0, 45000.1}, {33000.0, 50000.0, 60000.7, 90000.0}, {40000.0}};
    static const size_t counts[WISHES] = {2, 4, 1};
    static const size_t starts[WISHES + 1] = {0, 9000, 20001, FRAMES};
    const size_t width = (size_t)outputs;
    char reason[PP_REASON_BYTES];
    const pp_tone_spec spec = {192000, outputs, 0.5, 0.05};
    int32_t *const wanted = exactly(FRAMES * width * sizeof(int32_t));
    for (int round = 0; round < 4; round++) {
        pp_tone *const tone = pp_tone_create(&spec, reason);
        CHECK(tone != NULL);
        for (size_t w = 0; w < WISHES; w++) {
            CHECK(pp_tone_play(tone, carriers_hz[w], counts[w], 0.5, reason));
            for (size_t frame = starts[w]; frame < starts[w + 1];) {
                const size_t left = starts[w + 1] - frame;
                const size_t drawn = round == 0 ? left : random_u32() % 600;
                const size_t frames = drawn < left ? drawn : left;
                int32_t *const samples = exactly(frames * width * sizeof(int32_t));
                pp_tone_execute(tone, samples, frames);
                int32_t *const here = wanted + frame * width;
                const size_t bytes = frames * width * sizeof(int32_t);
                if (round == 0) {
                    memcpy(here, samples, bytes);
                }
                CHECK(memcmp(here, samples, bytes) == 0);
                free(samples);
                frame += frames;
            }
        }
        CHECK(pp_tone_settled(tone));
        pp_tone_destroy(tone);
    }
    free(wanted);
}

/* Pulses on a stream of anything, cut anyhow: within the limit where they sound, and untouched where not. */
static void test_chirp(void)
{
    char reason[PP_REASON_BYTES];
    const pp_chirp_spec wrong = {192000, 2, 0.125, 34000.0, 38999.0, 0.005, 0.001};
    CHECK(pp_chirp_create(&wrong, reason) == NULL);
    CHECK(strstr(reason, "stop_hz: wanted") != NULL);
    for (int outputs = 1; outputs <= 3; outputs++) {
        const pp_chirp_spec spec = {192000, outputs, outputs == 3 ? 1.0 : 0.125, 46000.0, 34000.0, 0.005, 0.001};
        const size_t width = (size_t)outputs;
        pp_chirp *const chirp = pp_chirp_create(&spec, reason);
        CHECK(chirp != NULL);
        CHECK(pp_chirp_pulse_frames(chirp) == 960);
        CHECK(!pp_chirp_begin(chirp, NAN, reason));
        for (int i = 0; i < 200; i++) {
            const size_t frames = random_u32() % 500;
            int32_t *const samples = exactly(frames * width * sizeof(int32_t));
            for (size_t n = 0; n < frames * width; n++) {
                samples[n] = (int32_t)random_u32();
            }
            int32_t *const before = copy_of(samples, frames * width);
            const bool over = pp_chirp_frames_left(chirp) == 0;
            CHECK(pp_chirp_begin(chirp, random_u32() % 3 * 0.1, reason) == over);
            const size_t left = pp_chirp_frames_left(chirp);
            const size_t sounding = width * (left < frames ? left : frames);
            pp_chirp_execute(chirp, samples, frames);
            for (size_t n = 0; n < frames * width; n++) {
                CHECK(n < sounding ? fabs((double)samples[n]) <= spec.max_amplitude * PP_FULL_SCALE
                                   : samples[n] == before[n]);
            }
            free(before);
            free(samples);
        }
        pp_chirp_destroy(chirp);
    }
    pp_chirp_destroy(NULL);
}

/* Any delays that are accepted stay within the memory, at every edge of the range and over every block length. */
static void test_multipath(void)
{
    enum { PATHS = 3, MICS = 2, MAX_DELAY = 4000, RAYS = PATHS * MICS };
    char reason[PP_REASON_BYTES];
    const pp_multipath_spec spec = {PATHS, MICS, MAX_DELAY};
    pp_multipath *const channel = pp_multipath_create(&spec, reason);
    CHECK(channel != NULL);
    for (int i = 0; i < 60; i++) {
        const size_t frames = random_u32() % (i % 10 == 0 ? 9000 : 700);
        const size_t points = 2 + random_u32() % 8;
        float *const signal = exactly(frames * sizeof(float));
        float *const out = exactly(frames * MICS * sizeof(float));
        double *const delay_frames = exactly(points * RAYS * sizeof(double));
        float *const gain = exactly(points * RAYS * sizeof(float));
        for (size_t n = 0; n < frames; n++) {
            signal[n] = (float)random_u32() * 0x1p-32F;
            out[n * MICS] = out[n * MICS + 1] = 0;
        }
        for (size_t r = 0; r < points * RAYS; r++) {
            const double anywhere = PP_MIN_DELAY_FRAMES + random_u32() % 100000 * (MAX_DELAY - 10.0) / 99999;
            const double places[] = {PP_MIN_DELAY_FRAMES, MAX_DELAY, nextafter(MAX_DELAY, 0), anywhere};
            delay_frames[r] = places[random_u32() % 4];
            gain[r] = 1.0F;
        }
        CHECK(pp_multipath_accepts(channel, delay_frames, points, reason));
        pp_multipath_execute(channel, signal, frames, delay_frames, gain, points, out);
        for (size_t n = 0; n < frames * MICS; n++) {
            CHECK(fabsf(out[n]) < 10.0F * PATHS);
        }
        const double beyond[] = {nextafter(MAX_DELAY, 1e9), 1e300, -5, NAN, INFINITY, -INFINITY};
        for (size_t b = 0; b < sizeof beyond / sizeof beyond[0]; b++) {
            delay_frames[RAYS] = beyond[b];
            CHECK(!pp_multipath_accepts(channel, delay_frames, points, reason));
            pp_multipath_execute(channel, signal, frames, delay_frames, gain, points, out);
        }
        free(gain);
        free(delay_frames);
        free(out);
        free(signal);
    }
    pp_multipath_destroy(channel);
    pp_multipath_destroy(NULL);
}

/* Against the sum itself, in double. Four different signals lie side by side. */
static void test_fft(size_t points)
{
    pp_fft *const fft = pp_fft_create(points);
    CHECK(fft != NULL);
    pp_quad *const data = aligned_alloc(sizeof(pp_quad), points * 2 * sizeof(pp_quad));
    float *const signal = exactly(points * 8 * sizeof(float));
    CHECK(data != NULL);
    for (size_t n = 0; n < points * 8; n++) {
        signal[n] = (float)random_u32() * 0x1p-31F - 1.0F;
    }
    memcpy(data, signal, points * 8 * sizeof(float));
    pp_fft_execute(fft, data);
    const double tolerance = 3e-7 * sqrt((double)points) * log2((double)points);
    const size_t step = points > 512 ? points / 128 + 1 : 1;
    for (size_t k = 0; k < points; k += step) {
        for (size_t lane = 0; lane < 4; lane++) {
            double re = 0;
            double im = 0;
            for (size_t n = 0; n < points; n++) {
                const double angle = -6.283185307179586 * (double)(k * n % points) / (double)points;
                const double x = signal[8 * n + lane];
                const double y = signal[8 * n + 4 + lane];
                re += x * cos(angle) - y * sin(angle);
                im += x * sin(angle) + y * cos(angle);
            }
            CHECK(fabs((double)data[2 * k][lane] - re) < tolerance);
            CHECK(fabs((double)data[2 * k + 1][lane] - im) < tolerance);
        }
    }
    free(signal);
    free(data);
    pp_fft_destroy(fft);
}

/* Every instruction set that is here does what plain C does. */
static void test_fft_passes(void)
{
    const pp_fft_passes *const fast = pp_fft_passes_avx2();
    enum { POINTS = 64, SPAN = 8 };
    pp_twiddles twiddles[SPAN];
    pp_quad plain[2 * POINTS];
    for (size_t k = 0; k < SPAN * 6; k++) {
        ((float *)twiddles)[k] = (float)random_u32() * 0x1p-32F;
    }
    for (size_t n = 0; n < 2 * POINTS; n++) {
        plain[n] = (pp_quad){(float)random_u32() * 0x1p-32F, 1, 0, (float)random_u32() * -0x1p-32F};
    }
    if (fast == NULL) {
        return;
    }
    pp_quad quick[2 * POINTS];
    memcpy(quick, plain, sizeof plain);
    pp_fft_passes_generic.first_2(plain, POINTS);
    pp_fft_passes_generic.first_4(plain, POINTS);
    pp_fft_passes_generic.combine_4(plain, POINTS, SPAN, twiddles);
    fast->first_2(quick, POINTS);
    fast->first_4(quick, POINTS);
    fast->combine_4(quick, POINTS, SPAN, twiddles);
    for (size_t n = 0; n < 2 * POINTS; n++) {
        for (size_t lane = 0; lane < 4; lane++) {
            CHECK(fabsf(plain[n][lane] - quick[n][lane]) < 1e-5F);
        }
    }
}

static void test_fft_refusals(void)
{
    const size_t bad[] = {0, 1, 32, 63, 65, 96, 4095, 4097, 8192, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(pp_fft_create(bad[i]) == NULL);
    }
    pp_fft_destroy(NULL);
}

static void test_phasor_sum(void)
{
    enum { SEGMENTS = 3, PATHS = 2, MICS = 8, SAMPLES = 7, POINTS = SEGMENTS + 1 + 2 * PP_PHASOR_MARGIN };
    const pp_phasor_sum_spec spec = {MICS, SAMPLES};
    char reason[PP_REASON_BYTES];
    pp_phasor_sum *const sum = pp_phasor_sum_create(&spec, reason);
    CHECK(sum != NULL);
    double *const phases = exactly(POINTS * PATHS * MICS * sizeof(double));
    float *const gain = exactly(POINTS * PATHS * MICS * sizeof(float));
    float *const out = exactly(2 * MICS * SEGMENTS * SAMPLES * sizeof(float));
    for (int wild = 0; wild < 2; wild++) {
        for (size_t i = 0; i < POINTS * PATHS * MICS; i++) {
            phases[i] = 0.25;
            gain[i] = 0.5F;
        }
        if (wild) {
            /* Nothing that is no number may lead out of memory. */
            phases[5] = NAN;
            phases[9] = INFINITY;
            phases[20] = -1e300;
            gain[30] = INFINITY;
        }
        memset(out, 0, 2 * MICS * SEGMENTS * SAMPLES * sizeof(float));
        pp_phasor_sum_execute(sum, phases, 1, gain, NULL, SEGMENTS, PATHS, out);
        for (size_t i = 0; !wild && i < MICS * SEGMENTS * SAMPLES; i++) {
            CHECK(fabsf(out[2 * i]) < 1e-5F && fabsf(out[2 * i + 1] - 1) < 1e-5F);
        }
    }
    free(phases);
    free(gain);
    free(out);
    pp_phasor_sum_destroy(sum);
    pp_phasor_sum_destroy(NULL);
    const pp_phasor_sum_spec wrong = {1, PP_MAX_SEGMENT_SAMPLES + 1};
    CHECK(pp_phasor_sum_create(&wrong, reason) == NULL);
}

static void test_echo_paths(void)
{
    enum { TIMES = 3, POINTS = 5, MICS = 8 };
    const pp_echo_paths_spec spec = {MICS, 0.2};
    char reason[PP_REASON_BYTES];
    pp_echo_paths *const paths = pp_echo_paths_create(&spec, reason);
    CHECK(paths != NULL);
    double *const places = exactly(TIMES * POINTS * 3 * sizeof(double));
    float *const strength = exactly(TIMES * POINTS * sizeof(float));
    double *const mics = exactly(MICS * 3 * sizeof(double));
    double *const scale = exactly(TIMES * MICS * sizeof(double));
    double *const delay = exactly(TIMES * POINTS * MICS * sizeof(double));
    float *const gain = exactly(TIMES * POINTS * MICS * sizeof(float));
    const double source[3] = {0, 0, 0};
    for (size_t i = 0; i < TIMES * POINTS; i++) {
        places[3 * i] = i == 7 ? NAN : i == 8 ? 0 : 2;
        places[3 * i + 1] = places[3 * i + 2] = 0;
        strength[i] = 0.5F;
    }
    memset(mics, 0, MICS * 3 * sizeof(double));
    for (size_t i = 0; i < TIMES * MICS; i++) {
        scale[i] = 1;
    }
    const pp_echo_scene scene = {places, strength, source, mics, scale, scale, 0.1, TIMES, POINTS};
    pp_echo_paths_execute(paths, &scene, delay, gain);
    for (size_t m = 0; m < MICS; m++) {
        CHECK(delay[m] == 5);
        CHECK(fabsf(gain[m] - 0.125F * expf(-0.4F)) < 1e-6F);
        CHECK(fabsf(gain[8 * MICS + m] - 12.5F) < 1e-4F); /* at the source itself: the nearest distance */
    }
    free(places);
    free(strength);
    free(mics);
    free(scale);
    free(delay);
    free(gain);
    pp_echo_paths_destroy(paths);
    pp_echo_paths_destroy(NULL);
    const pp_echo_paths_spec wrong = {1, 0};
    CHECK(pp_echo_paths_create(&wrong, reason) == NULL);
}

/* One point that stands still and one that is nowhere, in arrays of exactly the right size. */
static void test_echo_tones(void)
{
    enum { SEGMENTS = 70, SCATTERERS = 3, LEGS = 2, PATHS = 6, MICS = 8, SAMPLES = 7, STEPS = 3 };
    enum { POINTS = SEGMENTS + 1 + 2 * PP_ECHO_MARGIN };
    const pp_echo_tones_spec spec = {MICS, SAMPLES, 0.2};
    char reason[PP_REASON_BYTES];
    pp_echo_tones *const tones = pp_echo_tones_create(&spec, reason);
    CHECK(tones != NULL);
    double *const places = exactly(POINTS * SCATTERERS * 3 * sizeof(double));
    float *const strength = exactly(POINTS * SCATTERERS * sizeof(float));
    double *const mics = exactly(LEGS * MICS * 3 * sizeof(double));
    double *const scale = exactly(POINTS * LEGS * MICS * sizeof(double));
    double *const offset = exactly(POINTS * MICS * sizeof(double));
    float *const response = exactly(MICS * STEPS * sizeof(float));
    float *const out = exactly(2 * MICS * SEGMENTS * SAMPLES * sizeof(float));
    /* the second is as far from everything as the first */
    const double source[LEGS * 3] = {0, 0, 0, 4, 0, 0};
    for (size_t i = 0; i < POINTS * SCATTERERS; i++) {
        places[3 * i] = i % SCATTERERS == 1 ? NAN : 2;
        places[3 * i + 1] = places[3 * i + 2] = 0;
        strength[i] = i % SCATTERERS == 2 ? 0 : 0.5F;
    }
    memset(mics, 0, LEGS * MICS * 3 * sizeof(double));
    for (size_t i = 0; i < POINTS * LEGS * MICS; i++) {
        scale[i] = 0.25;
    }
    for (size_t i = 0; i < POINTS * MICS; i++) {
        offset[i] = 0.25;
    }
    for (size_t i = 0; i < MICS * STEPS; i++) {
        response[i] = 1;
    }
    const int32_t scatterer[PATHS] = {0, 2, -1, SCATTERERS, 0, 0}, leg[PATHS] = {1, 1, 0, 0, -1, LEGS};
    const float weight[PATHS] = {2, 1, 1, 1, 1, 1};
    pp_echoes echoes = {places, strength, scatterer, leg, weight, source, mics, scale, offset, 0.1, POINTS, SCATTERERS,
                        LEGS, PATHS};
    const pp_echo_carrier carrier = {1, 80, response, STEPS, 10};
    memset(out, 0, 2 * MICS * SEGMENTS * SAMPLES * sizeof(float));
    pp_echo_tones_execute(tones, &echoes, &carrier, out);
    /* 4 m of way are a delay of 1.25: a quarter turn back */
    for (size_t n = 0; n < MICS * SEGMENTS * SAMPLES; n++) {
        CHECK(fabsf(out[2 * n]) < 1e-6F);
        CHECK(fabsf(out[2 * n + 1] + 0.25F * expf(-0.4F)) < 1e-6F);
    }
    const int32_t nowhere[PATHS] = {1, 1, 1, 1, 1, 1};
    echoes.scatterer = nowhere;
    pp_echo_tones_execute(tones, &echoes, &carrier, out);
    free(places);
    free(strength);
    free(mics);
    free(scale);
    free(offset);
    free(response);
    free(out);
    pp_echo_tones_destroy(tones);
    pp_echo_tones_destroy(NULL);
    const pp_echo_tones_spec wrong = {1, PP_MAX_ECHO_SAMPLES + 1, 0.2};
    CHECK(pp_echo_tones_create(&wrong, reason) == NULL);
}

/* Any rows and any cuts, with values that are no numbers among them, stay within their memory and give equal spectra. */
static void test_baseband(int rows, int window, int hop)
{
    enum { SAMPLES = 3000 };
    const size_t width = (size_t)rows;
    const size_t bins = (size_t)window;
    char reason[PP_REASON_BYTES];
    const pp_doppler_spec spec = {rows, window, hop};
    pp_doppler *const whole = pp_doppler_create(&spec, reason);
    pp_doppler *const cut = pp_doppler_create(&spec, reason);
    pp_carrier_watch *const watch = pp_carrier_watch_create();
    pp_clutter *const clutter = pp_clutter_create(2.0, reason);
    CHECK(whole != NULL && cut != NULL && watch != NULL && clutter != NULL);
    float *const iq = exactly(width * SAMPLES * 2 * sizeof(float));
    for (size_t i = 0; i < width * SAMPLES * 2; i++) {
        iq[i] = i % 997 == 0 ? NAN : (float)random_u32() * 0x1p-32F;
    }
    const size_t spectra = 1 + (SAMPLES - bins) / (size_t)hop;
    float *const wanted = exactly(spectra * width * bins * sizeof(float));
    CHECK(pp_doppler_until_hop(whole) == bins);
    CHECK(pp_doppler_execute(whole, iq, SAMPLES, wanted) == spectra);
    size_t found = 0;
    for (size_t sample = 0; sample < SAMPLES;) {
        const size_t drawn = 1 + random_u32() % 700;
        const size_t samples = drawn < SAMPLES - sample ? drawn : SAMPLES - sample;
        float *const block = exactly(width * samples * 2 * sizeof(float));
        float *const moving = exactly(width * samples * 2 * sizeof(float));
        float *const level = exactly(width * sizeof(float));
        for (size_t row = 0; row < width; row++) {
            memcpy(block + row * samples * 2, iq + (row * SAMPLES + sample) * 2, samples * 2 * sizeof(float));
        }
        pp_carrier_watch_execute(watch, block, width, samples, 2400);
        CHECK(pp_carrier_watch_rows(watch) == width);
        pp_carrier_watch_level(watch, level);
        pp_clutter_execute(clutter, block, width, samples, 2400, random_u32() % 2 == 0, moving);
        const size_t first = pp_doppler_until_hop(cut);
        const size_t now = samples < first ? 0 : 1 + (samples - first) / (size_t)hop;
        float *const power = exactly(now * width * bins * sizeof(float));
        CHECK(pp_doppler_execute(cut, block, samples, power) == now);
        CHECK(memcmp(power, wanted + found * width * bins, now * width * bins * sizeof(float)) == 0);
        found += now;
        sample += samples;
        free(power);
        free(level);
        free(moving);
        free(block);
    }
    CHECK(found == spectra);
    free(wanted);
    free(iq);
    pp_clutter_destroy(clutter);
    pp_carrier_watch_destroy(watch);
    pp_doppler_destroy(cut);
    pp_doppler_destroy(whole);
}

static void test_cfar(int rows, int bins)
{
    char reason[PP_REASON_BYTES];
    const pp_cfar_spec spec = {rows, 3, {bins, 2, {0, bins - 1}, {1, bins}}, {2.0, 3.0}, 2.0};
    pp_cfar *const cfar = pp_cfar_create(&spec, reason);
    CHECK(cfar != NULL);
    const size_t values = (size_t)(rows * bins);
    float *const power_dbfs = exactly(values * sizeof(float));
    double *const power = exactly((size_t)rows * 2 * sizeof(double));
    double *const bands = exactly(6 * sizeof(double));
    for (size_t i = 0; i < values; i++) {
        power_dbfs[i] = -100.0F - (float)(random_u32() % 50);
    }
    pp_cfar_band_power(cfar, power_dbfs, power);
    CHECK(pp_cfar_begin(cfar, power));
    CHECK(fabs(pp_cfar_judge(cfar, power_dbfs)) < 1);
    pp_cfar_clearer(cfar, bands, bands + 2, bands + 4);
    CHECK(fabs(bands[0] - 1.0) < 1e-12 && fabs(bands[1] - 1.0) < 1e-12);
    pp_cfar_follow(cfar, 0.5, 0.5);
    pp_cfar_creep(cfar, 0.5, 1.1);
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e38F, -1e38F, 400.0F};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        power_dbfs[values - 1] = bad[i];
        CHECK(isnan(pp_cfar_judge(cfar, power_dbfs)));
    }
    power[0] = NAN;
    CHECK(!pp_cfar_begin(cfar, power));
    free(bands);
    free(power);
    free(power_dbfs);
    pp_cfar_destroy(cfar);
}

static void test_baseband_refusals(void)
{
    char reason[PP_REASON_BYTES];
    const pp_doppler_spec bad_doppler[] = {{0, 256, 64}, {33, 256, 64}, {4, 255, 64}, {4, 256, 0}, {4, 256, 257}};
    for (size_t i = 0; i < sizeof bad_doppler / sizeof bad_doppler[0]; i++) {
        CHECK(pp_doppler_create(&bad_doppler[i], reason) == NULL);
        CHECK(strstr(reason, "wanted") != NULL);
    }
    const double bad_s[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad_s / sizeof bad_s[0]; i++) {
        CHECK(pp_clutter_create(bad_s[i], reason) == NULL);
    }
    const pp_cfar_spec bad_cfar[] = {
        {0, 3, {8, 1, {0}, {1}}, {2.0}, 2.0},  {1, 3, {0, 1, {0}, {1}}, {2.0}, 2.0}, {1, 3, {8, 0, {0}, {1}}, {2.0}, 2.0},
        {1, 65, {8, 1, {0}, {1}}, {2.0}, 2.0}, {1, 3, {8, 1, {-1}, {1}}, {2.0}, 2.0}, {1, 3, {8, 1, {0}, {9}}, {2.0}, 2.0},
        {1, 3, {8, 1, {0}, {1}}, {NAN}, 2.0},  {1, 3, {8, 1, {0}, {1}}, {2.0}, -1.0},
    };
    for (size_t i = 0; i < sizeof bad_cfar / sizeof bad_cfar[0]; i++) {
        CHECK(pp_cfar_create(&bad_cfar[i], reason) == NULL);
        CHECK(strstr(reason, "wanted") != NULL);
    }
    pp_doppler_destroy(NULL);
    pp_clutter_destroy(NULL);
    pp_carrier_watch_destroy(NULL);
    pp_cfar_destroy(NULL);
}

static void test_quality(void)
{
    const int32_t well[] = {INT32_MAX - 256, INT32_MIN + 512 + 1, 0, 1, -1};
    const int32_t cut_off[] = {INT32_MAX, INT32_MIN, INT32_MAX - 255, INT32_MIN + 256};
    CHECK(!pp_is_clipped(well, 5) && !pp_is_clipped(well, 0) && !pp_is_zero(well, 5));
    for (size_t i = 0; i < 4; i++) {
        CHECK(pp_is_clipped(cut_off + i, 1));
    }
    int32_t many[100] = {0};
    for (size_t i = 0; i < 100; i++) {
        many[i] = INT32_MIN;
        CHECK(pp_is_clipped(many, 100) && !pp_is_clipped(many, i) && !pp_is_clipped(many + i + 1, 99 - i));
        many[i] = 7;
    }
    CHECK(pp_is_zero(well + 2, 1) && pp_is_zero(well, 0));
}

int main(void)
{
    test_quality();
    test_baseband_refusals();
    for (int rows = 1; rows <= PP_MAX_ROWS; rows += 1 + rows / 4) {
        test_baseband(rows, 256, 64);
        test_cfar(rows, 256);
    }
    test_baseband(3, 64, 1);
    test_baseband(5, 512, 512);
    test_cfar(2, 7);
    for (size_t points = PP_FFT_MIN_POINTS; points <= PP_FFT_MAX_POINTS; points *= 2) {
        test_fft(points);
    }
    test_fft_passes();
    test_fft_refusals();
    test_phase();
    test_downconverter_refusals();
    test_downconverter_far_frames();
    for (int i = 0; i < INSTRUCTION_SETS; i++) {
        if (!present(instruction_sets[i])) {
            continue;
        }
        printf("%s\n", instruction_sets[i]);
        for (int mics = 1; mics <= PP_MAX_MICS; mics++) {
            test_downconverter_cuts(384000, mics, 1 + (mics + 1) % 4, instruction_sets[i]);
            test_downconverter_cuts(192000, mics, 1 + mics % 4, instruction_sets[i]);
            test_downconverter_cuts(96000, mics, 1 + mics / 2 % 4, instruction_sets[i]);
            for (int rate_hz = 96000; rate_hz <= 384000; rate_hz *= 2) {
                for (int carriers = 1; carriers <= PP_MAX_CARRIERS; carriers++) {
                    test_downconverter_alike(rate_hz, mics, carriers, instruction_sets[i]);
                }
                test_downconverter_fades(rate_hz, mics, instruction_sets[i]);
                test_downconverter_extremes(rate_hz, mics, instruction_sets[i]);
            }
        }
    }
    test_tone();
    for (int outputs = 1; outputs <= 3; outputs++) {
        test_tone_cuts(outputs);
    }
    test_chirp();
    test_multipath();
    test_phasor_sum();
    test_echo_paths();
    test_echo_tones();
    return 0;
}
