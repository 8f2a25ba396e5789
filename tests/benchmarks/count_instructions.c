/* Runs the down-converter over `rounds` blocks of 10 ms and prints the shortest time per frame of all rounds; the
 * instruction counter runs it twice and takes the difference, which leaves out everything but the blocks. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "downconvert.h"

enum { BLOCK_FRAMES = 1920, BLOCK_SAMPLES = 24 };

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "wanted: rounds mics carriers\n");
        return 2;
    }
    const int rounds = atoi(argv[1]);
    const pp_downconverter_spec spec = {192000, atoi(argv[2]), atoi(argv[3]), {40000.0, 45000.0, 50000.0, 60000.0}};
    char reason[PP_REASON_BYTES];
    pp_downconverter *const converter = pp_downconverter_create(&spec, reason);
    if (converter == NULL) {
        fprintf(stderr, "%s\n", reason);
        return 2;
    }
    static int32_t pcm[BLOCK_FRAMES * PP_MAX_MICS];
    static float iq[2 * BLOCK_SAMPLES * PP_MAX_MICS * PP_MAX_CARRIERS];
    for (size_t i = 0; i < sizeof pcm / sizeof pcm[0]; i++) {
        pcm[i] = (int32_t)((uint32_t)i * 2654435761U);
    }
    double shortest_ns = 1e18;
    for (int round = 0; round < rounds; round++) {
        const double start_ns = now_ns();
        pp_downconverter_execute(converter, pcm, BLOCK_FRAMES, iq, BLOCK_SAMPLES);
        const double taken_ns = now_ns() - start_ns;
        shortest_ns = taken_ns < shortest_ns ? taken_ns : shortest_ns;
    }
    printf("%.3f\n", shortest_ns / BLOCK_FRAMES);
    pp_downconverter_destroy(converter);
    return 0;
}
