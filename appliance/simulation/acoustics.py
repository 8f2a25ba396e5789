"""The empty room: images of the tweeter in the walls, the diffuse tail, and air that moves and warms up."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.physics import air_absorption_db_per_m, speed_of_sound_mps
from appliance.simulation.device import Unit
from appliance.simulation.scenes import Air, Scene
from appliance.types import MAX_MICS

TURBULENCE_REFERENCE_M = 4.0
TURBULENCE_REFERENCE_HZ = 40_000.0

_SWIRLS = 8
"""Independent currents of air, of which each path meets its own mixture."""

_LINES = 40
_STRAIGHT_S = 0.0125
_SLOWEST_HZ, _FASTEST_HZ = 0.02, 12.0
_ALIKE = 0.7
_AMPLITUDE_DB_PER_RAD = 2.0
_DRIFT_PERIOD_S = 900.0
_QUIET_CORNER_HZ, _QUIET_RATE_HZ = 3.0, 30.0
"""How often quiet air must be looked at, and what air is quiet."""

_TAIL_STARTS_S, _TAIL_ENDS_S = 0.01, 0.06
_TAIL_SPREAD_S = 1e-4
_TAIL_LEVEL = 0.3


class Rays(NamedTuple):
    """Paths at some instants: `delay_s` float64 and `gain` float32, both [times, paths, mics]."""

    delay_s: NDArray[np.float64]
    gain: NDArray[np.float32]


def absorption_per_m(air: Air, frequency_hz: float) -> float:
    """What the scene's air takes of the pressure, nepers per metre."""
    db_per_m = air_absorption_db_per_m(
        frequency_hz, temperature_c=air.temperature_c, relative_humidity_percent=air.relative_humidity_percent
    )
    return db_per_m * math.log(10.0) / 20.0


def images(
    point_m: NDArray[np.float64], size_m: tuple[float, float, float], order: int
) -> list[tuple[NDArray[np.float64], int]]:
    """Mirror images of a point in the walls of a shoe-box, each with its number of reflections, nearest order first.

    Source: J. B. Allen and D. A. Berkley, "Image method for efficiently simulating small-room acoustics", 1979.
    """
    found = []
    for cell in itertools.product(range(-order, order + 1), repeat=3):
        reflections = sum(map(abs, cell))
        if reflections <= order:
            image = [
                n * size + (at if n % 2 == 0 else size - at) for n, size, at in zip(cell, size_m, point_m, strict=True)
            ]
            found.append((np.array(image), reflections))
    return sorted(found, key=lambda one: one[1])


class MovingAir:
    """Currents in the air: smooth noise with a spectrum that is flat to `corner_hz` and falls by 40 dB a decade.

    A sum of lines at frequencies without a common period, so that it is a function of time alone.
    """

    def __init__(self, *, corner_hz: float, random: np.random.Generator) -> None:
        edges_hz = np.geomspace(_SLOWEST_HZ, _FASTEST_HZ, _LINES + 1)
        self._hz = random.uniform(edges_hz[:-1], edges_hz[1:], (_SWIRLS, _LINES))
        power = np.diff(edges_hz) / (1.0 + (self._hz / corner_hz) ** 2) ** 2
        self._amplitude = np.sqrt(2.0 * power / power.sum(axis=1, keepdims=True))
        self._phase = random.uniform(0.0, 2.0 * np.pi, (_SWIRLS, _LINES))
        self._asked = (0.0, 0, 0.0)
        self._found = np.zeros((_SWIRLS, 0))
        self._turns: dict[tuple[int, float], NDArray[np.float64]] = {}

    def at(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """[swirls, times], each of mean square 1; `t_s` equally spaced."""
        step_s = round((t_s[-1] - t_s[0]) / max(len(t_s) - 1, 1), 9)
        instants = (float(t_s[0]), len(t_s), step_s)
        if instants != self._asked:
            self._asked, self._found = instants, self._sum(t_s, step_s)
        return self._found

    def _sum(self, t_s: NDArray[np.float64], step_s: float) -> NDArray[np.float64]:
        waves = self._turns.get((len(t_s), step_s))
        if waves is None:
            turning = 2.0 * np.pi * self._hz[..., None] * (step_s * np.arange(len(t_s)))
            waves = np.concatenate([np.cos(turning), np.sin(turning)], axis=1)
            self._turns = {**dict(list(self._turns.items())[-7:]), (len(t_s), step_s): waves}
        start = 2.0 * np.pi * self._hz * t_s[0] + self._phase
        lines = np.concatenate([self._amplitude * np.cos(start), -self._amplitude * np.sin(start)], axis=1)
        return np.asarray((lines[:, None] @ waves)[:, 0])

    def straight_at(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same within 1 %, for what whirls: straight between instants _STRAIGHT_S apart."""
        at = t_s * (1.0 / _STRAIGHT_S)
        first, last = math.floor(at[0]), math.ceil(at[-1])
        points = self.at((first + np.arange(last - first + 2)) * _STRAIGHT_S)
        index = at.astype(np.int64) - first
        share = at - (first + index)
        return np.asarray(points[:, index] * (1.0 - share) + points[:, index + 1] * share)

    @staticmethod
    def mixtures(paths: int, mics: int, random: np.random.Generator) -> NDArray[np.float64]:
        """[paths, mics, swirls] of length 1: what each path meets, mostly alike for the microphones of one path."""
        alike = random.standard_normal((paths, 1, _SWIRLS))
        own = random.standard_normal((paths, mics, _SWIRLS))
        mixed = math.sqrt(_ALIKE) * alike / np.linalg.norm(alike, axis=2, keepdims=True)
        mixed = mixed + math.sqrt(1.0 - _ALIKE) * own / np.linalg.norm(own, axis=2, keepdims=True)
        return np.asarray(mixed / np.linalg.norm(mixed, axis=2, keepdims=True))


class Atmosphere:
    """What turns lengths into delays: the speed of sound over time, currents, and the unit's own delays and clock."""

    def __init__(self, air: Air, unit: Unit, seed: int) -> None:
        random = np.random.default_rng([seed, 11])
        self._air, self._unit = air, unit
        self._currents = MovingAir(corner_hz=air.turbulence_corner_hz, random=random)
        self._mic_delay_s = unit.mic_delay_s(MAX_MICS)
        self._drift_phase = random.uniform(0.0, 2.0 * np.pi)

    def temperature_c(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """A heating that switches slowly, and a trend."""
        swing = np.sin(2.0 * np.pi * t_s / _DRIFT_PERIOD_S + self._drift_phase) - math.sin(self._drift_phase)
        return np.asarray(
            self._air.temperature_c + self._air.drift_c_per_hour * t_s / 3600.0 + self._air.heating_swing_c * swing
        )

    def speed_mps(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """[times]; linear around the scene's temperature, which is exact to 1e-6 within a degree."""
        start_c = self._air.temperature_c
        at_start = speed_of_sound_mps(start_c)
        per_c = speed_of_sound_mps(start_c + 0.5) - speed_of_sound_mps(start_c - 0.5)
        return np.asarray(at_start + per_c * (self.temperature_c(t_s) - start_c))

    def wander_rad(
        self, t_s: NDArray[np.float64], mixtures: NDArray[np.float64], *, whirls: bool = False
    ) -> NDArray[np.float64]:
        """Phase at 40 kHz per 4 m of path that currents add, [times, paths, mics]."""
        shape = (len(t_s), *mixtures.shape[:2])
        if self._air.turbulence_rad == 0.0:
            return np.zeros(shape)
        currents = self._currents.straight_at(t_s) if whirls else self._currents.at(t_s)
        flat = (self._air.turbulence_rad * currents).T @ mixtures.reshape(-1, mixtures.shape[2]).T
        return np.asarray(flat.reshape(shape))

    def delay_per_m(
        self, t_s: NDArray[np.float64], mixtures: NDArray[np.float64], *, whirls: bool = False
    ) -> NDArray[np.float64]:
        """Delay (s) for each metre of paths that meet some mixtures of currents, [times, paths, mics].

        The currents along paths to what `whirls` are followed less closely.
        """
        wavelength_m = speed_of_sound_mps(self._air.temperature_c) / TURBULENCE_REFERENCE_HZ
        per_rad = wavelength_m / (2.0 * np.pi * TURBULENCE_REFERENCE_M)
        longer = self.wander_rad(t_s, mixtures * per_rad, whirls=whirls)
        longer += 1.0
        longer *= (1.0 / self.speed_mps(t_s))[:, None, None]
        return longer

    def offset_s(self, t_s: NDArray[np.float64], mics: int) -> NDArray[np.float64]:
        """Delay (s) of the microphones themselves, and of clocks that drift apart, [times, mics]."""
        return np.asarray(self._mic_delay_s[:mics] - (1e-6 * self._unit.clock_ppm * t_s)[:, None])


class StillWays:
    """Direct path, walls and diffuse tail: everything that would be heard if nothing moved but the air.

    Ways are in this order: direct, leak through the case, images by order, tail.
    """

    def __init__(
        self, scene: Scene, atmosphere: Atmosphere, tweeter_m: NDArray[np.float64], mics_m: NDArray[np.float64]
    ) -> None:
        random = np.random.default_rng([scene.seed, 12])
        self._atmosphere, self._air = atmosphere, scene.air
        self.rate_hz = _QUIET_RATE_HZ if scene.air.turbulence_corner_hz <= _QUIET_CORNER_HZ else 2.0 * _QUIET_RATE_HZ
        mirrored = images(tweeter_m, scene.size_m, scene.wall_order)
        length_m = np.linalg.norm(np.array([image for image, _ in mirrored])[:, None] - mics_m, axis=2)
        reflection = np.array([10.0 ** (scene.wall_reflection_db * bounces / 20.0) for _, bounces in mirrored])
        gain = reflection[:, None] / length_m
        leak_m = 0.5 * length_m[:1]
        leak = 10.0 ** (scene.unit.leakage_db / 20.0) / length_m[:1]
        tail_m, tail = self._tail(scene, random, len(mics_m))
        self._length_m = np.concatenate([length_m[:1], leak_m, length_m[1:], tail_m])
        self._gain = np.concatenate([gain[:1], leak, gain[1:], tail])
        self.paths = len(self._gain)
        self.slope_db_per_octave = np.zeros(self.paths)
        self._mixtures = MovingAir.mixtures(self.paths, len(mics_m), random)
        self._fading = MovingAir.mixtures(self.paths, len(mics_m), random)
        nepers = _AMPLITUDE_DB_PER_RAD * math.log(10.0) / 20.0
        self._fading_depth = (nepers * self._length_m / TURBULENCE_REFERENCE_M).astype(np.float32)

    @staticmethod
    def _tail(scene: Scene, random: np.random.Generator, mics: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lengths (m) and gains [arrivals, mics]; energy falls by 60 dB in T60, whatever the number of arrivals."""
        arrivals = (scene.tail_arrivals, 1)
        arrival_s = random.uniform(_TAIL_STARTS_S, _TAIL_ENDS_S, arrivals)
        arrival_s = arrival_s + random.uniform(0.0, _TAIL_SPREAD_S, (scene.tail_arrivals, mics))
        level = _TAIL_LEVEL * math.sqrt(8.0 / max(scene.tail_arrivals, 1))
        gain = level * 10.0 ** (-3.0 * arrival_s / scene.t60_s) * random.choice([-1.0, 1.0], arrival_s.shape)
        return arrival_s * speed_of_sound_mps(scene.air.temperature_c), gain

    def rays(self, t_s: NDArray[np.float64], frequency_hz: float) -> Rays:
        """Delays and gains at equally spaced instants."""
        per_m = self._atmosphere.delay_per_m(t_s, self._mixtures)
        delay_s = self._length_m * per_m + self._atmosphere.offset_s(t_s, self._length_m.shape[1])[:, None]
        fading = self._atmosphere.wander_rad(t_s, self._fading).astype(np.float32) * self._fading_depth
        gain = self._gain * np.exp(-absorption_per_m(self._air, frequency_hz) * self._length_m)
        return Rays(delay_s, np.exp(fading, out=fading) * gain.astype(np.float32))
