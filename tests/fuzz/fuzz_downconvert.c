/* Any specification is taken or refused; a stream in blocks of any length and alignment gives, to the last bit, what it
 * gives in one piece, and nearly that with every instruction set. */

#include "downconvert.h"
#include "fuzz.h"

enum { FRAMES_MAX = 6000, BLOCK_MAX = 1500 };

/* No filter of the cascade has a sum of magnitudes that would let full scale come out larger. */
static const float LARGEST = 8.0F;

/* Instruction sets add in another order: 5e-7 of the largest output that full scale can give. */
static const float ALIKE = 2e-6F;

static pp_downconverter_spec draw_spec(fuzz_input *input)
{
    static const int rates_hz[] = {192000, 96000, 384000, 48000};
    static const char *const sets[] = {"auto", "generic", "avx2", "neon", NULL, "mmx"};
    pp_downconverter_spec spec = {
        .rate_hz = rates_hz[fuzz_int(input, 0, 3)],
        .mics = fuzz_int(input, 0, PP_MAX_MICS + 1),
        .carriers = fuzz_int(input, 0, PP_MAX_CARRIERS + 1),
        .instruction_set = sets[fuzz_int(input, 0, 5)],
    };
    for (int c = 0; c < PP_MAX_CARRIERS; c++) {
        spec.carriers_hz[c] = fuzz_double(input, PP_MIN_RECEIVED_HZ, spec.rate_hz / 2.0);
    }
    return spec;
}

/* One block into `converter`; its samples go behind those of each row of `all` [rows][capacity] complex. */
static size_t execute(pp_downconverter *converter, const int32_t *pcm, size_t frames, float *all, size_t capacity,
                      size_t done)
{
    const size_t rows = pp_downconverter_mics(converter) * pp_downconverter_carriers(converter);
    const size_t samples = pp_downconverter_output_samples(converter, frames);
    float *const iq = fuzz_memory(rows * samples * 2 * sizeof(float), 4);
    CHECK(pp_downconverter_execute(converter, pcm, frames, iq, samples + 1) == PP_WRONG_SIZE);
    CHECK(pp_downconverter_execute(converter, pcm, frames, iq, samples) == samples);
    fuzz_check_floats(iq, rows * samples * 2, LARGEST);
    for (size_t row = 0; row < rows; row++) {
        memcpy(all + 2 * (row * capacity + done), iq + 2 * row * samples, 2 * samples * sizeof(float));
    }
    fuzz_free(iq, 4);
    return samples;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const pp_downconverter_spec spec = draw_spec(&input);
    char reason[PP_REASON_BYTES];
    pp_downconverter *const converter = pp_downconverter_create(&spec, reason);
    if (converter == NULL) {
        CHECK(memchr(reason, '\0', sizeof reason) != NULL);
        return 0;
    }
    const size_t mics = (size_t)spec.mics;
    const size_t rows = mics * (size_t)spec.carriers;
    const size_t capacity = pp_downconverter_output_samples(converter, FRAMES_MAX) + 1;
    const int64_t first_frame = (int64_t)(fuzz_bits(&input, 8) >> 1);
    int32_t *const stream = fuzz_memory(FRAMES_MAX * mics * sizeof(int32_t), 0);
    float *const cut = fuzz_memory(rows * capacity * 2 * sizeof(float), 0);
    float *const whole = fuzz_memory(rows * capacity * 2 * sizeof(float), 0);

    pp_downconverter_reset(converter, first_frame);
    size_t frames = 0;
    size_t samples = 0;
    while (fuzz_more(&input)) {
        const size_t block = (size_t)fuzz_int(&input, 0, BLOCK_MAX);
        if (frames + block > FRAMES_MAX) {
            break;
        }
        const size_t offset = 4 * (size_t)fuzz_int(&input, 0, 7);
        int32_t *const pcm = fuzz_memory(block * mics * sizeof(int32_t), offset);
        fuzz_pcm(&input, pcm, block * mics);
        memcpy(stream + frames * mics, pcm, block * mics * sizeof(int32_t));
        samples += execute(converter, pcm, block, cut, capacity, samples);
        frames += block;
        fuzz_free(pcm, offset);
    }
    pp_downconverter_reset(converter, first_frame);
    CHECK(execute(converter, stream, frames, whole, capacity, 0) == samples);
    for (size_t row = 0; row < rows; row++) {
        CHECK(memcmp(cut + 2 * row * capacity, whole + 2 * row * capacity, 2 * samples * sizeof(float)) == 0);
    }
    pp_downconverter_destroy(converter);

    pp_downconverter_spec plain = spec;
    plain.instruction_set = "generic";
    pp_downconverter *const generic = pp_downconverter_create(&plain, reason);
    CHECK(generic != NULL);
    pp_downconverter_reset(generic, first_frame);
    CHECK(execute(generic, stream, frames, whole, capacity, 0) == samples);
    for (size_t i = 0; i < rows * 2 * samples; i++) {
        const size_t at = i / (2 * samples) * 2 * capacity + i % (2 * samples);
        CHECK(fabsf(cut[at] - whole[at]) <= ALIKE);
    }
    pp_downconverter_destroy(generic);
    free(whole);
    free(cut);
    free(stream);
    return 0;
}
