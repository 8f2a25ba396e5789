#include <stdio.h>

#include "cases.h"
#include "tone.h"

enum { BLOCK_FRAMES = 1920, OUTPUTS = 2, RATE_HZ = 192000 };

typedef struct {
    pp_tone *tone;
    int32_t samples[BLOCK_FRAMES * OUTPUTS];
} playing;

static void *create(const case_values *values)
{
    const pp_tone_spec spec = {RATE_HZ, OUTPUTS, 0.1, 0.05};
    const double carriers_hz[PP_MAX_CARRIERS] = {40000, 45000, 35000, 42500};
    char reason[PP_REASON_BYTES];
    playing *const state = case_memory(sizeof(playing));
    state->tone = pp_tone_create(&spec, reason);
    if (state->tone == NULL || !pp_tone_play(state->tone, carriers_hz, (size_t)case_integer(values, 0), 0.1, reason)) {
        fprintf(stderr, "%s\n", reason);
        return NULL;
    }
    while (!pp_tone_settled(state->tone)) {
        pp_tone_execute(state->tone, state->samples, BLOCK_FRAMES);
    }
    return state;
}

static void run(void *handle)
{
    playing *const state = handle;
    pp_tone_execute(state->tone, state->samples, BLOCK_FRAMES);
}

static double units(const void *handle)
{
    (void)handle;
    return BLOCK_FRAMES;
}

const case_kind tone_kind = {"tone", "CARRIERS", 1, create, run, units};
