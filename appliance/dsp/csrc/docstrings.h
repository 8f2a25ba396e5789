/* What help() says; the stub beside this folder has the types. */

#ifndef PP_DOCSTRINGS_H
#define PP_DOCSTRINGS_H

static const char downconverter_doc[] =
    "DownConverter(*, rate_hz, mics, carriers_hz)\n--\n\n"
    "Interleaved int32 PCM to complex baseband at 2400 Hz around one to four carriers.\n\n"
    "A real sine of amplitude A (full scale 1.0) at a carrier gives |iq| = A. Within +-900 Hz of the carrier\n"
    "the gain is flat to 0.1 dB; from +-1100 Hz on everything is at least 80 dB down. The output does not\n"
    "depend on how the input is cut into blocks.\n\n"
    "Args:\n"
    "    rate_hz: 192000 or 96000.\n"
    "    mics: 1 to 8.\n"
    "    carriers_hz: 1 to 4 floats from 30000 to 90000 (to 45000 at 96 kHz).\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char downconverter_process_into_doc[] =
    "process_into($self, /, samples, iq)\n--\n\n"
    "Consume `samples` int32 [frames, mics]; fill `iq` complex64 [carriers, mics, n] and return n, which is\n"
    "output_samples(frames). Both C-contiguous. After an exception nothing was consumed.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static const char downconverter_output_samples_doc[] =
    "output_samples($self, /, frames)\n--\n\n"
    "How many baseband samples the next `frames` frames will give.";

static const char downconverter_reset_doc[] =
    "reset($self, /, first_frame=0)\n--\n\n"
    "Forget all samples. The next frame is number `first_frame` of the stream, which fixes the phase, so it\n"
    "goes on over a gap.";

static const char tone_doc[] =
    "ToneSynthesiser(*, rate_hz, outputs, max_amplitude, fade_s)\n--\n\n"
    "One to four sines that never click and never exceed their limit.\n\n"
    "Args:\n"
    "    rate_hz: 192000 or 96000.\n"
    "    outputs: 1 to 8; all get the same signal.\n"
    "    max_amplitude: above 0 to 1.0 of full scale; no sample is ever further from 0.\n"
    "    fade_s: 0.05 to 60; the length of every fade and glide.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char tone_play_doc[] =
    "play($self, /, carriers_hz, amplitude)\n--\n\n"
    "Begin the transition to these carriers; none fades to silence.\n\n"
    "Carriers keep their place: the first glides from the old first one, new ones fade in, those without a\n"
    "successor fade out. Asking again for what is under way changes nothing.\n\n"
    "Args:\n"
    "    carriers_hz: up to 4 floats from 32000 to rate_hz / 2 - 1100.\n"
    "    amplitude: sum over carriers, of full scale; above max_amplitude it becomes max_amplitude.\n\n"
    "Raises:\n"
    "    ValueError: a carrier or the amplitude is out of range; nothing changed.";

static const char tone_process_into_doc[] =
    "process_into($self, /, samples)\n--\n\n"
    "Fill `samples` int32 [frames, outputs], C-contiguous, the same signal on every output.\n\n"
    "Raises:\n"
    "    TypeError: the type of the buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static const char multipath_doc[] =
    "MultipathChannel(*, paths, mics, max_delay_frames)\n--\n\n"
    "Many moving delays of one signal, summed for each microphone:\n"
    "y[m](t) += sum over p of gain[p, m](t) x(t - delay[p, m](t)).\n\n"
    "The error of a fractional delay is below -90 dB up to 0.354 of the rate (68 kHz at 192 kHz).\n\n"
    "Args:\n"
    "    paths: 1 to 4096.\n"
    "    mics: 1 to 8.\n"
    "    max_delay_frames: 10 to 1000000.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char multipath_process_into_doc[] =
    "process_into($self, /, signal, delay_frames, gain, out)\n--\n\n"
    "Consume `signal` float32 [frames] and add what arrives to `out` float32 [frames, mics].\n\n"
    "`delay_frames` float64 and `gain` float32 [points, paths, mics], points >= 2, stand at equally spaced\n"
    "instants from the block's first frame to just behind its last and are straight lines between them.\n"
    "Delays are MIN_DELAY_FRAMES to max_delay_frames. All C-contiguous. A path whose gain is 0 costs\n"
    "nothing. After an exception nothing was consumed.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: a shape, memory layout or delay is out of range.";

#endif
