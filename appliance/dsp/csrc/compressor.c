#include "compressor.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct pp_compressor {
    pp_fft *forward;
    pp_fft *inverse;
    float *replica; /* its spectrum, [points] complex */
    float *weights; /* what a window's spectrum is multiplied with, [points] complex */
    pp_quad *work;  /* [points][2] */
    size_t points;
    size_t bins;
    size_t bin_samples;
    size_t window_samples;
    double shift; /* for which the weights stand */
};

static size_t points_for(size_t samples)
{
    size_t points = 2 * PP_FFT_MIN_POINTS; /* the inverse transform may be half as long */
    while (points < samples) {
        points *= 2;
    }
    return points;
}

static void transform_replica(pp_compressor *compressor, const pp_compressor_spec *spec)
{
    memset(compressor->work, 0, compressor->points * 2 * sizeof(pp_quad));
    for (size_t i = 0; i < spec->replica_samples; i++) {
        compressor->work[2 * i][0] = spec->replica[2 * i];
        compressor->work[2 * i + 1][0] = spec->replica[2 * i + 1];
    }
    pp_fft_execute(compressor->forward, compressor->work);
    for (size_t f = 0; f < 2 * compressor->points; f++) {
        compressor->replica[f] = compressor->work[f][0] / (float)compressor->points;
    }
}

/* The conjugate of the replica's spectrum, later by `shift`. */
static void fill_weights(pp_compressor *compressor, double shift)
{
    const size_t points = compressor->points;
    const uint64_t step = (uint64_t)(shift / (double)points * 18446744073709551616.0);
    for (size_t f = 0; f < points; f++) {
        /* the upper half of the transform holds the frequencies below the centre */
        const uint64_t line = (uint64_t)f - (f < points / 2 ? 0 : (uint64_t)points);
        const pp_phasor turn = pp_phasor_at(step * line);
        const double re = compressor->replica[2 * f];
        const double im = compressor->replica[2 * f + 1];
        compressor->weights[2 * f] = (float)(re * turn.cosine + im * turn.sine);
        compressor->weights[2 * f + 1] = (float)(re * turn.sine - im * turn.cosine);
    }
    compressor->shift = shift;
}

pp_compressor *pp_compressor_create(const pp_compressor_spec *spec)
{
    pp_compressor *const compressor = malloc(sizeof(pp_compressor));
    if (compressor == NULL) {
        return NULL;
    }
    const size_t used = (spec->bins - 1) * spec->bin_samples + spec->replica_samples;
    const size_t points = points_for(used + PP_COMPRESSOR_GUARD_SAMPLES);
    *compressor = (pp_compressor){
        .forward = pp_fft_create(points),
        .inverse = pp_fft_create(points / spec->bin_samples),
        .replica = malloc(points * 2 * sizeof(float)),
        .weights = malloc(points * 2 * sizeof(float)),
        .work = aligned_alloc(sizeof(pp_quad), points * 2 * sizeof(pp_quad)),
        .points = points,
        .bins = spec->bins,
        .bin_samples = spec->bin_samples,
        .window_samples = used + PP_COMPRESSOR_GUARD_SAMPLES / 2,
    };
    if (compressor->forward == NULL || compressor->inverse == NULL || compressor->replica == NULL ||
        compressor->weights == NULL || compressor->work == NULL) {
        pp_compressor_destroy(compressor);
        return NULL;
    }
    transform_replica(compressor, spec);
    fill_weights(compressor, 0.0);
    return compressor;
}

void pp_compressor_destroy(pp_compressor *compressor)
{
    if (compressor == NULL) {
        return;
    }
    free(compressor->work);
    free(compressor->weights);
    free(compressor->replica);
    pp_fft_destroy(compressor->inverse);
    pp_fft_destroy(compressor->forward);
    free(compressor);
}

size_t pp_compressor_window_samples(const pp_compressor *compressor)
{
    return compressor->window_samples;
}

void pp_compressor_shift(pp_compressor *compressor, double shift)
{
    if (shift != compressor->shift) {
        fill_weights(compressor, shift);
    }
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

void pp_compressor_execute(pp_compressor *compressor, const pp_quad *window, pp_phasor turn, size_t lanes, float *rows)
{
    pp_quad *const work = compressor->work;
    const size_t bins = compressor->bins;
    const size_t window_quads = 2 * compressor->window_samples;
    memcpy(work, window, window_quads * sizeof(pp_quad));
    memset(work + window_quads, 0, (2 * compressor->points - window_quads) * sizeof(pp_quad));
    pp_fft_execute(compressor->forward, work);
    weight_and_fold(work, compressor->weights, compressor->points, compressor->bin_samples);
    pp_fft_execute(compressor->inverse, work);
    const float cosine = (float)turn.cosine;
    const float sine = (float)turn.sine;
    for (size_t b = 0; b < bins; b++) {
        const pp_quad re = work[2 * b] * cosine + work[2 * b + 1] * sine;
        const pp_quad im = work[2 * b] * sine - work[2 * b + 1] * cosine;
        for (size_t lane = 0; lane < lanes; lane++) {
            rows[2 * (lane * bins + b)] = re[lane];
            rows[2 * (lane * bins + b) + 1] = im[lane];
        }
    }
}
