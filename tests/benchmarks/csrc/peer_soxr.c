/* The oscillator, then soxr on eight real channels. The C library and not the Python package: only here can it be told
 * the same bands, and so does no more than the job. */

#include <soxr.h>
#include <stdio.h>
#include <stdlib.h>

#include "peers.h"

enum { CHANNELS = 2 * MICS };

/* The lowest that it takes; its stop band is far deeper than asked. */
static const double PRECISION_BITS = 15;

typedef struct {
    soxr_t resampler;
    float mixed[CHANNELS][BLOCK_FRAMES];
    float resampled[CHANNELS][BURST_SAMPLES];
} resampling;

static void *create(void)
{
    resampling *const state = allocate(sizeof(resampling));
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_S, SOXR_FLOAT32_S);
    soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    const double nyquist_hz = RATE_HZ / 2.0 / DECIMATION;
    quality.precision = PRECISION_BITS;
    quality.passband_end = 900 / nyquist_hz;
    quality.stopband_begin = 1100 / nyquist_hz;
    soxr_error_t error = NULL;
    state->resampler = soxr_create(DECIMATION, 1, CHANNELS, &error, &io, &quality, NULL);
    if (error != NULL) {
        fprintf(stderr, "soxr: %s\n", soxr_strerror(error));
        exit(2);
    }
    return state;
}

static size_t execute(void *handle, const int32_t *pcm, float complex *iq)
{
    resampling *const state = handle;
    const void *in[CHANNELS];
    void *out[CHANNELS];
    for (size_t c = 0; c < CHANNELS; c++) {
        in[c] = state->mixed[c];
        out[c] = state->resampled[c];
    }
    for (size_t m = 0; m < MICS; m++) {
        for (size_t n = 0; n < BLOCK_FRAMES; n++) {
            const float value = (float)pcm[n * MICS + m];
            state->mixed[2 * m][n] = value * crealf(oscillator[n]);
            state->mixed[2 * m + 1][n] = value * cimagf(oscillator[n]);
        }
    }
    size_t samples = 0;
    soxr_process(state->resampler, in, BLOCK_FRAMES, NULL, out, BURST_SAMPLES, &samples);
    for (size_t m = 0; m < MICS; m++) {
        for (size_t n = 0; n < samples; n++) {
            iq[m * samples + n] = CMPLXF(state->resampled[2 * m][n], state->resampled[2 * m + 1][n]);
        }
    }
    return samples;
}

const peer soxr_peer = {"soxr", create, execute};
