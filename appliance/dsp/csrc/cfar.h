/* The arithmetic of a detector of constant false-alarm rate over Doppler bands.
 *
 * For each row (one carrier's microphone) and band it holds the power of the quiet room, the floor. The power of an
 * instant over the floor, averaged over rows, has a gamma distribution of known shape, which the Wilson-Hilferty cube
 * root (PNAS 17, 1931) turns into a standard normal deviate. What the deviates mean, and how the floor is learned, is
 * the caller's. */

#ifndef PP_CFAR_H
#define PP_CFAR_H

#include <stdbool.h>
#include <stddef.h>

#include "band_power.h"
#include "limits.h"

#define PP_MAX_LOOKS 64

typedef struct {
    int rows;                         /* 1 to PP_MAX_ROWS */
    int looks;                        /* instants that the slow test averages, 1 to PP_MAX_LOOKS */
    pp_bands bands;
    double looks_shape[PP_MAX_BANDS]; /* shape parameter that the window promises each band, above 0  [bands] */
    double looks_independent;         /* independent looks that `looks` of them are worth, above 0 */
} pp_cfar_spec;

typedef struct pp_cfar pp_cfar;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_cfar *pp_cfar_create(const pp_cfar_spec *spec, char *reason);

void pp_cfar_destroy(pp_cfar *cfar);

/* As the specification said. */
size_t pp_cfar_rows(const pp_cfar *cfar);
size_t pp_cfar_bins(const pp_cfar *cfar);
size_t pp_cfar_bands(const pp_cfar *cfar);

/* Power of each band: `power_dbfs` [rows][bins] -> `power` [rows][bands]. */
void pp_cfar_band_power(pp_cfar *cfar, const float *power_dbfs, double *power);

/* Judge by this floor, [rows][bands], from now on; earlier looks are forgotten. False: it is not above 0. */
bool pp_cfar_begin(pp_cfar *cfar, const double *floor);

/* The highest deviate that `power_dbfs` [rows][bins] brings: of one band in this look or in the mean of the last looks,
 * or of all bands together. Not a number, and then nothing else changed, where the power is none. */
double pp_cfar_judge(pp_cfar *cfar, const float *power_dbfs);

/* What was judged last: whether the last look's highest deviate is above that of the mean of the last looks, and of the
 * clearer of both the ratio to the floor, the deviate, and the mean floor over rows, each [bands]. */
bool pp_cfar_clearer(const pp_cfar *cfar, double *ratio, double *deviate, double *floor);

/* Let the floor move towards the power judged last by `share`, and the spread of its ratio by `spread_share`. */
void pp_cfar_follow(pp_cfar *cfar, double share, double spread_share);

/* Let the floor move towards its own average, which follows by `share`, but rise no more than `rise` times. */
void pp_cfar_creep(pp_cfar *cfar, double share, double rise);

#endif
