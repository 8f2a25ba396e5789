#include "tone.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "phase.h"

typedef struct {
    uint64_t phase;
    uint64_t step;      /* phase advance per frame now; below half a turn, so that differences fit int64_t */
    uint64_t step_from;
    uint64_t step_to;
    double amplitude;   /* of full scale, now */
    double amplitude_from;
    double amplitude_to;
} tone_voice;

struct pp_tone {
    int rate_hz;
    size_t outputs;
    double max_amplitude;
    double limit;            /* max_amplitude in units of the output, never above the largest int32 */
    int64_t fade_frames;
    int64_t position;        /* frames into the transition; fade_frames when settled */
    tone_voice voices[PP_MAX_CARRIERS];
};

static bool spec_is_valid(const pp_tone_spec *spec, char *reason)
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
    if (!(spec->fade_s >= PP_MIN_FADE_S && spec->fade_s <= PP_MAX_FADE_S)) {
        snprintf(reason, PP_REASON_BYTES, "fade_s: wanted %g to %g, got %g", PP_MIN_FADE_S, PP_MAX_FADE_S,
                 spec->fade_s);
        return false;
    }
    return true;
}

pp_tone *pp_tone_create(const pp_tone_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_tone *const tone = malloc(sizeof(pp_tone));
    if (tone == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    *tone = (pp_tone){
        .rate_hz = spec->rate_hz,
        .outputs = (size_t)spec->outputs,
        .max_amplitude = spec->max_amplitude,
        .limit = fmin(floor(spec->max_amplitude * PP_FULL_SCALE), INT32_MAX),
        .fade_frames = llrint(spec->fade_s * spec->rate_hz),
    };
    pp_tone_reset(tone);
    return tone;
}

void pp_tone_destroy(pp_tone *tone)
{
    free(tone);
}

size_t pp_tone_outputs(const pp_tone *tone)
{
    return tone->outputs;
}

void pp_tone_reset(pp_tone *tone)
{
    tone->position = tone->fade_frames;
    for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
        tone->voices[v] = (tone_voice){0};
    }
}

static bool wish_is_valid(const pp_tone *tone, const double *carriers_hz, size_t count, double amplitude, char *reason)
{
    if (count > PP_MAX_CARRIERS) {
        snprintf(reason, PP_REASON_BYTES, "carriers_hz: wanted at most %d carriers, got %zu", PP_MAX_CARRIERS, count);
        return false;
    }
    if (!(amplitude >= 0 && isfinite(amplitude))) {
        snprintf(reason, PP_REASON_BYTES, "amplitude: wanted 0 or more of full scale, got %g", amplitude);
        return false;
    }
    const double highest_hz = tone->rate_hz / 2.0 - PP_NYQUIST_MARGIN_HZ;
    for (size_t c = 0; c < count; c++) {
        if (!(carriers_hz[c] >= PP_MIN_EMITTED_HZ && carriers_hz[c] <= highest_hz)) {
            snprintf(reason, PP_REASON_BYTES, "carriers_hz: wanted %.0f to %.0f at rate %d, got %g", PP_MIN_EMITTED_HZ,
                     highest_hz, tone->rate_hz, carriers_hz[c]);
            return false;
        }
    }
    return true;
}

bool pp_tone_play(pp_tone *tone, const double *carriers_hz, size_t count, double amplitude, char *reason)
{
    if (!wish_is_valid(tone, carriers_hz, count, amplitude, reason)) {
        return false;
    }
    uint64_t step_to[PP_MAX_CARRIERS];
    double amplitude_to[PP_MAX_CARRIERS];
    bool same = true;
    for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
        const tone_voice *const voice = &tone->voices[v];
        const bool wanted = v < count;
        step_to[v] = wanted ? pp_phase_step(carriers_hz[v], tone->rate_hz) : voice->step;
        amplitude_to[v] = wanted ? fmin(amplitude, tone->max_amplitude) / (double)count : 0;
        same &= amplitude_to[v] == voice->amplitude_to && (!wanted || step_to[v] == voice->step_to);
    }
    if (same) {
        return true;
    }
    for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
        tone_voice *const voice = &tone->voices[v];
        voice->amplitude_from = voice->amplitude;
        voice->amplitude_to = amplitude_to[v];
        /* Nobody hears a silent carrier change its frequency. */
        voice->step_from = voice->amplitude > 0 ? voice->step : step_to[v];
        voice->step_to = step_to[v];
    }
    tone->position = 0;
    return true;
}

bool pp_tone_settled(const pp_tone *tone)
{
    return tone->position == tone->fade_frames;
}

/* One frame further along the raised cosine; the last one lands exactly on what was asked. */
static void advance_transition(pp_tone *tone)
{
    tone->position++;
    const bool last = tone->position == tone->fade_frames;
    const uint64_t half_turn = UINT64_C(1) << 63;
    const uint64_t angle = half_turn / (uint64_t)tone->fade_frames * (uint64_t)tone->position;
    const double done = last ? 1.0 : 0.5 - 0.5 * pp_phasor_at(angle).cosine;
    for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
        tone_voice *const voice = &tone->voices[v];
        const double glide = (double)(int64_t)(voice->step_to - voice->step_from);
        voice->step = last ? voice->step_to : voice->step_from + (uint64_t)(int64_t)(done * glide);
        voice->amplitude = last ? voice->amplitude_to
                                : voice->amplitude_from + done * (voice->amplitude_to - voice->amplitude_from);
    }
}

void pp_tone_execute(pp_tone *tone, int32_t *samples, size_t frames)
{
    for (size_t n = 0; n < frames; n++) {
        if (!pp_tone_settled(tone)) {
            advance_transition(tone);
        }
        double sum = 0;
        for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
            tone_voice *const voice = &tone->voices[v];
            if (voice->amplitude > 0) {
                sum += voice->amplitude * pp_phasor_at(voice->phase).sine;
                voice->phase += voice->step;
            }
        }
        /* The amplitudes already keep the limit; this is the last safety, should they ever not. */
        const double limited = fmax(-tone->limit, fmin(tone->limit, sum * PP_FULL_SCALE));
        const int32_t sample = (int32_t)lrint(limited);
        for (size_t m = 0; m < tone->outputs; m++) {
            samples[n * tone->outputs + m] = sample;
        }
    }
}
