#include "range_gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "chirp.h"
#include "compressor.h"
#include "delay_line.h"
#include "phase.h"

#define QUADS_MAX (PP_MAX_MICS / PP_MICS_PER_QUAD)
#define CHUNK_SAMPLES (PP_BAND_CHUNK_GROUPS * PP_BAND_GROUP_SAMPLES)
#define MAX_OFFSET_S 10

/* A pulse on the grid of samples: its window's first sample, and how far the pulse begins behind a sample. */
typedef struct {
    int64_t first_sample;
    double shift; /* in samples, 0 to below 1 */
} placed_pulse;

struct pp_range_gate {
    pp_band *band;
    pp_compressor *compressor;
    pp_delay_line line[QUADS_MAX];
    size_t mics;
    size_t quads;
    size_t bins;
    int64_t lead_samples;
    int64_t period_frames;
    int64_t first_frame; /* of the stream, since the last reset */
    double offset_frames;
    int64_t samples;     /* of the band, since the last reset */
    int64_t pulse;       /* the next one's number */
};

static bool in_range(const char *name, int value, int lowest, int highest, char *reason)
{
    if (value >= lowest && value <= highest) {
        return true;
    }
    snprintf(reason, PP_REASON_BYTES, "%s: wanted %d to %d, got %d", name, lowest, highest, value);
    return false;
}

static bool spec_is_valid(const pp_range_gate_spec *spec, char *reason)
{
    if (spec->rate_hz != 192000 && spec->rate_hz != 96000) {
        snprintf(reason, PP_REASON_BYTES, "rate_hz: wanted 192000 or 96000, got %d", spec->rate_hz);
        return false;
    }
    const double nyquist_hz = 0.5 * spec->rate_hz;
    const double highest_hz = fmin(PP_HIGHEST_CHIRP_HZ, nyquist_hz - PP_BAND_STOP_HZ);
    if (!(spec->centre_hz >= PP_LOWEST_CHIRP_HZ && spec->centre_hz <= highest_hz)) {
        snprintf(reason, PP_REASON_BYTES, "centre_hz: wanted %.0f to %.0f at rate %d, got %g", PP_LOWEST_CHIRP_HZ,
                 highest_hz, spec->rate_hz, spec->centre_hz);
        return false;
    }
    const int room = PP_COMPRESSOR_MAX_SAMPLES;
    if (!in_range("mics", spec->mics, 1, PP_MAX_MICS, reason) ||
        !in_range("period_frames", spec->period_frames, spec->rate_hz / 1000, spec->rate_hz, reason) ||
        !in_range("bin_samples", spec->bin_samples, 1, 2, reason) ||
        !in_range("replica_samples", spec->replica_samples, 1, room - 2, reason) ||
        !in_range("lead_samples", spec->lead_samples, 0, room, reason) ||
        !in_range("bins", spec->bins, 1, (room - spec->replica_samples) / spec->bin_samples, reason)) {
        return false;
    }
    for (int i = 0; i < 2 * spec->replica_samples; i++) {
        if (!isfinite(spec->replica[i])) {
            snprintf(reason, PP_REASON_BYTES, "replica: wanted finite numbers, got %g", (double)spec->replica[i]);
            return false;
        }
    }
    return true;
}

static bool create_lines(pp_range_gate *gate)
{
    /* A window is complete at any sample of a chunk; as much again, so that the line slides seldom. */
    const size_t history = pp_compressor_window_samples(gate->compressor) + CHUNK_SAMPLES;
    bool ok = true;
    for (size_t q = 0; q < gate->quads; q++) {
        ok &= pp_delay_line_create(&gate->line[q], PP_COMPLEX_FLOATS, history, history);
    }
    return ok;
}

pp_range_gate *pp_range_gate_create(const pp_range_gate_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_range_gate *const gate = malloc(sizeof(pp_range_gate));
    if (gate == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    const pp_compressor_spec compression = {(size_t)spec->bins, (size_t)spec->bin_samples,
                                            (size_t)spec->replica_samples, spec->replica};
    *gate = (pp_range_gate){
        .band = pp_band_create(spec->rate_hz, spec->mics, spec->centre_hz),
        .compressor = pp_compressor_create(&compression),
        .mics = (size_t)spec->mics,
        .quads = ((size_t)spec->mics + PP_MICS_PER_QUAD - 1) / PP_MICS_PER_QUAD,
        .bins = (size_t)spec->bins,
        .lead_samples = spec->lead_samples,
        .period_frames = spec->period_frames,
    };
    if (gate->band == NULL || gate->compressor == NULL || !create_lines(gate)) {
        pp_range_gate_destroy(gate);
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    pp_range_gate_reset(gate, 0, 0.0, reason);
    return gate;
}

void pp_range_gate_destroy(pp_range_gate *gate)
{
    if (gate == NULL) {
        return;
    }
    for (size_t q = 0; q < gate->quads; q++) {
        pp_delay_line_destroy(&gate->line[q]);
    }
    pp_compressor_destroy(gate->compressor);
    pp_band_destroy(gate->band);
    free(gate);
}

size_t pp_range_gate_mics(const pp_range_gate *gate)
{
    return gate->mics;
}

size_t pp_range_gate_bins(const pp_range_gate *gate)
{
    return gate->bins;
}

static placed_pulse place(const pp_range_gate *gate, int64_t pulse)
{
    const int64_t decimation = (int64_t)pp_band_decimation(gate->band);
    const int64_t delay_half_frames = pp_band_delay_half_frames(gate->band);
    const double whole = floor(gate->offset_frames);
    /* Sample j describes frame first_frame + j * decimation + decimation - 1 - delay. */
    int64_t frame = pulse * gate->period_frames + (int64_t)whole - gate->first_frame - (decimation - 1) +
                    delay_half_frames / 2;
    double rest = gate->offset_frames - whole + 0.5 * (double)(delay_half_frames % 2);
    if (rest >= 1.0) {
        rest -= 1.0;
        frame += 1;
    }
    const int64_t over = ((frame % decimation) + decimation) % decimation;
    return (placed_pulse){
        .first_sample = (frame - over) / decimation - gate->lead_samples,
        .shift = ((double)over + rest) / (double)decimation,
    };
}

bool pp_range_gate_reset(pp_range_gate *gate, int64_t first_frame, double offset_frames, char *reason)
{
    const double highest_offset_frames = (double)MAX_OFFSET_S * PP_BAND_HZ * (double)pp_band_decimation(gate->band);
    if (first_frame < 0 || first_frame > PP_MAX_FRAME) {
        snprintf(reason, PP_REASON_BYTES, "first_frame: wanted 0 to %lld, got %lld", (long long)PP_MAX_FRAME,
                 (long long)first_frame);
        return false;
    }
    if (!(offset_frames >= 0.0 && offset_frames <= highest_offset_frames)) {
        snprintf(reason, PP_REASON_BYTES, "offset_frames: wanted 0 to %.0f, got %g", highest_offset_frames,
                 offset_frames);
        return false;
    }
    pp_band_reset(gate->band, first_frame);
    for (size_t q = 0; q < gate->quads; q++) {
        pp_delay_line_reset(&gate->line[q]);
    }
    gate->first_frame = first_frame;
    gate->offset_frames = offset_frames;
    gate->samples = 0;
    /* from one that is too early on to the first whole window */
    const int64_t late = first_frame - (int64_t)offset_frames;
    gate->pulse = late > 0 ? late / gate->period_frames : 0;
    while (place(gate, gate->pulse).first_sample < PP_BAND_SETTLE_SAMPLES) {
        gate->pulse++;
    }
    return true;
}

int64_t pp_range_gate_next_pulse_frame(const pp_range_gate *gate)
{
    return gate->pulse * gate->period_frames;
}

static int64_t window_end(const pp_range_gate *gate, int64_t pulse)
{
    return place(gate, pulse).first_sample + (int64_t)pp_compressor_window_samples(gate->compressor);
}

size_t pp_range_gate_output_pulses(const pp_range_gate *gate, size_t frames)
{
    const int64_t samples = gate->samples + (int64_t)(pp_band_groups(gate->band, frames) * PP_BAND_GROUP_SAMPLES);
    const int64_t behind_frames = (samples - window_end(gate, gate->pulse)) * (int64_t)pp_band_decimation(gate->band);
    int64_t pulses = behind_frames > 0 ? behind_frames / gate->period_frames : 0;
    while (window_end(gate, gate->pulse + pulses) <= samples) {
        pulses++;
    }
    return (size_t)pulses;
}

static void give_pulse(pp_range_gate *gate, float *echoes)
{
    const placed_pulse placed = place(gate, gate->pulse);
    pp_compressor_shift(gate->compressor, placed.shift);
    const double whole = floor(gate->offset_frames);
    const uint64_t step = pp_band_step(gate->band);
    const uint64_t left_frame = (uint64_t)pp_range_gate_next_pulse_frame(gate) + (uint64_t)whole;
    const uint64_t fraction = (uint64_t)((double)step * (gate->offset_frames - whole));
    const pp_phasor turn = pp_phasor_at(step * left_frame + fraction);
    for (size_t q = 0; q < gate->quads; q++) {
        const size_t first_mic = q * PP_MICS_PER_QUAD;
        const size_t left = gate->mics - first_mic;
        const pp_delay_line *const line = &gate->line[q];
        const size_t first_entry = line->end - (size_t)(gate->samples - placed.first_sample);
        pp_compressor_execute(gate->compressor, (const pp_quad *)(line->floats + line->width * first_entry), turn,
                              left < PP_MICS_PER_QUAD ? left : PP_MICS_PER_QUAD, echoes + 2 * first_mic * gate->bins);
    }
    gate->pulse++;
}

/* Groups that no window needs are not filtered. */
static void take_groups(pp_range_gate *gate, size_t groups)
{
    const int64_t needed = place(gate, gate->pulse).first_sample - PP_BAND_SETTLE_SAMPLES;
    const int64_t idle = needed > gate->samples ? (needed - gate->samples) / PP_BAND_GROUP_SAMPLES : 0;
    const size_t skipped = (uint64_t)idle < groups ? (size_t)idle : groups;
    pp_quad *out[QUADS_MAX] = {NULL};
    for (size_t q = 0; q < gate->quads; q++) {
        pp_delay_line *const line = &gate->line[q];
        out[q] = (pp_quad *)pp_delay_line_append(line, groups * PP_BAND_GROUP_SAMPLES) +
                 2 * skipped * PP_BAND_GROUP_SAMPLES;
        line->oldest += groups * PP_BAND_GROUP_SAMPLES;
    }
    pp_band_skip(gate->band, skipped);
    pp_band_give(gate->band, groups - skipped, out);
    gate->samples += (int64_t)(groups * PP_BAND_GROUP_SAMPLES);
}

size_t pp_range_gate_execute(pp_range_gate *gate, const int32_t *pcm, size_t frames, float *echoes, size_t pulses)
{
    if (pulses != pp_range_gate_output_pulses(gate, frames)) {
        return PP_WRONG_PULSES;
    }
    while (frames > 0) {
        size_t groups = 0;
        const size_t taken = pp_band_take(gate->band, pcm, frames, &groups);
        pcm += taken * gate->mics;
        frames -= taken;
        take_groups(gate, groups);
        while (window_end(gate, gate->pulse) <= gate->samples) {
            give_pulse(gate, echoes);
            echoes += 2 * gate->mics * gate->bins;
        }
    }
    return pulses;
}
