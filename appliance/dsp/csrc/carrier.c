#include "carrier.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define SMOOTHING_S 0.3

/* Power of a block's mean over the power around it. Noise alone gives 0.05, a person close by still more than 1. */
#define STEADY_SHARE 0.25

/* After a start the tone still has to get from the buffer to the tweeter, fade in and reach the microphones. */
#define SETTLE_S 0.5

/* Change of amplitude between blocks that no echo brings about: the tone or the gain was switched. */
#define JUMP 2.0

/* The same within a block, from sample to sample, where noise and a person close by count as well. */
#define BREAK 4.0

/* The tone's power over the power around it from which single samples are worth looking at. */
#define CLEAR_SHARE 100.0

#define SMALLEST_AMPLITUDE 1e-12

struct pp_carrier_watch {
    pp_carrier_state state;
    size_t rows;
    double heard_s;
    double steady; /* power of the mean, smoothed */
    double around; /* power around the mean, smoothed */
    double amplitude[PP_MAX_ROWS];
};

/* What one block is, over all rows. */
typedef struct {
    double amplitude[PP_MAX_ROWS];
    double amplitude_sum;
    double steady;
    double around;
} block_levels;

pp_carrier_watch *pp_carrier_watch_create(void)
{
    pp_carrier_watch *const watch = malloc(sizeof(pp_carrier_watch));
    if (watch != NULL) {
        pp_carrier_watch_reset(watch);
    }
    return watch;
}

void pp_carrier_watch_destroy(pp_carrier_watch *watch)
{
    free(watch);
}

/* Judge by what comes from now on: a strong tone that is gone would count for seconds. */
static void begin_anew(pp_carrier_watch *watch)
{
    watch->state = PP_CARRIER_UNSTEADY;
    watch->heard_s = 0;
    watch->steady = 0;
    watch->around = 0;
}

void pp_carrier_watch_reset(pp_carrier_watch *watch)
{
    begin_anew(watch);
    watch->rows = 0;
}

static block_levels measure(const float *iq, size_t rows, size_t samples)
{
    block_levels levels = {0};
    const double each = 1.0 / (double)samples;
    for (size_t row = 0; row < rows; row++) {
        const float *const x = iq + row * samples * 2;
        double re = 0;
        double im = 0;
        for (size_t n = 0; n < samples; n++) {
            re += (double)x[2 * n];
            im += (double)x[2 * n + 1];
        }
        re *= each;
        im *= each;
        double around = 0;
        for (size_t n = 0; n < samples; n++) {
            const double re_off = (double)x[2 * n] - re;
            const double im_off = (double)x[2 * n + 1] - im;
            around += re_off * re_off + im_off * im_off;
        }
        levels.amplitude[row] = sqrt(re * re + im * im);
        levels.amplitude_sum += levels.amplitude[row];
        levels.steady += (re * re + im * im) / (double)rows;
        levels.around += around * each / (double)rows;
    }
    return levels;
}

/* Whether a single sample, over all rows, is far from the usual sum of amplitudes. A tone that breaks off near a
 * block's end hardly changes the block's mean, but looks like motion of any speed. */
static bool breaks(const float *iq, size_t rows, size_t samples, double usual)
{
    for (size_t n = 0; n < samples; n++) {
        float sum = 0;
        for (size_t row = 0; row < rows; row++) {
            const float *const x = iq + (row * samples + n) * 2;
            sum += sqrtf(x[0] * x[0] + x[1] * x[1]);
        }
        if ((double)sum < usual / BREAK || (double)sum > usual * BREAK) {
            return true;
        }
    }
    return false;
}

/* Whether the tone changes more than any echo could make it. */
static bool jumps(const pp_carrier_watch *watch, const block_levels *now, const float *iq, size_t samples)
{
    double usual = 0;
    for (size_t row = 0; row < watch->rows; row++) {
        usual += watch->amplitude[row];
    }
    usual = fmax(usual, SMALLEST_AMPLITUDE * (double)watch->rows);
    if (!(now->amplitude_sum > usual / JUMP && now->amplitude_sum < usual * JUMP)) {
        return true;
    }
    return watch->steady >= CLEAR_SHARE * watch->around && breaks(iq, watch->rows, samples, usual);
}

/* What has faded beyond all measure becomes 0, before arithmetic on it becomes slow. */
static double followed(double before, double now, double share)
{
    const double after = before + share * (now - before);
    return fabs(after) < (double)FLT_MIN ? 0.0 : after;
}

pp_carrier_state pp_carrier_watch_execute(pp_carrier_watch *watch, const float *iq, size_t rows, size_t samples,
                                          double rate_hz)
{
    const block_levels now = measure(iq, rows, samples);
    if (!isfinite(now.steady + now.around)) {
        *watch = (pp_carrier_watch){.state = PP_CARRIER_UNSTEADY, .rows = rows};
        return watch->state;
    }
    const bool known = watch->rows == rows && watch->state == PP_CARRIER_STEADY;
    const bool jumped = known && jumps(watch, &now, iq, samples);
    const double share = -expm1(-(double)samples / (SMOOTHING_S * rate_hz));
    if (watch->rows != rows || jumped) {
        begin_anew(watch);
    }
    watch->rows = rows;
    for (size_t row = 0; row < rows; row++) {
        const double before = known && !jumped ? watch->amplitude[row] : now.amplitude[row];
        watch->amplitude[row] = before + share * (now.amplitude[row] - before);
    }
    if (jumped) {
        return watch->state;
    }
    watch->heard_s += (double)samples / rate_hz;
    watch->steady = followed(watch->steady, now.steady, share);
    watch->around = followed(watch->around, now.around, share);
    if (watch->steady > STEADY_SHARE * watch->around) {
        watch->state = PP_CARRIER_STEADY;
    } else {
        watch->state = watch->heard_s > SETTLE_S ? PP_CARRIER_MISSING : PP_CARRIER_UNSTEADY;
    }
    return watch->state;
}

size_t pp_carrier_watch_rows(const pp_carrier_watch *watch)
{
    return watch->rows;
}

void pp_carrier_watch_level(const pp_carrier_watch *watch, float *level_dbfs)
{
    for (size_t row = 0; row < watch->rows; row++) {
        level_dbfs[row] = (float)(20.0 * log10(fmax(watch->amplitude[row], SMALLEST_AMPLITUDE)));
    }
}
