/* Preloaded, takes the sound card away while /run/loop/unplugged is there: alsa-lib then answers as for a card that is gone. */
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

typedef struct pcm pcm_t;

static int unplugged(void) { return access("/run/loop/unplugged", F_OK) == 0; }

/* Python loads the library for one module of its own, so that RTLD_NEXT would not find it. */
static void *alsa(const char *name) { return dlsym(dlopen("libasound.so.2", RTLD_LAZY), name); }

long snd_pcm_readi(pcm_t *pcm, void *samples, unsigned long frames) {
    if (unplugged())
        return -ENODEV;
    long (*readi)(pcm_t *, void *, unsigned long) = alsa("snd_pcm_readi");
    return readi(pcm, samples, frames);
}

int snd_pcm_open(pcm_t **pcm, const char *name, int stream, int mode) {
    if (unplugged())
        return -ENODEV;
    int (*opened)(pcm_t **, const char *, int, int) = alsa("snd_pcm_open");
    return opened(pcm, name, stream, mode);
}
