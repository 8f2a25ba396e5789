"""Fans: a few blades that whirl, their flashes, a head that turns to and fro, run-up and run-down."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.things import WHIRLING_RATE_HZ, Reflectors, amplitude

Array = NDArray[np.float64]

_POINTS = 3
"""Scatterers along each blade."""

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
    rate_hz: float = WHIRLING_RATE_HZ

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
        azimuth = np.full(len(t_s), math.radians(self.axis_deg[0]))
        if self.oscillation_s is not None:
            azimuth += math.radians(40.0) * np.sin(2.0 * np.pi * t_s / self.oscillation_s + self.phase)
        elevation = math.radians(self.axis_deg[1])
        ahead = np.stack(
            [
                np.cos(azimuth) * math.cos(elevation),
                np.sin(azimuth) * math.cos(elevation),
                np.full(len(t_s), math.sin(elevation)),
            ],
            axis=1,
        )
        across = np.stack([-np.sin(azimuth), np.cos(azimuth), np.zeros(len(t_s))], axis=1)
        up = np.cross(ahead, across)
        angle = 2.0 * np.pi * (self.turns(t_s)[:, None] + np.arange(self.blades) / self.blades)
        cosine, sine = np.cos(angle)[..., None], np.sin(angle)[..., None]
        along = cosine * across[:, None] + sine * up[:, None]
        moving = cosine * up[:, None] - sine * across[:, None]
        radii = self.radius_m * np.linspace(0.4, 1.0, _POINTS)
        places = np.array(self.at_m) + along[:, :, None] * radii[:, None]
        pitch = math.radians(self.pitch_deg)
        face = math.cos(pitch) * ahead[:, None] + math.sin(pitch) * moving
        sight = np.array(self.device_m) - np.array(self.at_m)
        square = np.abs(face @ (sight / np.linalg.norm(sight)))
        flash = amplitude(self.strength_db) * (1.0 + (float(amplitude(self.flash_db)) - 1.0) * square**16)
        strength = np.repeat(flash / math.sqrt(_POINTS * self.blades), _POINTS, axis=1)
        return Reflectors(places.reshape(len(t_s), -1, 3), strength)
