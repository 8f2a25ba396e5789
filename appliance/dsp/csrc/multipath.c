#include "multipath.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "taps.h"

#define STREAMS (PP_FARROW_ORDER + 1)
#define SIGNAL_HISTORY (PP_FARROW_TAPS - 1)

/* Frames handled at once; bounds the working memory for blocks of any length. */
#define CHUNK_FRAMES 2048

_Static_assert(PP_MIN_DELAY_FRAMES == PP_FARROW_TAPS / 2, "a path needs half the filter's frames to be there already");

struct pp_multipath {
    size_t paths;
    size_t mics;
    size_t max_delay_frames;
    size_t history;  /* frames of the streams that must stay */
    size_t capacity; /* frames of one stream */
    size_t end;      /* behind the newest frame in the streams */
    float signal[SIGNAL_HISTORY + CHUNK_FRAMES];
    float arrived[PP_MAX_MICS][CHUNK_FRAMES];
    float *streams;  /* [STREAMS][capacity]: the signal through each fixed filter */
};

/* One path to one microphone over one segment: straight lines in time. */
typedef struct {
    double delay_frames;
    double delay_slope; /* frames per frame */
    double gain;
    double gain_slope;  /* per frame */
} path_ray;

pp_multipath *pp_multipath_create(const pp_multipath_spec *spec, char *reason)
{
    if (spec->paths < 1 || spec->paths > PP_MAX_PATHS) {
        snprintf(reason, PP_REASON_BYTES, "paths: wanted 1 to %d, got %d", PP_MAX_PATHS, spec->paths);
        return NULL;
    }
    if (spec->mics < 1 || spec->mics > PP_MAX_MICS) {
        snprintf(reason, PP_REASON_BYTES, "mics: wanted 1 to %d, got %d", PP_MAX_MICS, spec->mics);
        return NULL;
    }
    if (spec->max_delay_frames < PP_MIN_DELAY_FRAMES || spec->max_delay_frames > PP_MAX_DELAY_FRAMES) {
        snprintf(reason, PP_REASON_BYTES, "max_delay_frames: wanted %d to %d, got %d", PP_MIN_DELAY_FRAMES,
                 PP_MAX_DELAY_FRAMES, spec->max_delay_frames);
        return NULL;
    }
    pp_multipath *const channel = malloc(sizeof(pp_multipath));
    if (channel == NULL) {
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    const size_t history = (size_t)spec->max_delay_frames;
    channel->paths = (size_t)spec->paths;
    channel->mics = (size_t)spec->mics;
    channel->max_delay_frames = (size_t)spec->max_delay_frames;
    channel->history = history;
    /* Twice the history, so that the streams slide to their start only once in so many frames. */
    channel->capacity = 2 * history + CHUNK_FRAMES;
    channel->streams = malloc(STREAMS * channel->capacity * sizeof(float));
    if (channel->streams == NULL) {
        free(channel);
        snprintf(reason, PP_REASON_BYTES, "out of memory");
        return NULL;
    }
    pp_multipath_reset(channel);
    return channel;
}

void pp_multipath_destroy(pp_multipath *channel)
{
    if (channel != NULL) {
        free(channel->streams);
        free(channel);
    }
}

size_t pp_multipath_paths(const pp_multipath *channel)
{
    return channel->paths;
}

size_t pp_multipath_mics(const pp_multipath *channel)
{
    return channel->mics;
}

void pp_multipath_reset(pp_multipath *channel)
{
    memset(channel->signal, 0, sizeof channel->signal);
    for (size_t k = 0; k < STREAMS; k++) {
        memset(channel->streams + k * channel->capacity, 0, channel->history * sizeof(float));
    }
    channel->end = channel->history;
}

int pp_multipath_accepts(const pp_multipath *channel, const double *delay_frames, size_t points, char *reason)
{
    for (size_t i = 0; i < points * channel->paths * channel->mics; i++) {
        if (!(delay_frames[i] >= PP_MIN_DELAY_FRAMES && delay_frames[i] <= (double)channel->max_delay_frames)) {
            snprintf(reason, PP_REASON_BYTES, "delay_frames: wanted %d to %zu, got %g for path %zu, microphone %zu",
                     PP_MIN_DELAY_FRAMES, channel->max_delay_frames, delay_frames[i],
                     i / channel->mics % channel->paths, i % channel->mics);
            return 0;
        }
    }
    return 1;
}

/* Pass `frames` (at most CHUNK_FRAMES) of new signal through the fixed filters, behind what the streams hold. */
static void append_signal(pp_multipath *channel, const float *signal, size_t frames)
{
    if (channel->end + frames > channel->capacity) {
        for (size_t k = 0; k < STREAMS; k++) {
            float *const stream = channel->streams + k * channel->capacity;
            memmove(stream, stream + channel->end - channel->history, channel->history * sizeof(float));
        }
        channel->end = channel->history;
    }
    memcpy(channel->signal + SIGNAL_HISTORY, signal, frames * sizeof(float));
    for (size_t k = 0; k < STREAMS; k++) {
        float *const stream = channel->streams + k * channel->capacity + channel->end;
        memset(stream, 0, frames * sizeof(float));
        for (size_t j = 0; j < PP_FARROW_TAPS; j++) {
            const float tap = pp_farrow[k][j];
            const float *const delayed = channel->signal + SIGNAL_HISTORY - j;
            for (size_t n = 0; n < frames; n++) {
                stream[n] += tap * delayed[n];
            }
        }
    }
    memmove(channel->signal, channel->signal + frames, SIGNAL_HISTORY * sizeof(float));
    channel->end += frames;
}

/* `count` frames during which the whole frames of the delay do not change: a polynomial in its fraction `offset`
 * (counted from the middle, -0.5 to 0.5), by Horner's rule, over consecutive entries of the streams. */
static void add_run(const float *restrict streams, size_t capacity, float offset, float offset_slope, float gain,
                    float gain_slope, int count, float *restrict arrived)
{
    for (int n = 0; n < count; n++) {
        const float u = offset + offset_slope * (float)n;
        float value = streams[PP_FARROW_ORDER * capacity + (size_t)n];
        for (size_t k = PP_FARROW_ORDER; k-- > 0;) {
            value = value * u + streams[k * capacity + (size_t)n];
        }
        arrived[n] += (gain + gain_slope * (float)n) * value;
    }
}

/* Frames from here on for which floor(delay) stays `whole`; at least 1, at most `limit`. */
static size_t run_frames(double delay_frames, double slope, double whole, size_t limit)
{
    double frames = (double)limit;
    if (slope > 0) {
        frames = ceil((whole + 1 - delay_frames) / slope);
    } else if (slope < 0) {
        frames = floor((whole - delay_frames) / slope) + 1;
    }
    return frames < 1 ? 1 : frames < (double)limit ? (size_t)frames : limit;
}

/* One ray over `count` frames from `first` of the newest `frames` of the streams. The ray's lines start at `first`. */
static void add_ray(const pp_multipath *channel, path_ray ray, size_t frames, size_t first, size_t count, float *arrived)
{
    for (size_t done = 0; done < count;) {
        /* Between the points rounding may leave the range; no delay whatever, nor NaN, may leave the memory. */
        const double line = ray.delay_frames + ray.delay_slope * (double)done;
        const double delay = fmin(fmax(line, PP_MIN_DELAY_FRAMES), (double)channel->max_delay_frames);
        const double whole = floor(delay);
        const size_t run = run_frames(delay, ray.delay_slope, whole, count - done);
        const size_t newest = channel->end - frames + first + done + (PP_FARROW_TAPS / 2 - 1) - (size_t)whole;
        add_run(channel->streams + newest, channel->capacity, (float)(delay - whole - 0.5), (float)ray.delay_slope,
                (float)(ray.gain + ray.gain_slope * (double)done), (float)ray.gain_slope, (int)run,
                arrived + first + done);
        done += run;
    }
}

typedef struct {
    const double *delay_frames; /* [points][paths][mics] */
    const float *gain;          /* [points][paths][mics] */
    size_t segments;            /* points - 1 */
    size_t frames;              /* of the whole block */
} path_motion;

/* All rays over the part of segment `s` that lies in `chunk` frames from block frame `chunk_first`. */
static void add_segment(pp_multipath *channel, const path_motion *motion, size_t s, size_t chunk_first, size_t chunk)
{
    const size_t rays = channel->paths * channel->mics;
    const double segment_frames = (double)motion->frames / (double)motion->segments;
    /* The first whole frame at or behind the segment's start and end. */
    const size_t start = (s * motion->frames + motion->segments - 1) / motion->segments;
    const size_t stop = ((s + 1) * motion->frames + motion->segments - 1) / motion->segments;
    const size_t from = start > chunk_first ? start : chunk_first;
    const size_t to = stop < chunk_first + chunk ? stop : chunk_first + chunk;
    if (from >= to) {
        return;
    }
    const double into = (double)from - (double)s * segment_frames;
    for (size_t r = 0; r < rays; r++) {
        const float gain_from = motion->gain[s * rays + r];
        const float gain_to = motion->gain[(s + 1) * rays + r];
        if (gain_from == 0 && gain_to == 0) {
            continue;
        }
        const double delay_from = motion->delay_frames[s * rays + r];
        const double delay_slope = (motion->delay_frames[(s + 1) * rays + r] - delay_from) / segment_frames;
        const double gain_slope = ((double)gain_to - (double)gain_from) / segment_frames;
        const path_ray line = {.delay_frames = delay_from + delay_slope * into,
                          .delay_slope = delay_slope,
                          .gain = (double)gain_from + gain_slope * into,
                          .gain_slope = gain_slope};
        add_ray(channel, line, chunk, from - chunk_first, to - from, channel->arrived[r % channel->mics]);
    }
}

void pp_multipath_execute(pp_multipath *channel, const float *signal, size_t frames, const double *delay_frames,
                          const float *gain, size_t points, float *out)
{
    const path_motion motion = {delay_frames, gain, points - 1, frames};
    for (size_t first = 0; first < frames; first += CHUNK_FRAMES) {
        const size_t chunk = frames - first < CHUNK_FRAMES ? frames - first : CHUNK_FRAMES;
        append_signal(channel, signal + first, chunk);
        for (size_t m = 0; m < channel->mics; m++) {
            memset(channel->arrived[m], 0, chunk * sizeof(float));
        }
        for (size_t s = first * motion.segments / frames; s < motion.segments; s++) {
            if (s * frames >= (first + chunk) * motion.segments) {
                break;
            }
            add_segment(channel, &motion, s, first, chunk);
        }
        for (size_t n = 0; n < chunk; n++) {
            for (size_t m = 0; m < channel->mics; m++) {
                out[(first + n) * channel->mics + m] += channel->arrived[m][n];
            }
        }
    }
}
