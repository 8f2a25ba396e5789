/* Many smoothly turning phasors, summed for each microphone: y[m](t) += sum over p of gain[p,m](t) exp(j 2 pi phase[p,m](t)).
 *
 * What `pp_multipath` does to any signal at the rate of the PCM, this does to a steady tone at the rate of the baseband,
 * a hundred times faster. A path's mean phase over the microphones is a cubic between points; what a microphone's phase
 * differs from it by turns slowly, and goes into a complex weight that is a straight line between points. */

#ifndef PP_PHASOR_SUM_H
#define PP_PHASOR_SUM_H

#include <stddef.h>

#include "limits.h"

#define PP_MAX_SEGMENT_SAMPLES 512

/* Points beyond each end that the cubics' slopes need. */
#define PP_PHASOR_MARGIN 2

typedef struct {
    int mics;            /* 1 to 8 */
    int segment_samples; /* between two points, 1 to 512 */
} pp_phasor_sum_spec;

typedef struct pp_phasor_sum pp_phasor_sum;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_phasor_sum *pp_phasor_sum_create(const pp_phasor_sum_spec *spec, char *reason);

void pp_phasor_sum_destroy(pp_phasor_sum *sum);

/* As the specification said. */
size_t pp_phasor_sum_mics(const pp_phasor_sum *sum);
size_t pp_phasor_sum_segment_samples(const pp_phasor_sum *sum);

/* Add the sum of `paths` paths to `out` [mics][segments * segment_samples] complex (real, imaginary).
 *
 * The phase is `turns_per_way` times `way`. Paths whose entry in `chosen` [paths] is 0 are left out; NULL takes all.
 * `way` and `gain` [points][paths][mics], points = segments + 1 + 2 * PP_PHASOR_MARGIN: equally spaced; sample 0
 * stands at point PP_PHASOR_MARGIN. Values that are not finite give a wrong sum but touch no other memory. */
void pp_phasor_sum_execute(pp_phasor_sum *sum, const double *way, double turns_per_way, const float *gain,
                           const unsigned char *chosen, size_t segments, size_t paths, float *out);

#endif
