/* What a classifier sees of an instant, from power spectra of all microphones around all carriers.
 *
 * For each row (one carrier's microphone) and band the power of the usual instant, the floor, is followed as a quantile:
 * up by one step where the instant is above it, down by another where it is below, in dB. Power over the floor is
 * averaged over rows and told as a standard normal deviate (Wilson and Hilferty, PNAS 17, 1931), compressed by asinh: so
 * that any number of rows gives the same values in an empty room. The output does not depend on levels of card,
 * loudspeaker or microphones, but on what stands relative to each other. */

#ifndef PP_EVIDENCE_H
#define PP_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>

#include "band_power.h"
#include "limits.h"

/* Behind deviates [bands] and floor [bands / 2]: power towards and away, unevenness of the rows, number of rows. */
#define PP_EVIDENCE_EXTRAS 4

typedef struct {
    int rows;                   /* 1 to PP_MAX_ROWS */
    pp_bands bands;             /* an even number; band b and the one as far from the end are mirror images */
    double shape[PP_MAX_BANDS]; /* gamma shape parameter of a single row's power in noise, above 0  [bands] */
    double hop_s;               /* time between spectra, above 0 */
} pp_evidence_spec;

typedef struct pp_evidence pp_evidence;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_evidence *pp_evidence_create(const pp_evidence_spec *spec, char *reason);

void pp_evidence_destroy(pp_evidence *evidence);

/* As the specification said; values an instant. */
size_t pp_evidence_rows(const pp_evidence *evidence);
size_t pp_evidence_bins(const pp_evidence *evidence);
size_t pp_evidence_values(const pp_evidence *evidence);

/* Forget the room. */
void pp_evidence_reset(pp_evidence *evidence);

/* `power_dbfs` [rows][bins] and the level of the static path, `carrier_dbfs` [rows] -> `values` [values]. False, and
 * nothing changed, where a power is no number. */
bool pp_evidence_execute(pp_evidence *evidence, const float *power_dbfs, const float *carrier_dbfs, float *values);

#endif
