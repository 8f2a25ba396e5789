"""Fans: a few blades that whirl, their flashes, a head that turns to and fro, run-up and run-down."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.things import CIRCLING_RATE_HZ, WHIRLING_RATE_HZ, Reflectors, amplitude

Array = NDArray[np.float64]

_POINTS = 3
"""Scatterers along each blade."""

_POINTS_A_TURN = 30
_RUN_UP_S = 2.5
_RUN_DOWN_S = 6.0


@dataclass(frozen=True, slots=True)
class Fan:
    """A fan at `at_m` whose axis points along `axis_deg` (azimuth, elevation).

    Blades of `radius_m` turn `turns_hz` times a second from `on_s` to `off_s`; with `oscillation_s` the head goes to
    and fro over +-40 degrees in that time. A blade reflects at all times and flashes when its face is square to the
    device.
    """

    at_m: tuple[float, float, float]
    device_m: tuple[float, float, float]
    radius_m: float = 0.2
    turns_hz: float = 18.0
    blades: int = 3
    axis_deg: tuple[float, float] = (180.0, 0.0)
    pitch_deg: float = 25.0
    oscillation_s: float | None = None
    on_s: float = -math.inf
    off_s: float = math.inf
    strength_db: float = -22.0
    flash_db: float = 10.0
    phase: float = 0.0
    slope_db_per_octave: float = 0.0
    kind: str = "fan"

    @property
    def rate_hz(self) -> float:
        """A few points from blade to blade."""
        return CIRCLING_RATE_HZ if self.turns_hz * _POINTS_A_TURN <= CIRCLING_RATE_HZ else WHIRLING_RATE_HZ

    @property
    def scatterers(self) -> int:
        """On all blades."""
        return self.blades * _POINTS

    def turns(self, t_s: Array) -> Array:
        """How often it has turned since long ago; runs up linearly and down exponentially."""
        turned = np.zeros(len(t_s))
        if math.isinf(self.on_s):
            turned += self.turns_hz * t_s
        else:
            since_s = np.maximum(t_s - self.on_s, 0.0)
            ramp_s = np.minimum(since_s, _RUN_UP_S)
            turned += self.turns_hz * (0.5 * ramp_s**2 / _RUN_UP_S + np.maximum(since_s - _RUN_UP_S, 0.0))
        if not math.isinf(self.off_s):
            after_s = np.maximum(t_s - self.off_s, 0.0)
            turned += self.turns_hz * (_RUN_DOWN_S * -np.expm1(-after_s / _RUN_DOWN_S) - after_s)
        return turned + self.phase

    def reflectors(self, t_s: Array) -> Reflectors:
        """Points on the blades."""
        azimuth = np.array([math.radians(self.axis_deg[0])])
        if self.oscillation_s is not None:
            azimuth = azimuth + math.radians(40.0) * np.sin(2.0 * np.pi * t_s / self.oscillation_s + self.phase)
        east, north = np.cos(azimuth)[:, None], np.sin(azimuth)[:, None]
        rise, level = math.sin(math.radians(self.axis_deg[1])), math.cos(math.radians(self.axis_deg[1]))
        angle = 2.0 * np.pi * self.turns(t_s)[:, None]
        apart = 2.0 * np.pi * np.arange(self.blades) / self.blades
        cosine = np.cos(angle) * np.cos(apart) - np.sin(angle) * np.sin(apart)
        sine = np.sin(angle) * np.cos(apart) + np.cos(angle) * np.sin(apart)
        # ahead is (level east, level north, rise), across (-north, east, 0) and up (-rise east, -rise north, level)
        along = (-north * cosine - rise * east * sine, east * cosine - rise * north * sine, level * sine)
        radii = self.radius_m * np.linspace(0.4, 1.0, _POINTS)
        # as a product of matrices, because strided sums take several times as long
        spread = np.kron(np.eye(self.blades), np.kron(radii, np.eye(3)))
        places = np.stack(along, axis=2).reshape(len(t_s), -1) @ spread
        places += np.tile(self.at_m, self.scatterers)
        return Reflectors(places.reshape(len(t_s), -1, 3), self._strength(east, north, cosine, sine))

    def _strength(self, east: Array, north: Array, cosine: Array, sine: Array) -> Array:
        """[times, points]; how square each blade's face is to the device makes its flash."""
        rise, level = math.sin(math.radians(self.axis_deg[1])), math.cos(math.radians(self.axis_deg[1]))
        sight = np.array(self.device_m) - np.array(self.at_m)
        x, y, z = sight / np.linalg.norm(sight)
        ahead = level * (x * east + y * north) + rise * z
        across = y * east - x * north
        up = level * z - rise * (x * east + y * north)
        pitch = math.radians(self.pitch_deg)
        power = (math.cos(pitch) * ahead + math.sin(pitch) * (up * cosine - across * sine)) ** 2
        for _ in range(3):
            power *= power
        flash = amplitude(self.strength_db) * (1.0 + (float(amplitude(self.flash_db)) - 1.0) * power)
        return np.repeat(flash / math.sqrt(_POINTS * self.blades), _POINTS, axis=1)
