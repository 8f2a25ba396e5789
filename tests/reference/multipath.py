"""Slow, obvious twin of csrc/multipath.c: the signal is a function of time, so a delay is just another argument."""

import numpy as np


def multipath(signal, frames, delay_frames, gain):
    """[frames, mics] of `signal` (a function of time in frames) over paths with straight lines between points.

    `delay_frames`, `gain`: [points, paths, mics].
    """
    points, paths, mics = delay_frames.shape
    frame = np.arange(frames)
    at = np.linspace(0, frames, points)
    out = np.zeros((frames, mics))
    for p in range(paths):
        for m in range(mics):
            delay = np.interp(frame, at, delay_frames[:, p, m])
            out[:, m] += np.interp(frame, at, gain[:, p, m]) * signal(frame - delay)
    return out
