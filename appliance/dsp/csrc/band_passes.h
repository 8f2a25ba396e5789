/* The inner loops of the chirps' band, four microphones at a time. One file for each instruction set implements this
 * table; the generic one is plain C with vector types. */

#ifndef PP_BAND_PASSES_H
#define PP_BAND_PASSES_H

#include <stddef.h>
#include <stdint.h>

#include "quad.h"
#include "taps.h"

/* Complex taps h[k] e^{jw(middle - k)} of the first stage, oldest sample first, each repeated over a quad. */
typedef struct {
    pp_quad re[PP_BAND_1_TAPS_192K];
    pp_quad im[PP_BAND_1_TAPS_192K];
} pp_band_taps;

typedef struct {
    /* `frames` frames of `mics` interleaved int32 -> quads of float; lanes beyond `lanes` (1-4) become 0. */
    void (*convert)(const int32_t *pcm, size_t frames, size_t mics, size_t lanes, pp_quad *out);

    /* Frames -> complex at 24 kHz, times the phasor of each output. `in` starts at the oldest frame of the first. */
    void (*mix_192k)(const pp_quad *in, size_t outputs, const pp_band_taps *taps, const float *phasor_re,
                     const float *phasor_im, pp_quad *out);
    void (*mix_96k)(const pp_quad *in, size_t outputs, const pp_band_taps *taps, const float *phasor_re,
                    const float *phasor_im, pp_quad *out);

    /* Complex at 24 kHz -> at 12 kHz; the first half of the symmetric taps, each repeated over two quads. */
    void (*halve)(const pp_quad *in, size_t outputs, const pp_quad *taps, pp_quad *out);
} pp_band_passes;

extern const pp_band_passes pp_band_passes_generic;

/* NULL where this processor or this build has no AVX2 and FMA. */
const pp_band_passes *pp_band_passes_avx2(void);

#endif
