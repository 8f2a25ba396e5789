/* The detector's arithmetic over any spectra and floors: a deviate that is a number, or none where the power is none. */

#include "cfar.h"
#include "fuzz.h"

enum { ROWS_MAX = 9, BINS_MAX = 300, LOOKS_MAX = 40 };

static float draw_level(fuzz_input *input, uint32_t *noise)
{
    *noise = *noise * 1664525U + 1013904223U;
    if (*noise % 4099 == 0) {
        return (float)fuzz_double(input, -200, 0);
    }
    return -200.0F + 200.0F * (float)*noise * 0x1p-32F;
}

static pp_cfar *draw_detector(fuzz_input *input, int *rows, int *bins)
{
    *rows = fuzz_int(input, 0, ROWS_MAX);
    *bins = fuzz_int(input, 0, BINS_MAX);
    pp_cfar_spec spec = {
        .rows = *rows,
        .bands = {.bins = *bins, .bands = fuzz_int(input, 0, PP_MAX_BANDS + 1)},
        .looks = fuzz_int(input, 0, 20),
        .looks_independent = fuzz_double(input, 0.5, 8),
    };
    for (int band = 0; band < PP_MAX_BANDS; band++) {
        spec.bands.first_bin[band] = fuzz_int(input, -1, *bins);
        spec.bands.end_bin[band] = spec.bands.first_bin[band] + fuzz_int(input, 0, 20);
        spec.looks_shape[band] = fuzz_double(input, 0.5, 20);
    }
    char reason[PP_REASON_BYTES];
    return pp_cfar_create(&spec, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    int rows;
    int bins;
    pp_cfar *const cfar = draw_detector(&input, &rows, &bins);
    if (cfar == NULL) {
        return 0;
    }
    const size_t levels = (size_t)rows * (size_t)bins;
    const size_t bands = pp_cfar_bands(cfar);
    float *const power_dbfs = fuzz_memory(levels * sizeof(float), 4);
    double *const power = fuzz_memory((size_t)rows * bands * sizeof(double), 8);
    double *const values = fuzz_memory(3 * bands * sizeof(double), 8);
    uint32_t noise = (uint32_t)fuzz_bits(&input, 4);
    bool begun = false;
    for (int look = 0; look < LOOKS_MAX && fuzz_more(&input); look++) {
        bool numbers = true;
        for (size_t i = 0; i < levels; i++) {
            power_dbfs[i] = draw_level(&input, &noise);
            numbers &= power_dbfs[i] >= -300.0F && power_dbfs[i] <= 100.0F;
        }
        pp_cfar_band_power(cfar, power_dbfs, power);
        const int step = fuzz_int(&input, 0, 7);
        if (step == 0 || !begun) {
            begun = pp_cfar_begin(cfar, power) || begun;
        }
        if (begun) {
            const double deviate = pp_cfar_judge(cfar, power_dbfs);
            CHECK(!numbers || !isnan(deviate));
            pp_cfar_clearer(cfar, values, values + bands, values + 2 * bands);
            if (step == 1) {
                pp_cfar_follow(cfar, 0.01, 0.01);
            } else if (step == 2) {
                pp_cfar_creep(cfar, 0.01, 1.001);
            }
        }
    }
    fuzz_free(values, 8);
    fuzz_free(power, 8);
    fuzz_free(power_dbfs, 4);
    pp_cfar_destroy(cfar);
    return 0;
}
