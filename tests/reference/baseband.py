"""Slow, obvious twins of dsp/csrc/carrier.c and clutter.c, in float64."""

import numpy as np

STEADY, UNSTEADY, MISSING = range(3)


class CarrierWatch:
    """Is the tone there, and does it stand still?"""

    def __init__(self):
        self._amplitude = None
        self._begin_anew()

    def _begin_anew(self):
        self._state, self._heard_s, self._steady, self._around = UNSTEADY, 0.0, 0.0, 0.0

    def level_dbfs(self):
        return 20 * np.log10(np.maximum(self._amplitude, 1e-12)).ravel()

    def process(self, iq, rate_hz):
        iq = iq.astype(complex)
        seconds = iq.shape[2] / rate_hz
        share = 1 - np.exp(-seconds / 0.3)
        mean = iq.mean(axis=2)
        amplitude = np.abs(mean)
        before = self._amplitude
        if self._state != STEADY:
            self._amplitude = amplitude
        elif self._jumps(iq, amplitude):
            self._amplitude = amplitude
            self._begin_anew()
            return UNSTEADY
        else:
            self._amplitude = before + share * (amplitude - before)
        self._heard_s += seconds
        self._steady += share * (np.mean(np.abs(mean) ** 2) - self._steady)
        self._around += share * (np.mean(np.abs(iq - mean[..., None]) ** 2) - self._around)
        if self._steady > 0.25 * self._around:
            self._state = STEADY
        else:
            self._state = MISSING if self._heard_s > 0.5 else UNSTEADY
        return self._state

    def _jumps(self, iq, amplitude):
        usual = self._amplitude.mean()
        if not 0.5 < amplitude.mean() / usual < 2:
            return True
        sample = np.abs(iq).mean(axis=(0, 1)) / usual
        return self._steady >= 100 * self._around and (sample.min() < 0.25 or sample.max() > 4)


class ClutterCanceller:
    """What does not move is subtracted."""

    def __init__(self, time_constant_s):
        self._time_constant_s = time_constant_s
        self._mean = None

    def process(self, iq, rate_hz, *, frozen):
        samples = iq.shape[2]
        block_mean = iq.mean(axis=2, dtype=complex)
        before = block_mean if self._mean is None else self._mean
        share = 0 if frozen else 1 - np.exp(-samples / (self._time_constant_s * rate_hz))
        self._mean = before + share * (block_mean - before)
        return iq - (before[..., None] + (self._mean - before)[..., None] * np.arange(samples) / samples)
