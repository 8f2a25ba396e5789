/* Whatever is asked for and whenever: no sample above the limit, every output the same, any cut the same signal. */

#include "fuzz.h"
#include "tone.h"

enum { BLOCK_MAX = 3000, BLOCKS_MAX = 40 };

static void play(pp_tone *whole, pp_tone *cut, const pp_tone_spec *spec, fuzz_input *input)
{
    double carriers_hz[PP_MAX_CARRIERS + 1];
    for (int c = 0; c <= PP_MAX_CARRIERS; c++) {
        carriers_hz[c] = fuzz_double(input, PP_MIN_EMITTED_HZ, spec->rate_hz / 2.0);
    }
    const size_t count = (size_t)fuzz_int(input, 0, PP_MAX_CARRIERS + 1);
    const double amplitude = fuzz_double(input, 0, 2);
    char reason[PP_REASON_BYTES];
    CHECK(pp_tone_play(whole, carriers_hz, count, amplitude, reason) ==
          pp_tone_play(cut, carriers_hz, count, amplitude, reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const pp_tone_spec spec = {
        .rate_hz = fuzz_int(&input, 0, 7) == 0 ? 48000 : 96000 << fuzz_int(&input, 0, 2),
        .outputs = fuzz_int(&input, 0, PP_MAX_OUTPUTS + 1),
        .max_amplitude = fuzz_double(&input, 0, 1),
        .fade_s = fuzz_double(&input, PP_MIN_FADE_S, 0.2),
    };
    char reason[PP_REASON_BYTES];
    pp_tone *const whole = pp_tone_create(&spec, reason);
    pp_tone *const cut = pp_tone_create(&spec, reason);
    CHECK((whole == NULL) == (cut == NULL));
    for (int block = 0; whole != NULL && block < BLOCKS_MAX && fuzz_more(&input); block++) {
        /* A fade takes several blocks, which a new wish in each would never let come to its end. */
        if (block == 0 || fuzz_int(&input, 0, 7) == 0) {
            play(whole, cut, &spec, &input);
        }
        const size_t frames = (size_t)fuzz_int(&input, 0, BLOCK_MAX);
        const size_t first = frames == 0 ? 0 : (size_t)fuzz_int(&input, 0, (int)frames);
        const size_t outputs = (size_t)spec.outputs;
        int32_t *const samples = fuzz_memory(frames * outputs * sizeof(int32_t), 4);
        int32_t *const pieces = fuzz_memory(frames * outputs * sizeof(int32_t), 12);
        pp_tone_execute(whole, samples, frames);
        pp_tone_execute(cut, pieces, first);
        pp_tone_execute(cut, pieces + first * outputs, frames - first);
        CHECK(memcmp(samples, pieces, frames * outputs * sizeof(int32_t)) == 0);
        CHECK(pp_tone_settled(whole) == pp_tone_settled(cut));
        for (size_t i = 0; i < frames * outputs; i++) {
            CHECK(fabs((double)samples[i]) <= spec.max_amplitude * PP_FULL_SCALE);
            CHECK(samples[i] == samples[i / outputs * outputs]);
        }
        fuzz_free(samples, 4);
        fuzz_free(pieces, 12);
        if (fuzz_int(&input, 0, 15) == 15) {
            pp_tone_reset(whole);
            pp_tone_reset(cut);
        }
    }
    pp_tone_destroy(cut);
    pp_tone_destroy(whole);
    return 0;
}
