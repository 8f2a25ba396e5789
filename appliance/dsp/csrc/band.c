#include "band.h"

#include <stdlib.h>

#include "band_passes.h"
#include "delay_line.h"
#include "phase.h"

#define STAGE_2_DECIMATION 2
#define STAGE_1_OUTPUTS (PP_BAND_GROUP_SAMPLES * STAGE_2_DECIMATION)
#define QUADS_MAX (PP_MAX_MICS / PP_MICS_PER_QUAD)

/* The second delay line slides only once in so many chunks. */
#define STAGE_2_CHUNKS 4

struct pp_band {
    pp_band_taps mix;
    pp_quad stage_2_taps[PP_BAND_2_TAPS]; /* the first half, each twice */
    const pp_band_passes *passes;
    size_t mics;
    size_t quads;
    size_t stage_1_taps;
    size_t stage_1_decimation;
    size_t pending;       /* frames that are taken and not yet given */
    uint64_t group_frame; /* stream frame number of the first frame of the next group */
    uint64_t step;        /* phase advance per frame */
    float turn_re[STAGE_1_OUTPUTS]; /* e^{-jw t} of each output of a group, t from the group's first output */
    float turn_im[STAGE_1_OUTPUTS];
    pp_delay_line input[QUADS_MAX];
    pp_delay_line stage_2[QUADS_MAX];
};

static size_t group_frames(const pp_band *band)
{
    return band->stage_1_decimation * STAGE_1_OUTPUTS;
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

/* Modulate the first stage onto the centre. The PCM's scale and the factor 2 of a real signal go into its taps, and
 * the half frame by which the middle of an even number of taps lies before a frame. */
static void tune(pp_band *band, const float *half)
{
    const size_t taps = band->stage_1_taps;
    for (size_t k = 0; k < taps / 2; k++) {
        const pp_phasor turn = pp_phasor_at(band->step * (taps / 2 - 1 - k) + band->step / 2);
        const double tap = half[k] * 2.0 / PP_FULL_SCALE;
        band->mix.re[k] = band->mix.re[taps - 1 - k] = repeat(tap * turn.cosine);
        band->mix.im[k] = repeat(tap * turn.sine);
        band->mix.im[taps - 1 - k] = repeat(-tap * turn.sine);
    }
    for (size_t k = 0; k < PP_BAND_2_TAPS / 2; k++) {
        band->stage_2_taps[2 * k] = band->stage_2_taps[2 * k + 1] = repeat(pp_band_2[k]);
    }
    for (size_t n = 0; n < STAGE_1_OUTPUTS; n++) {
        const pp_phasor turn = pp_phasor_at(band->step * n * band->stage_1_decimation);
        band->turn_re[n] = (float)turn.cosine;
        band->turn_im[n] = (float)-turn.sine;
    }
}

pp_band *pp_band_create(int rate_hz, int mics, double centre_hz)
{
    pp_band *const band = aligned_alloc(_Alignof(pp_band), sizeof(pp_band));
    if (band == NULL) {
        return NULL;
    }
    const bool fast = rate_hz == 192000;
    const pp_band_passes *const avx2 = pp_band_passes_avx2();
    *band = (pp_band){
        .passes = avx2 != NULL ? avx2 : &pp_band_passes_generic,
        .mics = (size_t)mics,
        .quads = ((size_t)mics + PP_MICS_PER_QUAD - 1) / PP_MICS_PER_QUAD,
        .stage_1_taps = fast ? PP_BAND_1_TAPS_192K : PP_BAND_1_TAPS_96K,
        .stage_1_decimation = fast ? 8 : 4,
        .step = pp_phase_step(centre_hz, rate_hz),
    };
    tune(band, fast ? pp_band_1_192k : pp_band_1_96k);
    bool ok = true;
    for (size_t q = 0; q < band->quads; q++) {
        ok &= pp_delay_line_create(&band->input[q], PP_REAL_FLOATS, band->stage_1_taps - band->stage_1_decimation,
                                   PP_BAND_CHUNK_GROUPS * group_frames(band));
        ok &= pp_delay_line_create(&band->stage_2[q], PP_COMPLEX_FLOATS, PP_BAND_2_TAPS - STAGE_2_DECIMATION,
                                   STAGE_2_CHUNKS * PP_BAND_CHUNK_GROUPS * STAGE_1_OUTPUTS);
    }
    if (!ok) {
        pp_band_destroy(band);
        return NULL;
    }
    pp_band_reset(band, 0);
    return band;
}

void pp_band_destroy(pp_band *band)
{
    if (band == NULL) {
        return;
    }
    for (size_t q = 0; q < band->quads; q++) {
        pp_delay_line_destroy(&band->input[q]);
        pp_delay_line_destroy(&band->stage_2[q]);
    }
    free(band);
}

size_t pp_band_decimation(const pp_band *band)
{
    return band->stage_1_decimation * STAGE_2_DECIMATION;
}

int64_t pp_band_delay_half_frames(const pp_band *band)
{
    return (int64_t)(band->stage_1_taps - 1 + band->stage_1_decimation * (PP_BAND_2_TAPS - 1));
}

uint64_t pp_band_step(const pp_band *band)
{
    return band->step;
}

void pp_band_reset(pp_band *band, int64_t first_frame)
{
    band->pending = 0;
    band->group_frame = (uint64_t)first_frame;
    for (size_t q = 0; q < band->quads; q++) {
        pp_delay_line_reset(&band->input[q]);
        pp_delay_line_reset(&band->stage_2[q]);
    }
}

size_t pp_band_groups(const pp_band *band, size_t frames)
{
    return (band->pending + frames) / group_frames(band);
}

size_t pp_band_take(pp_band *band, const int32_t *pcm, size_t frames, size_t *groups)
{
    const size_t taken = smaller(frames, PP_BAND_CHUNK_GROUPS * group_frames(band) - band->pending);
    for (size_t q = 0; q < band->quads; q++) {
        const size_t first_mic = q * PP_MICS_PER_QUAD;
        band->passes->convert(pcm + first_mic, taken, band->mics, smaller(PP_MICS_PER_QUAD, band->mics - first_mic),
                              (pp_quad *)pp_delay_line_append(&band->input[q], taken));
    }
    band->pending += taken;
    *groups = band->pending / group_frames(band);
    return taken;
}

/* The phasor e^{-jw t} of every output of stage 1 of the group that begins at `frame`; t is the last frame before the
 * middle of its taps. */
static void turn_group(const pp_band *band, uint64_t frame, float *re, float *im)
{
    const uint64_t middle = band->stage_1_decimation - 1 - band->stage_1_taps / 2;
    const pp_phasor start = pp_phasor_at(-(band->step * (frame + middle) + band->step / 2));
    const float start_re = (float)start.cosine;
    const float start_im = (float)start.sine;
    for (size_t n = 0; n < STAGE_1_OUTPUTS; n++) {
        re[n] = start_re * band->turn_re[n] - start_im * band->turn_im[n];
        im[n] = start_re * band->turn_im[n] + start_im * band->turn_re[n];
    }
}

void pp_band_give(pp_band *band, size_t groups, pp_quad *const *out)
{
    float phasor_re[PP_BAND_CHUNK_GROUPS * STAGE_1_OUTPUTS];
    float phasor_im[PP_BAND_CHUNK_GROUPS * STAGE_1_OUTPUTS];
    const size_t outputs = groups * STAGE_1_OUTPUTS;
    for (size_t g = 0; g < groups; g++) {
        turn_group(band, band->group_frame + g * group_frames(band), phasor_re + g * STAGE_1_OUTPUTS,
                   phasor_im + g * STAGE_1_OUTPUTS);
    }
    for (size_t q = 0; q < band->quads; q++) {
        pp_delay_line *const stage_2 = &band->stage_2[q];
        (band->stage_1_decimation == 8 ? band->passes->mix_192k : band->passes->mix_96k)(
            (const pp_quad *)pp_delay_line_oldest(&band->input[q]), outputs, &band->mix, phasor_re, phasor_im,
            (pp_quad *)pp_delay_line_append(stage_2, outputs));
        band->passes->halve((const pp_quad *)pp_delay_line_oldest(stage_2), outputs / STAGE_2_DECIMATION,
                            band->stage_2_taps, out[q]);
        stage_2->oldest += outputs;
    }
    pp_band_skip(band, groups);
}

void pp_band_skip(pp_band *band, size_t groups)
{
    for (size_t q = 0; q < band->quads; q++) {
        band->input[q].oldest += groups * group_frames(band);
    }
    band->pending -= groups * group_frames(band);
    band->group_frame += groups * group_frames(band);
}
