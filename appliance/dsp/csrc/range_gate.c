#include "range_gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delay_line.h"
#include "fft.h"
#include "phase.h"

#define QUADS_MAX (PP_MAX_MICS / PP_MICS_PER_QUAD)
#define CHUNK_SAMPLES (PP_BAND_CHUNK_GROUPS * PP_BAND_GROUP_SAMPLES)
#define MAX_OFFSET_S 10

/* A pulse on the grid of samples: its window's first sample, and how far the pulse begins behind a sample. */
typedef struct {
    int64_t first_sample;
    double shift_frames; /* 0 to below one sample */
} placed_pulse;

struct pp_range_gate {
    pp_band *band;
    pp_fft *forward;
    pp_fft *inverse;
    float *replica;    /* spectrum of the replica, [points] complex */
    float *weights;    /* what a window's spectrum is multiplied with at `shift_frames`, [points] complex */
    pp_quad *work;     /* [points][2] */
    pp_delay_line line[QUADS_MAX];
    size_t mics;
    size_t quads;
    size_t points;
    size_t bins;
    size_t bin_samples;
    size_t window_samples;
    int64_t lead_samples;
    int64_t period_frames;
    int64_t first_frame;       /* of the stream, since the last reset */
    double offset_frames;
    double shift_frames;       /* for which the weights stand */
    int64_t samples;           /* of the band, since the last reset */
    int64_t pulse;             /* the next one's number */
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
    const double highest_hz = spec->rate_hz == 192000 ? 48000.0 : 48000.0 - PP_BAND_STOP_HZ;
    if (!(spec->centre_hz >= PP_MIN_CHIRP_HZ && spec->centre_hz <= highest_hz)) {
        snprintf(reason, PP_REASON_BYTES, "centre_hz: wanted %.0f to %.0f at rate %d, got %g", PP_MIN_CHIRP_HZ,
                 highest_hz, spec->rate_hz, spec->centre_hz);
        return false;
    }
    const int room = PP_FFT_MAX_POINTS - PP_RANGE_GUARD_SAMPLES;
    if (!in_range("mics", spec->mics, 1, PP_MAX_MICS, reason) ||
        !in_range("period_frames", spec->period_frames, spec->rate_hz / 1000, spec->rate_hz, reason) ||
        !in_range("bin_samples", spec->bin_samples, 1, 2, reason) ||
        !in_range("replica_samples", spec->replica_samples, 1, room - 1, reason) ||
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

static size_t points_for(size_t samples)
{
    size_t points = PP_FFT_MIN_POINTS * 2; /* the inverse transform may be half as long */
    while (points < samples) {
        points *= 2;
    }
    return points;
}

static void transform_replica(pp_range_gate *gate, const pp_range_gate_spec *spec)
{
    memset(gate->work, 0, gate->points * 2 * sizeof(pp_quad));
    for (size_t i = 0; i < (size_t)spec->replica_samples; i++) {
        gate->work[2 * i][0] = spec->replica[2 * i];
        gate->work[2 * i + 1][0] = spec->replica[2 * i + 1];
    }
    pp_fft_execute(gate->forward, gate->work);
    for (size_t f = 0; f < 2 * gate->points; f++) {
        gate->replica[f] = gate->work[f][0] / (float)gate->points;
    }
}

/* Weights for pulses that begin `shift_frames` behind a sample: the conjugate of the replica, later by that. */
static void shift_weights(pp_range_gate *gate, double shift_frames)
{
    const double samples = shift_frames / (double)pp_band_decimation(gate->band);
    const uint64_t step = (uint64_t)(samples / (double)gate->points * 18446744073709551616.0);
    for (size_t f = 0; f < gate->points; f++) {
        /* the upper half of the transform holds the frequencies below the centre */
        const uint64_t line = (uint64_t)f - (f < gate->points / 2 ? 0 : (uint64_t)gate->points);
        const pp_phasor turn = pp_phasor_at(step * line);
        const double re = gate->replica[2 * f];
        const double im = gate->replica[2 * f + 1];
        gate->weights[2 * f] = (float)(re * turn.cosine + im * turn.sine);
        gate->weights[2 * f + 1] = (float)(re * turn.sine - im * turn.cosine);
    }
    gate->shift_frames = shift_frames;
}

/* Memory for one that is zero but for its sizes. */
static bool allocate(pp_range_gate *gate)
{
    gate->forward = pp_fft_create(gate->points);
    gate->inverse = pp_fft_create(gate->points / gate->bin_samples);
    gate->replica = malloc(gate->points * 2 * sizeof(float));
    gate->weights = malloc(gate->points * 2 * sizeof(float));
    gate->work = aligned_alloc(sizeof(pp_quad), gate->points * 2 * sizeof(pp_quad));
    bool ok = gate->band != NULL && gate->forward != NULL && gate->inverse != NULL && gate->replica != NULL &&
              gate->weights != NULL && gate->work != NULL;
    for (size_t q = 0; q < gate->quads; q++) {
        /* A window is complete at any sample of a chunk; as much again, so that the line slides seldom. */
        const size_t history = gate->window_samples + CHUNK_SAMPLES;
        ok &= pp_delay_line_create(&gate->line[q], 2, history, history);
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
    const size_t used = (size_t)((spec->bins - 1) * spec->bin_samples + spec->replica_samples);
    *gate = (pp_range_gate){
        .band = pp_band_create(spec->rate_hz, spec->mics, spec->centre_hz),
        .mics = (size_t)spec->mics,
        .quads = ((size_t)spec->mics + PP_MICS_PER_QUAD - 1) / PP_MICS_PER_QUAD,
        .points = points_for(used + PP_RANGE_GUARD_SAMPLES),
        .bins = (size_t)spec->bins,
        .bin_samples = (size_t)spec->bin_samples,
        .window_samples = used + PP_RANGE_GUARD_SAMPLES / 2,
        .lead_samples = spec->lead_samples,
        .period_frames = spec->period_frames,
    };
    if (!allocate(gate)) {
        pp_range_gate_destroy(gate);
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    transform_replica(gate, spec);
    shift_weights(gate, 0.0);
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
    free(gate->work);
    free(gate->weights);
    free(gate->replica);
    pp_fft_destroy(gate->inverse);
    pp_fft_destroy(gate->forward);
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
        .shift_frames = (double)over + rest,
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
    return place(gate, pulse).first_sample + (int64_t)gate->window_samples;
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

/* Times the weights, folded to as many lines as the inverse transform has, and conjugated, which makes a forward
 * transform of it an inverse one. */
static void weight_and_fold(pp_quad *data, const float *weights, size_t points, size_t bin_samples)
{
    const size_t lines = points / bin_samples;
    for (size_t f = 0; f < lines; f++) {
        pp_quad re = data[2 * f] * weights[2 * f] - data[2 * f + 1] * weights[2 * f + 1];
        pp_quad im = data[2 * f] * weights[2 * f + 1] + data[2 * f + 1] * weights[2 * f];
        if (bin_samples == 2) {
            const pp_quad *const upper = data + 2 * lines;
            const float *const upper_weights = weights + 2 * lines;
            re += upper[2 * f] * upper_weights[2 * f] - upper[2 * f + 1] * upper_weights[2 * f + 1];
            im += upper[2 * f] * upper_weights[2 * f + 1] + upper[2 * f + 1] * upper_weights[2 * f];
        }
        data[2 * f] = re;
        data[2 * f + 1] = -im;
    }
}

/* One quad's window -> its rows of `echoes` [mics][bins], turned by `turn`, the centre's phase when the pulse left. */
static void compress(pp_range_gate *gate, size_t q, size_t first_entry, pp_phasor turn, float *echoes)
{
    pp_quad *const work = gate->work;
    const size_t window_quads = 2 * gate->window_samples;
    memcpy(work, gate->line[q].entries + 2 * first_entry, window_quads * sizeof(pp_quad));
    memset(work + window_quads, 0, (2 * gate->points - window_quads) * sizeof(pp_quad));
    pp_fft_execute(gate->forward, work);
    weight_and_fold(work, gate->weights, gate->points, gate->bin_samples);
    pp_fft_execute(gate->inverse, work);
    const float cosine = (float)turn.cosine;
    const float sine = (float)turn.sine;
    const size_t first_mic = q * PP_MICS_PER_QUAD;
    const size_t left = gate->mics - first_mic;
    const size_t lanes = left < PP_MICS_PER_QUAD ? left : PP_MICS_PER_QUAD;
    float *const rows = echoes + 2 * first_mic * gate->bins;
    for (size_t b = 0; b < gate->bins; b++) {
        const pp_quad re = work[2 * b] * cosine + work[2 * b + 1] * sine;
        const pp_quad im = work[2 * b] * sine - work[2 * b + 1] * cosine;
        for (size_t lane = 0; lane < lanes; lane++) {
            rows[2 * (lane * gate->bins + b)] = re[lane];
            rows[2 * (lane * gate->bins + b) + 1] = im[lane];
        }
    }
}

static void give_pulse(pp_range_gate *gate, float *echoes)
{
    const placed_pulse placed = place(gate, gate->pulse);
    if (placed.shift_frames != gate->shift_frames) {
        shift_weights(gate, placed.shift_frames);
    }
    const double whole = floor(gate->offset_frames);
    const uint64_t step = pp_band_step(gate->band);
    const uint64_t left_frame = (uint64_t)pp_range_gate_next_pulse_frame(gate) + (uint64_t)whole;
    const uint64_t fraction = (uint64_t)((double)step * (gate->offset_frames - whole));
    const pp_phasor turn = pp_phasor_at(step * left_frame + fraction);
    for (size_t q = 0; q < gate->quads; q++) {
        const size_t newest = (size_t)(gate->samples - placed.first_sample);
        compress(gate, q, gate->line[q].end - newest, turn, echoes);
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
        out[q] = pp_delay_line_append(line, groups * PP_BAND_GROUP_SAMPLES) + 2 * skipped * PP_BAND_GROUP_SAMPLES;
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
