/* The inner loops of down-conversion, four microphones at a time. One file for each instruction set implements
 * this table; the generic one is plain C with vector types. */

#ifndef PP_STAGES_H
#define PP_STAGES_H

#include <stddef.h>
#include <stdint.h>

#include "delay_line.h"

/* Independent taps of the longest first stage. */
#define PP_MIX_HALF_MAX 11

/* Complex taps of the first stage, outermost first, each repeated over a quad, so that it is a plain operand:
 * h[k] cos(wk) for the sum of the two samples k frames from the middle, -h[k] sin(wk) for their difference. */
typedef struct {
    pp_quad of_sum[PP_MIX_HALF_MAX];
    pp_quad of_difference[PP_MIX_HALF_MAX];
} pp_mix_taps;

typedef struct {
    /* `frames` frames of `mics` interleaved int32 -> quads of float; lanes beyond `lanes` (1-4) become 0. */
    void (*convert)(const int32_t *pcm, size_t frames, size_t mics, size_t lanes, pp_quad *out);

    /* Stage 1: frames -> complex at 24 kHz, times the phasor of each output, split into [real parts] and [imaginary
     * parts] of `outputs` values. `in` starts taps - decimation frames before the first new one. */
    void (*mix_192k)(const pp_quad *in, size_t outputs, const pp_mix_taps *taps, const float *phasor_re,
                     const float *phasor_im, pp_quad *out);
    void (*mix_96k)(const pp_quad *in, size_t outputs, const pp_mix_taps *taps, const float *phasor_re,
                    const float *phasor_im, pp_quad *out);

    /* Stages 2 and 3: complex to complex, symmetric real taps, first half with the centre, repeated over a quad. */
    void (*decimate_stage_2)(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out);
    void (*decimate_stage_3)(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out);
} pp_stages;

/* The best table for this processor. */
const pp_stages *pp_stages_here(void);

#endif
