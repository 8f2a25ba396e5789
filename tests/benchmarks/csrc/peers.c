/* The competitors behind one door.
 *
 *     peers list           names, one a line
 *     peers filter NAME    whole blocks of PCM in, complex samples [n][MICS] out
 *     peers serve          reads "PASSES NAME", answers nanoseconds per frame, until its input ends
 *     peers count          under callgrind: one dump for each competitor, named after it */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

#include "peers.h"

/* What a second-level cache holds: in the service, too, a block has just been written when it is read. */
enum { TEST_BLOCKS = 8, BLOCK_VALUES = BLOCK_FRAMES * MICS };

/* Blocks counted and blocks timed at once, a multiple of what each competitor collects. */
enum { PASS_BLOCKS = 56 };

static const peer *const peers[] = {
    &pipistrelle_peer,
#ifdef WITH_LIQUID
    &liquid_cascade_peer, &liquid_one_stage_peer,
#endif
#ifdef WITH_SOXR
    &soxr_peer,
#endif
#ifdef WITH_FFTW
    &fftw_short_peer, &fftw_medium_peer, &fftw_long_peer,
#endif
};

float complex oscillator[BLOCK_FRAMES];

static void *states[LENGTH(peers)];
static int32_t test_pcm[TEST_BLOCKS * BLOCK_VALUES];
static float complex iq[MICS * BURST_SAMPLES];

void *allocate(size_t bytes)
{
    void *const memory = calloc(1, bytes);
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return memory;
}

static size_t peer_named(const char *name)
{
    for (size_t i = 0; i < LENGTH(peers); i++) {
        if (strcmp(peers[i]->name, name) == 0) {
            return i;
        }
    }
    fprintf(stderr, "no competitor is called %s\n", name);
    exit(2);
}

static size_t execute(size_t i, const int32_t *pcm)
{
    if (states[i] == NULL) {
        states[i] = peers[i]->create();
    }
    return peers[i]->execute(states[i], pcm, iq);
}

static void filter(size_t i)
{
    while (fread(test_pcm, sizeof test_pcm[0], BLOCK_VALUES, stdin) == BLOCK_VALUES) {
        const size_t samples = execute(i, test_pcm);
        for (size_t n = 0; n < samples; n++) {
            for (size_t m = 0; m < MICS; m++) {
                fwrite(&iq[m * samples + n], sizeof iq[0], 1, stdout);
            }
        }
    }
}

/* Processor time: what else runs on the machine does not count. */
static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Nanoseconds per frame of `name`; of the floor: per multiply-accumulate, and per frame read. */
static double timed(const char *name, size_t passes)
{
    static volatile double kept;
    if (strcmp(name, "floor multiply-accumulate") == 0) {
        const double start_ns = now_ns();
        const double macs = floor_macs(passes * 100000);
        return (now_ns() - start_ns) / macs;
    }
    const double frames = (double)passes * PASS_BLOCKS * BLOCK_FRAMES;
    if (strcmp(name, "floor read") == 0) {
        const double start_ns = now_ns();
        for (size_t round = 0; round < passes * PASS_BLOCKS / TEST_BLOCKS; round++) {
            kept = floor_read(test_pcm, LENGTH(test_pcm));
        }
        return (now_ns() - start_ns) / frames;
    }
    const size_t i = peer_named(name);
    execute(i, test_pcm);
    const double start_ns = now_ns();
    for (size_t block = 0; block < passes * PASS_BLOCKS; block++) {
        execute(i, test_pcm + block % TEST_BLOCKS * BLOCK_VALUES);
    }
    return (now_ns() - start_ns) / frames;
}

static void serve(void)
{
    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *name = line;
        const size_t passes = strtoul(line, &name, 10);
        printf("%.6f\n", timed(name + 1, passes));
        fflush(stdout);
    }
}

static void count(void)
{
    /* To be created may take long, where it tries what is fastest; that goes without being counted. */
    for (size_t i = 0; i < LENGTH(peers); i++) {
        for (size_t block = 0; block < PASS_BLOCKS; block++) {
            execute(i, test_pcm + block % TEST_BLOCKS * BLOCK_VALUES);
        }
    }
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_DUMP_STATS_AT("made ready");
    for (size_t i = 0; i < LENGTH(peers); i++) {
        for (size_t block = 0; block < PASS_BLOCKS; block++) {
            execute(i, test_pcm + block % TEST_BLOCKS * BLOCK_VALUES);
        }
        CALLGRIND_DUMP_STATS_AT(peers[i]->name);
        printf("%d %s\n", PASS_BLOCKS * BLOCK_FRAMES, peers[i]->name);
    }
}

int main(int argc, char **argv)
{
    for (size_t n = 0; n < BLOCK_FRAMES; n++) {
        const double turns = (double)(n * CARRIER_HZ % RATE_HZ) / RATE_HZ;
        oscillator[n] = (float complex)(2 / 2147483648.0 * cexp(-2 * 3.14159265358979323846 * I * turns));
    }
    for (size_t i = 0; i < LENGTH(test_pcm); i++) {
        test_pcm[i] = (int32_t)((uint32_t)i * 2654435761U) / 8;
    }
    const char *const mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "list") == 0) {
        for (size_t i = 0; i < LENGTH(peers); i++) {
            printf("%s\n", peers[i]->name);
        }
    } else if (strcmp(mode, "filter") == 0 && argc == 3) {
        filter(peer_named(argv[2]));
    } else if (strcmp(mode, "serve") == 0) {
        serve();
    } else if (strcmp(mode, "count") == 0) {
        count();
    } else {
        fprintf(stderr, "wanted: list, filter NAME, serve or count\n");
        return 2;
    }
    return 0;
}
