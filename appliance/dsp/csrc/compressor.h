/* Correlation of windows of the chirps' band with a replica, four microphones at a time, by Fourier transforms. */

#ifndef PP_COMPRESSOR_H
#define PP_COMPRESSOR_H

#include <stddef.h>

#include "fft.h"
#include "phase.h"
#include "quad.h"

/* The transform has to hold the window and the replica's fraction of a sample, which rings on at both ends. */
#define PP_COMPRESSOR_GUARD_SAMPLES 16
#define PP_COMPRESSOR_MAX_SAMPLES (PP_FFT_MAX_POINTS - PP_COMPRESSOR_GUARD_SAMPLES)

typedef struct {
    size_t bins;            /* 1 or more */
    size_t bin_samples;     /* from bin to bin, 1 or 2 */
    size_t replica_samples; /* (bins - 1) * bin_samples + replica_samples is at most PP_COMPRESSOR_MAX_SAMPLES */
    const float *replica;   /* [replica_samples] complex as pairs */
} pp_compressor_spec;

typedef struct pp_compressor pp_compressor;

/* NULL when memory ends. */
pp_compressor *pp_compressor_create(const pp_compressor_spec *spec);

void pp_compressor_destroy(pp_compressor *compressor);

/* Samples of a window. */
size_t pp_compressor_window_samples(const pp_compressor *compressor);

/* From now on the replica begins `shift` samples (0 to below 1) behind a window's first sample. Costs as much as a
 * transform, unless it is what it was. */
void pp_compressor_shift(pp_compressor *compressor, double shift);

/* `window` [window samples][2] quads -> `rows` [lanes][bins] complex as pairs: bin b is the sum over i of
 * window[b * bin_samples + i] conj(replica[i]), times `turn`. `lanes` 1 to 4. */
void pp_compressor_execute(pp_compressor *compressor, const pp_quad *window, pp_phasor turn, size_t lanes, float *rows);

#endif
