/* Counts or times the C objects, each as its line says: a kind and its values, such as "tone 2 steady".
 *
 *     cases count             lines in; under callgrind one dump for each, named after it; answers "UNITS LINE"
 *     cases time              lines in, each answered with the nanoseconds of a unit
 *     cases run RUNS LINE...  that many runs of one case, for a counter that sees only the whole program
 *
 * The answer is 0 for what this processor or the core does not do. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

#include "cases.h"

enum { LINE_BYTES = 256, WARM_RUNS = 3 };

/* Units counted, at the least: buffers that slide now and then do so several times, and
 * pulses of 5, 10 or 20 Hz come a whole number of times. */
static const double COUNTED_UNITS = 57600;
static const int COUNTED_RUNS = 16;

static const double TIMED_NS = 2e6;

static const case_kind *const kinds[] = {
    &downconvert_kind, &doppler_kind, &clutter_kind, &carrier_kind, &tone_kind, &chirp_kind, &range_kind, &multipath_kind,
};

void *case_memory(size_t bytes)
{
    void *const memory = calloc(1, bytes);
    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return memory;
}

void case_noise(int32_t *samples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        samples[i] = (int32_t)((uint32_t)i * 2654435761U) / 4;
    }
}

int case_integer(const case_values *values, int at)
{
    return atoi(values->values[at]);
}

/* The kind that `line` names, with its values; cuts the line into words. */
static const case_kind *parse(char *line, case_values *values)
{
    const char *const name = strtok(line, " \n");
    values->count = 0;
    for (char *word; values->count < VALUES_MAX && (word = strtok(NULL, " \n")) != NULL;) {
        values->values[values->count++] = word;
    }
    for (size_t k = 0; name != NULL && k < sizeof kinds / sizeof kinds[0]; k++) {
        if (strcmp(name, kinds[k]->name) == 0 && values->count == kinds[k]->values) {
            return kinds[k];
        }
    }
    fprintf(stderr, "no such case: %s with %d values; there are\n", name == NULL ? "" : name, values->count);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        fprintf(stderr, "    %s %s\n", kinds[k]->name, kinds[k]->usage);
    }
    exit(2);
}

static void *created(const case_kind *kind, const case_values *values)
{
    void *const state = kind->create(values);
    for (int run = 0; state != NULL && run < WARM_RUNS; run++) {
        kind->run(state);
    }
    return state;
}

static void count(const case_kind *kind, const case_values *values, const char *name)
{
    void *const state = created(kind, values);
    if (state == NULL) {
        printf("0 %s\n", name);
        return;
    }
    int runs = COUNTED_RUNS;
    while (runs * kind->units(state) < COUNTED_UNITS && runs < 100 * COUNTED_RUNS) {
        runs++;
    }
    CALLGRIND_DUMP_STATS_AT("made ready");
    for (int run = 0; run < runs; run++) {
        kind->run(state);
    }
    CALLGRIND_DUMP_STATS_AT(name);
    printf("%.0f %s\n", runs * kind->units(state), name);
}

/* Processor time: what else runs on the machine does not count. */
static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The shortest of several stretches, each long against the clock's step. */
static void time_case(const case_kind *kind, const case_values *values)
{
    void *const state = created(kind, values);
    if (state == NULL) {
        puts("0");
        return;
    }
    double shortest_ns = 1e18;
    for (int stretch = 0; stretch < 7; stretch++) {
        const double start_ns = now_ns();
        double units = 0;
        double taken_ns = 0;
        while (taken_ns < TIMED_NS) {
            kind->run(state);
            units += kind->units(state);
            taken_ns = now_ns() - start_ns;
        }
        shortest_ns = taken_ns / units < shortest_ns ? taken_ns / units : shortest_ns;
    }
    printf("%.6f\n", shortest_ns);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[LINE_BYTES] = "";
    char name[LINE_BYTES];
    case_values values;
    const char *const mode = argc > 1 ? argv[1] : "";
    if (strcmp(mode, "run") == 0 && argc > 3) {
        for (int word = 3; word < argc; word++) {
            strncat(line, argv[word], LINE_BYTES - strlen(line) - 2);
            strcat(line, " ");
        }
        const case_kind *const kind = parse(line, &values);
        void *const state = created(kind, &values);
        for (int run = state == NULL ? 0 : atoi(argv[2]); run > 0; run--) {
            kind->run(state);
        }
        printf("%.0f\n", state == NULL ? 0 : kind->units(state));
        return 0;
    }
    if (strcmp(mode, "count") != 0 && strcmp(mode, "time") != 0) {
        fprintf(stderr, "wanted: count, time, or run RUNS LINE\n");
        return 2;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        strcpy(name, line);
        const case_kind *const kind = parse(line, &values);
        if (strcmp(mode, "count") == 0) {
            count(kind, &values, name);
        } else {
            time_case(kind, &values);
        }
    }
    return 0;
}
