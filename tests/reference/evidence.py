"""Slow, obvious twin of dsp/csrc/evidence.c: whole arrays in float64."""

import numpy as np
from reference.cfar import deviate

SHARE, DEVIATE = 0.3, -0.524400512708041
DB_PER_S, FIRST_DB = 1.0, 6.0
LIMIT = 10.0
SMALLEST = 1e-21


def level(power, carrier):
    """In units of 20 dB around -80 dB re carrier."""
    db = 10 * np.log10(np.maximum(power, SMALLEST) / max(carrier, SMALLEST))
    return (db + 80) / 20


class Evidence:
    """Arguments as those of the core, `power_dbfs` [rows, bins]."""

    def __init__(self, *, bands, shape, hop_s):
        self._bands, self._shape, self._hop_s = bands, np.array(shape), hop_s
        ninth = 1 / (9 * self._shape)
        self._quantile = np.maximum(1 - ninth + DEVIATE * np.sqrt(ninth), 0.1) ** 3
        self._looks = 0

    def process(self, power_dbfs, carrier_dbfs):
        linear = 10.0 ** (power_dbfs.astype(float) / 10)
        power = np.stack([linear[:, low:high].sum(axis=1) for low, high in self._bands], axis=1)
        power = np.maximum(power, SMALLEST)
        if not self._looks:
            self._floor_db = 10 * np.log10(power)
        step_db = max(DB_PER_S * self._hop_s, FIRST_DB / (self._looks + 1))
        self._looks += 1
        above = 10 * np.log10(power) > self._floor_db
        self._floor_db = self._floor_db + np.where(above, SHARE, SHARE - 1) * step_db

        rows, half = len(power), len(self._bands) // 2
        quiet = 10 ** (self._floor_db / 10) / self._quantile
        carrier = np.where(np.isfinite(carrier_dbfs), 10.0 ** (carrier_dbfs.astype(float) / 10), 0).sum()
        deviates = np.arcsinh(deviate((power / quiet).mean(axis=0), rows * self._shape))
        floor = quiet.sum(axis=0)
        excess = np.maximum(power - quiet, 0).sum(axis=0)
        over = np.maximum(power / quiet - 1, 0).sum(axis=1)
        values = [
            *deviates,
            *level(floor[half:] + floor[:half][::-1], carrier),
            level(excess[half:].sum(), carrier),
            level(excess[:half].sum(), carrier),
            np.log2(over.max() * rows / over.sum()) / 2 if over.sum() > 0 else 0,
            np.log2(rows) / 2,
        ]
        return np.clip(values, -LIMIT, LIMIT)
