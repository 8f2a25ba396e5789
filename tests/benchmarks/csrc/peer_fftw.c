/* Overlap-save by FFTW in single precision: one real transform of all microphones, the bins around the carrier times the
 * filter's response, and a small transform back at 2.4 kHz. The oscillator costs nothing: the carrier is a bin.
 *
 * Long transforms cost less a frame and answer later; the short one keeps the block's 10 ms. */

/* <complex.h> has to come first, for FFTW's types to be those of C. */
#include "peers.h"

#include <fftw3.h>
#include <math.h>
#include <string.h>

/* Frames of the past in each transform: what the filter needs, in whole blocks. */
enum { OVERLAP = 2 * BLOCK_FRAMES };

_Static_assert(OVERLAP >= LENGTH(whole) - 1, "the overlap holds the filter");

typedef struct {
    size_t hop;                /* frames */
    size_t frames;             /* of one transform */
    size_t samples;            /* of one transform back */
    size_t filled;             /* frames of the hop that are there */
    float *signal;             /* [MICS][frames] */
    float complex *spectrum;   /* [MICS][frames / 2 + 1] */
    float complex *band;       /* [MICS][samples] */
    float complex *response;   /* [samples] */
    fftwf_plan forward;
    fftwf_plan back;
} overlap_save;

static void *create(size_t hop_blocks)
{
    overlap_save *const state = allocate(sizeof(overlap_save));
    state->hop = hop_blocks * BLOCK_FRAMES;
    state->frames = state->hop + OVERLAP;
    state->samples = state->frames / DECIMATION;
    const int frames = (int)state->frames;
    const int bins = frames / 2 + 1;
    const int samples = (int)state->samples;
    state->signal = fftwf_alloc_real(MICS * state->frames);
    state->spectrum = fftwf_alloc_complex(MICS * (size_t)bins);
    state->band = fftwf_alloc_complex(MICS * state->samples);
    state->response = allocate(state->samples * sizeof(float complex));
    state->forward = fftwf_plan_many_dft_r2c(1, &frames, MICS, state->signal, NULL, 1, frames, state->spectrum, NULL, 1,
                                             bins, FFTW_MEASURE);
    state->back = fftwf_plan_many_dft(1, &samples, MICS, state->band, NULL, 1, samples, state->band, NULL, 1, samples,
                                      FFTW_BACKWARD, FFTW_MEASURE);
    memset(state->signal, 0, MICS * state->frames * sizeof(float));
    for (int k = 0; k < samples; k++) {
        const int bin = k < samples / 2 ? k : k - samples;
        double complex sum = 0;
        for (size_t n = 0; n < LENGTH(whole); n++) {
            sum += (double)whole[n] * cexp(-2 * M_PI * I * bin * (double)n / frames);
        }
        state->response[k] = (float complex)(sum * 2 / 2147483648.0 / frames);
    }
    return state;
}

static size_t execute(void *handle, const int32_t *pcm, float complex *iq)
{
    overlap_save *const state = handle;
    for (size_t m = 0; m < MICS; m++) {
        float *const end = state->signal + m * state->frames + OVERLAP + state->filled;
        for (size_t n = 0; n < BLOCK_FRAMES; n++) {
            end[n] = (float)pcm[n * MICS + m];
        }
    }
    state->filled += BLOCK_FRAMES;
    if (state->filled < state->hop) {
        return 0;
    }
    state->filled = 0;
    fftwf_execute(state->forward);
    const size_t carrier_bin = state->frames * (CARRIER_HZ / 1000) / (RATE_HZ / 1000);
    const size_t half = state->samples / 2;
    const size_t hop_samples = state->hop / DECIMATION;
    for (size_t m = 0; m < MICS; m++) {
        float *const signal = state->signal + m * state->frames;
        memmove(signal, signal + state->hop, OVERLAP * sizeof(float));
        const float complex *const bins = state->spectrum + m * (state->frames / 2 + 1) + carrier_bin;
        float complex *const band = state->band + m * state->samples;
        for (size_t k = 0; k < half; k++) {
            band[k] = bins[k] * state->response[k];
        }
        for (size_t k = half; k < state->samples; k++) {
            band[k] = *(bins + k - state->samples) * state->response[k];
        }
    }
    fftwf_execute(state->back);
    for (size_t m = 0; m < MICS; m++) {
        memcpy(iq + m * hop_samples, state->band + (m + 1) * state->samples - hop_samples,
               hop_samples * sizeof(float complex));
    }
    return hop_samples;
}

static void *create_short(void)
{
    return create(1);
}

static void *create_medium(void)
{
    return create(8);
}

static void *create_long(void)
{
    return create(14);
}

const peer fftw_short_peer = {"FFTW 10 ms", create_short, execute};
const peer fftw_medium_peer = {"FFTW 80 ms", create_medium, execute};
const peer fftw_long_peer = {"FFTW 140 ms", create_long, execute};
