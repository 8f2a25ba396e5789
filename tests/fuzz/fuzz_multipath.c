/* Delays that are accepted give a finite sound, those that are not touch no foreign memory. */

#include "fuzz.h"
#include "multipath.h"

enum { PATHS_MAX = 5, BLOCKS_MAX = 8, BLOCK_MAX = 2500, DELAY_MAX = 3000, POINTS_MAX = 9 };

/* The fractional delays' filters amplify a sample at most so much. */
static const float LARGEST = 4.0F;

static void execute(pp_multipath *channel, const pp_multipath_spec *spec, fuzz_input *input)
{
    const size_t frames = (size_t)fuzz_int(input, 0, BLOCK_MAX);
    const size_t points = (size_t)fuzz_int(input, 2, POINTS_MAX);
    const size_t mics = (size_t)spec->mics;
    const size_t rays = (size_t)spec->paths * mics;
    float *const signal = fuzz_memory(frames * sizeof(float), 4);
    float *const out = fuzz_memory(frames * mics * sizeof(float), 4);
    double *const delay_frames = fuzz_memory(points * rays * sizeof(double), 8);
    float *const gain = fuzz_memory(points * rays * sizeof(float), 4);
    const float scale = fuzz_int(input, 0, 3) == 3 ? 0x1p-135F : 1.0F;
    uint32_t noise = (uint32_t)fuzz_bits(input, 2);
    for (size_t n = 0; n < frames; n++) {
        noise = noise * 1664525U + 1013904223U;
        signal[n] = scale * ((float)noise * 0x1p-31F - 1.0F);
    }
    memset(out, 0, frames * mics * sizeof(float));
    for (size_t i = 0; i < points * rays; i++) {
        delay_frames[i] = fuzz_double(input, PP_MIN_DELAY_FRAMES, spec->max_delay_frames);
        gain[i] = (float)fuzz_int(input, -1, 1);
    }
    char reason[PP_REASON_BYTES];
    const int accepted = pp_multipath_accepts(channel, delay_frames, points, reason);
    pp_multipath_execute(channel, signal, frames, delay_frames, gain, points, out);
    for (size_t i = 0; accepted && i < frames * mics; i++) {
        CHECK(fabsf(out[i]) <= LARGEST * (float)spec->paths);
    }
    fuzz_free(gain, 4);
    fuzz_free(delay_frames, 8);
    fuzz_free(out, 4);
    fuzz_free(signal, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const pp_multipath_spec spec = {
        .paths = fuzz_int(&input, 0, PATHS_MAX),
        .mics = fuzz_int(&input, 0, PP_MAX_MICS + 1),
        .max_delay_frames = fuzz_int(&input, PP_MIN_DELAY_FRAMES - 1, DELAY_MAX),
    };
    char reason[PP_REASON_BYTES];
    pp_multipath *const channel = pp_multipath_create(&spec, reason);
    for (int block = 0; channel != NULL && block < BLOCKS_MAX && fuzz_more(&input); block++) {
        execute(channel, &spec, &input);
        if (fuzz_int(&input, 0, 15) == 15) {
            pp_multipath_reset(channel);
        }
    }
    pp_multipath_destroy(channel);
    return 0;
}
