#include "echo_paths.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wide.h"

struct pp_echo_paths {
    size_t mics;
    double nearest_m2;
};

pp_echo_paths *pp_echo_paths_create(const pp_echo_paths_spec *spec, char *reason)
{
    if (spec->mics < 1 || spec->mics > PP_MAX_MICS) {
        snprintf(reason, PP_REASON_BYTES, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, spec->mics);
        return NULL;
    }
    if (!(spec->nearest_m > 0 && spec->nearest_m <= 10)) {
        snprintf(reason, PP_REASON_BYTES, "nearest_m: wanted above 0, to 10, got %g", spec->nearest_m);
        return NULL;
    }
    pp_echo_paths *const paths = malloc(sizeof(pp_echo_paths));
    if (paths == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    paths->mics = (size_t)spec->mics;
    paths->nearest_m2 = spec->nearest_m * spec->nearest_m;
    return paths;
}

void pp_echo_paths_destroy(pp_echo_paths *paths)
{
    free(paths);
}

size_t pp_echo_paths_mics(const pp_echo_paths *paths)
{
    return paths->mics;
}

PP_INLINE double distance(const double *a, const double *b)
{
    const double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
    return sqrt(x * x + y * y + z * z);
}

PP_WIDE void pp_echo_paths_execute(const pp_echo_paths *paths, const pp_echo_scene *scene, double *delay, float *gain)
{
    const size_t mics = paths->mics;
    double x[PP_MAX_MICS], y[PP_MAX_MICS], z[PP_MAX_MICS];
    for (size_t m = 0; m < mics; m++) {
        x[m] = scene->mics_m[3 * m];
        y[m] = scene->mics_m[3 * m + 1];
        z[m] = scene->mics_m[3 * m + 2];
    }
    for (size_t t = 0; t < scene->times; t++) {
        const double *const scale = scene->scale + t * mics;
        const double *const offset = scene->offset + t * mics;
        for (size_t p = 0; p < scene->points; p++) {
            const size_t at = t * scene->points + p;
            const double *const place = scene->places_m + 3 * at;
            const double there = distance(place, scene->source_m);
            const double first = there + distance(place, scene->mics_m);
            const double left = (double)scene->strength[at] * exp(-scene->absorption_per_m * first);
            double length[PP_MAX_MICS], level[PP_MAX_MICS];
            for (size_t m = 0; m < mics; m++) {
                const double dx = place[0] - x[m], dy = place[1] - y[m], dz = place[2] - z[m];
                const double back = sqrt(dx * dx + dy * dy + dz * dz);
                const double product = there * back > paths->nearest_m2 ? there * back : paths->nearest_m2;
                /* Microphones lie close together: between them the exponential is as good as its tangent and curve. */
                const double more = scene->absorption_per_m * (there + back - first);
                length[m] = there + back;
                level[m] = left * (1 - more + 0.5 * more * more) / product;
            }
            for (size_t m = 0; m < mics; m++) {
                delay[at * mics + m] = length[m] * scale[m] + offset[m];
                gain[at * mics + m] = (float)level[m];
            }
        }
    }
}
