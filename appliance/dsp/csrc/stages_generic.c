/* Plain C for every processor. Loop counts are constants after inlining, which lets the compiler keep every
 * accumulator in a register; an array of accumulators would go through memory. */

#include "stages.h"

#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Four floats; a processor without such registers still runs it, split by the compiler. */
typedef float quad __attribute__((vector_size(16)));
#define QUAD 4

ALWAYS_INLINE quad load(const float *at)
{
    quad loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

ALWAYS_INLINE void store(float *at, quad value)
{
    memcpy(at, &value, sizeof value);
}

/* With constant `mics` little but the conversions themselves is left. */
ALWAYS_INLINE void convert_mics(const int32_t *pcm, size_t outputs, size_t decimation, size_t mics, float *rows)
{
    const size_t lanes = pp_lanes(mics);
    for (size_t n = 0; n < outputs; n++) {
        for (size_t r = 0; r < decimation; r++) {
            float *const entry = rows + r * PP_PHASE_FLOATS + n * lanes;
#pragma GCC unroll 8
            for (size_t m = 0; m < lanes; m++) {
                entry[m] = m < mics ? (float)pcm[m] : 0.0F;
            }
            pcm += mics;
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

ALWAYS_INLINE void mix(const float *rows, size_t floats, size_t lanes, const pp_mix_part *part, size_t decimation,
                       size_t taps)
{
    const pp_mixer *const mixer = part->mixer;
    const size_t first = (PP_PHASE_HISTORY + 1) * decimation - taps;
    for (size_t i = 0; i < floats; i += QUAD) {
        const float *const at = rows + i;
#define SAMPLE(k) load(at + ((first + (k)) % decimation) * PP_PHASE_FLOATS + (first + (k)) / decimation * lanes)
        quad re = load(mixer->of_sum[taps / 2]) * SAMPLE(taps / 2);
        quad im = {0};
#pragma GCC unroll 32
        for (size_t k = 0; k < taps / 2; k++) {
            const quad old = SAMPLE(k);
            const quad new = SAMPLE(taps - 1 - k);
            re += load(mixer->of_sum[k]) * (new + old);
            im += load(mixer->of_difference[k]) * (old - new);
        }
#undef SAMPLE
        const quad table_re = load(mixer->turn[0] + part->first + i);
        const quad table_im = load(mixer->turn[1] + part->first + i);
        const quad turn_re = table_re * part->start_re - table_im * part->start_im;
        const quad turn_im = table_re * part->start_im + table_im * part->start_re;
        store(part->re + i, re * turn_re - im * turn_im);
        store(part->im + i, re * turn_im + im * turn_re);
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

/* The sum over `entries` entries of `width` floats, each times its tap, to one entry; taps repeated over `width`, but
 * over no more than a vector. */
ALWAYS_INLINE void weigh(const float *in, const float *taps, size_t entries, size_t width, size_t stride, float *out)
{
    const size_t repeat = width < PP_VECTOR ? width : PP_VECTOR;
    for (size_t part = 0; part < width; part += QUAD) {
        quad sum = {0};
        if (width <= QUAD) {
            for (size_t i = 0; i < entries * width; i += QUAD) {
                sum += load(taps + i) * load(in + i);
            }
        } else {
            for (size_t k = 0; k < entries; k++) {
                sum += load(taps + k * repeat) * load(in + k * width + part);
            }
        }
        for (size_t lane = 0; lane < (width < QUAD ? width : QUAD); lane++) {
            const float twice = width == 1 ? sum[1] + sum[3] : 0.0F;
            out[(part + lane) * stride] = width < QUAD ? sum[lane] + sum[lane + 2] + twice : sum[lane];
        }
    }
}

ALWAYS_INLINE void decimate_2_lanes(const float *re, const float *im, size_t outputs, size_t lanes, const float *taps,
                                    float *out)
{
    for (size_t n = 0; n < outputs; n++) {
        const size_t oldest = n * PP_STAGE_2_DECIMATION * lanes;
        weigh(re + oldest, taps, PP_STAGE_2_WINDOW, lanes, 2, out + 2 * n * lanes);
        weigh(im + oldest, taps, PP_STAGE_2_WINDOW, lanes, 2, out + 2 * n * lanes + 1);
    }
}

ALWAYS_INLINE void decimate_3_lanes(const float *in, size_t outputs, size_t lanes, const float *taps, float *out)
{
    const size_t width = 2 * lanes;
    for (size_t n = 0; n < outputs; n++) {
        weigh(in + n * PP_STAGE_3_DECIMATION * width, taps, PP_STAGE_3_TAPS, width, 1, out + n * width);
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
