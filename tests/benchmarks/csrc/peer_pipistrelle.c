#include <stdio.h>
#include <stdlib.h>

#include "downconvert.h"
#include "peers.h"

static void *create(void)
{
    const pp_downconverter_spec spec = {.rate_hz = RATE_HZ, .mics = MICS, .carriers = 1, .carriers_hz = {CARRIER_HZ}};
    char reason[PP_REASON_BYTES];
    pp_downconverter *const converter = pp_downconverter_create(&spec, reason);
    if (converter == NULL) {
        fprintf(stderr, "%s\n", reason);
        exit(2);
    }
    return converter;
}

static size_t execute(void *state, const int32_t *pcm, float complex *iq)
{
    return pp_downconverter_execute(state, pcm, BLOCK_FRAMES, (float *)iq, BLOCK_SAMPLES);
}

const peer pipistrelle_peer = {"pipistrelle", create, execute};
