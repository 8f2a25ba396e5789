"""Things that move without being alive: curtains, blinds, plants, a door, what falls, and the arm of NEMA WD 7."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.things import WALKING_RATE_HZ, Reflectors, amplitude

Array = NDArray[np.float64]

_GUST_LINES = 24
_GRAVITY_MPS2 = 9.81


@dataclass(frozen=True, slots=True)
class Swaying:
    """A curtain, blind or plant: points that draughts push to and fro, neighbours alike, in gusts.

    `middle_m` is its centre, `width_m` along +y (or +x with `along_x`), `height_m` upwards. A point moves by up to
    `reach_m` in the direction across the cloth at some `sway_hz`.
    """

    kind: str
    middle_m: tuple[float, float, float]
    width_m: float
    height_m: float
    reach_m: float
    sway_hz: float
    strength_db: float
    gust_s: float = 8.0
    along_x: bool = False
    seed: int = 1
    slope_db_per_octave: float = 1.0
    rate_hz: float = field(default=WALKING_RATE_HZ, init=False)
    scatterers: int = field(default=15, init=False)

    def reflectors(self, t_s: Array) -> Reflectors:
        """5 points along and 3 up; the top is fixed, the hem moves most."""
        random = np.random.default_rng([self.seed, 81])
        across, up = np.meshgrid(np.linspace(-0.5, 0.5, 5), np.array([-0.45, -0.1, 0.3]), indexing="ij")
        across, up = across.ravel(), up.ravel()
        rest = random.normal(0.0, 0.004, 15)
        hz = self.sway_hz * random.lognormal(0.0, 0.35, _GUST_LINES)
        phase, wave = random.uniform(0.0, 2.0 * np.pi, _GUST_LINES), random.normal(0.0, 2.0, _GUST_LINES)
        turning = 2.0 * np.pi * hz * t_s[:, None] + phase
        along_cloth = np.outer(wave, across)
        moved = np.sin(turning) @ np.cos(along_cloth) + np.cos(turning) @ np.sin(along_cloth)
        hem = np.clip(0.5 - up, 0.0, 1.0)
        push = self._gust(t_s, random)[:, None] * moved * (hem * self.reach_m / math.sqrt(_GUST_LINES))
        places = np.empty((len(t_s), 15, 3))
        into, along = (1, 0) if self.along_x else (0, 1)
        places[..., into] = self.middle_m[into] + rest + push
        places[..., along] = self.middle_m[along] + self.width_m * across
        places[..., 2] = self.middle_m[2] + self.height_m * up
        levels = self.strength_db - 10.0 * math.log10(15.0) + random.normal(0.0, 3.0, 15)
        return Reflectors(places, amplitude(levels)[None])

    def _gust(self, t_s: Array, random: np.random.Generator) -> Array:
        """0 to about 1.5: calm for most of the time."""
        level = np.zeros(len(t_s))
        for _ in range(6):
            hz, phase = random.uniform(0.3, 1.5) / self.gust_s, random.uniform(0.0, 2.0 * np.pi)
            level += np.sin(2.0 * np.pi * hz * t_s + phase)
        return np.asarray(np.log1p(np.exp(1.2 * (level - 1.0))) / 2.0 + 0.05)


@dataclass(frozen=True, slots=True)
class Door:
    """A leaf that turns about a vertical edge at `hinge_m` from `closed_deg` by 80 degrees at `opens_s`, and back."""

    hinge_m: tuple[float, float]
    closed_deg: float
    opens_s: float
    closes_s: float = math.inf
    width_m: float = 0.8
    turn_s: float = 1.5
    strength_db: float = -14.0
    slope_db_per_octave: float = 0.0
    kind: str = "door"
    rate_hz: float = field(default=WALKING_RATE_HZ, init=False)
    scatterers: int = field(default=8, init=False)

    def reflectors(self, t_s: Array) -> Reflectors:
        """4 points along and 2 up."""

        def turned(since_s: Array) -> Array:
            share = np.clip(since_s / self.turn_s, 0.0, 1.0)
            return np.asarray(share**3 * (10.0 - 15.0 * share + 6.0 * share**2))

        opened = turned(t_s - self.opens_s) - (turned(t_s - self.closes_s) if math.isfinite(self.closes_s) else 0.0)
        angle = np.radians(self.closed_deg + 80.0 * opened)[:, None]
        radius = self.width_m * np.tile([0.25, 0.5, 0.75, 1.0], 2)
        places = np.empty((len(t_s), 8, 3))
        places[..., 0] = self.hinge_m[0] + radius * np.cos(angle)
        places[..., 1] = self.hinge_m[1] + radius * np.sin(angle)
        places[..., 2] = np.repeat([0.7, 1.5], 4)
        return Reflectors(places, np.full((1, 8), float(amplitude(self.strength_db)) / math.sqrt(8.0)))


@dataclass(frozen=True, slots=True)
class Falling:
    """Something falls from `from_m` at `at_s`, bounces, and lies still."""

    from_m: tuple[float, float, float]
    at_s: float
    strength_db: float = -28.0
    bounce: float = 0.35
    slope_db_per_octave: float = 0.0
    kind: str = "falling"
    rate_hz: float = field(default=WALKING_RATE_HZ, init=False)
    scatterers: int = field(default=2, init=False)

    def reflectors(self, t_s: Array) -> Reflectors:
        """Two points of it, which also turns."""
        height = np.full(len(t_s), self.from_m[2])
        begins_s, up_mps, base = self.at_s, 0.0, self.from_m[2]
        for _ in range(5):
            lands_s = begins_s + (up_mps + math.sqrt(up_mps**2 + 2.0 * _GRAVITY_MPS2 * base)) / _GRAVITY_MPS2
            since_s = np.clip(t_s - begins_s, 0.0, lands_s - begins_s)
            flight = base + up_mps * since_s - 0.5 * _GRAVITY_MPS2 * since_s**2
            height = np.where(t_s >= begins_s, np.maximum(flight, 0.0), height)
            up_mps = self.bounce * math.sqrt(up_mps**2 + 2.0 * _GRAVITY_MPS2 * base)
            begins_s, base = lands_s, 0.0
        height = np.where(t_s >= begins_s, 0.0, height)
        spin = 6.0 * np.clip(t_s - self.at_s, 0.0, begins_s - self.at_s)
        places = np.empty((len(t_s), 2, 3))
        for side in range(2):
            sign = 1.0 - 2.0 * side
            places[:, side, 0] = self.from_m[0] + sign * 0.05 * np.cos(spin)
            places[:, side, 1] = self.from_m[1] + sign * 0.05 * np.sin(spin)
            places[:, side, 2] = height + 0.05
        return Reflectors(places, np.full((1, 2), float(amplitude(self.strength_db)) / math.sqrt(2.0)))


@dataclass(frozen=True, slots=True)
class Wd7Arm:
    """The test object of NEMA WD 7 for minor motion: 3 x 3 x 15 in, 36 in up, turning at 90 degrees a second.

    It turns by 90 degrees and back, each in a second, with a rest of `rest_s` between, from `start_s` to `end_s`.
    """

    at_m: tuple[float, float]
    start_s: float = 0.0
    end_s: float = math.inf
    rest_s: float = 0.0
    from_deg: float = 135.0
    strength_db: float = -26.0
    slope_db_per_octave: float = 0.0
    kind: str = "wd7_arm"
    rate_hz: float = field(default=WALKING_RATE_HZ, init=False)
    scatterers: int = field(default=6, init=False)

    def reflectors(self, t_s: Array) -> Reflectors:
        """Six points along it."""
        since_s = np.clip(t_s, self.start_s, self.end_s) - self.start_s
        cycle_s = 2.0 * (1.0 + self.rest_s)
        into_s = np.mod(since_s, cycle_s)
        there = np.clip(into_s, 0.0, 1.0)
        back = np.clip(into_s - 1.0 - self.rest_s, 0.0, 1.0)
        # constant speed but for 50 ms at either end
        angle = np.radians(self.from_deg + 90.0 * (_steady(there) - _steady(back)))[:, None]
        radius = 0.381 * (np.arange(6) + 1.0) / 6.0
        places = np.empty((len(t_s), 6, 3))
        places[..., 0] = self.at_m[0] + radius * np.cos(angle)
        places[..., 1] = self.at_m[1] + radius * np.sin(angle)
        places[..., 2] = 0.914
        return Reflectors(places, np.full((1, 6), float(amplitude(self.strength_db)) / math.sqrt(6.0)))


def _steady(share: Array, edge: float = 0.05) -> Array:
    early = share**2 / (2.0 * edge)
    late = (1.0 - edge) - (1.0 - share) ** 2 / (2.0 * edge)
    middle = share - edge / 2.0
    return np.asarray(np.where(share < edge, early, np.where(share > 1.0 - edge, late, middle)) / (1.0 - edge))
