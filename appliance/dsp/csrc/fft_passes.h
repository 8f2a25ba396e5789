/* The inner loops of the transform. One file for each instruction set implements this table; the generic one is plain
 * C with vector types. */

#ifndef PP_FFT_PASSES_H
#define PP_FFT_PASSES_H

#include <stddef.h>

#include "quad.h"

/* e^{-2 pi j r k / (4 span)} for r = 1, 2, 3: real and imaginary part of each. */
typedef struct {
    float re[3];
    float im[3];
} pp_twiddles;

typedef struct {
    /* Transforms of 2 or of 4 neighbours each, which need no twiddles. */
    void (*first_2)(pp_quad *data, size_t points);
    void (*first_4)(pp_quad *data, size_t points);

    /* Each four neighbouring transforms of `span` points, of the samples 0, 2, 1, 3 modulo 4, become one of 4 span;
     * `twiddles` [span]. */
    void (*combine_4)(pp_quad *data, size_t points, size_t span, const pp_twiddles *twiddles);
} pp_fft_passes;

extern const pp_fft_passes pp_fft_passes_generic;

/* NULL where this processor or this build has no AVX2 and FMA. */
const pp_fft_passes *pp_fft_passes_avx2(void);

#endif
