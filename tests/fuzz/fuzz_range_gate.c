/* Any schedule of pulses is taken or refused; a stream in blocks gives, to the last bit, what it gives in one piece. */

#include "fuzz.h"
#include "range_gate.h"

enum { FRAMES_MAX = 12000, BLOCK_MAX = 3000, BINS_MAX = 300, REPLICA_MAX = 200, PULSES_MAX = 200 };

static const float LARGEST = 4.0F * REPLICA_MAX;

static size_t execute(pp_range_gate *gate, const int32_t *pcm, size_t frames, float *all, size_t done)
{
    const size_t pulse_floats = pp_range_gate_mics(gate) * pp_range_gate_bins(gate) * 2;
    const size_t pulses = pp_range_gate_output_pulses(gate, frames);
    CHECK(done + pulses <= PULSES_MAX);
    float *const echoes = fuzz_memory(pulses * pulse_floats * sizeof(float), 4);
    CHECK(pp_range_gate_execute(gate, pcm, frames, echoes, pulses + 1) == PP_WRONG_PULSES);
    CHECK(pp_range_gate_execute(gate, pcm, frames, echoes, pulses) == pulses);
    for (size_t i = 0; i < pulses * pulse_floats; i++) {
        CHECK(fabsf(echoes[i]) <= LARGEST);
        all[done * pulse_floats + i] = echoes[i];
    }
    fuzz_free(echoes, 4);
    return pulses;
}

static pp_range_gate *draw_gate(fuzz_input *input)
{
    static float replica[2 * REPLICA_MAX];
    uint32_t noise = (uint32_t)fuzz_bits(input, 2);
    for (size_t i = 0; i < 2 * REPLICA_MAX; i++) {
        noise = noise * 1664525U + 1013904223U;
        replica[i] = (float)noise * 0x1p-31F - 1.0F;
    }
    const int rate_hz = fuzz_int(input, 0, 7) == 0 ? 48000 : 96000 << fuzz_int(input, 0, 1);
    const pp_range_gate_spec spec = {
        .rate_hz = rate_hz,
        .mics = fuzz_int(input, 0, PP_MAX_MICS + 1),
        .centre_hz = fuzz_double(input, PP_MIN_EMITTED_HZ, 48000),
        .period_frames = fuzz_int(input, rate_hz / 1000 - 1, 5000),
        .bins = fuzz_int(input, 0, BINS_MAX),
        .bin_samples = fuzz_int(input, 0, 3),
        .lead_samples = fuzz_int(input, -1, REPLICA_MAX),
        .replica_samples = fuzz_int(input, 0, REPLICA_MAX),
        .replica = replica,
    };
    char reason[PP_REASON_BYTES];
    return pp_range_gate_create(&spec, reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    pp_range_gate *const gate = draw_gate(&input);
    if (gate == NULL) {
        return 0;
    }
    const size_t mics = pp_range_gate_mics(gate);
    const size_t pulse_floats = mics * pp_range_gate_bins(gate) * 2;
    const int64_t first_frame = (int64_t)(fuzz_bits(&input, 7) >> 2);
    const double offset_frames = fuzz_double(&input, 0, 5000);
    char reason[PP_REASON_BYTES];
    int32_t *const stream = fuzz_memory(FRAMES_MAX * mics * sizeof(int32_t), 0);
    float *const cut = fuzz_memory(PULSES_MAX * pulse_floats * sizeof(float), 0);
    float *const whole = fuzz_memory(PULSES_MAX * pulse_floats * sizeof(float), 0);
    if (pp_range_gate_reset(gate, first_frame, offset_frames, reason)) {
        size_t frames = 0;
        size_t pulses = 0;
        while (fuzz_more(&input)) {
            const size_t block = (size_t)fuzz_int(&input, 0, BLOCK_MAX);
            if (frames + block > FRAMES_MAX) {
                break;
            }
            const size_t offset = 4 * (size_t)fuzz_int(&input, 0, 7);
            int32_t *const pcm = fuzz_memory(block * mics * sizeof(int32_t), offset);
            fuzz_pcm(&input, pcm, block * mics);
            memcpy(stream + frames * mics, pcm, block * mics * sizeof(int32_t));
            pulses += execute(gate, pcm, block, cut, pulses);
            frames += block;
            fuzz_free(pcm, offset);
        }
        CHECK(pp_range_gate_reset(gate, first_frame, offset_frames, reason));
        CHECK(execute(gate, stream, frames, whole, 0) == pulses);
        CHECK(memcmp(cut, whole, pulses * pulse_floats * sizeof(float)) == 0);
    }
    free(whole);
    free(cut);
    free(stream);
    pp_range_gate_destroy(gate);
    return 0;
}
