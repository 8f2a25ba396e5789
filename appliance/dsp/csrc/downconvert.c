#include "downconvert.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delay_line.h"
#include "phase.h"
#include "stages.h"
#include "taps.h"

/* All work is done in whole groups counted from the last reset, in chunks that begin and end where a chunk counted from
 * there would: that is why no cut of the input can show in the output. */
#define GROUP_FRAMES_MAX (PP_STAGE_1_OUTPUTS * PP_MAX_DECIMATION)

/* The last delay line is long and gets little; it slides only once in so many chunks. */
#define STAGE_3_CHUNKS 16

/* What depends on the rate of the PCM. */
typedef struct {
    int rate_hz;
    size_t decimation;    /* of stage 1 */
    size_t taps;          /* of stage 1 */
    const float *stage_1; /* [(taps + 1) / 2] */
    const float *stage_3; /* [PP_STAGE_3_TAPS / 2] */
    double highest_hz;    /* of a carrier */
} rate_plan;

static const rate_plan plans[] = {
    {384000, 16, PP_STAGE_1_TAPS_384K, pp_stage_1_384k, pp_stage_3_384k, 180000.0},
    {192000, 8, PP_STAGE_1_TAPS_192K, pp_stage_1_192k, pp_stage_3_192k, 90000.0},
    {96000, 4, PP_STAGE_1_TAPS_96K, pp_stage_1_96k, pp_stage_3_96k, 45000.0},
};

typedef struct {
    pp_mixer mixer;
    uint64_t step; /* phase advance per frame */
    pp_delay_line mixed_re;
    pp_delay_line mixed_im;
    pp_delay_line halved; /* complex */
} carrier_state;

struct pp_downconverter {
    _Alignas(PP_ALIGNMENT) float rows[PP_MAX_DECIMATION][PP_PHASE_FLOATS];
    _Alignas(PP_ALIGNMENT) float stage_2_taps[PP_STAGE_2_WINDOW * PP_MAX_MICS];
    _Alignas(PP_ALIGNMENT) float stage_3_taps[PP_STAGE_3_TAPS * PP_VECTOR];
    carrier_state carrier[PP_MAX_CARRIERS];
    const pp_stages *stages;
    const rate_plan *plan;
    size_t mics;
    size_t lanes;
    size_t carriers;
    size_t pending;       /* frames behind the last whole group, 0 .. group - 1 */
    size_t chunk_group;   /* groups of the present chunk that are done, 0 .. PP_CHUNK_GROUPS - 1 */
    uint64_t chunk_frame; /* stream frame number of the chunk's first frame */
    int32_t pending_pcm[GROUP_FRAMES_MAX * PP_MAX_MICS];
};

static size_t group_frames(const pp_downconverter *converter)
{
    return converter->plan->decimation * PP_STAGE_1_OUTPUTS;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static const rate_plan *plan_for(int rate_hz)
{
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
        if (plans[i].rate_hz == rate_hz) {
            return &plans[i];
        }
    }
    return NULL;
}

static const char *instruction_set(const pp_downconverter_spec *spec)
{
    return spec->instruction_set == NULL ? "auto" : spec->instruction_set;
}

static bool spec_is_valid(const pp_downconverter_spec *spec, char *reason)
{
    const rate_plan *const plan = plan_for(spec->rate_hz);
    if (plan == NULL) {
        snprintf(reason, PP_REASON_BYTES, "rate_hz: wanted 384000, 192000 or 96000, got %d", spec->rate_hz);
        return false;
    }
    if (spec->mics < 1 || spec->mics > PP_MAX_MICS) {
        snprintf(reason, PP_REASON_BYTES, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, spec->mics);
        return false;
    }
    if (spec->carriers < 1 || spec->carriers > PP_MAX_CARRIERS) {
        snprintf(reason, PP_REASON_BYTES, "carriers_hz: wanted 1 to %d carriers, got %d", PP_MAX_CARRIERS,
                 spec->carriers);
        return false;
    }
    for (int c = 0; c < spec->carriers; c++) {
        const double carrier_hz = spec->carriers_hz[c];
        if (!(carrier_hz >= PP_MIN_RECEIVED_HZ && carrier_hz <= plan->highest_hz)) {
            snprintf(reason, PP_REASON_BYTES, "carriers_hz: wanted %.0f to %.0f at rate %d, got %g", PP_MIN_RECEIVED_HZ,
                     plan->highest_hz, spec->rate_hz, carrier_hz);
            return false;
        }
    }
    if (pp_stages_here(instruction_set(spec)) == NULL) {
        snprintf(reason, PP_REASON_BYTES, "instruction_set: wanted auto or one that this processor has, got %.40s",
                 instruction_set(spec));
        return false;
    }
    return true;
}

static void repeat(float *out, double value, size_t times)
{
    for (size_t i = 0; i < times; i++) {
        out[i] = (float)value;
    }
}

/* Modulate the first stage onto a carrier. The PCM's scale and the factor 2 of a real signal go into its taps. */
static void tune(carrier_state *carrier, double carrier_hz, const rate_plan *plan, size_t lanes)
{
    const size_t middle = plan->taps / 2;
    carrier->step = pp_phase_step(carrier_hz, plan->rate_hz);
    for (size_t k = 0; k <= middle; k++) {
        const pp_phasor turn = pp_phasor_at(carrier->step * (middle - k));
        const double tap = plan->stage_1[k] * 2.0 / PP_FULL_SCALE;
        repeat(carrier->mixer.of_sum[k], tap * turn.cosine, PP_VECTOR);
        repeat(carrier->mixer.of_difference[k], tap * turn.sine, PP_VECTOR);
    }
    for (size_t n = 0; n < PP_CHUNK_OUTPUTS; n++) {
        const pp_phasor turn = pp_phasor_at(carrier->step * n * plan->decimation);
        repeat(carrier->mixer.turn[0] + n * lanes, turn.cosine, lanes);
        repeat(carrier->mixer.turn[1] + n * lanes, -turn.sine, lanes);
    }
}

static void repeat_taps(pp_downconverter *converter)
{
    const size_t lanes = converter->lanes;
    const size_t zeros = PP_STAGE_2_WINDOW - PP_STAGE_2_TAPS;
    for (size_t k = 0; k < PP_STAGE_2_TAPS; k++) {
        const float tap = pp_stage_2[smaller(k, PP_STAGE_2_TAPS - 1 - k)];
        repeat(converter->stage_2_taps + (zeros + k) * lanes, tap, lanes);
    }
    const size_t times = pp_stage_3_repeat(lanes);
    for (size_t k = 0; k < PP_STAGE_3_TAPS; k++) {
        const float tap = converter->plan->stage_3[smaller(k, PP_STAGE_3_TAPS - 1 - k)];
        repeat(converter->stage_3_taps + k * times, tap, times);
    }
}

static bool create_lines(pp_downconverter *converter)
{
    const size_t lanes = converter->lanes;
    bool ok = true;
    for (size_t c = 0; c < converter->carriers; c++) {
        carrier_state *const carrier = &converter->carrier[c];
        const size_t stage_2_history = PP_STAGE_2_WINDOW - PP_STAGE_2_DECIMATION;
        ok &= pp_delay_line_create(&carrier->mixed_re, lanes, stage_2_history, PP_CHUNK_OUTPUTS);
        ok &= pp_delay_line_create(&carrier->mixed_im, lanes, stage_2_history, PP_CHUNK_OUTPUTS);
        ok &= pp_delay_line_create(&carrier->halved, 2 * lanes, PP_STAGE_3_TAPS - PP_STAGE_3_DECIMATION,
                                   STAGE_3_CHUNKS * PP_CHUNK_GROUPS * PP_STAGE_2_OUTPUTS);
    }
    return ok;
}

pp_downconverter *pp_downconverter_create(const pp_downconverter_spec *spec, char *reason)
{
    if (!spec_is_valid(spec, reason)) {
        return NULL;
    }
    pp_downconverter *const converter = aligned_alloc(_Alignof(pp_downconverter), sizeof(pp_downconverter));
    if (converter == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    memset(converter, 0, sizeof *converter);
    converter->stages = pp_stages_here(instruction_set(spec));
    converter->plan = plan_for(spec->rate_hz);
    converter->mics = (size_t)spec->mics;
    converter->lanes = pp_lanes(converter->mics);
    converter->carriers = (size_t)spec->carriers;
    repeat_taps(converter);
    for (size_t c = 0; c < converter->carriers; c++) {
        tune(&converter->carrier[c], spec->carriers_hz[c], converter->plan, converter->lanes);
    }
    if (!create_lines(converter)) {
        pp_downconverter_destroy(converter);
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    pp_downconverter_reset(converter, 0);
    return converter;
}

void pp_downconverter_destroy(pp_downconverter *converter)
{
    if (converter == NULL) {
        return;
    }
    for (size_t c = 0; c < converter->carriers; c++) {
        pp_delay_line_destroy(&converter->carrier[c].mixed_re);
        pp_delay_line_destroy(&converter->carrier[c].mixed_im);
        pp_delay_line_destroy(&converter->carrier[c].halved);
    }
    free(converter);
}

size_t pp_downconverter_mics(const pp_downconverter *converter)
{
    return converter->mics;
}

size_t pp_downconverter_carriers(const pp_downconverter *converter)
{
    return converter->carriers;
}

const char *pp_downconverter_instruction_set(const pp_downconverter *converter)
{
    return converter->stages->name;
}

void pp_downconverter_reset(pp_downconverter *converter, int64_t first_frame)
{
    converter->pending = 0;
    converter->chunk_group = 0;
    converter->chunk_frame = (uint64_t)first_frame;
    memset(converter->rows, 0, sizeof converter->rows);
    for (size_t c = 0; c < converter->carriers; c++) {
        pp_delay_line_reset(&converter->carrier[c].mixed_re);
        pp_delay_line_reset(&converter->carrier[c].mixed_im);
        pp_delay_line_reset(&converter->carrier[c].halved);
    }
}

size_t pp_downconverter_output_samples(const pp_downconverter *converter, size_t frames)
{
    return (converter->pending + frames) / group_frames(converter);
}

double pp_downconverter_group_delay_frames(const pp_downconverter *converter)
{
    const double stage_2_frames = (double)converter->plan->decimation;
    const double stage_3_frames = stage_2_frames * PP_STAGE_2_DECIMATION;
    return ((double)converter->plan->taps - 1 + stage_2_frames * (PP_STAGE_2_TAPS - 1) +
            stage_3_frames * (PP_STAGE_3_TAPS - 1)) /
           2;
}

/* Stage 1 of all carriers, `outputs` outputs of the rows. */
static void mix(pp_downconverter *converter, size_t outputs)
{
    const rate_plan *const plan = converter->plan;
    const pp_stages *const stages = converter->stages;
    /* A mixed sample has the phase of the frame at the middle of its taps. */
    const uint64_t frame = converter->chunk_frame + plan->decimation - 1 - (uint64_t)(plan->taps / 2);
    pp_mix_part parts[PP_MAX_CARRIERS];
    for (size_t c = 0; c < converter->carriers; c++) {
        carrier_state *const carrier = &converter->carrier[c];
        const pp_phasor start = pp_phasor_at(-(carrier->step * frame));
        parts[c] = (pp_mix_part){
            .mixer = &carrier->mixer,
            .first = converter->chunk_group * PP_STAGE_1_OUTPUTS * converter->lanes,
            .start_re = (float)start.cosine,
            .start_im = (float)start.sine,
            .re = pp_delay_line_append(&carrier->mixed_re, outputs),
            .im = pp_delay_line_append(&carrier->mixed_im, outputs),
        };
    }
    (plan->decimation == 16  ? stages->mix_by_16
     : plan->decimation == 8 ? stages->mix_by_8
                             : stages->mix_by_4)(converter->rows[0], outputs * converter->lanes, converter->lanes,
                                                 parts, converter->carriers);
}

/* Stages 2 and 3 of one carrier: `out` [groups][lanes] complex. */
static void filter(pp_downconverter *converter, carrier_state *carrier, size_t groups, float *out)
{
    const pp_stages *const stages = converter->stages;
    float *const halved = pp_delay_line_append(&carrier->halved, groups * PP_STAGE_2_OUTPUTS);
    stages->decimate_stage_2(pp_delay_line_oldest(&carrier->mixed_re), pp_delay_line_oldest(&carrier->mixed_im),
                             groups * PP_STAGE_2_OUTPUTS, converter->lanes, converter->stage_2_taps, halved);
    carrier->mixed_re.oldest += groups * PP_STAGE_1_OUTPUTS;
    carrier->mixed_im.oldest += groups * PP_STAGE_1_OUTPUTS;
    stages->decimate_stage_3(pp_delay_line_oldest(&carrier->halved), groups, converter->lanes, converter->stage_3_taps,
                             out);
    carrier->halved.oldest += groups * PP_STAGE_2_OUTPUTS;
}

/* `groups` whole groups of PCM within one chunk -> samples `first` .. `first` + groups - 1 of `iq`. */
static void convert_groups(pp_downconverter *converter, const int32_t *pcm, size_t groups, float *iq, size_t first,
                           size_t samples)
{
    const size_t outputs = groups * PP_STAGE_1_OUTPUTS;
    float out[PP_CHUNK_GROUPS * 2 * PP_MAX_MICS];
    const size_t decimation = converter->plan->decimation;
    const size_t lanes = converter->lanes;
    converter->stages->convert(pcm, outputs, decimation, converter->mics, converter->rows[0]);
    mix(converter, outputs);
    converter->stages->keep(converter->rows[0], outputs, decimation, lanes);
    for (size_t c = 0; c < converter->carriers; c++) {
        filter(converter, &converter->carrier[c], groups, out);
        for (size_t m = 0; m < converter->mics; m++) {
            float *const row = iq + 2 * ((c * converter->mics + m) * samples + first);
            for (size_t g = 0; g < groups; g++) {
                memcpy(row + 2 * g, out + 2 * (g * lanes + m), 2 * sizeof(float));
            }
        }
    }
    converter->chunk_group += groups;
    if (converter->chunk_group == PP_CHUNK_GROUPS) {
        converter->chunk_group = 0;
        converter->chunk_frame += PP_CHUNK_GROUPS * group_frames(converter);
    }
}

size_t pp_downconverter_execute(pp_downconverter *converter, const int32_t *pcm, size_t frames, float *iq,
                                size_t samples)
{
    if (samples != pp_downconverter_output_samples(converter, frames)) {
        return PP_WRONG_SIZE;
    }
    const size_t mics = converter->mics;
    const size_t group = group_frames(converter);
    size_t done = 0;
    while (frames > 0) {
        size_t taken = 0;
        if (converter->pending > 0 || frames < group) {
            taken = smaller(frames, group - converter->pending);
            memcpy(converter->pending_pcm + converter->pending * mics, pcm, taken * mics * sizeof(int32_t));
            converter->pending += taken;
            if (converter->pending == group) {
                convert_groups(converter, converter->pending_pcm, 1, iq, done++, samples);
                converter->pending = 0;
            }
        } else {
            const size_t groups = smaller(frames / group, PP_CHUNK_GROUPS - converter->chunk_group);
            convert_groups(converter, pcm, groups, iq, done, samples);
            taken = groups * group;
            done += groups;
        }
        pcm += taken * mics;
        frames -= taken;
    }
    return samples;
}
