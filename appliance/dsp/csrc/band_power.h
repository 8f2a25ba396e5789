/* Power of bands of a spectrum that is told in dB. */

#ifndef PP_BAND_POWER_H
#define PP_BAND_POWER_H

#include <stdbool.h>
#include <stddef.h>

#include "limits.h"
#include "quad.h"

#define PP_MAX_BANDS 64
#define PP_MAX_BINS 4096

typedef struct {
    int bins;                    /* 1 to PP_MAX_BINS */
    int bands;                   /* 1 to PP_MAX_BANDS */
    int first_bin[PP_MAX_BANDS]; /* [bands] */
    int end_bin[PP_MAX_BANDS];   /* behind the last one, [bands] */
} pp_bands;

/* Whether bins and bands are within their ranges; if not, why, in `reason` [PP_REASON_BYTES]. */
bool pp_bands_are_valid(const pp_bands *bands, char *reason);

/* Power of each band of one row: `power_dbfs` [bins] -> `power` [bands], by way of `linear` [bins + PP_MICS_PER_QUAD].
 * Beyond what a float can hold, and of what is no number, comes no number. */
void pp_band_power(const pp_bands *bands, const float *power_dbfs, float *linear, double *power);

#endif
