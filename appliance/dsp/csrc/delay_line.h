/* The memory of one filter: a flat buffer that slides to its start when it is full, so filters see plain arrays. */

#ifndef PP_DELAY_LINE_H
#define PP_DELAY_LINE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "quad.h"

/* `width` quads an entry (1 real, 2 complex: real parts, then imaginary). `oldest` is the first entry that the
 * filter still needs, `end` is behind the newest; both count entries. */
typedef struct {
    pp_quad *entries;
    size_t width;
    size_t capacity;
    size_t history;
    size_t oldest;
    size_t end;
} pp_delay_line;

/* Silence in all the filter's memory. */
static inline void pp_delay_line_reset(pp_delay_line *line)
{
    memset(line->entries, 0, line->history * line->width * sizeof(pp_quad));
    line->oldest = 0;
    line->end = line->history;
}

/* `history` entries stay before new ones; at least `append` entries fit behind them. False: out of memory. */
static inline bool pp_delay_line_create(pp_delay_line *line, size_t width, size_t history, size_t append)
{
    *line = (pp_delay_line){.width = width, .capacity = history + append, .history = history};
    line->entries = aligned_alloc(sizeof(pp_quad), line->capacity * width * sizeof(pp_quad));
    if (line->entries == NULL) {
        return false;
    }
    pp_delay_line_reset(line);
    return true;
}

static inline void pp_delay_line_destroy(pp_delay_line *line)
{
    free(line->entries);
}

/* Where the next `count` entries are to be written; they count as present from now on. */
static inline pp_quad *pp_delay_line_append(pp_delay_line *line, size_t count)
{
    if (line->end + count > line->capacity) {
        const size_t kept = line->end - line->oldest;
        memmove(line->entries, line->entries + line->oldest * line->width, kept * line->width * sizeof(pp_quad));
        line->oldest = 0;
        line->end = kept;
    }
    pp_quad *const place = line->entries + line->end * line->width;
    line->end += count;
    return place;
}

/* The oldest entry still needed. */
static inline const pp_quad *pp_delay_line_oldest(const pp_delay_line *line)
{
    return line->entries + line->oldest * line->width;
}

#endif
