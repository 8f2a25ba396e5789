/* Baseband in blocks gives, to the last bit, what it gives in one piece; numbers that are none pass with their window. */

#include "doppler.h"
#include "fuzz.h"

enum { SAMPLES_MAX = 1500, BLOCK_MAX = 400, WINDOW_MAX = 512, SPECTRA_MAX = 200 };

/* In dB: full scale, and what rounding adds. */
static const float LOUDEST = 1.0F;
static const float FAINTEST = -200.1F;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const pp_doppler_spec spec = {
        .rows = fuzz_int(&input, 0, 9),
        .window_samples = fuzz_int(&input, 0, 3) == 0 ? fuzz_int(&input, 0, WINDOW_MAX) : 64 << fuzz_int(&input, 0, 3),
        .hop_samples = fuzz_int(&input, 0, WINDOW_MAX),
    };
    char reason[PP_REASON_BYTES];
    pp_doppler *const doppler = pp_doppler_create(&spec, reason);
    if (doppler == NULL) {
        return 0;
    }
    const size_t rows = (size_t)spec.rows;
    const size_t spectrum = rows * pp_doppler_bins(doppler);
    const size_t capacity = SPECTRA_MAX * spectrum;
    float *const whole = fuzz_memory(capacity * sizeof(float), 0);
    float *const cut = fuzz_memory(capacity * sizeof(float), 0);
    const size_t samples = (size_t)fuzz_int(&input, 0, SAMPLES_MAX);
    const bool with_none = fuzz_int(&input, 0, 7) == 7;
    const float scale = ldexpf(1.0F, -fuzz_int(&input, 0, 145));
    float *const iq = fuzz_memory(rows * samples * 2 * sizeof(float), 4);
    uint32_t noise = (uint32_t)fuzz_bits(&input, 4);
    for (size_t i = 0; i < rows * samples * 2; i++) {
        noise = noise * 1664525U + 1013904223U;
        iq[i] = with_none && noise % 997 == 0 ? NAN : scale * 0.7F * ((float)noise * 0x1p-31F - 1.0F);
    }
    if (samples / (size_t)spec.hop_samples < SPECTRA_MAX) {
        const size_t spectra = pp_doppler_execute(doppler, iq, samples, whole);
        pp_doppler_reset(doppler);
        size_t done = 0;
        for (size_t at = 0; at < samples;) {
            const size_t left = samples - at;
            const size_t drawn = (size_t)fuzz_int(&input, fuzz_more(&input) ? 0 : BLOCK_MAX, BLOCK_MAX);
            const size_t block = drawn < left ? drawn : left;
            float *const part = fuzz_memory(rows * block * 2 * sizeof(float), 4);
            for (size_t row = 0; row < rows && block > 0; row++) {
                memcpy(part + 2 * row * block, iq + 2 * (row * samples + at), 2 * block * sizeof(float));
            }
            done += pp_doppler_execute(doppler, part, block, cut + done * spectrum);
            fuzz_free(part, 4);
            at += block;
        }
        CHECK(done == spectra);
        CHECK(memcmp(cut, whole, spectra * spectrum * sizeof(float)) == 0);
        for (size_t i = 0; i < spectra * spectrum; i++) {
            CHECK((with_none && !isfinite(whole[i])) || (whole[i] >= FAINTEST && whole[i] <= LOUDEST));
        }
    }
    fuzz_free(iq, 4);
    free(cut);
    free(whole);
    pp_doppler_destroy(doppler);
    return 0;
}
