/* One pulse and the pause behind it, added to two outputs. */

#include <stdio.h>

#include "cases.h"
#include "chirp.h"

enum { BLOCK_FRAMES = 1920, OUTPUTS = 2, RATE_HZ = 192000 };

typedef struct {
    pp_chirp *chirp;
    size_t period_frames;
    int32_t samples[BLOCK_FRAMES * OUTPUTS];
} chirping;

static void *create(const case_values *values)
{
    const pp_chirp_spec spec = {
        .rate_hz = RATE_HZ,
        .outputs = OUTPUTS,
        .max_amplitude = 0.1,
        .start_hz = 34000,
        .stop_hz = 43000,
        .pulse_s = case_integer(values, 1) * 1e-3,
        .fade_s = 0.0015,
    };
    char reason[PP_REASON_BYTES];
    chirping *const state = case_memory(sizeof(chirping));
    state->period_frames = (size_t)(RATE_HZ / case_integer(values, 0));
    state->chirp = pp_chirp_create(&spec, reason);
    if (state->chirp == NULL) {
        fprintf(stderr, "%s\n", reason);
        return NULL;
    }
    return state;
}

static void run(void *handle)
{
    chirping *const state = handle;
    char reason[PP_REASON_BYTES];
    pp_chirp_begin(state->chirp, 0.1, reason);
    for (size_t done = 0; done < state->period_frames;) {
        const size_t left = state->period_frames - done;
        const size_t frames = left < BLOCK_FRAMES ? left : BLOCK_FRAMES;
        pp_chirp_execute(state->chirp, state->samples, frames);
        done += frames;
    }
}

static double units(const void *handle)
{
    return (double)((const chirping *)handle)->period_frames;
}

const case_kind chirp_kind = {"chirp", "PULSES_HZ PULSE_MS", 2, create, run, units};
