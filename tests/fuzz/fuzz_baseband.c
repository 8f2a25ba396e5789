/* The clutter's mean and the carrier watch over any baseband, numbers that are none among it: what they give of numbers
 * are numbers again, within their range. */

#include "carrier.h"
#include "clutter.h"
#include "fuzz.h"

enum { ROWS_MAX = 9, SAMPLES_MAX = 300, BLOCKS_MAX = 60 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_input input = {bytes, size};
    char reason[PP_REASON_BYTES];
    pp_clutter *const clutter = pp_clutter_create(fuzz_double(&input, 0, 20), reason);
    pp_carrier_watch *const watch = pp_carrier_watch_create();
    CHECK(watch != NULL);
    for (int block = 0; clutter != NULL && block < BLOCKS_MAX && fuzz_more(&input); block++) {
        const size_t rows = (size_t)fuzz_int(&input, 1, ROWS_MAX);
        const size_t samples = (size_t)fuzz_int(&input, 1, SAMPLES_MAX);
        const size_t floats = rows * samples * 2;
        float *const iq = fuzz_memory(floats * sizeof(float), 4);
        float *const moving = fuzz_memory(floats * sizeof(float), 4);
        const int kind = fuzz_int(&input, 0, 3);
        uint32_t noise = (uint32_t)fuzz_bits(&input, 2);
        for (size_t i = 0; i < floats; i++) {
            noise = noise * 1664525U + 1013904223U;
            const float of_kind[] = {0, (float)noise * 0x1p-31F - 1.0F, noise % 1009 == 0 ? NAN : 0.5F,
                                     0x1p-140F * (float)(noise >> 24)};
            iq[i] = of_kind[kind];
        }
        pp_clutter_execute(clutter, iq, rows, samples, 2400, fuzz_int(&input, 0, 1) == 1, moving);
        const pp_carrier_state state = pp_carrier_watch_execute(watch, iq, rows, samples, 2400);
        CHECK(state >= PP_CARRIER_STEADY && state <= PP_CARRIER_MISSING);
        for (size_t i = 0; kind != 2 && i < floats; i++) {
            CHECK(fabsf(moving[i]) <= 4.0F);
        }
        float level_dbfs[PP_MAX_ROWS];
        pp_carrier_watch_level(watch, level_dbfs);
        for (size_t row = 0; row < pp_carrier_watch_rows(watch); row++) {
            CHECK(kind == 2 || (level_dbfs[row] >= -240.1F && level_dbfs[row] <= 6.0F));
        }
        fuzz_free(moving, 4);
        fuzz_free(iq, 4);
        if (fuzz_int(&input, 0, 31) == 31) {
            pp_clutter_reset(clutter);
            pp_carrier_watch_reset(watch);
        }
    }
    pp_carrier_watch_destroy(watch);
    pp_clutter_destroy(clutter);
    return 0;
}
