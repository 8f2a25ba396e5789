#include "downconvert.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "delay_line.h"
#include "phase.h"
#include "stages.h"
#include "taps.h"

/* A group is what one baseband sample consumes: 10 outputs of stage 1, 2 of stage 2, 1 of stage 3. All work is done in
 * whole groups counted from the last reset, which is why no cut of the input can show in the output. */
#define STAGE_1_OUTPUTS 10
#define STAGE_2_OUTPUTS 2
#define STAGE_2_DECIMATION 5
#define STAGE_3_DECIMATION 2

/* Groups in one go: few enough for the first-level cache of a small processor, enough to spread the overhead. */
#define CHUNK_GROUPS 8

/* The last delay line is long and gets little; it slides only once in so many chunks. */
#define STAGE_3_CHUNKS 16

#define QUADS_MAX (PP_MAX_MICS / PP_MICS_PER_QUAD)
#define STAGE_1_HALF_MAX PP_MIX_HALF_MAX
#define STAGE_2_HALF ((PP_STAGE_2_TAPS + 1) / 2)
#define STAGE_3_HALF ((PP_STAGE_3_TAPS + 1) / 2)

typedef struct {
    pp_mix_taps mix;
    uint64_t step;                   /* phase advance per frame */
    float turn_re[STAGE_1_OUTPUTS];  /* e^{-jw t} of each output of a group, t from the group's first output */
    float turn_im[STAGE_1_OUTPUTS];
    pp_delay_line stage_2[QUADS_MAX];
    pp_delay_line stage_3[QUADS_MAX];
} carrier_state;

struct pp_downconverter {
    pp_quad stage_2_taps[STAGE_2_HALF];
    pp_quad stage_3_taps[STAGE_3_HALF];
    const pp_stages *stages;
    size_t mics;
    size_t quads;
    size_t carriers;
    size_t stage_1_taps;
    size_t stage_1_decimation;
    size_t pending;       /* frames behind the last whole group, 0 .. group - 1 */
    uint64_t group_frame; /* stream frame number of the first frame of the next group */
    pp_delay_line input[QUADS_MAX];
    carrier_state carrier[PP_MAX_CARRIERS];
};

static size_t group_frames(const pp_downconverter *converter)
{
    return converter->stage_1_decimation * STAGE_1_OUTPUTS;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static pp_quad repeat(double value)
{
    const float v = (float)value;
    return (pp_quad){v, v, v, v};
}

static bool spec_is_valid(const pp_downconverter_spec *spec, char *reason)
{
    if (spec->rate_hz != 192000 && spec->rate_hz != 96000) {
        snprintf(reason, PP_REASON_BYTES, "rate_hz: wanted 192000 or 96000, got %d", spec->rate_hz);
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
    const double highest_hz = spec->rate_hz == 192000 ? 90000.0 : 45000.0;
    for (int c = 0; c < spec->carriers; c++) {
        const double carrier_hz = spec->carriers_hz[c];
        if (!(carrier_hz >= PP_MIN_RECEIVED_HZ && carrier_hz <= highest_hz)) {
            snprintf(reason, PP_REASON_BYTES, "carriers_hz: wanted %.0f to %.0f at rate %d, got %g", PP_MIN_RECEIVED_HZ,
                     highest_hz, spec->rate_hz, carrier_hz);
            return false;
        }
    }
    return true;
}

/* Modulate the first stage onto a carrier. The PCM's scale and the factor 2 of a real signal go into its taps. */
static void tune(carrier_state *carrier, double carrier_hz, const pp_downconverter_spec *spec, size_t decimation)
{
    const float *const half = spec->rate_hz == 192000 ? pp_stage_1_192k : pp_stage_1_96k;
    const int middle = (spec->rate_hz == 192000 ? PP_STAGE_1_TAPS_192K : PP_STAGE_1_TAPS_96K) / 2;
    carrier->step = pp_phase_step(carrier_hz, spec->rate_hz);
    for (int k = 0; k <= middle; k++) {
        const pp_phasor turn = pp_phasor_at(carrier->step * (uint64_t)(middle - k));
        const double tap = half[k] * 2.0 / PP_FULL_SCALE;
        carrier->mix.of_sum[k] = repeat(tap * turn.cosine);
        carrier->mix.of_difference[k] = repeat(-tap * turn.sine);
    }
    for (size_t n = 0; n < STAGE_1_OUTPUTS; n++) {
        const pp_phasor turn = pp_phasor_at(carrier->step * n * decimation);
        carrier->turn_re[n] = (float)turn.cosine;
        carrier->turn_im[n] = (float)-turn.sine;
    }
}

static bool create_lines(pp_downconverter *converter)
{
    const size_t stage_1_history = converter->stage_1_taps - converter->stage_1_decimation;
    bool ok = true;
    for (size_t q = 0; q < converter->quads; q++) {
        ok &= pp_delay_line_create(&converter->input[q], 1, stage_1_history, CHUNK_GROUPS * group_frames(converter));
        for (size_t c = 0; c < converter->carriers; c++) {
            carrier_state *const carrier = &converter->carrier[c];
            ok &= pp_delay_line_create(&carrier->stage_2[q], 2, PP_STAGE_2_TAPS - STAGE_2_DECIMATION,
                                       CHUNK_GROUPS * STAGE_1_OUTPUTS);
            ok &= pp_delay_line_create(&carrier->stage_3[q], 2, PP_STAGE_3_TAPS - STAGE_3_DECIMATION,
                                       STAGE_3_CHUNKS * CHUNK_GROUPS * STAGE_2_OUTPUTS);
        }
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
    const bool fast = spec->rate_hz == 192000;
    *converter = (pp_downconverter){
        .stages = pp_stages_here(),
        .mics = (size_t)spec->mics,
        .quads = ((size_t)spec->mics + PP_MICS_PER_QUAD - 1) / PP_MICS_PER_QUAD,
        .carriers = (size_t)spec->carriers,
        .stage_1_taps = fast ? PP_STAGE_1_TAPS_192K : PP_STAGE_1_TAPS_96K,
        .stage_1_decimation = fast ? 8 : 4,
    };
    for (size_t k = 0; k < STAGE_2_HALF; k++) {
        converter->stage_2_taps[k] = repeat(pp_stage_2[k]);
    }
    for (size_t k = 0; k < STAGE_3_HALF; k++) {
        converter->stage_3_taps[k] = repeat(fast ? pp_stage_3_192k[k] : pp_stage_3_96k[k]);
    }
    for (size_t c = 0; c < converter->carriers; c++) {
        tune(&converter->carrier[c], spec->carriers_hz[c], spec, converter->stage_1_decimation);
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
    for (size_t q = 0; q < converter->quads; q++) {
        pp_delay_line_destroy(&converter->input[q]);
        for (size_t c = 0; c < converter->carriers; c++) {
            pp_delay_line_destroy(&converter->carrier[c].stage_2[q]);
            pp_delay_line_destroy(&converter->carrier[c].stage_3[q]);
        }
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

void pp_downconverter_reset(pp_downconverter *converter, int64_t first_frame)
{
    converter->pending = 0;
    converter->group_frame = (uint64_t)first_frame;
    for (size_t q = 0; q < converter->quads; q++) {
        pp_delay_line_reset(&converter->input[q]);
        for (size_t c = 0; c < converter->carriers; c++) {
            pp_delay_line_reset(&converter->carrier[c].stage_2[q]);
            pp_delay_line_reset(&converter->carrier[c].stage_3[q]);
        }
    }
}

size_t pp_downconverter_output_samples(const pp_downconverter *converter, size_t frames)
{
    return (converter->pending + frames) / group_frames(converter);
}

double pp_downconverter_group_delay_frames(const pp_downconverter *converter)
{
    const double stage_2_frames = (double)converter->stage_1_decimation;
    const double stage_3_frames = stage_2_frames * STAGE_2_DECIMATION;
    return ((double)converter->stage_1_taps - 1 + stage_2_frames * (PP_STAGE_2_TAPS - 1) +
            stage_3_frames * (PP_STAGE_3_TAPS - 1)) /
           2;
}

/* The phasor e^{-jw t} of every output of stage 1 in `groups` groups; t is the frame at the middle of its taps. */
static void turn_groups(const pp_downconverter *converter, const carrier_state *carrier, size_t groups, float *re,
                        float *im)
{
    const int64_t middle = (int64_t)converter->stage_1_decimation - 1 - (int64_t)(converter->stage_1_taps / 2);
    for (size_t g = 0; g < groups; g++) {
        const uint64_t frame = converter->group_frame + (uint64_t)middle + g * group_frames(converter);
        const pp_phasor start = pp_phasor_at(-(carrier->step * frame));
        const float start_re = (float)start.cosine;
        const float start_im = (float)start.sine;
        for (size_t n = 0; n < STAGE_1_OUTPUTS; n++) {
            re[g * STAGE_1_OUTPUTS + n] = start_re * carrier->turn_re[n] - start_im * carrier->turn_im[n];
            im[g * STAGE_1_OUTPUTS + n] = start_re * carrier->turn_im[n] + start_im * carrier->turn_re[n];
        }
    }
}

/* One carrier, one quad of microphones, `groups` groups of the input line: `out` [groups] real and imaginary quads. */
static void filter_groups(pp_downconverter *converter, carrier_state *carrier, size_t q, size_t groups,
                          const float *phasor_re, const float *phasor_im, pp_quad *out)
{
    const pp_stages *const stages = converter->stages;
    pp_delay_line *const stage_2 = &carrier->stage_2[q];
    pp_delay_line *const stage_3 = &carrier->stage_3[q];
    const pp_quad *const frames = pp_delay_line_oldest(&converter->input[q]);

    pp_quad *const mixed = pp_delay_line_append(stage_2, groups * STAGE_1_OUTPUTS);
    (converter->stage_1_decimation == 8 ? stages->mix_192k : stages->mix_96k)(
        frames, groups * STAGE_1_OUTPUTS, &carrier->mix, phasor_re, phasor_im, mixed);

    pp_quad *const halved = pp_delay_line_append(stage_3, groups * STAGE_2_OUTPUTS);
    stages->decimate_stage_2(pp_delay_line_oldest(stage_2), groups * STAGE_2_OUTPUTS, converter->stage_2_taps, halved);
    stage_2->oldest += groups * STAGE_1_OUTPUTS;

    stages->decimate_stage_3(pp_delay_line_oldest(stage_3), groups, converter->stage_3_taps, out);
    stage_3->oldest += groups * STAGE_2_OUTPUTS;
}

/* All whole groups of the input lines -> samples `first` .. `first` + groups - 1 of `iq`. */
static void convert_groups(pp_downconverter *converter, size_t groups, float *iq, size_t first, size_t samples)
{
    float phasor_re[CHUNK_GROUPS * STAGE_1_OUTPUTS];
    float phasor_im[CHUNK_GROUPS * STAGE_1_OUTPUTS];
    pp_quad out[2 * CHUNK_GROUPS];
    for (size_t c = 0; c < converter->carriers; c++) {
        carrier_state *const carrier = &converter->carrier[c];
        turn_groups(converter, carrier, groups, phasor_re, phasor_im);
        for (size_t q = 0; q < converter->quads; q++) {
            filter_groups(converter, carrier, q, groups, phasor_re, phasor_im, out);
            const size_t first_mic = q * PP_MICS_PER_QUAD;
            for (size_t lane = 0; lane < smaller(PP_MICS_PER_QUAD, converter->mics - first_mic); lane++) {
                float *const row = iq + 2 * ((c * converter->mics + first_mic + lane) * samples + first);
                for (size_t g = 0; g < groups; g++) {
                    row[2 * g] = out[2 * g][lane];
                    row[2 * g + 1] = out[2 * g + 1][lane];
                }
            }
        }
    }
    for (size_t q = 0; q < converter->quads; q++) {
        converter->input[q].oldest += groups * group_frames(converter);
    }
    converter->group_frame += groups * group_frames(converter);
}

size_t pp_downconverter_execute(pp_downconverter *converter, const int32_t *pcm, size_t frames, float *iq,
                                size_t samples)
{
    if (samples != pp_downconverter_output_samples(converter, frames)) {
        return PP_WRONG_SIZE;
    }
    const size_t mics = converter->mics;
    size_t done = 0;
    while (frames > 0) {
        const size_t taken = smaller(frames, CHUNK_GROUPS * group_frames(converter) - converter->pending);
        for (size_t q = 0; q < converter->quads; q++) {
            const size_t first_mic = q * PP_MICS_PER_QUAD;
            converter->stages->convert(pcm + first_mic, taken, mics, smaller(PP_MICS_PER_QUAD, mics - first_mic),
                                       pp_delay_line_append(&converter->input[q], taken));
        }
        pcm += taken * mics;
        frames -= taken;
        converter->pending += taken;
        const size_t groups = converter->pending / group_frames(converter);
        converter->pending %= group_frames(converter);
        convert_groups(converter, groups, iq, done, samples);
        done += groups;
    }
    return samples;
}
