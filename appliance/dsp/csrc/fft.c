#include "fft.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "fft_passes.h"
#include "phase.h"

/* Two points that change places when indices are read with their bits reversed. */
typedef struct {
    uint16_t low;
    uint16_t high;
} swapped;

struct pp_fft {
    const pp_fft_passes *passes;
    size_t points;
    size_t first_span; /* points of the transforms that the first pass leaves, 2 or 4 */
    size_t swaps;
    swapped *swap;
    pp_twiddles *twiddles; /* [first_span], then four times as many for each further pass */
};

static size_t reversed(size_t index, size_t points)
{
    size_t backwards = 0;
    for (size_t bit = 1; bit < points; bit *= 2, index /= 2) {
        backwards = 2 * backwards + index % 2;
    }
    return backwards;
}

static void fill_swaps(pp_fft *fft)
{
    for (size_t low = 0; low < fft->points; low++) {
        const size_t high = reversed(low, fft->points);
        if (low < high) {
            fft->swap[fft->swaps++] = (swapped){(uint16_t)low, (uint16_t)high};
        }
    }
}

static void fill_twiddles(pp_fft *fft)
{
    pp_twiddles *next = fft->twiddles;
    for (size_t span = fft->first_span; span < fft->points; span *= 4) {
        const uint64_t step = (UINT64_C(1) << 62) / span;
        for (size_t k = 0; k < span; k++, next++) {
            for (size_t r = 0; r < 3; r++) {
                const pp_phasor turn = pp_phasor_at(step * k * (r + 1));
                next->re[r] = (float)turn.cosine;
                next->im[r] = (float)-turn.sine;
            }
        }
    }
}

pp_fft *pp_fft_create(size_t points)
{
    if (points < PP_FFT_MIN_POINTS || points > PP_FFT_MAX_POINTS || (points & (points - 1)) != 0) {
        return NULL;
    }
    pp_fft *const fft = malloc(sizeof(pp_fft));
    if (fft == NULL) {
        return NULL;
    }
    const pp_fft_passes *const avx2 = pp_fft_passes_avx2();
    const size_t powers_of_four = 0x55555555;
    *fft = (pp_fft){
        .passes = avx2 != NULL ? avx2 : &pp_fft_passes_generic,
        .points = points,
        .first_span = (points & powers_of_four) != 0 ? 4 : 2,
        .swap = malloc(points / 2 * sizeof(swapped)),
        .twiddles = malloc(points / 2 * sizeof(pp_twiddles)),
    };
    if (fft->swap == NULL || fft->twiddles == NULL) {
        pp_fft_destroy(fft);
        return NULL;
    }
    fill_swaps(fft);
    fill_twiddles(fft);
    return fft;
}

void pp_fft_destroy(pp_fft *fft)
{
    if (fft == NULL) {
        return;
    }
    free(fft->swap);
    free(fft->twiddles);
    free(fft);
}

/* Points that stay in the first-level cache from pass to pass. */
#define NEAR_POINTS 512

/* `points` of the reordered data: quarters that are far apart are finished each for itself before they meet. */
static void transform(const pp_fft *fft, pp_quad *data, size_t points)
{
    size_t span = fft->first_span;
    if (points > NEAR_POINTS) {
        span = points / 4;
        for (size_t quarter = 0; quarter < 4; quarter++) {
            transform(fft, data + 2 * quarter * span, span);
        }
    } else {
        (span == 4 ? fft->passes->first_4 : fft->passes->first_2)(data, points);
    }
    for (; span < points; span *= 4) {
        const size_t earlier = (span - fft->first_span) / 3;
        fft->passes->combine_4(data, points, span, fft->twiddles + earlier);
    }
}

void pp_fft_execute(const pp_fft *fft, pp_quad *data)
{
    for (size_t s = 0; s < fft->swaps; s++) {
        pp_quad *const low = data + 2 * (size_t)fft->swap[s].low;
        pp_quad *const high = data + 2 * (size_t)fft->swap[s].high;
        const pp_quad re = low[0];
        const pp_quad im = low[1];
        low[0] = high[0];
        low[1] = high[1];
        high[0] = re;
        high[1] = im;
    }
    transform(fft, data, fft->points);
}
