#include <stdio.h>

#include "cases.h"
#include "downconvert.h"

typedef struct {
    pp_downconverter *converter;
    size_t frames;
    int32_t *pcm;
    float *iq;
} downconverting;

static void *create(const case_values *values)
{
    const pp_downconverter_spec spec = {
        .rate_hz = case_integer(values, 2),
        .mics = case_integer(values, 0),
        .carriers = case_integer(values, 1),
        .carriers_hz = {40000, 45000, 35000, 42500},
        .instruction_set = values->values[4],
    };
    char reason[PP_REASON_BYTES];
    downconverting *const state = case_memory(sizeof(downconverting));
    state->converter = pp_downconverter_create(&spec, reason);
    if (state->converter == NULL) {
        fprintf(stderr, "%s\n", reason);
        return NULL;
    }
    state->frames = (size_t)case_integer(values, 3);
    const size_t channels = (size_t)spec.mics;
    /* Blocks that are no whole number of samples give one more now and then. */
    const size_t samples = pp_downconverter_output_samples(state->converter, state->frames) + 1;
    state->pcm = case_memory(state->frames * channels * sizeof(int32_t));
    state->iq = case_memory(samples * channels * (size_t)spec.carriers * 2 * sizeof(float));
    case_noise(state->pcm, state->frames * channels);
    return state;
}

static void run(void *handle)
{
    downconverting *const state = handle;
    const size_t samples = pp_downconverter_output_samples(state->converter, state->frames);
    pp_downconverter_execute(state->converter, state->pcm, state->frames, state->iq, samples);
}

static double units(const void *handle)
{
    return (double)((const downconverting *)handle)->frames;
}

const case_kind downconvert_kind = {"downconvert", "MICS CARRIERS RATE_HZ BLOCK_FRAMES auto|generic|avx2|neon", 5,
                                    create, run, units};
