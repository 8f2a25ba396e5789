/* The chirps' band: interleaved int32 PCM to complex baseband at 12 kHz around one centre.
 *
 * Flat to 1.7 dB within +-5 kHz of the centre; what would fold onto that is 70 dB down. Two stages: to 24 kHz with
 * complex taps, then half of that. Work is done in whole groups of frames counted from the last reset, which is why no
 * cut of the input can show in the output. */

#ifndef PP_BAND_H
#define PP_BAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "quad.h"

#define PP_BAND_HZ 12000

/* The centre is at least this far from 0 and from half the rate, so that its mirror image is stopped. */
#define PP_BAND_STOP_HZ 7000.0

#define PP_BAND_GROUP_SAMPLES 16

/* Groups in one go: few enough for the first-level cache of a small processor. */
#define PP_BAND_CHUNK_GROUPS 2

/* Samples after silence or a skip that still lack what was before: one group. */
#define PP_BAND_SETTLE_SAMPLES PP_BAND_GROUP_SAMPLES

typedef struct pp_band pp_band;

/* NULL when memory ends. `rate_hz` 192000 or 96000, `mics` 1 to 8, `centre_hz` PP_BAND_STOP_HZ from the edges. */
pp_band *pp_band_create(int rate_hz, int mics, double centre_hz);

void pp_band_destroy(pp_band *band);

/* Frames for each sample: 16, at 96 kHz 8. */
size_t pp_band_decimation(const pp_band *band);

/* Half-frames by which a sample's content lies before the newest frame that went into it. */
int64_t pp_band_delay_half_frames(const pp_band *band);

/* Phase advance of the centre per frame. */
uint64_t pp_band_step(const pp_band *band);

/* Forget all samples. The next frame is number `first_frame` (>= 0) of the stream, which fixes the phase. */
void pp_band_reset(pp_band *band, int64_t first_frame);

/* How many groups the next `frames` frames complete. */
size_t pp_band_groups(const pp_band *band, size_t frames);

/* Take as many of `pcm` [frames][mics] as fit; their number. `groups` are complete then, which pp_band_give or
 * pp_band_skip have to consume before more is taken. */
size_t pp_band_take(pp_band *band, const int32_t *pcm, size_t frames, size_t *groups);

/* The next `groups` complete groups, four microphones each: `out` [(mics + 3) / 4] of [groups * 16][2] quads, real
 * parts and then imaginary parts; a real sine of amplitude A at the centre gives A. */
void pp_band_give(pp_band *band, size_t groups, pp_quad *const *out);

/* Leave out the next `groups` complete groups. */
void pp_band_skip(pp_band *band, size_t groups);

#endif
