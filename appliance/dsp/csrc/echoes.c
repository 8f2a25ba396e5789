#include "echoes.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quiet.h"

/* Strengths are told in units of 20 dB around -45 dB re the direct path: a person's echo is some 40 dB below it. */
#define MIDDLE_DB (-45.0)
#define UNIT_DB 20.0

/* Least excess that counts, as a share of the floor, so that strengths of quiet gates stay smooth. */
#define LEAST_EXCESS 0.1

#define SMALLEST_POWER 1e-21

struct pp_echoes {
    pp_echoes_spec spec;
    bool has_before;
    size_t looks;
    double quantile;
    double floor[PP_MAX_BANDS];
    float before[PP_MAX_MICS * PP_MAX_ECHO_BINS * 2]; /* [mics][bins][2] */
};

static bool spec_is_valid(const pp_echoes_spec *spec, char *reason)
{
    if (spec->mics < 1 || spec->mics > PP_MAX_MICS) {
        snprintf(reason, PP_REASON_BYTES, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, spec->mics);
        return false;
    }
    if (!pp_bands_are_valid(&spec->gates, reason)) {
        return false;
    }
    if (spec->gates.bins > PP_MAX_ECHO_BINS || spec->gates.first_bin[0] < 1) {
        snprintf(reason, PP_REASON_BYTES, "bins: wanted at most %d and one before the first gate, got %d and %d",
                 PP_MAX_ECHO_BINS, spec->gates.bins, spec->gates.first_bin[0]);
        return false;
    }
    if (!(spec->shape >= 0.5 && spec->shape < 1e6)) {
        snprintf(reason, PP_REASON_BYTES, "shape: wanted 0.5 to 1000000, got %g", spec->shape);
        return false;
    }
    for (int gate = 0; gate < spec->gates.bands; gate++) {
        if (!(fabs(spec->spread_db[gate]) <= 200)) {
            snprintf(reason, PP_REASON_BYTES, "spread_db: wanted -200 to 200, got %g", spec->spread_db[gate]);
            return false;
        }
    }
    return true;
}

pp_echoes *pp_echoes_create(const pp_echoes_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_echoes *const echoes = calloc(1, sizeof(pp_echoes));
    if (echoes == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    echoes->spec = *spec;
    echoes->quantile = pp_quiet_quantile(spec->shape);
    return echoes;
}

void pp_echoes_destroy(pp_echoes *echoes)
{
    free(echoes);
}

size_t pp_echoes_mics(const pp_echoes *echoes)
{
    return (size_t)echoes->spec.mics;
}

size_t pp_echoes_bins(const pp_echoes *echoes)
{
    return (size_t)echoes->spec.gates.bins;
}

size_t pp_echoes_gates(const pp_echoes *echoes)
{
    return (size_t)echoes->spec.gates.bands;
}

void pp_echoes_reset(pp_echoes *echoes)
{
    echoes->has_before = false;
    echoes->looks = 0;
}

/* What is left between two pulses in each gate, all microphones together. */
static void moved_power(const pp_echoes *echoes, const float *pulse, double *power)
{
    const size_t bins = pp_echoes_bins(echoes);
    for (size_t gate = 0; gate < pp_echoes_gates(echoes); gate++) {
        const size_t first = (size_t)echoes->spec.gates.first_bin[gate];
        const size_t end = (size_t)echoes->spec.gates.end_bin[gate];
        double sum = 0;
        for (size_t mic = 0; mic < pp_echoes_mics(echoes); mic++) {
            for (size_t i = 2 * (mic * bins + first); i < 2 * (mic * bins + end); i++) {
                const double moved = (double)pulse[i] - (double)echoes->before[i];
                sum += moved * moved;
            }
        }
        power[gate] = sum;
    }
}

/* The strongest of what comes before the first gate, mean over microphones. */
static double direct_power(const pp_echoes *echoes, const float *pulse)
{
    double sum = 0;
    for (size_t mic = 0; mic < pp_echoes_mics(echoes); mic++) {
        double highest = 0;
        for (size_t bin = 0; bin < (size_t)echoes->spec.gates.first_bin[0]; bin++) {
            const float *const at = pulse + 2 * (mic * pp_echoes_bins(echoes) + bin);
            const double power = (double)at[0] * (double)at[0] + (double)at[1] * (double)at[1];
            highest = power > highest || isnan(power) ? power : highest;
        }
        sum += highest;
    }
    return sum / (double)pp_echoes_mics(echoes);
}

/* False where one is no number; else what is too small for a logarithm is made larger. */
static bool tame(double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
        values[i] = fmax(values[i], SMALLEST_POWER);
    }
    return true;
}

static void judge(pp_echoes *echoes, const double *power, double direct, double period_s, float *values)
{
    const size_t gates = pp_echoes_gates(echoes);
    if (echoes->looks == 0) {
        memcpy(echoes->floor, power, gates * sizeof(double));
    }
    const pp_quiet_steps steps = pp_quiet_steps_of(echoes->looks, period_s);
    echoes->looks += echoes->looks < SIZE_MAX;
    for (size_t gate = 0; gate < gates; gate++) {
        echoes->floor[gate] *= power[gate] > echoes->floor[gate] ? steps.up : steps.down;
        const double quiet = echoes->floor[gate] / echoes->quantile;
        values[gate] = pp_limited(asinh(pp_deviate(power[gate] / quiet, echoes->spec.shape)));
        const double excess = fmax(power[gate] - quiet, LEAST_EXCESS * quiet);
        const double strength_db = 10.0 * log10(excess / direct) + echoes->spec.spread_db[gate];
        values[gates + gate] = pp_limited((strength_db - MIDDLE_DB) / UNIT_DB);
    }
}

bool pp_echoes_execute(pp_echoes *echoes, const float *pulse, double period_s, float *values)
{
    const size_t gates = pp_echoes_gates(echoes);
    double found[PP_MAX_BANDS + 1];
    const bool comparable = echoes->has_before && period_s > 0;
    if (comparable) {
        moved_power(echoes, pulse, found);
        found[gates] = direct_power(echoes, pulse);
    }
    memcpy(echoes->before, pulse, pp_echoes_mics(echoes) * pp_echoes_bins(echoes) * 2 * sizeof(float));
    echoes->has_before = true;
    if (!comparable) {
        return false;
    }
    if (!tame(found, gates + 1)) {
        echoes->has_before = false;
        return false;
    }
    judge(echoes, found, found[gates], period_s, values);
    return true;
}
