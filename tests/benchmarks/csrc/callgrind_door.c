/* Lets Python tell callgrind what to count. */

#include <valgrind/callgrind.h>

void start_counting(void);
void dump_counts(const char *name);

void start_counting(void)
{
    CALLGRIND_START_INSTRUMENTATION;
}

void dump_counts(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
}
