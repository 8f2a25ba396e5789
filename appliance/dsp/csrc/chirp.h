/* Short linear chirps, added to a stream that has something else in it already.
 *
 * Frame n of N is w[n] sin(2 pi (start n / rate + (stop - start) n^2 / (2 N rate))), where w rises from 0 to 1 as
 * sin^2(pi / 2 (n + 1/2) / F) over the first F frames and falls in the same way over the last F. Every pulse is the
 * same to the last bit, so that the difference of two shows only what moved. A pulse that has begun runs to its end.
 *
 * What comes out does not depend on how the stream is cut into blocks, to the last bit. */

#ifndef PP_CHIRP_H
#define PP_CHIRP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

/* Both ends of a sweep: 2 kHz within 32 and 48 kHz, beyond which less than -60 dB of a pulse's energy then lies. */
#define PP_LOWEST_CHIRP_HZ 34000.0
#define PP_HIGHEST_CHIRP_HZ 46000.0
/* With less, the fades would be most of what spreads, and fades of 1 ms would leave more than -60 dB below 32 kHz. */
#define PP_MIN_SWEEP_HZ 5000.0
#define PP_MIN_PULSE_S 0.005
#define PP_MAX_PULSE_S 0.04
#define PP_MIN_PULSE_FADE_S 0.001
#define PP_MAX_PULSE_FADE_S 0.002

typedef struct {
    int rate_hz;          /* 192000 or 96000 */
    int outputs;          /* 1 to 8, all of which get the same pulses */
    double max_amplitude; /* above 0 to 1.0 of full scale: no sample leaves further from 0 */
    double start_hz;      /* 34000 to 46000 */
    double stop_hz;       /* 34000 to 46000, at least 5000 from start_hz, on either side */
    double pulse_s;       /* 0.005 to 0.04, rounded to frames */
    double fade_s;        /* 0.001 to 0.002, rounded to frames */
} pp_chirp_spec;

typedef struct pp_chirp pp_chirp;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_chirp *pp_chirp_create(const pp_chirp_spec *spec, char *reason);

void pp_chirp_destroy(pp_chirp *chirp);

/* As the specification said. */
size_t pp_chirp_outputs(const pp_chirp *chirp);

/* One pulse, of amplitude 1: [pp_chirp_pulse_frames]. */
const float *pp_chirp_pulse(const pp_chirp *chirp);
size_t pp_chirp_pulse_frames(const pp_chirp *chirp);

/* Silence at once, as after create. */
void pp_chirp_reset(pp_chirp *chirp);

/* Let a pulse begin with the next frame. `amplitude` (0 or more of full scale) above the limit becomes the limit. False
 * with `reason` [PP_REASON_BYTES], and nothing changed, when the amplitude is out of range or a pulse is not over. */
bool pp_chirp_begin(pp_chirp *chirp, double amplitude, char *reason);

/* Frames until the pulse that is under way is over; 0 when none is. */
size_t pp_chirp_frames_left(const pp_chirp *chirp);

/* Add the pulse under way to `samples` [frames][outputs], each limited before and after; behind the pulse's end they
 * stay as they are. */
void pp_chirp_execute(pp_chirp *chirp, int32_t *samples, size_t frames);

#endif
