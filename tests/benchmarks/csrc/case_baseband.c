/* What follows the down-conversion, for a carrier of so many rows (microphones): a spectrum's column for each hop, and the
 * clutter and the carrier watch for each block of 10 ms. */

#include <stdio.h>
#include <string.h>

#include "carrier.h"
#include "cases.h"
#include "clutter.h"
#include "doppler.h"

enum { WINDOW_SAMPLES = 256, HOP_SAMPLES = 64, BLOCK_SAMPLES = 24, BASEBAND_HZ = 2400 };

typedef struct {
    pp_doppler *doppler;
    pp_clutter *clutter;
    pp_carrier_watch *watch;
    size_t rows;
    float iq[PP_MAX_ROWS * HOP_SAMPLES * 2];
    float out[PP_MAX_ROWS * WINDOW_SAMPLES];
} sensing;

static sensing *with_signal(const case_values *values)
{
    sensing *const state = case_memory(sizeof(sensing));
    state->rows = (size_t)case_integer(values, 0);
    if (state->rows < 1 || state->rows > PP_MAX_ROWS) {
        fprintf(stderr, "rows: wanted 1 to %d\n", PP_MAX_ROWS);
        return NULL;
    }
    const float scale = strcmp(values->values[1], "denormal") == 0 ? 0x1p-128F : 0x1p-4F;
    for (size_t i = 0; i < sizeof state->iq / sizeof state->iq[0]; i++) {
        state->iq[i] = scale * (0x1p-31F * (float)(int32_t)((uint32_t)i * 2654435761U));
    }
    return state;
}

static void *create_doppler(const case_values *values)
{
    sensing *const state = with_signal(values);
    if (state != NULL) {
        char reason[PP_REASON_BYTES];
        const pp_doppler_spec spec = {(int)state->rows, WINDOW_SAMPLES, HOP_SAMPLES};
        state->doppler = pp_doppler_create(&spec, reason);
        const float silence[PP_MAX_ROWS * (WINDOW_SAMPLES - HOP_SAMPLES) * 2] = {0};
        pp_doppler_execute(state->doppler, silence, WINDOW_SAMPLES - HOP_SAMPLES, state->out);
    }
    return state;
}

static void run_doppler(void *handle)
{
    sensing *const state = handle;
    pp_doppler_execute(state->doppler, state->iq, HOP_SAMPLES, state->out);
}

static void *create_clutter(const case_values *values)
{
    sensing *const state = with_signal(values);
    if (state != NULL) {
        char reason[PP_REASON_BYTES];
        state->clutter = pp_clutter_create(4.0, reason);
    }
    return state;
}

static void run_clutter(void *handle)
{
    sensing *const state = handle;
    pp_clutter_execute(state->clutter, state->iq, state->rows, BLOCK_SAMPLES, BASEBAND_HZ, false, state->out);
}

static void *create_carrier(const case_values *values)
{
    sensing *const state = with_signal(values);
    if (state != NULL) {
        state->watch = pp_carrier_watch_create();
    }
    return state;
}

static void run_carrier(void *handle)
{
    sensing *const state = handle;
    pp_carrier_watch_execute(state->watch, state->iq, state->rows, BLOCK_SAMPLES, BASEBAND_HZ);
}

static double units(const void *handle)
{
    (void)handle;
    return 1;
}

const case_kind doppler_kind = {"doppler", "ROWS normal|denormal", 2, create_doppler, run_doppler, units};
const case_kind clutter_kind = {"clutter", "ROWS normal|denormal", 2, create_clutter, run_clutter, units};
const case_kind carrier_kind = {"carrier", "ROWS normal|denormal", 2, create_carrier, run_carrier, units};
