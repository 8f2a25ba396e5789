/* Forward Fourier transform of four microphones at once: X[k] = sum over n of x[n] e^{-2 pi j k n / points}, unscaled.
 *
 * In place, natural order in and out, passes of radix 4 with decimation in time. A transform holds only tables, so that
 * any number of threads may execute the same one on data of their own. */

#ifndef PP_FFT_H
#define PP_FFT_H

#include <stddef.h>

#include "quad.h"

#define PP_FFT_MIN_POINTS 64
#define PP_FFT_MAX_POINTS 4096

typedef struct pp_fft pp_fft;

/* `points`: a power of two from 64 to 4096. NULL when it is not, or when memory ends. */
pp_fft *pp_fft_create(size_t points);

void pp_fft_destroy(pp_fft *fft);

/* `data` [points][2], real parts and then imaginary parts of each point, aligned to a quad. */
void pp_fft_execute(const pp_fft *fft, pp_quad *data);

#endif
