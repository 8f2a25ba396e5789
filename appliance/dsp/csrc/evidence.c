#include "evidence.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "quiet.h"

/* Powers below this, -200 dB as the spectra tell it at least, count as this. */
#define SMALLEST_POWER 1e-21

/* Levels re carrier are told in units of 20 dB around -80 dB: all of interest lies within +-2. */
#define MIDDLE_DB (-80.0)
#define UNIT_DB 20.0

struct pp_evidence {
    pp_evidence_spec spec;
    size_t looks;
    double quantile[PP_MAX_BANDS];            /* of a gamma variable of mean 1 */
    double power[PP_MAX_ROWS * PP_MAX_BANDS]; /* [rows][bands] */
    double floor[PP_MAX_ROWS * PP_MAX_BANDS]; /* [rows][bands] */
    float linear[PP_MAX_BINS + PP_MICS_PER_QUAD];
};

static bool spec_is_valid(const pp_evidence_spec *spec, char *reason)
{
    if (spec->rows < 1 || spec->rows > PP_MAX_ROWS) {
        snprintf(reason, PP_REASON_BYTES, "rows: wanted 1 to %d, got %d", PP_MAX_ROWS, spec->rows);
        return false;
    }
    if (!pp_bands_are_valid(&spec->bands, reason)) {
        return false;
    }
    if (spec->bands.bands % 2 != 0) {
        snprintf(reason, PP_REASON_BYTES, "bands: wanted an even number, got %d", spec->bands.bands);
        return false;
    }
    for (int b = 0; b < spec->bands.bands; b++) {
        /* the cube root of a gamma variable is not nearly normal below */
        if (!(spec->shape[b] >= 0.5 && spec->shape[b] < 1e6)) {
            snprintf(reason, PP_REASON_BYTES, "shape: wanted 0.5 to 1000000, got %g", spec->shape[b]);
            return false;
        }
    }
    if (!(spec->hop_s > 0 && spec->hop_s < 1)) {
        snprintf(reason, PP_REASON_BYTES, "hop_s: wanted more than 0 and less than 1, got %g", spec->hop_s);
        return false;
    }
    return true;
}

pp_evidence *pp_evidence_create(const pp_evidence_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_evidence *const evidence = calloc(1, sizeof(pp_evidence));
    if (evidence == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    evidence->spec = *spec;
    for (int b = 0; b < spec->bands.bands; b++) {
        evidence->quantile[b] = pp_quiet_quantile(spec->shape[b]);
    }
    return evidence;
}

void pp_evidence_destroy(pp_evidence *evidence)
{
    free(evidence);
}

size_t pp_evidence_rows(const pp_evidence *evidence)
{
    return (size_t)evidence->spec.rows;
}

size_t pp_evidence_bins(const pp_evidence *evidence)
{
    return (size_t)evidence->spec.bands.bins;
}

static size_t bands_of(const pp_evidence *evidence)
{
    return (size_t)evidence->spec.bands.bands;
}

size_t pp_evidence_values(const pp_evidence *evidence)
{
    return bands_of(evidence) + bands_of(evidence) / 2 + PP_EVIDENCE_EXTRAS;
}

void pp_evidence_reset(pp_evidence *evidence)
{
    evidence->looks = 0;
}

static bool take_power(pp_evidence *evidence, const float *power_dbfs)
{
    const size_t bands = bands_of(evidence);
    for (size_t row = 0; row < pp_evidence_rows(evidence); row++) {
        double *const power = evidence->power + row * bands;
        pp_band_power(&evidence->spec.bands, power_dbfs + row * pp_evidence_bins(evidence), evidence->linear, power);
        for (size_t b = 0; b < bands; b++) {
            if (!isfinite(power[b])) {
                return false;
            }
            power[b] = fmax(power[b], SMALLEST_POWER);
        }
    }
    return true;
}

static void follow(pp_evidence *evidence)
{
    const size_t values = pp_evidence_rows(evidence) * bands_of(evidence);
    if (evidence->looks == 0) {
        for (size_t i = 0; i < values; i++) {
            evidence->floor[i] = evidence->power[i];
        }
    }
    const pp_quiet_steps steps = pp_quiet_steps_of(evidence->looks, evidence->spec.hop_s);
    for (size_t i = 0; i < values; i++) {
        evidence->floor[i] *= evidence->power[i] > evidence->floor[i] ? steps.up : steps.down;
    }
    evidence->looks += evidence->looks < SIZE_MAX;
}

static float level(double power, double carrier)
{
    const double db = 10.0 * log10(fmax(power, SMALLEST_POWER) / fmax(carrier, SMALLEST_POWER));
    return pp_limited((db - MIDDLE_DB) / UNIT_DB);
}

bool pp_evidence_execute(pp_evidence *evidence, const float *power_dbfs, const float *carrier_dbfs, float *values)
{
    if (!take_power(evidence, power_dbfs)) {
        return false;
    }
    follow(evidence);
    const size_t rows = pp_evidence_rows(evidence);
    const size_t bands = bands_of(evidence);
    double over[PP_MAX_ROWS] = {0}; /* power of each row over its own floor, all bands together */
    double floor[PP_MAX_BANDS];
    double excess[2] = {0}; /* away, towards */
    double carrier = 0;
    for (size_t row = 0; row < rows; row++) {
        carrier += isfinite(carrier_dbfs[row]) ? pow(10.0, 0.1 * (double)carrier_dbfs[row]) : 0.0;
    }
    for (size_t b = 0; b < bands; b++) {
        const double quantile = evidence->quantile[b];
        double ratio = 0;
        floor[b] = 0;
        for (size_t row = 0; row < rows; row++) {
            const double power = evidence->power[row * bands + b];
            const double quiet = evidence->floor[row * bands + b] / quantile;
            ratio += power / quiet;
            floor[b] += quiet;
            over[row] += fmax(power / quiet - 1.0, 0.0);
            excess[b >= bands / 2] += fmax(power - quiet, 0.0);
        }
        values[b] = pp_limited(asinh(pp_deviate(ratio / (double)rows, (double)rows * evidence->spec.shape[b])));
    }
    for (size_t b = 0; b < bands / 2; b++) {
        values[bands + b] = level(floor[bands / 2 + b] + floor[bands / 2 - 1 - b], carrier);
    }
    float *const extras = values + bands + bands / 2;
    extras[0] = level(excess[1], carrier);
    extras[1] = level(excess[0], carrier);
    double highest = 0;
    double sum = 0;
    for (size_t row = 0; row < rows; row++) {
        highest = fmax(highest, over[row]);
        sum += over[row];
    }
    extras[2] = sum > 0 ? pp_limited(0.5 * log2(highest * (double)rows / sum)) : 0.0F;
    extras[3] = pp_limited(0.5 * log2((double)rows));
    return true;
}
