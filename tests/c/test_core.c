/* Tests of the C core that need no Python; run by test_c_core.py under sanitizers. Buffers are allocated to the byte, so
 * that a step beyond an end is seen. */

#include <fenv.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downconvert.h"
#include "multipath.h"
#include "phase.h"
#include "stages.h"
#include "tone.h"

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                         \
        }                                                                    \
    } while (0)

static uint32_t random_state = 1;

static uint32_t random_u32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static void *exactly(size_t bytes)
{
    void *const memory = malloc(bytes > 0 ? bytes : 1);
    CHECK(memory != NULL);
    return memory;
}

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

int main(void)
{
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
    test_multipath();
    return 0;
}
