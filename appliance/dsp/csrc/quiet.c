#include "quiet.h"

#include <math.h>

/* The floor is what this share of instants stays below, so that neither steps nor gusts lift it. */
#define FLOOR_SHARE 0.3
#define FLOOR_DEVIATE (-0.524400512708041) /* standard normal quantile of FLOOR_SHARE */

/* Up by FLOOR_SHARE of a step and down by the rest. A step is this much each second, and more at first. */
#define FLOOR_DB_PER_S 1.0
#define FIRST_STEP_DB 6.0

double pp_quiet_quantile(double shape)
{
    const double ninth = 1.0 / (9.0 * shape);
    const double root = fmax(1.0 - ninth + FLOOR_DEVIATE * sqrt(ninth), 0.1);
    return root * root * root;
}

pp_quiet_steps pp_quiet_steps_of(size_t looks, double period_s)
{
    const double step_db = fmax(FLOOR_DB_PER_S * period_s, FIRST_STEP_DB / (double)(looks + 1));
    return (pp_quiet_steps){pow(10.0, 0.1 * FLOOR_SHARE * step_db), pow(10.0, -0.1 * (1.0 - FLOOR_SHARE) * step_db)};
}

double pp_deviate(double ratio, double shape)
{
    return (cbrt(ratio) - 1.0 + 1.0 / (9.0 * shape)) * 3.0 * sqrt(shape);
}

float pp_limited(double value)
{
    return (float)fmin(fmax(value, -PP_EVIDENCE_LIMIT), PP_EVIDENCE_LIMIT);
}
