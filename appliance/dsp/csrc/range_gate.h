/* Pulse compression: what arrives after each pulse of a known schedule, sorted by its delay.
 *
 * PCM becomes the chirps' band (band.h); the window of each pulse is correlated with a replica by Fourier transforms.
 * Delays count from the instant at which the pulse left, to a fraction of a frame, and phases refer to it, so that an
 * echo that stands still gives the same complex values for every pulse. */

#ifndef PP_RANGE_GATE_H
#define PP_RANGE_GATE_H

#include <stdint.h>

#include "band.h"

/* Frame numbers up to here are exact in double precision: 1,500 years at 192 kHz. */
#define PP_MAX_FRAME (INT64_C(1) << 53)

/* What `pp_range_gate_execute` returns when `pulses` is not the number that these frames give. */
#define PP_WRONG_PULSES ((size_t)-1)

typedef struct {
    int rate_hz;          /* 192000 or 96000 */
    int mics;             /* 1 to 8 */
    double centre_hz;     /* 34000 to 46000, at 96 kHz to 41000 */
    int period_frames;    /* from pulse to pulse, 1 ms to 1 s */
    int bins;             /* 1 to (4080 - replica_samples) / bin_samples */
    int bin_samples;      /* samples at 12 kHz from bin to bin: 1, or 2 */
    int lead_samples;     /* samples by which bin 0 looks before the pulse left, 0 to 4080 */
    int replica_samples;  /* 1 to 4078 */
    const float *replica; /* its conjugate is what the band is multiplied with  [replica_samples] complex as pairs */
} pp_range_gate_spec;

typedef struct pp_range_gate pp_range_gate;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_range_gate *pp_range_gate_create(const pp_range_gate_spec *spec, char *reason);

void pp_range_gate_destroy(pp_range_gate *gate);

/* As the specification said. */
size_t pp_range_gate_mics(const pp_range_gate *gate);
size_t pp_range_gate_bins(const pp_range_gate *gate);

/* Forget all samples. The next frame is number `first_frame` of the stream, 0 to PP_MAX_FRAME. Pulses begin at every
 * multiple of the period, as the emission counts frames, and leave the loudspeaker `offset_frames` later, 0 to 10 s, as
 * the microphones count. False with `reason` [PP_REASON_BYTES], and nothing changed, when out of range. A pulse whose
 * window begins before the filters have settled is left out. */
bool pp_range_gate_reset(pp_range_gate *gate, int64_t first_frame, double offset_frames, char *reason);

/* The frame, as the emission counts, at which the pulse begins that is given next. */
int64_t pp_range_gate_next_pulse_frame(const pp_range_gate *gate);

/* How many pulses the next `frames` frames complete. */
size_t pp_range_gate_output_pulses(const pp_range_gate *gate, size_t frames);

/* Consume `pcm` [frames][mics], write `echoes` [pulses][mics][bins] complex as pairs of float; returns `pulses`, or
 * PP_WRONG_PULSES, and then nothing was consumed, when that is not pp_range_gate_output_pulses(frames).
 *
 * Bin b is the sum over i of band[t + i] conj(replica[i]), t being lead_samples before the pulse left and
 * b * bin_samples behind that. */
size_t pp_range_gate_execute(pp_range_gate *gate, const int32_t *pcm, size_t frames, float *echoes, size_t pulses);

#endif
