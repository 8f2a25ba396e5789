#include "tone.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "amplitude.h"
#include "phase.h"
#include "tone_block.h"

typedef struct {
    pp_tone_table table;
    uint64_t phase;
    uint64_t step;      /* phase advance per frame now; below half a turn, so that differences fit int64_t */
    uint64_t step_from;
    uint64_t step_to;
    double amplitude;   /* of full scale, now */
    double amplitude_from;
    double amplitude_to;
} tone_voice;

struct pp_tone {
    int32_t block[PP_TONE_BLOCK_FRAMES]; /* made, but not yet given away from `given` on */
    size_t given;
    bool moving;             /* the block belongs to a transition */
    double loudest;          /* sum of amplitudes at the block's louder end */
    int rate_hz;
    size_t outputs;
    double max_amplitude;
    float limit;             /* max_amplitude in units of the output, never above the largest int32 */
    int64_t fade_blocks;
    int64_t position;        /* blocks into the transition; fade_blocks when settled */
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
    /* malloc need not align vectors on every processor. */
    pp_tone *const tone = aligned_alloc(_Alignof(pp_tone), sizeof(pp_tone));
    if (tone == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    *tone = (pp_tone){
        .rate_hz = spec->rate_hz,
        .outputs = (size_t)spec->outputs,
        .max_amplitude = spec->max_amplitude,
        .limit = pp_limit_of(spec->max_amplitude),
        .fade_blocks = llrint(spec->fade_s * spec->rate_hz / PP_TONE_BLOCK_FRAMES),
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
    tone->position = tone->fade_blocks;
    tone->given = PP_TONE_BLOCK_FRAMES;
    tone->moving = false;
    tone->loudest = 0;
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
        voice->step = voice->amplitude > 0 ? voice->step : step_to[v];
        voice->step_from = voice->step;
        voice->step_to = step_to[v];
    }
    tone->position = 0;
    return true;
}

bool pp_tone_settled(const pp_tone *tone)
{
    return tone->position == tone->fade_blocks && !(tone->moving && tone->given < PP_TONE_BLOCK_FRAMES);
}

double pp_tone_loudest(const pp_tone *tone)
{
    double wanted = 0;
    double now = 0;
    for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
        wanted += tone->voices[v].amplitude_to;
        now += tone->voices[v].amplitude;
    }
    return fmax(wanted, tone->given < PP_TONE_BLOCK_FRAMES ? tone->loudest : now);
}

/* The voice's part in the next block, its amplitude going straight to `amplitude`; moves the phase behind the block. */
static pp_tone_part part_of(tone_voice *voice, double amplitude, int64_t bend)
{
    if (voice->table.step != voice->step || voice->table.bend != bend) {
        pp_tone_make_table(&voice->table, voice->step, bend);
    }
    const pp_phasor start = pp_phasor_at(voice->phase);
    const uint64_t pairs = PP_TONE_BLOCK_FRAMES * (PP_TONE_BLOCK_FRAMES - 1) / 2;
    voice->phase += PP_TONE_BLOCK_FRAMES * voice->step + pairs * (uint64_t)bend;
    return (pp_tone_part){
        .table = &voice->table,
        .by_cosine = (float)start.sine,
        .by_sine = (float)start.cosine,
        .gain = (float)(voice->amplitude * PP_FULL_SCALE),
        .slope = (float)((amplitude - voice->amplitude) * (PP_FULL_SCALE / PP_TONE_BLOCK_FRAMES)),
    };
}

/* How far along the raised cosine the next block ends; the last one ends exactly at 1. */
static double advance_transition(pp_tone *tone)
{
    if (tone->position == tone->fade_blocks || ++tone->position == tone->fade_blocks) {
        return 1;
    }
    const uint64_t half_turn = UINT64_C(1) << 63;
    const uint64_t angle = half_turn / (uint64_t)tone->fade_blocks * (uint64_t)tone->position;
    return 0.5 - 0.5 * pp_phasor_at(angle).cosine;
}

static void store_limited(int32_t *restrict block, const pp_tone_floats *restrict sum, float limit)
{
#pragma GCC unroll 4
    for (size_t n = 0; n < PP_TONE_BLOCK_FRAMES; n++) {
        /* The amplitudes keep the limit up to a float's rounding, and this the rest. */
        const float below = sum->frames[n] < limit ? sum->frames[n] : limit;
        const float within = below > -limit ? below : -limit;
        block[n] = pp_rounded(within);
    }
}

static void make_block(pp_tone *tone)
{
    pp_tone_part parts[PP_MAX_CARRIERS];
    size_t count = 0;
    tone->moving = tone->position < tone->fade_blocks;
    const double done = advance_transition(tone);
    const bool last = tone->position == tone->fade_blocks;
    double before = 0;
    double after = 0;
    for (size_t v = 0; v < PP_MAX_CARRIERS; v++) {
        tone_voice *const voice = &tone->voices[v];
        const double amplitude = last ? voice->amplitude_to
                                      : voice->amplitude_from + done * (voice->amplitude_to - voice->amplitude_from);
        const double glide = (double)(int64_t)(voice->step_to - voice->step_from);
        const uint64_t step = last ? voice->step_to : voice->step_from + (uint64_t)(int64_t)(done * glide);
        if (voice->amplitude > 0 || amplitude > 0) {
            parts[count++] = part_of(voice, amplitude, (int64_t)(step - voice->step) / PP_TONE_BLOCK_FRAMES);
        }
        before += voice->amplitude;
        after += amplitude;
        voice->amplitude = amplitude;
        voice->step = step;
    }
    tone->loudest = before > after ? before : after;
    pp_tone_floats sum;
    if (tone->moving) {
        pp_tone_add_any(parts, count, false, &sum);
    } else {
        pp_tone_add_any(parts, count, true, &sum);
    }
    store_limited(tone->block, &sum, tone->limit);
    tone->given = 0;
}

/* The same signal on both of two outputs; `frames` is a multiple of PP_TONE_LANES. */
static void spread_twice(int32_t *samples, const int32_t *mono, size_t frames)
{
#pragma GCC unroll 4
    for (size_t n = 0; n < frames; n += PP_TONE_LANES) {
        pp_tone_int_lanes each;
        memcpy(&each, mono + n, sizeof each);
        const pp_tone_int_lanes first = __builtin_shufflevector(each, each, 0, 0, 1, 1);
        const pp_tone_int_lanes second = __builtin_shufflevector(each, each, 2, 2, 3, 3);
        memcpy(samples + 2 * n, &first, sizeof first);
        memcpy(samples + 2 * n + PP_TONE_LANES, &second, sizeof second);
    }
}

/* The same signal on every output. */
static void spread(int32_t *samples, size_t outputs, const int32_t *mono, size_t frames)
{
    const size_t whole = outputs == 2 ? frames / PP_TONE_LANES * PP_TONE_LANES : 0;
    spread_twice(samples, mono, whole);
    for (size_t n = whole; n < frames; n++) {
        for (size_t m = 0; m < outputs; m++) {
            samples[n * outputs + m] = mono[n];
        }
    }
}

void pp_tone_execute(pp_tone *tone, int32_t *samples, size_t frames)
{
    while (frames > 0) {
        if (tone->given == PP_TONE_BLOCK_FRAMES) {
            make_block(tone);
        }
        const size_t left = PP_TONE_BLOCK_FRAMES - tone->given;
        const size_t now = frames < left ? frames : left;
        spread(samples, tone->outputs, tone->block + tone->given, now);
        tone->given += now;
        samples += now * tone->outputs;
        frames -= now;
    }
}
