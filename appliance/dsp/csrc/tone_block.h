/* A block of tones, in vectors: tables of phasors and their sum. Private to tone.c. */

#ifndef PP_TONE_BLOCK_H
#define PP_TONE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"
#include "phase.h"
#include "tone.h"

enum { PP_TONE_LANES = 4, PP_TONE_BLOCK_LANES = PP_TONE_BLOCK_FRAMES / PP_TONE_LANES };

typedef float pp_tone_lanes __attribute__((vector_size(PP_TONE_LANES * sizeof(float))));
typedef int32_t pp_tone_int_lanes __attribute__((vector_size(PP_TONE_LANES * sizeof(int32_t))));

typedef union {
    float frames[PP_TONE_BLOCK_FRAMES];
    pp_tone_lanes lanes[PP_TONE_BLOCK_LANES];
} pp_tone_floats;

/* Phasors e^{j phase} since the block began, of a voice whose step begins at `step` and grows by `bend` a frame. */
typedef struct {
    pp_tone_floats cosine;
    pp_tone_floats sine;
    uint64_t step;
    int64_t bend;
} pp_tone_table;

/* Two rotations, of which one turns the other: exact enough within a block (each frame adds 1e-11 to 2e-11). */
static inline void pp_tone_make_table(pp_tone_table *table, uint64_t step, int64_t bend)
{
    const pp_phasor bent = pp_phasor_at((uint64_t)bend);
    pp_phasor turn = pp_phasor_at(step);
    pp_phasor at = {.cosine = 1, .sine = 0};
    for (size_t n = 0; n < PP_TONE_BLOCK_FRAMES; n++) {
        table->cosine.frames[n] = (float)at.cosine;
        table->sine.frames[n] = (float)at.sine;
        at = pp_phasor_product(at, turn);
        turn = pp_phasor_product(turn, bent);
    }
    table->step = step;
    table->bend = bend;
}

/* What one voice gives to a block: its table turned by the phase at the block's start, times a gain that goes straight. */
typedef struct {
    const pp_tone_table *table;
    float by_cosine; /* sine of the phase at the block's start */
    float by_sine;   /* cosine of it */
    float gain;      /* at the block's start, in units of the output */
    float slope;     /* of the gain, a frame */
} pp_tone_part;

/* The sum of `count` parts. Both `count` and `steady` (no slope) are constants where this is called: it is compiled for
 * each, so that everything stays in registers. */
static inline __attribute__((always_inline)) void pp_tone_add_parts(const pp_tone_part *parts, size_t count,
                                                                    bool steady, pp_tone_floats *sum)
{
    pp_tone_lanes by_cosine[PP_MAX_CARRIERS];
    pp_tone_lanes by_sine[PP_MAX_CARRIERS];
    pp_tone_lanes gain[PP_MAX_CARRIERS];
    pp_tone_lanes more[PP_MAX_CARRIERS];
    for (size_t p = 0; p < count; p++) {
        const float folded = steady ? parts[p].gain : 1;
        by_cosine[p] = folded * parts[p].by_cosine - (pp_tone_lanes){0};
        by_sine[p] = folded * parts[p].by_sine - (pp_tone_lanes){0};
        gain[p] = parts[p].gain + parts[p].slope * (pp_tone_lanes){0, 1, 2, 3};
        more[p] = PP_TONE_LANES * parts[p].slope - (pp_tone_lanes){0};
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < PP_TONE_BLOCK_LANES; i++) {
        pp_tone_lanes together;
        for (size_t p = 0; p < count; p++) {
            const pp_tone_table *const table = parts[p].table;
            pp_tone_lanes one = by_cosine[p] * table->cosine.lanes[i] + by_sine[p] * table->sine.lanes[i];
            if (!steady) {
                one *= gain[p];
                gain[p] += more[p];
            }
            together = p == 0 ? one : together + one;
        }
        sum->lanes[i] = together;
    }
}

static inline __attribute__((always_inline)) void pp_tone_add_any(const pp_tone_part *parts, size_t count, bool steady,
                                                                  pp_tone_floats *sum)
{
    switch (count) {
    case 0:
        *sum = (pp_tone_floats){{0}};
        return;
    case 1:
        pp_tone_add_parts(parts, 1, steady, sum);
        return;
    case 2:
        pp_tone_add_parts(parts, 2, steady, sum);
        return;
    case 3:
        pp_tone_add_parts(parts, 3, steady, sum);
        return;
    default:
        pp_tone_add_parts(parts, PP_MAX_CARRIERS, steady, sum);
    }
}

#endif
