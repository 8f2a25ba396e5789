#include "cfar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pp_cfar {
    pp_cfar_spec spec;
    int newest; /* look */
    double power[PP_MAX_ROWS * PP_MAX_BANDS];  /* of the last look  [rows][bands] */
    double floor[PP_MAX_ROWS * PP_MAX_BANDS];  /* [rows][bands] */
    double lately[PP_MAX_ROWS * PP_MAX_BANDS]; /* average of all looks, followed slowly  [rows][bands] */
    double spread[PP_MAX_BANDS];               /* variance of the ratio in a quiet room */
    double ratio[PP_MAX_LOOKS][PP_MAX_BANDS];  /* over the floor, of each of the last looks */
    double mean_ratio[PP_MAX_BANDS];
    double one[PP_MAX_BANDS];     /* deviates of the last look */
    double several[PP_MAX_BANDS]; /* of the mean of the last looks */
    float linear[PP_MAX_BINS + PP_MICS_PER_QUAD];
};

static bool in_range(const char *name, int value, int highest, char *reason)
{
    if (value < 1 || value > highest) {
        snprintf(reason, PP_REASON_BYTES, "%s: wanted 1 to %d, got %d", name, highest, value);
        return false;
    }
    return true;
}

static bool spec_is_valid(const pp_cfar_spec *spec, char *reason)
{
    if (!in_range("rows", spec->rows, PP_MAX_ROWS, reason) || !in_range("looks", spec->looks, PP_MAX_LOOKS, reason) ||
        !pp_bands_are_valid(&spec->bands, reason)) {
        return false;
    }
    for (int b = 0; b < spec->bands.bands; b++) {
        if (!(spec->looks_shape[b] > 0 && spec->looks_shape[b] < INFINITY)) {
            snprintf(reason, PP_REASON_BYTES, "looks_shape: wanted more than 0, got %g", spec->looks_shape[b]);
            return false;
        }
    }
    if (!(spec->looks_independent > 0 && spec->looks_independent < INFINITY)) {
        snprintf(reason, PP_REASON_BYTES, "looks_independent: wanted more than 0, got %g", spec->looks_independent);
        return false;
    }
    return true;
}

pp_cfar *pp_cfar_create(const pp_cfar_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_cfar *const cfar = calloc(1, sizeof(pp_cfar));
    if (cfar == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    cfar->spec = *spec;
    return cfar;
}

void pp_cfar_destroy(pp_cfar *cfar)
{
    free(cfar);
}

size_t pp_cfar_rows(const pp_cfar *cfar)
{
    return (size_t)cfar->spec.rows;
}

size_t pp_cfar_bins(const pp_cfar *cfar)
{
    return (size_t)cfar->spec.bands.bins;
}

size_t pp_cfar_bands(const pp_cfar *cfar)
{
    return (size_t)cfar->spec.bands.bands;
}

void pp_cfar_band_power(pp_cfar *cfar, const float *power_dbfs, double *power)
{
    const size_t bins = pp_cfar_bins(cfar);
    const size_t bands = pp_cfar_bands(cfar);
    for (size_t row = 0; row < pp_cfar_rows(cfar); row++) {
        pp_band_power(&cfar->spec.bands, power_dbfs + row * bins, cfar->linear, power + row * bands);
    }
}

bool pp_cfar_begin(pp_cfar *cfar, const double *floor)
{
    const size_t bands = pp_cfar_bands(cfar);
    const size_t values = pp_cfar_rows(cfar) * bands;
    for (size_t i = 0; i < values; i++) {
        if (!(floor[i] > 0 && floor[i] < INFINITY)) {
            return false;
        }
    }
    memcpy(cfar->floor, floor, values * sizeof(double));
    memcpy(cfar->lately, floor, values * sizeof(double));
    for (size_t b = 0; b < bands; b++) {
        cfar->spread[b] = 1.0 / cfar->spec.looks_shape[b];
        for (int look = 0; look < cfar->spec.looks; look++) {
            cfar->ratio[look][b] = 1.0;
        }
    }
    return true;
}

/* Standard normal deviate of a gamma variable of mean 1. */
static double deviate(double ratio, double shape)
{
    return (cbrt(ratio) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * sqrt(shape);
}

static double highest_of(const double *deviates, size_t bands)
{
    double highest = deviates[0];
    double sum = 0;
    for (size_t b = 0; b < bands; b++) {
        highest = fmax(highest, deviates[b]);
        sum += deviates[b];
    }
    return fmax(highest, sum / sqrt((double)bands));
}

double pp_cfar_judge(pp_cfar *cfar, const float *power_dbfs)
{
    const size_t bands = pp_cfar_bands(cfar);
    const size_t rows = pp_cfar_rows(cfar);
    const int looks = cfar->spec.looks;
    pp_cfar_band_power(cfar, power_dbfs, cfar->power);
    for (size_t i = 0; i < rows * bands; i++) {
        if (!isfinite(cfar->power[i])) {
            return NAN;
        }
    }
    cfar->newest = (cfar->newest + 1) % looks;
    double *const newest = cfar->ratio[cfar->newest];
    for (size_t b = 0; b < bands; b++) {
        newest[b] = 0;
        for (size_t row = 0; row < rows; row++) {
            newest[b] += cfar->power[row * bands + b] / cfar->floor[row * bands + b];
        }
        newest[b] /= (double)rows;
        double sum = 0;
        for (int look = 0; look < looks; look++) {
            sum += cfar->ratio[look][b];
        }
        cfar->mean_ratio[b] = sum / looks;
        /* what the window promises, less where the room is less steady */
        const double shape = fmin(cfar->spec.looks_shape[b], 1.0 / cfar->spread[b]);
        cfar->one[b] = deviate(newest[b], shape);
        cfar->several[b] = deviate(cfar->mean_ratio[b], shape * cfar->spec.looks_independent);
    }
    return fmax(highest_of(cfar->one, bands), highest_of(cfar->several, bands));
}

bool pp_cfar_clearer(const pp_cfar *cfar, double *ratio, double *deviates, double *floor)
{
    const size_t bands = pp_cfar_bands(cfar);
    const size_t rows = pp_cfar_rows(cfar);
    double highest_one = cfar->one[0];
    double highest_several = cfar->several[0];
    for (size_t b = 0; b < bands; b++) {
        highest_one = fmax(highest_one, cfar->one[b]);
        highest_several = fmax(highest_several, cfar->several[b]);
        floor[b] = 0;
        for (size_t row = 0; row < rows; row++) {
            floor[b] += cfar->floor[row * bands + b];
        }
        floor[b] /= (double)rows;
    }
    const bool one = highest_one > highest_several;
    memcpy(ratio, one ? cfar->ratio[cfar->newest] : cfar->mean_ratio, bands * sizeof(double));
    memcpy(deviates, one ? cfar->one : cfar->several, bands * sizeof(double));
    return one;
}

static void average(pp_cfar *cfar, double share)
{
    for (size_t i = 0; i < pp_cfar_rows(cfar) * pp_cfar_bands(cfar); i++) {
        cfar->lately[i] += share * (cfar->power[i] - cfar->lately[i]);
    }
}

void pp_cfar_follow(pp_cfar *cfar, double share, double spread_share)
{
    average(cfar, share);
    for (size_t i = 0; i < pp_cfar_rows(cfar) * pp_cfar_bands(cfar); i++) {
        cfar->floor[i] += share * (cfar->power[i] - cfar->floor[i]);
    }
    for (size_t b = 0; b < pp_cfar_bands(cfar); b++) {
        const double off = cfar->ratio[cfar->newest][b] - 1.0;
        cfar->spread[b] += spread_share * (off * off - cfar->spread[b]);
    }
}

void pp_cfar_creep(pp_cfar *cfar, double share, double rise)
{
    average(cfar, share);
    for (size_t i = 0; i < pp_cfar_rows(cfar) * pp_cfar_bands(cfar); i++) {
        const double followed = cfar->floor[i] + share * (cfar->lately[i] - cfar->floor[i]);
        cfar->floor[i] = fmin(followed, cfar->floor[i] * rise);
    }
}
