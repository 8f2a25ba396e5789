/* Plays two outputs at 192 kHz for `rounds` blocks of 10 ms. An instruction counter runs it with two numbers of rounds; the
 * difference, divided by the frames between, is the cost of a frame and leaves out everything else.
 *
 * What: `steady` tones, tones that `fade`, tones that `glide`, or `chirps` (40 ms, back to back: every frame sounds). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chirp.h"
#include "tone.h"

enum { BLOCK_FRAMES = 1920, OUTPUTS = 2 };

static const double carriers_hz[PP_MAX_CARRIERS] = {40000.1, 45000.0, 50000.0, 60000.0};
static const double next_carriers_hz[PP_MAX_CARRIERS] = {41000.0, 46000.0, 51000.0, 61000.0};

static void give_up(const char *reason)
{
    fprintf(stderr, "%s\n", reason);
    exit(2);
}

static void play_tones(long rounds, const char *what, size_t carriers)
{
    static int32_t samples[BLOCK_FRAMES * OUTPUTS];
    char reason[PP_REASON_BYTES];
    const bool steady = strcmp(what, "steady") == 0;
    const pp_tone_spec spec = {192000, OUTPUTS, 0.3, steady ? PP_MIN_FADE_S : PP_MAX_FADE_S};
    pp_tone *const tone = pp_tone_create(&spec, reason);
    if (tone == NULL || !pp_tone_play(tone, carriers_hz, carriers, 0.2, reason)) {
        give_up(reason);
    }
    for (int i = 0; i < 6; i++) { /* the shortest fade and a little more */
        pp_tone_execute(tone, samples, BLOCK_FRAMES);
    }
    if (strcmp(what, "glide") == 0 && !pp_tone_play(tone, next_carriers_hz, carriers, 0.2, reason)) {
        give_up(reason);
    }
    for (long round = 0; round < rounds; round++) {
        pp_tone_execute(tone, samples, BLOCK_FRAMES);
    }
    pp_tone_destroy(tone);
}

static void play_chirps(long rounds)
{
    static int32_t samples[BLOCK_FRAMES * OUTPUTS];
    char reason[PP_REASON_BYTES];
    const pp_chirp_spec spec = {192000, OUTPUTS, 0.3, 34000.0, 43000.0, 0.04, 0.002};
    pp_chirp *const chirp = pp_chirp_create(&spec, reason);
    if (chirp == NULL) {
        give_up(reason);
    }
    for (long round = 0; round < rounds; round++) {
        if (pp_chirp_frames_left(chirp) == 0 && !pp_chirp_begin(chirp, 0.1, reason)) {
            give_up(reason);
        }
        pp_chirp_execute(chirp, samples, BLOCK_FRAMES);
    }
    pp_chirp_destroy(chirp);
}

int main(int argc, char **argv)
{
    const size_t carriers = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (argc != 4 || carriers < 1 || carriers > PP_MAX_CARRIERS) {
        give_up("wanted: rounds steady|fade|glide|chirps carriers");
    }
    const long rounds = strtol(argv[1], NULL, 10);
    if (strcmp(argv[2], "chirps") == 0) {
        play_chirps(rounds);
    } else {
        play_tones(rounds, argv[2], carriers);
    }
    return 0;
}
