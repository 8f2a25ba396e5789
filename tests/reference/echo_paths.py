"""Slow, obvious twin of csrc/echo_paths.c: the formula."""

import numpy as np


def echo_paths(places_m, strength, source_m, mics_m, scale, offset, absorption_per_m, nearest_m):
    """Delays and gains [times, points, mics]; arguments as the C function has them."""
    there = np.linalg.norm(places_m - source_m, axis=2)[..., None]
    back = np.linalg.norm(places_m[:, :, None] - mics_m, axis=3)
    length = there + back
    gain = strength[..., None] / np.maximum(there * back, nearest_m**2) * np.exp(-absorption_per_m * length)
    return length * scale[:, None] + offset[:, None], gain
