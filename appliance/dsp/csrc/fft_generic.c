/* Plain C for every processor. */

#include "fft_passes.h"

static void first_2(pp_quad *data, size_t points)
{
    for (pp_quad *at = data; at < data + 2 * points; at += 4) {
        const pp_quad re = at[2];
        const pp_quad im = at[3];
        at[2] = at[0] - re;
        at[3] = at[1] - im;
        at[0] += re;
        at[1] += im;
    }
}

/* One butterfly of four points `leg` quads apart: twiddled already but for the first. The middle two come swapped. */
static inline void butterfly(pp_quad *at, size_t leg, pp_quad re_2, pp_quad im_2, pp_quad re_1, pp_quad im_1,
                             pp_quad re_3, pp_quad im_3)
{
    const pp_quad even_re = at[0] + re_2;
    const pp_quad even_im = at[1] + im_2;
    const pp_quad less_re = at[0] - re_2;
    const pp_quad less_im = at[1] - im_2;
    const pp_quad odd_re = re_1 + re_3;
    const pp_quad odd_im = im_1 + im_3;
    const pp_quad turned_re = im_1 - im_3; /* -j times the difference */
    const pp_quad turned_im = re_3 - re_1;
    at[0] = even_re + odd_re;
    at[1] = even_im + odd_im;
    at[leg] = less_re + turned_re;
    at[leg + 1] = less_im + turned_im;
    at[2 * leg] = even_re - odd_re;
    at[2 * leg + 1] = even_im - odd_im;
    at[3 * leg] = less_re - turned_re;
    at[3 * leg + 1] = less_im - turned_im;
}

static void first_4(pp_quad *data, size_t points)
{
    for (pp_quad *at = data; at < data + 2 * points; at += 8) {
        butterfly(at, 2, at[2], at[3], at[4], at[5], at[6], at[7]);
    }
}

static void combine_4(pp_quad *data, size_t points, size_t span, const pp_twiddles *twiddles)
{
    const size_t leg = 2 * span;
    for (size_t k = 0; k < span; k++) {
        const pp_twiddles w = twiddles[k];
        for (pp_quad *at = data + 2 * k; at < data + 2 * points; at += 4 * leg) {
            const pp_quad *const two = at + leg;
            const pp_quad *const one = at + 2 * leg;
            const pp_quad *const three = at + 3 * leg;
            butterfly(at, leg, two[0] * w.re[1] - two[1] * w.im[1], two[0] * w.im[1] + two[1] * w.re[1],
                      one[0] * w.re[0] - one[1] * w.im[0], one[0] * w.im[0] + one[1] * w.re[0],
                      three[0] * w.re[2] - three[1] * w.im[2], three[0] * w.im[2] + three[1] * w.re[2]);
        }
    }
}

const pp_fft_passes pp_fft_passes_generic = {.first_2 = first_2, .first_4 = first_4, .combine_4 = combine_4};
