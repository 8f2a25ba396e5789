/* A steady tone by way of moving points, as complex baseband: what `pp_echo_paths` and `pp_phasor_sum` give together,
 * without anything between them ever standing in memory.
 *
 *   y[m](t) += sum over paths p of weight[p] gain[p,m](t) response[m](shift[p](t)) exp(-j 2 pi carrier delay[p,m](t))
 *
 * Delays and gains are those of `echo_paths.h`; `shift` is the path's Doppler shift, by which the microphone's response
 * is looked up. Between points the phase is a cubic and everything else a straight line. */

#ifndef PP_ECHO_TONES_H
#define PP_ECHO_TONES_H

#include <stddef.h>
#include <stdint.h>

#include "limits.h"

#define PP_MAX_ECHO_SAMPLES 512
#define PP_MAX_ECHO_STEPS 100000

/* Points beyond each end that the cubics' slopes need. */
#define PP_ECHO_MARGIN 2

typedef struct {
    int mics;            /* 1 to 8 */
    int segment_samples; /* between two points, 1 to 512 */
    double nearest_m;    /* no product of distances is taken for smaller than this squared; above 0, to 10 */
} pp_echo_tones_spec;

typedef struct pp_echo_tones pp_echo_tones;

/* Where everything is. Times are rows; all arrays are C-contiguous. */
typedef struct {
    const double *places_m;   /* [points][scatterers][3] */
    const float *strength;    /* [points][scatterers], pressure ratio at 1 m */
    const int32_t *scatterer; /* [paths], whose echo it is, 0 to scatterers - 1; others are left out */
    const int32_t *leg;       /* [paths], by which way it is heard, 0 to legs - 1; others are left out */
    const float *weight;      /* [paths], on the scatterer's strength */
    const double *source_m;   /* [legs][3] */
    const double *mics_m;     /* [legs][mics][3], a few decimetres apart at most */
    const double *scale;      /* [points][legs][mics], delay for a metre */
    const double *offset;     /* [points][mics], delay at no length */
    double absorption_per_m;  /* of pressure, nepers */
    size_t points;            /* segments + 1 + 2 * PP_ECHO_MARGIN: equally spaced */
    size_t scatterers;
    size_t legs;
    size_t paths; /* those of one leg best stand together */
} pp_echoes;

/* What plays, and how it is heard. */
typedef struct {
    double carrier_hz;
    double points_hz;      /* how many points there are in a second */
    const float *response; /* [mics][steps], gain for shifts from -(steps - 1) / 2 * step_hz on; nothing beyond */
    size_t steps;          /* 2 to PP_MAX_ECHO_STEPS */
    double step_hz;        /* above 0 */
} pp_echo_carrier;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_echo_tones *pp_echo_tones_create(const pp_echo_tones_spec *spec, char *reason);

void pp_echo_tones_destroy(pp_echo_tones *tones);

/* As the specification said. */
size_t pp_echo_tones_mics(const pp_echo_tones *tones);
size_t pp_echo_tones_segment_samples(const pp_echo_tones *tones);

/* Add the sum to `out` [mics][segments * segment_samples] complex (real, imaginary); sample 0 stands at point
 * PP_ECHO_MARGIN. Values that are not finite give a wrong sum but touch no other memory. */
void pp_echo_tones_execute(pp_echo_tones *tones, const pp_echoes *echoes, const pp_echo_carrier *carrier, float *out);

#endif
