/* Plain C for every processor. Loop counts are constants after inlining, which lets the compiler keep every
 * accumulator in a register; an array of accumulators would go through memory. */

#include "stages.h"

#include <stdbool.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Four floats; a processor without such registers still runs it, split by the compiler. */
typedef float quad __attribute__((vector_size(16), may_alias));
typedef float loose_quad __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t pcm_quad __attribute__((vector_size(16), aligned(4), may_alias));
#define QUAD 4

/* With four microphones or more, entries are aligned to quads, which spares some processors an instruction. */
ALWAYS_INLINE quad load(const float *at, bool aligned)
{
    return aligned ? *(const quad *)at : (quad) * (const loose_quad *)at;
}

ALWAYS_INLINE void store(float *at, quad value)
{
    *(loose_quad *)at = value;
}

ALWAYS_INLINE void convert_frame(const int32_t *pcm, size_t mics, size_t lanes, float *entry)
{
    if (mics % QUAD == 0) {
        for (size_t m = 0; m < lanes; m += QUAD) {
            store(entry + m, __builtin_convertvector(*(const pcm_quad *)(pcm + m), quad));
        }
    } else {
#pragma GCC unroll 8
        for (size_t m = 0; m < lanes; m++) {
            entry[m] = m < mics ? (float)pcm[m] : 0.0F;
        }
    }
}

/* With constant `mics` little but the conversions themselves is left. */
ALWAYS_INLINE void convert_mics(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    const size_t lanes = pp_lanes(mics);
    for (size_t n = 0; n < outputs; n++) {
        float *entry = rows + n * lanes;
        /* Every decimation is a multiple of four. */
        for (size_t r = 0; r < decimation; r += 4) {
#pragma GCC unroll 4
            for (size_t frame = 0; frame < 4; frame++) {
                convert_frame(pcm, mics, lanes, entry);
                pcm += mics;
                entry += PP_PHASE_FLOATS;
            }
        }
    }
}

static void convert(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    rows += PP_PHASE_HISTORY * pp_lanes(mics);
    switch (mics) {
    case 1:
        convert_mics(pcm, outputs, decimation, 1, rows);
        break;
    case 2:
        convert_mics(pcm, outputs, decimation, 2, rows);
        break;
    case 4:
        convert_mics(pcm, outputs, decimation, 4, rows);
        break;
    case 8:
        convert_mics(pcm, outputs, decimation, 8, rows);
        break;
    default:
        convert_mics(pcm, outputs, decimation, mics, rows);
    }
}

ALWAYS_INLINE void mix_part(const float *rows, size_t floats, size_t lanes, const pp_mix_part *part, size_t decimation,
                            size_t taps, bool aligned)
{
    const pp_mixer *const mixer = part->mixer;
    const size_t first = (PP_PHASE_HISTORY + 1) * decimation - taps;
    const float *at[3] = {rows, rows + lanes, rows + 2 * lanes};
    for (size_t i = 0; i < floats; i += QUAD) {
#define SAMPLE(k) load(at[(first + (k)) / decimation] + (first + (k)) % decimation * PP_PHASE_FLOATS, aligned)
        quad re = load(mixer->of_sum[taps / 2], true) * SAMPLE(taps / 2);
        quad im = {0};
#pragma GCC unroll 32
        for (size_t k = 0; k < taps / 2; k++) {
            const quad old = SAMPLE(k);
            const quad new = SAMPLE(taps - 1 - k);
            re += load(mixer->of_sum[k], true) * (old + new);
            im += load(mixer->of_difference[k], true) * (old - new);
        }
#undef SAMPLE
        const quad table_re = load(mixer->turn[0] + part->first + i, aligned);
        const quad table_im = load(mixer->turn[1] + part->first + i, aligned);
        const quad turn_re = table_re * part->start_re - table_im * part->start_im;
        const quad turn_im = table_re * part->start_im + table_im * part->start_re;
        store(part->re + i, re * turn_re - im * turn_im);
        store(part->im + i, re * turn_im + im * turn_re);
        at[0] += QUAD;
        at[1] += QUAD;
        at[2] += QUAD;
    }
}

ALWAYS_INLINE void mix(const float *rows, size_t floats, size_t lanes, const pp_mix_part *part, size_t decimation,
                       size_t taps)
{
    if (lanes >= QUAD) {
        mix_part(rows, floats, lanes, part, decimation, taps, true);
    } else {
        mix_part(rows, floats, lanes, part, decimation, taps, false);
    }
}

static void mix_by_4(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    for (size_t c = 0; c < carriers; c++) {
        mix(rows, floats, lanes, &parts[c], 4, PP_STAGE_1_TAPS_96K);
    }
}

static void mix_by_8(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    for (size_t c = 0; c < carriers; c++) {
        mix(rows, floats, lanes, &parts[c], 8, PP_STAGE_1_TAPS_192K);
    }
}

static void mix_by_16(const float *rows, size_t floats, size_t lanes, const pp_mix_part *parts, size_t carriers)
{
    for (size_t c = 0; c < carriers; c++) {
        mix(rows, floats, lanes, &parts[c], 16, PP_STAGE_1_TAPS_384K);
    }
}

/* One or two microphones: several entries to a vector, `floats` in all. */
ALWAYS_INLINE quad weigh(const float *in, const float *taps, size_t floats)
{
    quad sum = {0};
    for (size_t i = 0; i < floats; i += QUAD) {
        sum += load(taps + i, true) * load(in + i, false);
    }
    return sum;
}

/* From four microphones on: one vector of each of `entries` entries `width` apart. Those that share their tap are added
 * first. `taps` are `repeat` apart. */
ALWAYS_INLINE quad weigh_folded(const float *in, const float *taps, size_t entries, size_t width, size_t repeat)
{
    quad sum = {0};
#pragma GCC unroll 64
    for (size_t k = 0; k < entries / 2; k++) {
        const quad pair = load(in + k * width, true) + load(in + (entries - 1 - k) * width, true);
        sum += load(taps + k * repeat, true) * pair;
    }
    return sum;
}

ALWAYS_INLINE void decimate_2_lanes(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                                    float *out)
{
    const size_t zeros = (PP_STAGE_2_WINDOW - PP_STAGE_2_TAPS) * lanes;
    for (size_t n = 0; n < outputs; n++, re += PP_STAGE_2_DECIMATION * lanes, im += PP_STAGE_2_DECIMATION * lanes) {
        float *const to = out + 2 * n * lanes;
        if (lanes < QUAD) {
            const quad sum_re = weigh(re, taps, PP_STAGE_2_WINDOW * lanes);
            const quad sum_im = weigh(im, taps, PP_STAGE_2_WINDOW * lanes);
            const quad sum = __builtin_shufflevector(sum_re, sum_im, 0, 4, 1, 5) +
                             __builtin_shufflevector(sum_re, sum_im, 2, 6, 3, 7);
            if (lanes == 2) {
                store(to, sum);
            } else {
                to[0] = sum[0] + sum[2];
                to[1] = sum[1] + sum[3];
            }
        }
        for (size_t m = 0; m + QUAD <= lanes; m += QUAD) {
            const quad sum_re = weigh_folded(re + zeros + m, taps + zeros, PP_STAGE_2_TAPS, lanes, lanes);
            const quad sum_im = weigh_folded(im + zeros + m, taps + zeros, PP_STAGE_2_TAPS, lanes, lanes);
            store(to + 2 * m, __builtin_shufflevector(sum_re, sum_im, 0, 4, 1, 5));
            store(to + 2 * m + QUAD, __builtin_shufflevector(sum_re, sum_im, 2, 6, 3, 7));
        }
    }
}

ALWAYS_INLINE void decimate_3_lanes(const float *in, size_t outputs, size_t lanes, const float *taps, float *out)
{
    const size_t width = 2 * lanes;
    for (size_t n = 0; n < outputs; n++, in += PP_STAGE_3_DECIMATION * width, out += width) {
        if (lanes == 1) {
            const quad sum = weigh(in, taps, PP_STAGE_3_TAPS * width);
            out[0] = sum[0] + sum[2];
            out[1] = sum[1] + sum[3];
        } else if (lanes == 2) {
            store(out, weigh(in, taps, PP_STAGE_3_TAPS * width));
        } else {
            for (size_t part = 0; part < width; part += QUAD) {
                store(out + part, weigh_folded(in + part, taps, PP_STAGE_3_TAPS, width, PP_VECTOR));
            }
        }
    }
}

/* A copy of the loop for each number of lanes, with that number a constant in it. */
#define FOR_EACH_LANES(call) \
    switch (lanes) {         \
    case 1:                  \
        call(1);             \
        break;               \
    case 2:                  \
        call(2);             \
        break;               \
    case 4:                  \
        call(4);             \
        break;               \
    default:                 \
        call(8);             \
    }

static void decimate_stage_2(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                             float *out)
{
#define CALL(n) decimate_2_lanes(re, im, outputs, n, taps, out)
    FOR_EACH_LANES(CALL)
#undef CALL
}

static void decimate_stage_3(const float *in, size_t outputs, size_t lanes, const float *taps, float *out)
{
#define CALL(n) decimate_3_lanes(in, outputs, n, taps, out)
    FOR_EACH_LANES(CALL)
#undef CALL
}

const pp_stages *pp_stages_generic(void)
{
    static const pp_stages generic = {
        .name = "generic",
        .convert = convert,
        .keep = pp_keep_phases,
        .mix_by_4 = mix_by_4,
        .mix_by_8 = mix_by_8,
        .mix_by_16 = mix_by_16,
        .decimate_stage_2 = decimate_stage_2,
        .decimate_stage_3 = decimate_stage_3,
    };
    return &generic;
}
