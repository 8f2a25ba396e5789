/* What a classifier sees of any spectra and levels: numbers within their limit, or a refusal that changes nothing. */

#include "evidence.h"
#include "fuzz.h"
#include "quiet.h"

enum { ROWS_MAX = 9, BINS_MAX = 300, LOOKS_MAX = 40 };

static pp_evidence *draw_evidence(fuzz_input *input, int *rows, int *bins)
{
    *rows = fuzz_int(input, 0, ROWS_MAX);
    *bins = fuzz_int(input, 0, BINS_MAX);
    pp_evidence_spec spec = {
        .rows = *rows,
        .bands = {.bins = *bins, .bands = fuzz_int(input, 0, PP_MAX_BANDS + 1)},
        .hop_s = fuzz_double(input, 0.001, 0.1),
    };
    for (int band = 0; band < PP_MAX_BANDS; band++) {
        spec.bands.first_bin[band] = fuzz_int(input, -1, *bins);
        spec.bands.end_bin[band] = spec.bands.first_bin[band] + fuzz_int(input, 0, 20);
        spec.shape[band] = fuzz_double(input, 0.5, 20);
    }
    char reason[PP_REASON_BYTES];
    return pp_evidence_create(&spec, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    int rows;
    int bins;
    pp_evidence *const evidence = draw_evidence(&input, &rows, &bins);
    if (evidence == NULL) {
        return 0;
    }
    const size_t levels = (size_t)rows * (size_t)bins;
    const size_t values = pp_evidence_values(evidence);
    float *const power_dbfs = fuzz_memory(levels * sizeof(float), 4);
    float *const carrier_dbfs = fuzz_memory((size_t)rows * sizeof(float), 4);
    float *const seen = fuzz_memory(values * sizeof(float), 4);
    uint32_t noise = (uint32_t)fuzz_bits(&input, 4);
    for (int look = 0; look < LOOKS_MAX && fuzz_more(&input); look++) {
        for (size_t i = 0; i < levels; i++) {
            noise = noise * 1664525U + 1013904223U;
            power_dbfs[i] =
                noise % 4099 == 0 ? (float)fuzz_double(&input, -200, 0) : -200.0F + 200.0F * (float)noise * 0x1p-32F;
        }
        for (int row = 0; row < rows; row++) {
            carrier_dbfs[row] = (float)fuzz_double(&input, -100, 0);
        }
        if (pp_evidence_execute(evidence, power_dbfs, carrier_dbfs, seen)) {
            for (size_t i = 0; i < values; i++) {
                CHECK(seen[i] >= -(float)PP_EVIDENCE_LIMIT && seen[i] <= (float)PP_EVIDENCE_LIMIT);
            }
        }
        if (fuzz_int(&input, 0, 20) == 0) {
            pp_evidence_reset(evidence);
        }
    }
    fuzz_free(seen, 4);
    fuzz_free(carrier_dbfs, 4);
    fuzz_free(power_dbfs, 4);
    pp_evidence_destroy(evidence);
    return 0;
}
