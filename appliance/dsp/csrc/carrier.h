/* Is the tone there, and does it stand still? Follows the static path of all carriers and microphones.
 *
 * Each call is judged as a whole, so that what is found depends on how the baseband is cut, as it always did. */

#ifndef PP_CARRIER_H
#define PP_CARRIER_H

#include <stddef.h>

#include "limits.h"

/* The numbers are what the Python side knows the states by. */
typedef enum {
    PP_CARRIER_STEADY = 0,
    PP_CARRIER_UNSTEADY = 1,
    PP_CARRIER_MISSING = 2,
} pp_carrier_state;

typedef struct pp_carrier_watch pp_carrier_watch;

/* NULL when memory ends. */
pp_carrier_watch *pp_carrier_watch_create(void);

void pp_carrier_watch_destroy(pp_carrier_watch *watch);

/* Forget the tone. */
void pp_carrier_watch_reset(pp_carrier_watch *watch);

/* The state behind `iq` [rows][samples] complex as pairs of float, full scale 1.0; `rows` (1 to PP_MAX_ROWS) are those
 * of all carriers and microphones, `samples` 1 or more at `rate_hz` > 0. Where `rows` is another number than before,
 * and behind samples that are no numbers, the tone is forgotten. */
pp_carrier_state pp_carrier_watch_execute(pp_carrier_watch *watch, const float *iq, size_t rows, size_t samples,
                                          double rate_hz);

/* Rows of the last call, 0 before the first and after a reset. */
size_t pp_carrier_watch_rows(const pp_carrier_watch *watch);

/* Level of the static path of each row in dBFS, [rows], at least -240. */
void pp_carrier_watch_level(const pp_carrier_watch *watch, float *level_dbfs);

#endif
