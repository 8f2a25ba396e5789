#include "chirp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "amplitude.h"

struct pp_chirp {
    size_t outputs;
    double max_amplitude;
    float limit;    /* max_amplitude in units of the output */
    float gain;     /* of the pulse under way, in the same units */
    size_t frames;  /* of a pulse */
    size_t given;   /* frames of the pulse under way; all of them when none is */
    float pulse[];
};

/* Whether `value` lies in its range, ends included; a NaN does not. */
static bool is_within(const char *name, double value, double low, double high, char *reason)
{
    if (value >= low && value <= high) {
        return true;
    }
    snprintf(reason, PP_REASON_BYTES, "%s: wanted %g to %g, got %g", name, low, high, value);
    return false;
}

static bool spec_is_valid(const pp_chirp_spec *spec, char *reason)
{
    if (spec->rate_hz != 192000 && spec->rate_hz != 96000) {
        snprintf(reason, PP_REASON_BYTES, "rate_hz: wanted 192000 or 96000, got %d", spec->rate_hz);
        return false;
    }
    if (spec->outputs < 1 || spec->outputs > PP_MAX_OUTPUTS) {
        snprintf(reason, PP_REASON_BYTES, "outputs: wanted 1 to %d, got %d", PP_MAX_OUTPUTS, spec->outputs);
        return false;
    }
    if (!(spec->max_amplitude > 0 && spec->max_amplitude <= 1)) {
        snprintf(reason, PP_REASON_BYTES, "max_amplitude: wanted above 0 to 1, got %g", spec->max_amplitude);
        return false;
    }
    if (!is_within("start_hz", spec->start_hz, PP_LOWEST_CHIRP_HZ, PP_HIGHEST_CHIRP_HZ, reason) ||
        !is_within("stop_hz", spec->stop_hz, PP_LOWEST_CHIRP_HZ, PP_HIGHEST_CHIRP_HZ, reason) ||
        !is_within("pulse_s", spec->pulse_s, PP_MIN_PULSE_S, PP_MAX_PULSE_S, reason) ||
        !is_within("fade_s", spec->fade_s, PP_MIN_PULSE_FADE_S, PP_MAX_PULSE_FADE_S, reason)) {
        return false;
    }
    if (fabs(spec->stop_hz - spec->start_hz) < PP_MIN_SWEEP_HZ) {
        snprintf(reason, PP_REASON_BYTES, "stop_hz: wanted at least %g Hz from start_hz %g, got %g", PP_MIN_SWEEP_HZ,
                 spec->start_hz, spec->stop_hz);
        return false;
    }
    return true;
}

static void draw_pulse(pp_chirp *chirp, const pp_chirp_spec *spec)
{
    const double pi = 3.141592653589793;
    const double frames = (double)chirp->frames;
    const double fade_frames = (double)llrint(spec->fade_s * spec->rate_hz);
    for (size_t i = 0; i < chirp->frames; i++) {
        const double n = (double)i;
        const double to_edge = fmin(n, frames - 1 - n) + 0.5;
        const double rise = to_edge < fade_frames ? sin(pi / 2 * to_edge / fade_frames) : 1;
        const double turns = (spec->start_hz + (spec->stop_hz - spec->start_hz) * n / (2 * frames)) * n / spec->rate_hz;
        chirp->pulse[i] = (float)(rise * rise * sin(2 * pi * (turns - floor(turns))));
    }
}

pp_chirp *pp_chirp_create(const pp_chirp_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    const size_t frames = (size_t)llrint(spec->pulse_s * spec->rate_hz);
    pp_chirp *const chirp = malloc(sizeof(pp_chirp) + frames * sizeof(float));
    if (chirp == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    *chirp = (pp_chirp){
        .outputs = (size_t)spec->outputs,
        .max_amplitude = spec->max_amplitude,
        .limit = pp_limit_of(spec->max_amplitude),
        .frames = frames,
    };
    draw_pulse(chirp, spec);
    pp_chirp_reset(chirp);
    return chirp;
}

void pp_chirp_destroy(pp_chirp *chirp)
{
    free(chirp);
}

size_t pp_chirp_outputs(const pp_chirp *chirp)
{
    return chirp->outputs;
}

const float *pp_chirp_pulse(const pp_chirp *chirp)
{
    return chirp->pulse;
}

size_t pp_chirp_pulse_frames(const pp_chirp *chirp)
{
    return chirp->frames;
}

void pp_chirp_reset(pp_chirp *chirp)
{
    chirp->given = chirp->frames;
}

bool pp_chirp_begin(pp_chirp *chirp, double amplitude, char *reason)
{
    if (!(amplitude >= 0 && isfinite(amplitude))) {
        snprintf(reason, PP_REASON_BYTES, "amplitude: wanted 0 or more of full scale, got %g", amplitude);
        return false;
    }
    if (pp_chirp_frames_left(chirp) > 0) {
        snprintf(reason, PP_REASON_BYTES, "wanted to begin behind the last pulse, which has %zu frames left",
                 pp_chirp_frames_left(chirp));
        return false;
    }
    chirp->gain = fminf((float)(fmin(amplitude, chirp->max_amplitude) * PP_FULL_SCALE), chirp->limit);
    chirp->given = 0;
    return true;
}

size_t pp_chirp_frames_left(const pp_chirp *chirp)
{
    return chirp->frames - chirp->given;
}

static inline int32_t smaller(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

static inline int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* `outputs` is a constant where this is called. */
static inline __attribute__((always_inline)) void add_pulse(int32_t *restrict samples, size_t outputs,
                                                            const float *restrict pulse, size_t frames, float gain,
                                                            int32_t limit)
{
    for (size_t n = 0; n < frames; n++) {
        const int32_t more = pp_rounded(gain * pulse[n]);
        /* What is there is limited to what leaves room, so that the sum needs no wider type. */
        const int32_t highest = limit - larger(more, 0);
        const int32_t lowest = -limit - smaller(more, 0);
        for (size_t m = 0; m < outputs; m++) {
            int32_t *const sample = &samples[n * outputs + m];
            *sample = larger(smaller(*sample, highest), lowest) + more;
        }
    }
}

void pp_chirp_execute(pp_chirp *chirp, int32_t *samples, size_t frames)
{
    const size_t left = pp_chirp_frames_left(chirp);
    const size_t now = frames < left ? frames : left;
    const float *const pulse = chirp->pulse + chirp->given;
    const int32_t limit = (int32_t)chirp->limit;
    switch (chirp->outputs) {
    case 1:
        add_pulse(samples, 1, pulse, now, chirp->gain, limit);
        break;
    case 2:
        add_pulse(samples, 2, pulse, now, chirp->gain, limit);
        break;
    default:
        add_pulse(samples, chirp->outputs, pulse, now, chirp->gain, limit);
    }
    chirp->given += now;
}
