/* One C object at work, so that its cost can be counted: `run` does the same again and again. */

#ifndef CASES_H
#define CASES_H

#include <stddef.h>
#include <stdint.h>

/* Values of a case's line, behind its kind. */
enum { VALUES_MAX = 8 };

typedef struct {
    int count;
    char *values[VALUES_MAX];
} case_values;

typedef struct {
    const char *name;
    const char *usage; /* the values that it takes */
    int values;
    /* NULL, after a word on stderr, for what this processor or the core does not do. */
    void *(*create)(const case_values *values);
    void (*run)(void *state);
    /* What one run did, in the unit that its cost is told in: frames, columns, pulses. */
    double (*units)(const void *state);
} case_kind;

/* Memory set to 0; ends the program when there is none. */
void *case_memory(size_t bytes);

/* Noise of a quarter of full scale, the same each time. */
void case_noise(int32_t *samples, size_t count);

int case_integer(const case_values *values, int at);

extern const case_kind downconvert_kind;
extern const case_kind tone_kind;
extern const case_kind chirp_kind;
extern const case_kind range_kind;
extern const case_kind doppler_kind;
extern const case_kind clutter_kind;
extern const case_kind carrier_kind;
extern const case_kind multipath_kind;

#endif
