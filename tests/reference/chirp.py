"""Slow, obvious twin of csrc/chirp.c, in float64."""

import numpy as np


def pulse(rate_hz, start_hz, stop_hz, pulse_s, fade_s):
    """One pulse of amplitude 1: float64 [frames]."""
    frames, fade_frames = round(pulse_s * rate_hz), round(fade_s * rate_hz)
    n = np.arange(frames)
    rise = np.sin(np.pi / 2 * (np.arange(fade_frames) + 0.5) / fade_frames) ** 2
    window = np.concatenate([rise, np.ones(frames - 2 * fade_frames), rise[::-1]])
    # The frequency goes straight from start to stop; the phase is its integral.
    turns = start_hz * n / rate_hz + (stop_hz - start_hz) * n**2 / (2 * frames * rate_hz)
    return window * np.sin(2 * np.pi * turns)


def add(samples, pulse, starts, amplitude, max_amplitude):
    """`samples` int32 [frames, outputs] with a pulse from each of `starts` on, limited where it sounds."""
    limit = np.floor(max_amplitude * 2**31)
    total = samples.astype(np.float64)
    for start in starts:
        here = total[start : start + len(pulse)]
        more = np.rint(min(amplitude, max_amplitude) * 2**31 * pulse[: len(here), np.newaxis])
        here[:] = np.clip(np.clip(here, -limit, limit) + more, -limit, limit)
    return total
