/* One to four sines that never click and never exceed their limit, whatever is asked.
 *
 * The signal is made in blocks of 128 frames. At a block's start the phase is taken from its 64-bit count, so that it
 * never drifts; within the block it follows a table, which is made anew only when the frequency is.
 *
 * Every change is one transition of `fade_s`, along a raised cosine w = (1 - cos(pi t / fade_s)) / 2, of each carrier's
 * amplitude and frequency from what they are at that moment to what was asked. It begins with the next block, takes
 * whole blocks, and goes straight within a block. Carriers keep their place in the list: the first of the old list
 * glides to the first of the new one, and so on; new ones fade in, those without a successor fade out at their
 * frequency. A carrier's phase never jumps. Each carrier has an equal share of the amplitude, and since amplitudes move
 * along one straight line from sum to sum, the sum never exceeds the larger one.
 *
 * The signal does not depend on how it is cut into blocks, to the last bit. */

#ifndef PP_TONE_H
#define PP_TONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

#define PP_TONE_BLOCK_FRAMES 128

#define PP_MIN_FADE_S 0.05
#define PP_MAX_FADE_S 60.0

typedef struct {
    int rate_hz;          /* 192000 or 96000 */
    int outputs;          /* 1 to 8, all of which get the same signal */
    double max_amplitude; /* above 0 to 1.0 of full scale: no sample is ever further from 0 */
    double fade_s;        /* 0.05 to 60, rounded to blocks */
} pp_tone_spec;

typedef struct pp_tone pp_tone;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_tone *pp_tone_create(const pp_tone_spec *spec, char *reason);

void pp_tone_destroy(pp_tone *tone);

/* As the specification said. */
size_t pp_tone_outputs(const pp_tone *tone);

/* Silence at once, as after create. */
void pp_tone_reset(pp_tone *tone);

/* Begin the transition to `carriers_hz` [count], 32000 Hz to half the rate less 1100 Hz each, none for silence.
 * `amplitude` (0 or more of full scale) is the sum over carriers; above the limit it becomes the limit. To ask again
 * for what is already under way changes nothing. False with `reason` [PP_REASON_BYTES], and nothing changed, when
 * refused. */
bool pp_tone_play(pp_tone *tone, const double *carriers_hz, size_t count, double amplitude, char *reason);

/* No transition is under way. */
bool pp_tone_settled(const pp_tone *tone);

/* The sum of amplitudes, of full scale, that is not exceeded from the next frame on until something else is asked. */
double pp_tone_loudest(const pp_tone *tone);

/* Fill `samples` [frames][outputs]. */
void pp_tone_execute(pp_tone *tone, int32_t *samples, size_t frames);

#endif
