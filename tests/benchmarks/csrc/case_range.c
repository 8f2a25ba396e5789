/* Echoes up to 8 m in bins of 2.9 cm, of pulses of 9 kHz. */

#include <stdio.h>

#include "cases.h"
#include "range_gate.h"

enum { BLOCK_FRAMES = 1920, RATE_HZ = 192000, BINS = 280, MARGIN_SAMPLES = 24, PULSES_MAX = 8 };

typedef struct {
    pp_range_gate *gate;
    int32_t *pcm;
    float *echoes;
} gating;

static void *create(const case_values *values)
{
    const size_t mics = (size_t)case_integer(values, 0);
    const int pulse_samples = case_integer(values, 2) * PP_BAND_HZ / 1000 + 2 * MARGIN_SAMPLES;
    float *const replica = case_memory((size_t)pulse_samples * 2 * sizeof(float));
    for (int i = 0; i < 2 * pulse_samples; i++) {
        replica[i] = (float)(i * 7919 % 101 - 50) / 5000;
    }
    const pp_range_gate_spec spec = {
        .rate_hz = RATE_HZ,
        .mics = (int)mics,
        .centre_hz = 38500,
        .period_frames = RATE_HZ / case_integer(values, 1),
        .bins = BINS,
        .bin_samples = 2,
        .lead_samples = MARGIN_SAMPLES,
        .replica_samples = pulse_samples,
        .replica = replica,
    };
    char reason[PP_REASON_BYTES];
    gating *const state = case_memory(sizeof(gating));
    state->gate = pp_range_gate_create(&spec, reason);
    if (state->gate == NULL || !pp_range_gate_reset(state->gate, 0, 4000.3, reason)) {
        fprintf(stderr, "%s\n", reason);
        return NULL;
    }
    state->pcm = case_memory(BLOCK_FRAMES * mics * sizeof(int32_t));
    state->echoes = case_memory(PULSES_MAX * mics * BINS * 2 * sizeof(float));
    case_noise(state->pcm, BLOCK_FRAMES * mics);
    return state;
}

static void run(void *handle)
{
    gating *const state = handle;
    const size_t pulses = pp_range_gate_output_pulses(state->gate, BLOCK_FRAMES);
    pp_range_gate_execute(state->gate, state->pcm, BLOCK_FRAMES, state->echoes, pulses);
}

static double units(const void *handle)
{
    (void)handle;
    return BLOCK_FRAMES;
}

const case_kind range_kind = {"range", "MICS PULSES_HZ PULSE_MS", 3, create, run, units};
