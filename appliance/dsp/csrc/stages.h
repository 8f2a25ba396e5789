/* The inner loops of down-conversion. One file for each instruction set implements this table; the generic one is plain
 * C with vector types, and says what is computed in the fewest words.
 *
 * Every signal lies in flat arrays of float, `lanes` microphones to an entry, so that a vector of any width holds as
 * many entries in time as it has room for: nothing is padded, however few microphones there are. */

#ifndef PP_STAGES_H
#define PP_STAGES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "delay_line.h"
#include "limits.h"
#include "taps.h"

/* A group is what one baseband sample consumes: 10 outputs of stage 1, 2 of stage 2, 1 of stage 3. */
#define PP_STAGE_1_OUTPUTS 10
#define PP_STAGE_2_OUTPUTS 2
#define PP_STAGE_2_DECIMATION 5
#define PP_STAGE_3_DECIMATION 2

/* Groups in one go: few enough for the first-level cache of a small processor, enough to spread the overhead. */
#define PP_CHUNK_GROUPS 12
#define PP_CHUNK_OUTPUTS (PP_CHUNK_GROUPS * PP_STAGE_1_OUTPUTS)

/* Floats of the widest vector. The mixer works in whole ones and so writes up to 7 floats that do not count. */
#define PP_VECTOR 8

/* Stage 1 reads the PCM by phases: frame n * decimation + r is entry n of row r. Each row begins with what the taps
 * still reach from the chunk before. An instruction set may lay frames out otherwise within the same memory. */
#define PP_PHASE_HISTORY 2
#define PP_PHASE_FLOATS ((PP_PHASE_HISTORY + PP_CHUNK_OUTPUTS) * PP_MAX_MICS)
#define PP_MAX_DECIMATION 16

/* Independent taps of the longest first stage. */
#define PP_MIX_HALF_MAX ((PP_STAGE_1_TAPS_384K + 1) / 2)

/* Stage 2's taps with zeros before the oldest, up to whole vectors for one microphone. */
#define PP_STAGE_2_WINDOW 24

/* Microphones to an entry: 1, 2, 4 or 8; lanes beyond the last microphone hold silence. */
static inline size_t pp_lanes(size_t mics)
{
    return mics <= 2 ? mics : mics <= 4 ? 4 : 8;
}

/* Floats over which each tap of stage 3 is repeated: a complex entry, but no more than a vector. */
static inline size_t pp_stage_3_repeat(size_t lanes)
{
    return 2 * lanes < PP_VECTOR ? 2 * lanes : PP_VECTOR;
}

/* `keep` of rows of phases. */
static inline void pp_keep_phases(float *rows, size_t outputs, size_t decimation, size_t lanes)
{
    for (size_t r = 0; r < decimation; r++) {
        float newest[PP_PHASE_HISTORY * PP_MAX_MICS];
        memcpy(newest, rows + r * PP_PHASE_FLOATS + outputs * lanes, sizeof newest);
        memcpy(rows + r * PP_PHASE_FLOATS, newest, sizeof newest);
    }
}

/* What one carrier does to the PCM. Samples at equal distance k from the middle tap share h[k] but for the sign of the
 * imaginary part: h[k] cos(wk) multiplies their sum, h[k] sin(wk) old less new. Outermost first, the middle last. */
typedef struct {
    _Alignas(PP_ALIGNMENT) float of_sum[PP_MIX_HALF_MAX][PP_VECTOR];
    float of_difference[PP_MIX_HALF_MAX][PP_VECTOR];
    /* e^{-jw t} of each output of a chunk, t from the chunk's first output, repeated over the lanes: real parts,
     * imaginary parts */
    float turn[2][PP_CHUNK_OUTPUTS * PP_MAX_MICS];
} pp_mixer;

/* One carrier's share of a chunk. */
typedef struct {
    const pp_mixer *mixer;
    size_t first;   /* entry of `turn` of the first output, in floats */
    float start_re; /* phasor of the chunk's first output */
    float start_im;
    float *re; /* where the mixed outputs go, [outputs][lanes] */
    float *im;
} pp_mix_part;

typedef struct {
    const char *name;

    /* pcm [outputs * decimation][mics] -> rows [decimation] of PP_PHASE_FLOATS, behind their history. */
    void (*convert)(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows);

    /* The newest entries of rows with `outputs` new ones become their history. */
    void (*keep)(float *rows, size_t outputs, size_t decimation, size_t lanes);

    /* Stage 1 for 1 to PP_MAX_CARRIERS carriers: rows as above -> complex at 24 kHz, [outputs]
     * [lanes] in each part's `re` and `im`, `floats` = outputs * lanes. One function a decimation. */
    void (*mix_by_4)(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers);
    void (*mix_by_8)(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers);
    void (*mix_by_16)(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers);

    /* Stage 2: [entries][lanes] real and imaginary parts, from PP_STAGE_2_WINDOW entries before the end of the first
     * output's window -> [outputs][lanes] complex, whole groups. `taps` [PP_STAGE_2_WINDOW], repeated over the lanes. */
    void (*decimate_stage_2)(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                             float *out);

    /* Stage 3: [entries][lanes] complex -> [outputs][lanes] complex. `taps` [PP_STAGE_3_TAPS], repeated. */
    void (*decimate_stage_3)(const float *in, size_t outputs, size_t lanes, const float *taps, float *out);
} pp_stages;

/* NULL where the processor the file was compiled for has no such instructions. */
const pp_stages *pp_stages_generic(void);
const pp_stages *pp_stages_avx2(void);
const pp_stages *pp_stages_neon(void);

/* The table of that name, for "auto" the best one; NULL when this processor cannot run it or there is none. */
const pp_stages *pp_stages_here(const char *name);

#endif
