/* Echoes of moving points: from a source to each point and back to each microphone, as delays and gains.
 *
 *   length = |point - source| + |point - microphone|
 *   delay  = length * scale + offset
 *   gain   = strength / max(|point - source| |point - microphone|, nearest^2) * exp(-absorption length) */

#ifndef PP_ECHO_PATHS_H
#define PP_ECHO_PATHS_H

#include <stddef.h>

#include "limits.h"

typedef struct {
    int mics;          /* 1 to 8 */
    double nearest_m;  /* no product of distances is taken for smaller than this squared; above 0, to 10 */
} pp_echo_paths_spec;

typedef struct pp_echo_paths pp_echo_paths;

/* What one call works on. Times are rows; all arrays are C-contiguous. */
typedef struct {
    const double *places_m;      /* [times][points][3] */
    const float *strength;       /* [times][points], pressure ratio at 1 m */
    const double *source_m;      /* [3] */
    const double *mics_m;        /* [mics][3] */
    const double *scale;         /* [times][mics], delay for a metre */
    const double *offset;        /* [times][mics], delay at no length */
    double absorption_per_m;     /* of pressure, nepers */
    size_t times;
    size_t points;
} pp_echo_scene;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_echo_paths *pp_echo_paths_create(const pp_echo_paths_spec *spec, char *reason);

void pp_echo_paths_destroy(pp_echo_paths *paths);

/* As the specification said. */
size_t pp_echo_paths_mics(const pp_echo_paths *paths);

/* Delays and gains, [times][points][mics]. */
void pp_echo_paths_execute(const pp_echo_paths *paths, const pp_echo_scene *scene, double *delay, float *gain);

#endif
