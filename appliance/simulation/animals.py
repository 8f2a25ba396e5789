"""Dogs and cats: four legs in a walk's or trot's order, on a wandering way, with pauses."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.gait import Path
from appliance.simulation.things import WALKING_RATE_HZ, Reflectors, amplitude

Array = NDArray[np.float64]

_LEGS = ((0.8, 0.5, 0.0), (0.8, -0.5, 0.5), (-0.8, 0.5, 0.75), (-0.8, -0.5, 0.25))
"""Of each foot: its place along and across the body, and its share of the stride in a walk."""

_RAMP_S = 0.4
_TAIL_HZ = 2.5


@dataclass(frozen=True, slots=True)
class Animal:
    """A quadruped of `height_m` at the shoulder that goes along `path` at `speed_mps`, resting `rest_s` at its ends.

    It goes to and fro for ever, from `start_s` on. A dog reflects -15 to -25 dB, a cat -25 to -35.
    """

    kind: str
    path: Path
    height_m: float
    speed_mps: float
    strength_db: float
    start_s: float = 0.0
    rest_s: float = 3.0
    trots: bool = False
    base_m: float = 0.0
    slope_db_per_octave: float = 0.0
    rate_hz: float = field(default=WALKING_RATE_HZ, init=False)
    scatterers: int = field(default=12, init=False)

    def reflectors(self, t_s: Array) -> Reflectors:
        """Trunk (4), head, tail, four feet and two shoulders."""
        ground, heading, walked, pace = self._way(t_s)
        h = self.height_m
        stride_m = 1.6 * h if self.trots else 1.2 * h
        count = len(t_s)
        places = np.zeros((count, 12, 3))
        bounce = 0.03 * h * pace * np.sin(4.0 * np.pi * walked / stride_m)
        for index, (x, z) in enumerate(((-0.6, 0.85), (-0.2, 0.9), (0.2, 0.92), (0.6, 0.95))):
            places[:, index, 0], places[:, index, 2] = x * h, z * h + bounce
        nod = 0.05 * h * np.sin(4.0 * np.pi * walked / stride_m + 1.0) * pace
        places[:, 4, 0], places[:, 4, 2] = 0.95 * h, 1.25 * h + nod
        places[:, 5, 0], places[:, 5, 2] = -1.0 * h, 0.9 * h
        places[:, 5, 1] = 0.2 * h * np.sin(2.0 * np.pi * _TAIL_HZ * t_s)
        for index, (x, side, share) in enumerate(_LEGS):
            phase = (0.0 if x * side > 0 else 0.5) if self.trots else share
            turned = np.mod(walked / stride_m + phase, 1.0)
            swing = np.clip((turned - 0.6) / 0.4, 0.0, 1.0)
            smooth = swing * swing * (3.0 - 2.0 * swing)
            ahead = pace * stride_m * (smooth - turned + 0.3)
            places[:, 6 + index, 0] = x * h * 0.75 + ahead
            places[:, 6 + index, 1] = 0.2 * side * h
            places[:, 6 + index, 2] = 0.03 + 0.15 * h * pace * np.sin(np.pi * swing) ** 2
        for index, x in ((10, 0.6), (11, -0.6)):
            places[:, index, 0], places[:, index, 2] = x * h + 0.2 * (places[:, 6 if x > 0 else 8, 0] - x * h), 0.5 * h
        cosine, sine = np.cos(heading)[:, None], np.sin(heading)[:, None]
        x = cosine * places[..., 0] - sine * places[..., 1] + ground[:, :1]
        places[..., 1] = sine * places[..., 0] + cosine * places[..., 1] + ground[:, 1:]
        places[..., 0] = x
        places[..., 2] += self.base_m
        shares_db = np.array([-7.0, -6.0, -6.0, -7.0, -9.0, -16.0, -15.0, -15.0, -15.0, -15.0, -13.0, -13.0])
        return Reflectors(places, amplitude(self.strength_db + shares_db)[None])

    def _way(self, t_s: Array) -> tuple[Array, Array, Array, Array]:
        """Ground [times, 2], heading, way walked (m) and share of full speed."""
        leg_s = self.path.length_m / self.speed_mps + _RAMP_S
        since_s = np.maximum(t_s - self.start_s, 0.0)
        legs, into_s = np.divmod(since_s, leg_s + self.rest_s)
        into_s = np.minimum(into_s, leg_s)
        ramp = np.clip(into_s / _RAMP_S, 0.0, 1.0)
        ramp_end = np.clip((leg_s - into_s) / _RAMP_S, 0.0, 1.0)
        pace = np.minimum(ramp * ramp * (3.0 - 2.0 * ramp), ramp_end * ramp_end * (3.0 - 2.0 * ramp_end))
        covered = _eased(into_s) - _eased(into_s - (leg_s - _RAMP_S))
        along = np.clip(self.speed_mps * covered, 0.0, self.path.length_m)
        back = np.mod(legs, 2.0) > 0.5
        ground, heading = self.path.at(np.where(back, self.path.length_m - along, along))
        # it turns round while it rests
        turning = np.clip((np.mod(since_s, leg_s + self.rest_s) - leg_s) / max(self.rest_s, 0.5), 0.0, 1.0)
        turned = np.pi * (legs + turning * turning * (3.0 - 2.0 * turning))
        return ground, heading + turned, legs * self.path.length_m + along, pace


def _eased(since_s: Array) -> Array:
    share = np.clip(since_s / _RAMP_S, 0.0, 1.0)
    return np.asarray(_RAMP_S * (share**3 - 0.5 * share**4) + np.maximum(since_s - _RAMP_S, 0.0))


@dataclass(frozen=True, slots=True)
class RobotVacuum:
    """A disc of 0.34 m that goes at 0.3 m/s, turns at walls, and whirls a brush at its edge."""

    path: Path
    speed_mps: float = 0.3
    start_s: float = 0.0
    strength_db: float = -22.0
    slope_db_per_octave: float = 0.0
    kind: str = "vacuum"
    rate_hz: float = field(default=WALKING_RATE_HZ, init=False)
    scatterers: int = field(default=7, init=False)

    def reflectors(self, t_s: Array) -> Reflectors:
        """Six points of its rim and the brush."""
        leg_s = self.path.length_m / self.speed_mps
        turn_s = 2.0
        legs, into_s = np.divmod(np.maximum(t_s - self.start_s, 0.0), leg_s + turn_s)
        share = np.minimum(into_s, leg_s) / leg_s
        # smooth at both ends, constant between
        edge = min(0.1, 0.3 / leg_s)
        eased = np.where(
            share < edge,
            share**2 / (2 * edge),
            np.where(share > 1 - edge, (1 - edge) - (1 - share) ** 2 / (2 * edge), share - edge / 2),
        )
        along = eased / (1 - edge) * self.path.length_m
        back = np.mod(legs, 2.0) > 0.5
        ground, heading = self.path.at(np.where(back, self.path.length_m - along, along))
        turning = np.clip((into_s - leg_s) / turn_s, 0.0, 1.0)
        heading = heading + math.pi * (legs + turning * turning * (3.0 - 2.0 * turning))
        angle = heading[:, None] + np.arange(7) * (2.0 * np.pi / 6.0)
        angle[:, 6] = 2.0 * np.pi * 3.0 * t_s
        radius = np.array([0.17] * 6 + [0.06])
        hub = np.where(np.arange(7) == 6, 0.15, 0.0)
        places = np.empty((len(t_s), 7, 3))
        places[..., 0] = ground[:, :1] + radius * np.cos(angle) + hub * np.cos(heading)[:, None]
        places[..., 1] = ground[:, 1:] + radius * np.sin(angle) + hub * np.sin(heading)[:, None]
        places[..., 2] = 0.05
        return Reflectors(places, amplitude(np.array([self.strength_db - 8.0] * 6 + [self.strength_db - 15.0]))[None])
