/* Whatever pulse is asked for and whenever: no sample above the limit, any cut the same signal, silence in between. */

#include "chirp.h"
#include "fuzz.h"

enum { BLOCK_MAX = 4000, BLOCKS_MAX = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const pp_chirp_spec spec = {
        .rate_hz = fuzz_int(&input, 0, 7) == 0 ? 48000 : 96000 << fuzz_int(&input, 0, 1),
        .outputs = fuzz_int(&input, 0, PP_MAX_OUTPUTS + 1),
        .max_amplitude = fuzz_double(&input, 0, 1),
        .start_hz = fuzz_double(&input, PP_LOWEST_CHIRP_HZ, PP_HIGHEST_CHIRP_HZ),
        .stop_hz = fuzz_double(&input, PP_LOWEST_CHIRP_HZ, PP_HIGHEST_CHIRP_HZ),
        .pulse_s = fuzz_double(&input, PP_MIN_PULSE_S, PP_MAX_PULSE_S),
        .fade_s = fuzz_double(&input, PP_MIN_PULSE_FADE_S, PP_MAX_PULSE_FADE_S),
    };
    char reason[PP_REASON_BYTES];
    pp_chirp *const whole = pp_chirp_create(&spec, reason);
    pp_chirp *const cut = pp_chirp_create(&spec, reason);
    CHECK((whole == NULL) == (cut == NULL));
    for (int block = 0; whole != NULL && block < BLOCKS_MAX && fuzz_more(&input); block++) {
        const double amplitude = fuzz_double(&input, 0, 2);
        CHECK(pp_chirp_begin(whole, amplitude, reason) == pp_chirp_begin(cut, amplitude, reason));
        const size_t frames = (size_t)fuzz_int(&input, 0, BLOCK_MAX);
        const size_t first = frames == 0 ? 0 : (size_t)fuzz_int(&input, 0, (int)frames);
        const size_t outputs = (size_t)spec.outputs;
        const size_t sounding = pp_chirp_frames_left(whole);
        int32_t *const samples = fuzz_memory(frames * outputs * sizeof(int32_t), 4);
        int32_t *const pieces = fuzz_memory(frames * outputs * sizeof(int32_t), 12);
        fuzz_pcm(&input, samples, frames * outputs);
        if (frames > 0) {
            memcpy(pieces, samples, frames * outputs * sizeof(int32_t));
        }
        pp_chirp_execute(whole, samples, frames);
        pp_chirp_execute(cut, pieces, first);
        pp_chirp_execute(cut, pieces + first * outputs, frames - first);
        for (size_t i = 0; i < frames * outputs; i++) {
            CHECK(samples[i] == pieces[i]);
            CHECK(i / outputs >= sounding || fabs((double)samples[i]) <= spec.max_amplitude * PP_FULL_SCALE);
        }
        CHECK(pp_chirp_frames_left(whole) == (sounding > frames ? sounding - frames : 0));
        fuzz_free(samples, 4);
        fuzz_free(pieces, 12);
        if (fuzz_int(&input, 0, 15) == 15) {
            pp_chirp_reset(whole);
            pp_chirp_reset(cut);
        }
    }
    pp_chirp_destroy(cut);
    pp_chirp_destroy(whole);
    return 0;
}
