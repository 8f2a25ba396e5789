/* What is told of PCM is what a plain loop finds, whatever the length and alignment. */

#include "fuzz.h"
#include "quality.h"

enum { VALUES_MAX = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    const size_t values = (size_t)fuzz_int(&input, 0, VALUES_MAX);
    const size_t offset = 4 * (size_t)fuzz_int(&input, 0, 7);
    int32_t *const pcm = fuzz_memory(values * sizeof(int32_t), offset);
    fuzz_pcm(&input, pcm, values);
    if (values > 0) {
        pcm[fuzz_int(&input, 0, (int)values - 1)] = (int32_t)(uint32_t)fuzz_bits(&input, 4);
    }
    bool zero = true;
    bool clipped = false;
    for (size_t i = 0; i < values; i++) {
        zero &= pcm[i] == 0;
        clipped |= pcm[i] >= 0x7FFFFF00 || pcm[i] <= INT32_MIN + 0x100;
    }
    CHECK(pp_is_zero(pcm, values) == zero);
    CHECK(pp_is_clipped(pcm, values) == clipped);
    fuzz_free(pcm, offset);
    return 0;
}
