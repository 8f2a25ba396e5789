/* Any length is taken or refused; the energy of the spectrum is that of the signal (Parseval's theorem). */

#include "fft.h"
#include "fuzz.h"

static double energy(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)values[i] * (double)values[i];
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const int shift = fuzz_int(&input, 0, 14);
    const size_t points = fuzz_int(&input, 0, 3) == 0 ? (size_t)fuzz_int(&input, 0, 9000) : (size_t)1 << shift;
    pp_fft *const fft = pp_fft_create(points);
    if (fft == NULL) {
        return 0;
    }
    CHECK(points >= PP_FFT_MIN_POINTS && points <= PP_FFT_MAX_POINTS);
    const size_t floats = points * 2 * 4;
    float *const data = aligned_alloc(sizeof(pp_quad), floats * sizeof(float));
    CHECK(data != NULL);
    const float scale = ldexpf(1.0F, fuzz_int(&input, -60, 20));
    uint32_t noise = (uint32_t)fuzz_bits(&input, 4);
    for (size_t i = 0; i < floats; i++) {
        noise = noise * 1664525U + 1013904223U;
        data[i] = scale * ((float)noise * 0x1p-31F - 1.0F);
    }
    const double before = energy(data, floats);
    pp_fft_execute(fft, (pp_quad *)data);
    const double after = energy(data, floats) / (double)points;
    CHECK(fabs(after - before) <= 1e-5 * before);
    free(data);
    pp_fft_destroy(fft);
    return 0;
}
