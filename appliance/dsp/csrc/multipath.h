/* Many moving delays of one signal, summed for each microphone: y[m](t) += sum_p gain[p,m](t) x(t - delay[p,m](t)).
 *
 * Delays are fractional by a Farrow structure (C. W. Farrow, "A continuously variable digital delay element", ISCAS
 * 1988): the signal passes once through a few fixed filters, and each path then costs only a polynomial in its
 * fraction of a frame. The error is below -90 dB up to 0.354 of the rate (68 kHz at 192 kHz). */

#ifndef PP_MULTIPATH_H
#define PP_MULTIPATH_H

#include <stddef.h>

#include "limits.h"

#define PP_MAX_PATHS 4096
#define PP_MIN_DELAY_FRAMES 10
#define PP_MAX_DELAY_FRAMES 1000000

typedef struct {
    int paths;            /* 1 to 4096 */
    int mics;             /* 1 to 8 */
    int max_delay_frames; /* 10 to 1000000 */
} pp_multipath_spec;

typedef struct pp_multipath pp_multipath;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_multipath *pp_multipath_create(const pp_multipath_spec *spec, char *reason);

void pp_multipath_destroy(pp_multipath *channel);

/* As the specification said. */
size_t pp_multipath_paths(const pp_multipath *channel);
size_t pp_multipath_mics(const pp_multipath *channel);

/* Forget the signal: all paths carry silence until new signal has travelled through them. */
void pp_multipath_reset(pp_multipath *channel);

/* Whether execute will take these delays; else `reason` [PP_REASON_BYTES] names the first that is out of range.
 * `delay_frames` [points][paths][mics], in frames. */
int pp_multipath_accepts(const pp_multipath *channel, const double *delay_frames, size_t points, char *reason);

/* Consume `signal` [frames] and add what arrives to `out` [frames][mics].
 *
 * `delay_frames` (10 to max_delay_frames, as pp_multipath_accepts checks) and `gain`, [points][paths][mics] with points
 * >= 2, stand at equally spaced instants from the block's first frame to just behind its last, and are straight lines
 * between them: segment i covers frames i * frames / (points - 1) up to the next. Delays out of range give a wrong sound
 * but touch no memory that is not the channel's own. */
void pp_multipath_execute(pp_multipath *channel, const float *signal, size_t frames, const double *delay_frames,
                          const float *gain, size_t points, float *out);

#endif
