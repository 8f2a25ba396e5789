/* Power spectra of overlapping windows of baseband, four rows at a time.
 *
 * A row is one microphone's baseband around one carrier. The window is Blackman's, scaled so that a complex tone of
 * amplitude A reads A^2 in its own bin; bins run from -rate/2 upwards, 0 Hz in the middle. The output does not depend
 * on how the input is cut into blocks, to the last bit. */

#ifndef PP_DOPPLER_H
#define PP_DOPPLER_H

#include <stddef.h>

#include "limits.h"

/* No power is told below this, -200 dB. */
#define PP_SMALLEST_POWER 1e-20F

typedef struct {
    int rows;           /* 1 to PP_MAX_ROWS */
    int window_samples; /* a power of two from 64 to 4096 */
    int hop_samples;    /* 1 to window_samples */
} pp_doppler_spec;

typedef struct pp_doppler pp_doppler;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_doppler *pp_doppler_create(const pp_doppler_spec *spec, char *reason);

void pp_doppler_destroy(pp_doppler *doppler);

/* As the specification said. */
size_t pp_doppler_rows(const pp_doppler *doppler);
size_t pp_doppler_bins(const pp_doppler *doppler);

/* Begin a new window. */
void pp_doppler_reset(pp_doppler *doppler);

/* Samples until the next spectrum is complete, 1 or more; from then on there is one each hop. */
size_t pp_doppler_until_hop(const pp_doppler *doppler);

/* Consume `iq` [rows][samples] complex as pairs of float, write `power_dbfs` [spectra][rows][bins]. The caller makes
 * room for as many spectra as these samples complete; their number is returned. Values that are no numbers give a
 * power that is none, until the window has passed them. */
size_t pp_doppler_execute(pp_doppler *doppler, const float *iq, size_t samples, float *power_dbfs);

#endif
