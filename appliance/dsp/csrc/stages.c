/* The choice of an instruction set. */

#include "stages.h"

#include <stdbool.h>
#include <string.h>

static bool has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

const pp_stages *pp_stages_here(const char *name)
{
    /* Best first. Every 64-bit ARM has NEON. */
    const pp_stages *const present[] = {has_avx2() ? pp_stages_avx2() : NULL, pp_stages_neon(), pp_stages_generic()};
    for (size_t i = 0; i < sizeof present / sizeof present[0]; i++) {
        if (present[i] != NULL && (strcmp(name, "auto") == 0 || strcmp(name, present[i]->name) == 0)) {
            return present[i];
        }
    }
    return NULL;
}
