/* What moves at which range, from the echoes of one pulse after the other.
 *
 * An echo that stands still is alike from pulse to pulse. Of what is left between two, the power in each gate is told
 * over what is usual there, as a standard normal deviate compressed by asinh, as evidence.h tells that of bands; and as
 * the strength of a body, which spreading there and back does not change. */

#ifndef PP_ECHOES_H
#define PP_ECHOES_H

#include <stdbool.h>
#include <stddef.h>

#include "band_power.h"
#include "limits.h"

#define PP_MAX_ECHO_BINS 1024

typedef struct {
    int mics;                       /* 1 to PP_MAX_MICS */
    pp_bands gates;                 /* of at most PP_MAX_ECHO_BINS bins; below the first gate lies the direct path */
    double shape;                   /* gamma shape parameter of a gate's power in noise, 0.5 or more */
    double spread_db[PP_MAX_BANDS]; /* what spreading there and back takes at each gate, re 1 m  [gates] */
} pp_echoes_spec;

typedef struct pp_echoes pp_echoes;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_echoes *pp_echoes_create(const pp_echoes_spec *spec, char *reason);

void pp_echoes_destroy(pp_echoes *echoes);

/* As the specification said. */
size_t pp_echoes_mics(const pp_echoes *echoes);
size_t pp_echoes_bins(const pp_echoes *echoes);
size_t pp_echoes_gates(const pp_echoes *echoes);

/* Forget the room. */
void pp_echoes_reset(pp_echoes *echoes);

/* Complex `pulse` [mics][bins][2], `period_s` after the one before; 0 where the two cannot be compared -> `values`
 * [2][gates]: deviates, then strengths. False, with `values` as they were, where there is nothing to compare with or
 * what is left is no number. */
bool pp_echoes_execute(pp_echoes *echoes, const float *pulse, double period_s, float *values);

#endif
