"""Slow, obvious twin of csrc/echoes.c: what moves at which range, pulse by pulse, in float64."""

import numpy as np

FLOOR_SHARE, FLOOR_DEVIATE = 0.3, -0.524400512708041
FLOOR_DB_PER_S, FIRST_STEP_DB = 1.0, 6.0
MIDDLE_DB, UNIT_DB = -45.0, 20.0
LEAST_EXCESS = 0.1
SMALLEST = 1e-21


class Echoes:
    def __init__(self, *, gates, shape, spread_db):
        self.gates, self.shape, self.spread_db = gates, shape, np.array(spread_db)
        ninth = 1 / (9 * shape)
        self.quantile = max(1 - ninth + FLOOR_DEVIATE * np.sqrt(ninth), 0.1) ** 3
        self.before, self.looks = None, 0

    def process(self, echoes, period_s):
        """Values [2, gates], or None."""
        before, self.before = self.before, echoes.astype(complex)
        if before is None or not period_s > 0:
            return None
        moved = np.abs(self.before - before) ** 2
        power = np.maximum([moved[:, low:high].sum() for low, high in self.gates], SMALLEST)
        direct = max((np.abs(self.before[:, : self.gates[0][0]]) ** 2).max(axis=1).mean(), SMALLEST)
        if not np.isfinite([*power, direct]).all():
            self.before = None
            return None
        if self.looks == 0:
            self.floor = power.copy()
        step_db = max(FLOOR_DB_PER_S * period_s, FIRST_STEP_DB / (self.looks + 1))
        self.looks += 1
        self.floor *= 10 ** (0.1 * step_db * np.where(power > self.floor, FLOOR_SHARE, FLOOR_SHARE - 1))
        quiet = self.floor / self.quantile
        deviate = (np.cbrt(power / quiet) - 1 + 1 / (9 * self.shape)) * 3 * np.sqrt(self.shape)
        excess = np.maximum(power - quiet, LEAST_EXCESS * quiet)
        strength_db = 10 * np.log10(excess / direct) + self.spread_db
        return np.clip([np.arcsinh(deviate), (strength_db - MIDDLE_DB) / UNIT_DB], -10, 10)
