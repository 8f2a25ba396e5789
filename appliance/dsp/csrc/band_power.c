#include "band_power.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int32_t int_quad __attribute__((vector_size(16)));
typedef float bin_quad __attribute__((vector_size(16), aligned(4), may_alias));

static bool in_range(const char *name, int value, int highest, char *reason)
{
    if (value < 1 || value > highest) {
        snprintf(reason, PP_REASON_BYTES, "%s: wanted 1 to %d, got %d", name, highest, value);
        return false;
    }
    return true;
}

bool pp_bands_are_valid(const pp_bands *bands, char *reason)
{
    if (!in_range("bins", bands->bins, PP_MAX_BINS, reason) || !in_range("bands", bands->bands, PP_MAX_BANDS, reason)) {
        return false;
    }
    for (int b = 0; b < bands->bands; b++) {
        if (bands->first_bin[b] < 0 || bands->first_bin[b] >= bands->end_bin[b] || bands->end_bin[b] > bands->bins) {
            snprintf(reason, PP_REASON_BYTES, "bands: wanted bins of 0 to %d, got %d to %d", bands->bins,
                     bands->first_bin[b], bands->end_bin[b]);
            return false;
        }
    }
    return true;
}

/* 10^(dB / 10) to 1e-6: a power of two for the whole octaves, a Taylor series for the half octave around them. */
static pp_quad from_db(pp_quad db)
{
    const pp_quad octaves = db * 0.332192809F;
    const int_quad known = (octaves > -126.0F) & (octaves < 127.0F);
    const pp_quad tame = (pp_quad)((int_quad)octaves & known);
    const pp_quad to_nearest = {12582912.0F, 12582912.0F, 12582912.0F, 12582912.0F}; /* 1.5 * 2^23: no fraction left */
    const int_quad biased = (int_quad)(tame + to_nearest);
    const int_quad whole = biased - (int_quad)to_nearest;
    const pp_quad x = (tame - __builtin_convertvector(whole, pp_quad)) * 0.693147181F;
    const pp_quad series =
        1.0F + x * (1.0F + x * (1.0F / 2 + x * (1.0F / 6 + x * (1.0F / 24 + x * (1.0F / 120 + x * (1.0F / 720))))));
    const int_quad scaled = (int_quad)series + whole * (1 << 23);
    return (pp_quad)((scaled & known) | (~known & 0x7FC00000));
}

void pp_band_power(const pp_bands *bands, const float *power_dbfs, float *linear, double *power)
{
    const size_t bins = (size_t)bands->bins;
    const size_t whole = bins / PP_MICS_PER_QUAD * PP_MICS_PER_QUAD;
    for (size_t bin = 0; bin < whole; bin += PP_MICS_PER_QUAD) {
        *(bin_quad *)(linear + bin) = from_db(*(const bin_quad *)(power_dbfs + bin));
    }
    if (whole < bins) {
        pp_quad last = {0};
        memcpy(&last, power_dbfs + whole, (bins - whole) * sizeof(float));
        *(bin_quad *)(linear + whole) = from_db(last);
    }
    for (int b = 0; b < bands->bands; b++) {
        double sum = 0;
        for (int bin = bands->first_bin[b]; bin < bands->end_bin[b]; bin++) {
            sum += (double)linear[bin];
        }
        power[b] = sum;
    }
}
