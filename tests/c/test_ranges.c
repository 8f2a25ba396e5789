/* Tests of the chirps' band and of range gates that need no Python; run by test_c_core.py under sanitizers. */

#include <math.h>
#include <string.h>

#include "band_passes.h"
#include "check.h"
#include "range_gate.h"

enum { REPLICA = 33 };

static float replica[2 * REPLICA];

static pp_range_gate *new_gate(int rate_hz, int mics, int period_frames, int bins)
{
    for (size_t i = 0; i < 2 * REPLICA; i++) {
        replica[i] = (float)((double)random_u32() / UINT32_MAX - 0.5) / REPLICA;
    }
    const pp_range_gate_spec spec = {rate_hz, mics, 38500.0, period_frames, bins, 1 + mics % 2, 7, REPLICA, replica};
    char reason[PP_REASON_BYTES];
    pp_range_gate *const gate = pp_range_gate_create(&spec, reason);
    CHECK(gate != NULL);
    return gate;
}

/* Whatever the cut, the same bits, with every buffer as long as it has to be. */
static void test_cuts(int rate_hz, int mics, int period_frames)
{
    enum { FRAMES = 12000, BINS = 40 };
    const size_t width = (size_t)mics;
    int32_t *const pcm = exactly(FRAMES * width * sizeof(int32_t));
    for (size_t i = 0; i < FRAMES * width; i++) {
        pcm[i] = (int32_t)random_u32();
    }
    pp_range_gate *const gate = new_gate(rate_hz, mics, period_frames, BINS);
    char reason[PP_REASON_BYTES];
    CHECK(pp_range_gate_reset(gate, 5000, 777.7, reason));
    const size_t pulses = pp_range_gate_output_pulses(gate, FRAMES);
    const size_t row_bytes = width * BINS * 2 * sizeof(float);
    float *const wanted = exactly(pulses * row_bytes);
    CHECK(pp_range_gate_execute(gate, pcm, FRAMES, wanted, pulses + 1) == PP_WRONG_PULSES);
    CHECK(pp_range_gate_execute(gate, pcm, FRAMES, wanted, pulses) == pulses);
    CHECK(pulses > 0);

    CHECK(pp_range_gate_reset(gate, 5000, 777.7, reason));
    size_t pulse = 0;
    for (size_t frame = 0; frame < FRAMES;) {
        const size_t left = FRAMES - frame;
        const size_t drawn = random_u32() % 1500;
        const size_t frames = drawn < left ? drawn : left;
        int32_t *const block = exactly(frames * width * sizeof(int32_t));
        memcpy(block, pcm + frame * width, frames * width * sizeof(int32_t));
        const size_t now = pp_range_gate_output_pulses(gate, frames);
        float *const echoes = exactly(now * row_bytes);
        CHECK(pp_range_gate_execute(gate, block, frames, echoes, now) == now);
        CHECK(now == 0 || memcmp(echoes, wanted + pulse * width * BINS * 2, now * row_bytes) == 0);
        free(echoes);
        free(block);
        frame += frames;
        pulse += now;
    }
    CHECK(pulse == pulses);
    free(wanted);
    free(pcm);
    pp_range_gate_destroy(gate);
}

static void test_refusals(void)
{
    const pp_range_gate_spec good = {192000, 2, 39000.0, 9600, 280, 2, 24, REPLICA, replica};
    pp_range_gate_spec bad[12];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i] = good;
    }
    bad[0].rate_hz = 48000;
    bad[1].mics = 0;
    bad[2].mics = 9;
    bad[3].centre_hz = NAN;
    bad[4].centre_hz = 31000;
    bad[5].period_frames = 0;
    bad[6].bins = 2100;
    bad[7].bins = INT32_MAX;
    bad[8].bin_samples = 0;
    bad[9].lead_samples = INT32_MIN;
    bad[10].replica_samples = INT32_MAX;
    bad[11].replica_samples = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char reason[PP_REASON_BYTES] = "";
        CHECK(pp_range_gate_create(&bad[i], reason) == NULL);
        CHECK(strstr(reason, "wanted") != NULL);
    }
    pp_range_gate_destroy(NULL);
    pp_band_destroy(NULL);
}

/* The ends of what may be asked for: the largest transform, the latest frames, nothing at all. */
static void test_edges(void)
{
    char reason[PP_REASON_BYTES];
    pp_range_gate *const gate = new_gate(96000, 1, 96, (4080 - REPLICA) / 2);
    CHECK(pp_range_gate_reset(gate, PP_MAX_FRAME, 0.0, reason));
    CHECK(!pp_range_gate_reset(gate, PP_MAX_FRAME + 1, 0.0, reason));
    CHECK(!pp_range_gate_reset(gate, 0, NAN, reason));
    CHECK(pp_range_gate_next_pulse_frame(gate) >= PP_MAX_FRAME);
    CHECK(pp_range_gate_output_pulses(gate, (size_t)PP_MAX_FRAME) > 0);
    CHECK(pp_range_gate_reset(gate, 0, 960000.0, reason));
    CHECK(pp_range_gate_execute(gate, NULL, 0, NULL, 0) == 0);
    pp_range_gate_destroy(gate);
}

static void near(const pp_quad *some, const pp_quad *other, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t lane = 0; lane < PP_MICS_PER_QUAD; lane++) {
            CHECK(fabsf(some[i][lane] - other[i][lane]) < 5e-6F);
        }
    }
}

/* Every instruction set gives what plain C gives. */
static void test_passes(void)
{
    enum { OUTPUTS = 9, INPUTS = OUTPUTS * 8 + PP_BAND_1_TAPS_192K };
    const pp_band_passes *const avx2 = pp_band_passes_avx2();
    if (avx2 == NULL) {
        return;
    }
    pp_quad in[INPUTS];
    pp_band_taps taps;
    float turn_re[OUTPUTS];
    float turn_im[OUTPUTS];
    for (size_t i = 0; i < INPUTS; i++) {
        for (size_t lane = 0; lane < PP_MICS_PER_QUAD; lane++) {
            in[i][lane] = (float)random_u32() * 0x1p-32F - 0.5F;
        }
    }
    for (size_t decimation = 4; decimation <= 8; decimation += 4) {
        const size_t count = decimation == 8 ? PP_BAND_1_TAPS_192K : PP_BAND_1_TAPS_96K;
        for (size_t k = 0; k < count / 2; k++) {
            const float re = (float)random_u32() * 0x1p-32F - 0.5F;
            const float im = (float)random_u32() * 0x1p-32F - 0.5F;
            taps.re[k] = taps.re[count - 1 - k] = (pp_quad){re, re, re, re};
            taps.im[k] = (pp_quad){im, im, im, im};
            taps.im[count - 1 - k] = -taps.im[k];
        }
        for (size_t n = 0; n < OUTPUTS; n++) {
            turn_re[n] = cosf((float)n);
            turn_im[n] = sinf((float)n);
        }
        pp_quad wanted[2 * OUTPUTS];
        pp_quad got[2 * OUTPUTS];
        const pp_band_passes *const generic = &pp_band_passes_generic;
        (decimation == 8 ? generic->mix_192k : generic->mix_96k)(in, OUTPUTS, &taps, turn_re, turn_im, wanted);
        (decimation == 8 ? avx2->mix_192k : avx2->mix_96k)(in, OUTPUTS, &taps, turn_re, turn_im, got);
        near(wanted, got, 2 * OUTPUTS);
    }
    pp_quad half[PP_BAND_2_TAPS];
    for (size_t k = 0; k < PP_BAND_2_TAPS; k += 2) {
        half[k] = half[k + 1] = taps.re[k % PP_BAND_1_TAPS_192K];
    }
    enum { HALVED = 8 };
    pp_quad wanted[2 * HALVED];
    pp_quad got[2 * HALVED];
    pp_band_passes_generic.halve(in, HALVED, half, wanted);
    avx2->halve(in, HALVED, half, got);
    near(wanted, got, 2 * HALVED);
}

int main(void)
{
    test_refusals();
    test_edges();
    test_passes();
    for (int mics = 1; mics <= PP_MAX_MICS; mics++) {
        test_cuts(192000, mics, 2003);
        test_cuts(96000, mics, 1600);
        test_cuts(192000, mics, 5000);
    }
    return 0;
}
