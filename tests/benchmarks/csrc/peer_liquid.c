/* liquid-dsp's decimators in their cheapest form for our filters: complex signal, real taps. Its own oscillator looks up
 * one of 1024 angles, which leaves -60 dB beside a sine; the table of a block is exact and cheaper. */

/* <complex.h> has to come first, for liquid's types to be those of C. */
#include "peers.h"

#include <liquid/liquid.h>

enum { STAGES_MAX = 3 };

typedef struct {
    firdecim_crcf stages[MICS][STAGES_MAX];
} liquid;

static void *create_cascade(void)
{
    liquid *const state = allocate(sizeof(liquid));
    for (size_t m = 0; m < MICS; m++) {
        state->stages[m][0] = firdecim_crcf_create(8, stage_1, LENGTH(stage_1));
        state->stages[m][1] = firdecim_crcf_create(5, stage_2, LENGTH(stage_2));
        state->stages[m][2] = firdecim_crcf_create(2, stage_3, LENGTH(stage_3));
    }
    return state;
}

static size_t execute_cascade(void *handle, const int32_t *pcm, float complex *iq)
{
    liquid *const state = handle;
    float complex mixed[BLOCK_FRAMES];
    float complex at_24k[BLOCK_FRAMES / 8];
    float complex at_4k8[BLOCK_FRAMES / 40];
    for (size_t m = 0; m < MICS; m++) {
        mix(pcm, m, mixed);
        firdecim_crcf_execute_block(state->stages[m][0], mixed, LENGTH(at_24k), at_24k);
        firdecim_crcf_execute_block(state->stages[m][1], at_24k, LENGTH(at_4k8), at_4k8);
        firdecim_crcf_execute_block(state->stages[m][2], at_4k8, BLOCK_SAMPLES, iq + m * BLOCK_SAMPLES);
    }
    return BLOCK_SAMPLES;
}

static void *create_one_stage(void)
{
    liquid *const state = allocate(sizeof(liquid));
    for (size_t m = 0; m < MICS; m++) {
        state->stages[m][0] = firdecim_crcf_create(DECIMATION, whole, LENGTH(whole));
    }
    return state;
}

static size_t execute_one_stage(void *handle, const int32_t *pcm, float complex *iq)
{
    liquid *const state = handle;
    float complex mixed[BLOCK_FRAMES];
    for (size_t m = 0; m < MICS; m++) {
        mix(pcm, m, mixed);
        firdecim_crcf_execute_block(state->stages[m][0], mixed, BLOCK_SAMPLES, iq + m * BLOCK_SAMPLES);
    }
    return BLOCK_SAMPLES;
}

const peer liquid_cascade_peer = {"liquid cascade", create_cascade, execute_cascade};
const peer liquid_one_stage_peer = {"liquid one stage", create_one_stage, execute_one_stage};
