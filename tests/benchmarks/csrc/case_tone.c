#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "tone.h"

enum { BLOCK_FRAMES = 1920, OUTPUTS = 2, RATE_HZ = 192000, BLOCKS_OF_SHORTEST_FADE = 6 };

typedef struct {
    pp_tone *tone;
    int32_t samples[BLOCK_FRAMES * OUTPUTS];
} playing;

static void play(playing *state, const double *carriers_hz, int carriers)
{
    char reason[PP_REASON_BYTES];
    if (!pp_tone_play(state->tone, carriers_hz, (size_t)carriers, 0.1, reason)) {
        fprintf(stderr, "%s\n", reason);
        exit(2);
    }
}

/* Tones that go on, that fade in, or that glide to others; the latter two for longer than is counted. */
static void *create(const case_values *values)
{
    static const double carriers_hz[PP_MAX_CARRIERS] = {40000.1, 45000, 35000, 42500};
    static const double later_hz[PP_MAX_CARRIERS] = {41000, 46000, 36000, 43500};
    const char *const what = values->values[1];
    const pp_tone_spec spec = {RATE_HZ, OUTPUTS, 0.1, strcmp(what, "steady") == 0 ? PP_MIN_FADE_S : PP_MAX_FADE_S};
    char reason[PP_REASON_BYTES];
    playing *const state = case_memory(sizeof(playing));
    state->tone = pp_tone_create(&spec, reason);
    if (state->tone == NULL) {
        fprintf(stderr, "%s\n", reason);
        return NULL;
    }
    play(state, carriers_hz, case_integer(values, 0));
    for (int block = 0; block < BLOCKS_OF_SHORTEST_FADE; block++) {
        pp_tone_execute(state->tone, state->samples, BLOCK_FRAMES);
    }
    if (strcmp(what, "glide") == 0) {
        play(state, later_hz, case_integer(values, 0));
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

const case_kind tone_kind = {"tone", "CARRIERS steady|fade|glide", 2, create, run, units};
