/* What the processor could do at most: multiply-accumulates with nothing else to do, and reading the input. */

#include "peers.h"

#if defined(__x86_64__)
#define LANES 8
#define REGISTER "+x"
#define BEST_OF_PROCESSOR __attribute__((target("avx2,fma")))
#else
#define LANES 4
#define REGISTER "+w"
#define BEST_OF_PROCESSOR
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t integers __attribute__((vector_size(4 * LANES), aligned(4)));

/* Twelve sums that do not wait for one another hide the latency of every core that does two a cycle in six cycles. */
#define FOR_EACH_SUM(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

BEST_OF_PROCESSOR double floor_macs(size_t rounds)
{
    lanes factor = {0};
    lanes term = {0};
    __asm__("" : REGISTER(factor), REGISTER(term));
#define START(i) lanes sum##i = {0};
#define STEP(i) sum##i = sum##i * factor + term;
/* An empty statement that takes and gives the sum: the compiler has to keep every step. */
#define KEEP(i) __asm__ volatile("" : REGISTER(sum##i));
    FOR_EACH_SUM(START)
    for (size_t round = 0; round < rounds; round++) {
        FOR_EACH_SUM(STEP)
        FOR_EACH_SUM(KEEP)
    }
    return (double)rounds * 12 * LANES;
}

BEST_OF_PROCESSOR int32_t floor_read(const int32_t *pcm, size_t values)
{
    integers all[4] = {{0}};
    for (size_t i = 0; i + 4 * LANES <= values; i += 4 * LANES) {
        const integers *const from = (const integers *)(pcm + i);
        all[0] |= from[0];
        all[1] |= from[1];
        all[2] |= from[2];
        all[3] |= from[3];
    }
    const integers together = all[0] | all[1] | all[2] | all[3];
    int32_t any = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        any |= together[lane];
    }
    return any;
}
