"""Slow, obvious twin of dsp/csrc/cfar.c: whole arrays in float64."""

import numpy as np


def deviate(ratio, shape):
    """Standard normal deviate of a gamma variable of mean 1 (Wilson and Hilferty, PNAS 17, 1931)."""
    return (np.cbrt(ratio) - 1 + 1 / (9 * shape)) * 3 * np.sqrt(shape)


class Cfar:
    """The arithmetic of the detector; arguments as those of the core."""

    def __init__(self, *, bands, looks, looks_shape, looks_independent):
        self._bands = bands
        self._looks = looks
        self._looks_shape = np.array(looks_shape)
        self._looks_independent = looks_independent

    def band_power(self, power_dbfs):
        power = 10.0 ** (power_dbfs.astype(float) / 10)
        return np.stack([power[..., low:high].sum(axis=-1) for low, high in self._bands], axis=-1)

    def begin(self, floor):
        self.floor = self._lately = floor
        self._spread = 1 / self._looks_shape
        self._ratios = np.ones((self._looks, len(self._bands)))

    def judge(self, power_dbfs):
        self._power = self.band_power(power_dbfs)
        ratio = (self._power / self.floor).mean(axis=(0, 1))
        self._ratios = np.vstack([self._ratios[1:], ratio])
        shape = np.minimum(self._looks_shape, 1 / self._spread)
        self._one = deviate(ratio, shape)
        self._several = deviate(self._ratios.mean(axis=0), shape * self._looks_independent)
        root = np.sqrt(len(self._bands))
        return max(value for each in (self._one, self._several) for value in (each.max(), each.sum() / root))

    def clearer(self):
        floor = self.floor.mean(axis=(0, 1))
        if self._one.max() > self._several.max():
            return np.stack([self._ratios[-1], self._one, floor])
        return np.stack([self._ratios.mean(axis=0), self._several, floor])

    def follow(self, share, spread_share):
        self._lately = self._lately + share * (self._power - self._lately)
        self.floor = self.floor + share * (self._power - self.floor)
        self._spread = self._spread + spread_share * ((self._ratios[-1] - 1) ** 2 - self._spread)

    def creep(self, share, rise):
        self._lately = self._lately + share * (self._power - self._lately)
        self.floor = np.minimum(self.floor + share * (self._lately - self.floor), self.floor * rise)
