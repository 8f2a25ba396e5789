/* Phase as a 64-bit fraction of a turn: it wraps by itself, adds without rounding and therefore never drifts. */

#ifndef PP_PHASE_H
#define PP_PHASE_H

#include <math.h>
#include <stdint.h>

/* A point on the unit circle. */
typedef struct {
    double cosine;
    double sine;
} pp_phasor;

/* Phase advance per frame, in turns of 2^64, of `frequency_hz` (0 <= frequency < rate) at `rate_hz`.
 *
 * Long division in two 32-bit digits: the remainder of the first is exact, so the step is right to the last bit
 * or two, and a carrier is off by no more than rate / 2^63 hertz. */
static inline uint64_t pp_phase_step(double frequency_hz, double rate_hz)
{
    const double digit = 4294967296.0;
    const double high = floor(frequency_hz * digit / rate_hz);
    const double low = fma(-high, rate_hz, frequency_hz * digit) * digit / rate_hz;
    return ((uint64_t)high << 32) + (uint64_t)(int64_t)llrint(low);
}

/* e^{j 2 pi turns / 2^64}, to 1e-11.
 *
 * The angle is reduced to -pi/4 .. pi/4 around the nearest quarter turn, where the Taylor series to x^12 leaves
 * less than 1e-11. That is -220 dB, and cheaper than a library's sincos. */
static inline pp_phasor pp_phasor_at(uint64_t turns)
{
    const double radians_per_unit = 6.283185307179586 / 18446744073709551616.0;
    const uint64_t quarter = (turns + (UINT64_C(1) << 61)) >> 62;
    const double x = (double)(int64_t)(turns - (quarter << 62)) * radians_per_unit;
    const double x2 = x * x;
    const double sine =
        x * (1 + x2 * (-1.0 / 6 + x2 * (1.0 / 120 + x2 * (-1.0 / 5040 + x2 * (1.0 / 362880 + x2 * (-1.0 / 39916800))))));
    const double cosine =
        1 + x2 * (-1.0 / 2 +
                  x2 * (1.0 / 24 + x2 * (-1.0 / 720 + x2 * (1.0 / 40320 + x2 * (-1.0 / 3628800 + x2 / 479001600)))));
    /* The sine in each quarter; the cosine is the sine a quarter on. */
    const double around[4] = {sine, cosine, -sine, -cosine};
    return (pp_phasor){.cosine = around[(quarter + 1) & 3], .sine = around[quarter & 3]};
}

/* Rotates `a` by `b`. */
static inline pp_phasor pp_phasor_product(pp_phasor a, pp_phasor b)
{
    return (pp_phasor){
        .cosine = a.cosine * b.cosine - a.sine * b.sine,
        .sine = a.sine * b.cosine + a.cosine * b.sine,
    };
}

#endif
