"""Slow, obvious twin of features/doppler.py and dsp/spectrum.py: one sum a line, in float64."""

import numpy as np
from scipy.signal.windows import blackman

WINDOW = 256
HOP = 64


def doppler_power(iq):
    """Power [frames, carriers, mics, lines] of baseband iq [carriers, mics, samples]; the carrier's line is 128."""
    window = blackman(WINDOW, sym=False)
    sample = np.arange(WINDOW)
    frames = []
    for end in range(WINDOW, iq.shape[2] + 1, HOP):
        cut = iq[:, :, end - WINDOW : end] * window / window.sum()
        lines = [cut @ np.exp(-2j * np.pi * (line - WINDOW // 2) * sample / WINDOW) for line in range(WINDOW)]
        frames.append(np.abs(np.stack(lines, axis=-1)) ** 2)
    return np.array(frames)
