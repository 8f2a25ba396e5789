/* Paths that all move away, at 2 m/s; with `denormal` the signal is so faint that its numbers are denormal. */

#include <stdio.h>
#include <string.h>

#include "cases.h"
#include "multipath.h"

enum { BLOCK_FRAMES = 1920, POINTS = 11, MAX_DELAY_FRAMES = 8000 };

typedef struct {
    pp_multipath *channel;
    float signal[BLOCK_FRAMES];
    double *delay_frames;
    float *gain;
    float *out;
} propagating;

static void *create(const case_values *values)
{
    const pp_multipath_spec spec = {case_integer(values, 0), case_integer(values, 1), MAX_DELAY_FRAMES};
    const float scale = strcmp(values->values[2], "denormal") == 0 ? 0x1p-128F : 1.0F;
    char reason[PP_REASON_BYTES];
    propagating *const state = case_memory(sizeof(propagating));
    state->channel = pp_multipath_create(&spec, reason);
    if (state->channel == NULL) {
        fprintf(stderr, "%s\n", reason);
        return NULL;
    }
    const size_t rays = (size_t)spec.paths * (size_t)spec.mics;
    state->delay_frames = case_memory(POINTS * rays * sizeof(double));
    state->gain = case_memory(POINTS * rays * sizeof(float));
    state->out = case_memory(BLOCK_FRAMES * (size_t)spec.mics * sizeof(float));
    for (size_t i = 0; i < POINTS * rays; i++) {
        const double moved_frames = 2 * 2.0 / 343 * BLOCK_FRAMES * (double)(i / rays) / (POINTS - 1);
        state->delay_frames[i] = 50 + (double)(i % rays * 2654435761U % 7800) + moved_frames;
        state->gain[i] = 1;
    }
    for (size_t n = 0; n < BLOCK_FRAMES; n++) {
        state->signal[n] = scale * (0x1p-31F * (float)(int32_t)((uint32_t)n * 2654435761U));
    }
    return state;
}

static void run(void *handle)
{
    propagating *const state = handle;
    pp_multipath_execute(state->channel, state->signal, BLOCK_FRAMES, state->delay_frames, state->gain, POINTS,
                         state->out);
}

static double units(const void *handle)
{
    (void)handle;
    return BLOCK_FRAMES;
}

const case_kind multipath_kind = {"multipath", "PATHS MICS normal|denormal", 3, create, run, units};
