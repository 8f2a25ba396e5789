"""Golden vectors of the range gates, made by SciPy alone: no code, tap or formula of the project goes in.

    python tests/golden/make_range_vectors.py      # writes ranges_5ms.npz and ranges_40ms.npz beside itself

Each is one period of what four microphones hear of chirps that go on for ever: three echoes alone; with a tone at
45 kHz, 40 dB above them; with a direct path 40 dB above them; and with one 60 dB above them, and the tone. Delays
are made by a phase ramp on the spectrum of the period, so that they are exact and go round its end.
"""

import pathlib

import numpy as np
import scipy.fft
import scipy.signal

HERE = pathlib.Path(__file__).parent
RATE_HZ = 192_000
SOUND_MPS = 343.0
RANGES_M = (1.0, 3.0, 6.0)
ECHO_AMPLITUDE = 1e-4
DIRECT_M = 0.06
OFFSET_FRAMES = 2_345.6
START_HZ, STOP_HZ = 34_000.0, 43_000.0


def pulse(pulse_s, fade_s):
    time_s = np.arange(round(pulse_s * RATE_HZ)) / RATE_HZ
    sweep = scipy.signal.chirp(time_s, START_HZ, pulse_s, STOP_HZ, phi=-90)
    fade_frames = round(fade_s * RATE_HZ)
    fade = scipy.signal.windows.cosine(2 * fade_frames) ** 2
    sweep[:fade_frames] *= fade[:fade_frames]
    sweep[-fade_frames:] *= fade[fade_frames:]
    return sweep


def echoed(waveform, frames, ways_m, gains):
    """One period of `frames` in which the pulse repeats, after each of these ways."""
    spectrum = scipy.fft.rfft(waveform, frames)
    cycles = scipy.fft.rfftfreq(frames)
    heard = np.zeros(frames)
    for way_m, gain in zip(ways_m, gains, strict=True):
        delay_frames = OFFSET_FRAMES + way_m / SOUND_MPS * RATE_HZ
        heard += gain * scipy.fft.irfft(spectrum * np.exp(-2j * np.pi * cycles * delay_frames), frames)
    return heard


def make(name, *, pulse_s, fade_s, pulses_hz):
    frames = RATE_HZ // pulses_hz
    waveform = pulse(pulse_s, fade_s)
    echoes = echoed(waveform, frames, [2 * range_m for range_m in RANGES_M], [ECHO_AMPLITUDE] * len(RANGES_M))
    direct = echoed(waveform, frames, [DIRECT_M], [ECHO_AMPLITUDE])
    tone = 100 * ECHO_AMPLITUDE * np.sin(2 * np.pi * 45_000 * np.arange(frames) / RATE_HZ)
    heard = [echoes, echoes + tone, echoes + 100 * direct, echoes + 1_000 * direct + tone]
    np.savez_compressed(
        HERE / f"{name}.npz",
        # 24 bits, as a converter gives them
        codes=np.rint(np.stack(heard, axis=1) * 2**23).astype(np.int32),
        settings=np.array([START_HZ, STOP_HZ, pulse_s, fade_s, pulses_hz, OFFSET_FRAMES, DIRECT_M, SOUND_MPS]),
        ranges_m=RANGES_M,
        echo_amplitude=ECHO_AMPLITUDE,
    )


if __name__ == "__main__":
    make("ranges_5ms", pulse_s=0.005, fade_s=0.001, pulses_hz=20)
    make("ranges_40ms", pulse_s=0.04, fade_s=0.002, pulses_hz=25)
