/* What moves at which range, of any echoes: numbers within their limit, or a refusal that changes nothing. */

#include "echoes.h"
#include "fuzz.h"
#include "quiet.h"

enum { MICS_MAX = 9, BINS_MAX = 300, PULSES_MAX = 40 };

static pp_echoes *draw_echoes(fuzz_input *input, int *mics, int *bins)
{
    *mics = fuzz_int(input, 0, MICS_MAX);
    *bins = fuzz_int(input, 0, BINS_MAX);
    pp_echoes_spec spec = {
        .mics = *mics,
        .gates = {.bins = *bins, .bands = fuzz_int(input, 0, PP_MAX_BANDS + 1)},
        .shape = fuzz_double(input, 0.4, 100),
    };
    for (int gate = 0; gate < PP_MAX_BANDS; gate++) {
        spec.gates.first_bin[gate] = fuzz_int(input, 0, *bins);
        spec.gates.end_bin[gate] = spec.gates.first_bin[gate] + fuzz_int(input, 0, 20);
        spec.spread_db[gate] = fuzz_double(input, -201, 201);
    }
    char reason[PP_REASON_BYTES];
    return pp_echoes_create(&spec, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    int mics;
    int bins;
    pp_echoes *const echoes = draw_echoes(&input, &mics, &bins);
    if (echoes == NULL) {
        return 0;
    }
    const size_t floats = 2 * (size_t)mics * (size_t)bins;
    const size_t values = 2 * pp_echoes_gates(echoes);
    float *const pulse = fuzz_memory(floats * sizeof(float), 4);
    float *const seen = fuzz_memory(values * sizeof(float), 4);
    uint32_t noise = (uint32_t)fuzz_bits(&input, 4);
    for (int look = 0; look < PULSES_MAX && fuzz_more(&input); look++) {
        const float loud = (float)fuzz_double(&input, 0, 1e20);
        for (size_t i = 0; i < floats; i++) {
            noise = noise * 1664525U + 1013904223U;
            pulse[i] = noise % 4099 == 0 ? loud : (float)noise * 0x1p-32F - 0.5F;
        }
        if (pp_echoes_execute(echoes, pulse, fuzz_double(&input, -0.1, 0.2), seen)) {
            for (size_t i = 0; i < values; i++) {
                CHECK(seen[i] >= -(float)PP_EVIDENCE_LIMIT && seen[i] <= (float)PP_EVIDENCE_LIMIT);
            }
        }
        if (fuzz_int(&input, 0, 20) == 0) {
            pp_echoes_reset(echoes);
        }
    }
    fuzz_free(seen, 4);
    fuzz_free(pulse, 4);
    pp_echoes_destroy(echoes);
    return 0;
}
