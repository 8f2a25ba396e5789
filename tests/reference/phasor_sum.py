"""Slow, obvious twin of csrc/phasor_sum.c: splines and lines between points, then the sum."""

import numpy as np
import scipy.interpolate


def phasor_sum(phase_turns, gain, segment_samples, margin):
    """[mics, segments * segment_samples]; arguments as the C function has them."""
    points, paths, mics = phase_turns.shape
    segments = points - 1 - 2 * margin
    at = np.arange(segments * segment_samples) / segment_samples + margin
    out = np.zeros((mics, len(at)), complex)
    inner = np.arange(margin, points - margin)
    for p in range(paths):
        mean = phase_turns[:, p].mean(axis=1)
        slope = (8 * (mean[inner + 1] - mean[inner - 1]) - (mean[inner + 2] - mean[inner - 2])) / 12
        turns = scipy.interpolate.CubicHermiteSpline(inner, mean[inner], slope)(at)
        for m in range(mics):
            weight = gain[:, p, m] * np.exp(2j * np.pi * (phase_turns[:, p, m] - mean))
            out[m] += np.interp(at, np.arange(points), weight) * np.exp(2j * np.pi * turns)
    return out
