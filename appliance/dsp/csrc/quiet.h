/* What is usual, followed as a quantile in dB, and how far an instant lies above it. */

#ifndef PP_QUIET_H
#define PP_QUIET_H

#include <stddef.h>

/* No value that a classifier sees is farther from 0. */
#define PP_EVIDENCE_LIMIT 10.0

/* Factors of one look for what is above the floor and for what is below it. */
typedef struct {
    double up;
    double down;
} pp_quiet_steps;

/* What share of its mean a gamma variable of that shape falls below as often as instants fall below the floor. */
double pp_quiet_quantile(double shape);

/* Steps of look number `looks`, `period_s` after the one before: quick at first, by steps that shrink as those of a
 * running mean do, then at the floor's own pace. */
pp_quiet_steps pp_quiet_steps_of(size_t looks, double period_s);

/* Standard normal deviate of a gamma variable of mean 1 (Wilson and Hilferty, PNAS 17, 1931). */
double pp_deviate(double ratio, double shape);

float pp_limited(double value);

#endif
