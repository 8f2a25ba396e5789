/* Transforms of four microphones at once. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "fft.h"

typedef struct {
    pp_fft *fft;
    size_t floats;
    float *signal;
    pp_quad *data;
} transforming;

static void *create(const case_values *values)
{
    const size_t points = (size_t)case_integer(values, 0);
    transforming *const state = case_memory(sizeof(transforming));
    state->fft = pp_fft_create(points);
    if (state->fft == NULL) {
        fprintf(stderr, "no transform of %zu points\n", points);
        return NULL;
    }
    state->floats = 2 * 4 * points;
    state->signal = case_memory(state->floats * sizeof(float));
    state->data = aligned_alloc(64, state->floats * sizeof(float));
    const float scale = strcmp(values->values[1], "denormal") == 0 ? 0x1p-140F : 0x1p-31F;
    for (size_t i = 0; i < state->floats; i++) {
        state->signal[i] = scale * (float)(int32_t)((uint32_t)i * 2654435761U);
    }
    return state;
}

static void run(void *handle)
{
    transforming *const state = handle;
    memcpy(state->data, state->signal, state->floats * sizeof(float));
    pp_fft_execute(state->fft, state->data);
}

static double units(const void *handle)
{
    (void)handle;
    return 1;
}

const case_kind fft_kind = {"fft", "POINTS normal|denormal", 2, create, run, units};
