/* The job that every competitor does: four microphones of interleaved int32 at 192 kHz, in blocks of 10 ms, to the band
 * around 40 kHz, complex at 2.4 kHz. A sine of amplitude A (full scale 1.0) at the carrier gives |iq| = A. */

#ifndef PEERS_H
#define PEERS_H

#include <complex.h>
#include <stddef.h>
#include <stdint.h>

/* Written by the benchmark from the project's own filter tables: stage_1, stage_2, stage_3, and whole, their
 * convolution at 192 kHz; float, symmetric. */
#include "peer_taps.h"

enum {
    RATE_HZ = 192000,
    CARRIER_HZ = 40000,
    MICS = 4,
    BLOCK_FRAMES = 1920,
    DECIMATION = 80,
    BLOCK_SAMPLES = BLOCK_FRAMES / DECIMATION,
    /* Samples of a microphone that may come at once from a competitor that collects several blocks first. */
    BURST_SAMPLES = 1024,
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

typedef struct {
    const char *name;
    void *(*create)(void);
    /* Consume `pcm` [BLOCK_FRAMES][MICS]; write `iq` [MICS][samples], return samples (0 to BURST_SAMPLES). */
    size_t (*execute)(void *state, const int32_t *pcm, float complex *iq);
} peer;

/* 2 / 2^31 e^{-j 2 pi 40 kHz t}: scale and oscillator of a whole block, which is 400 turns of the carrier. */
extern float complex oscillator[BLOCK_FRAMES];

/* Memory for a competitor's state; ends the program when there is none. */
void *allocate(size_t bytes);

/* Down to the carrier's band, still at 192 kHz: one microphone. */
static inline void mix(const int32_t *pcm, size_t mic, float complex *mixed)
{
    for (size_t n = 0; n < BLOCK_FRAMES; n++) {
        mixed[n] = (float)pcm[n * MICS + mic] * oscillator[n];
    }
}

/* One file each; those whose library is not installed are not compiled. */
extern const peer pipistrelle_peer;
extern const peer liquid_one_stage_peer;
extern const peer liquid_cascade_peer;
extern const peer soxr_peer;
extern const peer fftw_short_peer;
extern const peer fftw_medium_peer;
extern const peer fftw_long_peer;

/* Multiply-accumulates of float that the best loop of this processor does in `rounds` rounds; see floor.c. */
double floor_macs(size_t rounds);

/* Read `values` of `pcm` and nothing else. */
int32_t floor_read(const int32_t *pcm, size_t values);

#endif
