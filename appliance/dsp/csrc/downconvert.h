/* Down-conversion of interleaved PCM to complex baseband around up to four carriers.
 *
 *     PCM, 384, 192 or 96 kHz --mix and filter--> 24 kHz --filter--> 4.8 kHz --filter--> 2.4 kHz
 *
 * Pass band +-900 Hz within 0.1 dB; from +-1100 Hz on everything, whatever it would alias to, is at least 80 dB
 * down. A real sine A cos(2 pi f n / rate + phi), n the stream's frame number, full scale 1.0, at the carrier f gives
 * A e^{j phi}: the factor 2 that a real signal loses to its mirror image is put back.
 *
 * The output does not depend on how the input is cut into blocks, to the last bit. */

#ifndef PP_DOWNCONVERT_H
#define PP_DOWNCONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "limits.h"

#define PP_BASEBAND_HZ 2400
#define PP_MIN_RECEIVED_HZ 30000.0

/* What `pp_downconverter_execute` returns when `samples` is not the number that these frames give. */
#define PP_WRONG_SIZE ((size_t)-1)

typedef struct {
    int rate_hz;                         /* 384000, 192000 or 96000 */
    int mics;                            /* 1 to 8 */
    int carriers;                        /* 1 to 4 */
    double carriers_hz[PP_MAX_CARRIERS]; /* 30000 to 180000, 90000 or 45000, by the rate  [carriers] */
    const char *instruction_set;         /* "generic", "avx2" or "neon"; "auto" or NULL: the best one here */
} pp_downconverter_spec;

typedef struct pp_downconverter pp_downconverter;

/* NULL with the reason in `reason` [PP_REASON_BYTES] when the specification is out of range or memory ends. */
pp_downconverter *pp_downconverter_create(const pp_downconverter_spec *spec, char *reason);

void pp_downconverter_destroy(pp_downconverter *converter);

/* As the specification said. */
size_t pp_downconverter_mics(const pp_downconverter *converter);
size_t pp_downconverter_carriers(const pp_downconverter *converter);

/* The instruction set that was chosen: "generic", "avx2" or "neon". */
const char *pp_downconverter_instruction_set(const pp_downconverter *converter);

/* Forget all samples. The next frame is number `first_frame` (>= 0) of the stream, which fixes the phase. */
void pp_downconverter_reset(pp_downconverter *converter, int64_t first_frame);

/* How many samples the next `frames` frames give: one whenever another rate_hz / PP_BASEBAND_HZ are complete. */
size_t pp_downconverter_output_samples(const pp_downconverter *converter, size_t frames);

/* Frames by which a sample's content lies before the newest frame that went into it. */
double pp_downconverter_group_delay_frames(const pp_downconverter *converter);

/* Consume `pcm` [frames][mics], write `iq` [carriers][mics][samples] complex as pairs of float; returns `samples`, or
 * PP_WRONG_SIZE, and then nothing was consumed, when that is not pp_downconverter_output_samples(frames). */
size_t pp_downconverter_execute(pp_downconverter *converter, const int32_t *pcm, size_t frames, float *iq,
                                size_t samples);

#endif
