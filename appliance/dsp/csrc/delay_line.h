/* The memory of one filter: a flat buffer that slides to its start when it is full, so filters see plain arrays. */

#ifndef PP_DELAY_LINE_H
#define PP_DELAY_LINE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Alignment of the widest vector, in bytes, and room behind the end for one that is not full. */
#define PP_ALIGNMENT 32
#define PP_SLACK_FLOATS 8

/* `width` floats an entry. `oldest` is the first entry that the filter still needs, `end` is behind the newest; both
 * count entries. */
typedef struct {
    float *floats;
    size_t width;
    size_t capacity;
    size_t history;
    size_t oldest;
    size_t end;
} pp_delay_line;

static inline size_t pp_delay_line_bytes(const pp_delay_line *line)
{
    const size_t bytes = (line->capacity * line->width + PP_SLACK_FLOATS) * sizeof(float);
    return (bytes + PP_ALIGNMENT - 1) / PP_ALIGNMENT * PP_ALIGNMENT;
}

/* Silence in all the filter's memory. */
static inline void pp_delay_line_reset(pp_delay_line *line)
{
    memset(line->floats, 0, pp_delay_line_bytes(line));
    line->oldest = 0;
    line->end = line->history;
}

/* `history` entries stay before new ones; at least `append` entries fit behind them. False: out of memory. */
static inline bool pp_delay_line_create(pp_delay_line *line, size_t width, size_t history, size_t append)
{
    *line = (pp_delay_line){.width = width, .capacity = history + append, .history = history};
    line->floats = aligned_alloc(PP_ALIGNMENT, pp_delay_line_bytes(line));
    if (line->floats == NULL) {
        return false;
    }
    pp_delay_line_reset(line);
    return true;
}

static inline void pp_delay_line_destroy(pp_delay_line *line)
{
    free(line->floats);
}

/* Where the next `count` entries are to be written; they count as present from now on. */
static inline float *pp_delay_line_append(pp_delay_line *line, size_t count)
{
    if (line->end + count > line->capacity) {
        const size_t kept = line->end - line->oldest;
        memmove(line->floats, line->floats + line->oldest * line->width, kept * line->width * sizeof(float));
        line->oldest = 0;
        line->end = kept;
    }
    float *const place = line->floats + line->end * line->width;
    line->end += count;
    return place;
}

/* The oldest entry still needed. */
static inline const float *pp_delay_line_oldest(const pp_delay_line *line)
{
    return line->floats + line->oldest * line->width;
}

#endif
