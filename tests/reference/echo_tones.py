"""Slow, obvious twin of csrc/echo_tones.c: each path's delay and gain by the formula, then splines and lines."""

import numpy as np
from reference.echo_paths import echo_paths
from reference.phasor_sum import phasor_sum


def echo_tones(
    places_m, strength, scatterer, leg, weight, source_m, mics_m, scale, offset, absorption_per_m,
    carrier_hz, points_hz, response, step_hz, *, segment_samples, nearest_m, margin,
):  # fmt: skip
    """[mics, segments * segment_samples]; arguments as the C function has them."""
    paths = []
    for which, by, heavy in zip(scatterer, leg, weight, strict=True):
        echo = (places_m[:, which, None], strength[:, which, None] * heavy)
        paths.append(echo_paths(*echo, source_m[by], mics_m[by], scale[:, by], offset, absorption_per_m, nearest_m))
    if not paths:
        return np.zeros((mics_m.shape[1], (len(places_m) - 1 - 2 * margin) * segment_samples), complex)
    delay_s, gain = (np.concatenate(parts, axis=1) for parts in zip(*paths, strict=True))
    turns = -carrier_hz * delay_s
    mean = turns.mean(axis=2)
    inner = np.arange(margin, len(mean) - margin)
    slope = (8 * (mean[inner + 1] - mean[inner - 1]) - (mean[inner + 2] - mean[inner - 2])) / 12
    shifts_hz = step_hz * (np.arange(response.shape[1]) - (response.shape[1] - 1) / 2)
    for m in range(mics_m.shape[1]):
        gain[inner, :, m] *= np.interp(slope * points_hz, shifts_hz, response[m], left=0, right=0)
    return phasor_sum(turns, gain, segment_samples, margin)
