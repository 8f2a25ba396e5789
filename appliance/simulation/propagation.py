"""How sound gets from the tweeter to each microphone: directly, by the walls, by the diffuse tail and by people.

Every way is a delay and a gain that change with time, so that Doppler shift is not put in by hand but follows.
"""

import math

import numpy as np
from numpy.typing import NDArray

from appliance.physics import air_absorption_db_per_m, speed_of_sound_mps
from appliance.simulation.bodies import PARTS, TARGET_STRENGTH_DB
from appliance.simulation.scenes import Scene

T60_S = 0.1
_TAIL_ARRIVALS = 8
_TURBULENCE_HZ = 2.0
_TURBULENCE_ALIKE = 0.7
_TURBULENCE_REFERENCE_M = 4.0
_TURBULENCE_REFERENCE_HZ = 40_000.0
_DOOR_FADE_M = 0.1

_TWEETER_OFFSET_M = (0.0, 0.0, 0.06)
_ARRAY_RADIUS_M = 0.016


def microphone_places(mics: int, device_m: tuple[float, float, float]) -> NDArray[np.float64]:
    """Microphones on a circle of 32 mm in the plane of the wall, [mics, 3]."""
    angle = 2.0 * np.pi * np.arange(mics) / mics
    circle = np.stack([np.zeros(mics), np.cos(angle), np.sin(angle)], axis=1)
    places: NDArray[np.float64] = np.array(device_m) + _ARRAY_RADIUS_M * circle
    return places


class Propagation:
    """All ways from the tweeter to the microphones, at any run of instants.

    `paths` is their number. Gains are relative to the tweeter's level at 1 m.
    """

    def __init__(self, scene: Scene, *, mics: int) -> None:
        self._scene = scene
        self._random = np.random.default_rng(scene.seed)
        self._speed_mps = speed_of_sound_mps(scene.air.temperature_c)
        self._tweeter = np.array(scene.device_m) + np.array(_TWEETER_OFFSET_M)
        self._mics = microphone_places(mics, scene.device_m)
        length_m, reflection = self._static_ways()
        self._length_m = length_m
        self._static_gain = reflection / length_m
        self.paths = len(length_m) + len(scene.people) * len(PARTS)
        self._air = np.zeros((2, *length_m.shape))

    def _static_ways(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lengths (m) and reflection factors [ways, mics] of the direct way, six walls and the diffuse tail."""
        wall = 10.0 ** (self._scene.wall_reflection_db / 20.0)
        images, factors = [self._tweeter], [1.0]
        for axis, size_m in enumerate(self._scene.size_m):
            for mirror_m in (0.0, size_m):
                image = self._tweeter.copy()
                image[axis] = 2.0 * mirror_m - image[axis]
                images.append(image)
                factors.append(wall)
        length_m = np.linalg.norm(np.array(images)[:, None] - self._mics, axis=2)
        reflection = np.repeat(np.array(factors)[:, None], len(self._mics), axis=1)
        arrival_s = self._random.uniform(0.01, 0.06, (_TAIL_ARRIVALS, 1)) + self._random.uniform(
            0.0, 1e-4, (_TAIL_ARRIVALS, len(self._mics))
        )
        tail_m = arrival_s * self._speed_mps
        decay = 10.0 ** (-3.0 * arrival_s / T60_S) * self._random.choice([-1.0, 1.0], arrival_s.shape)
        return np.concatenate([length_m, tail_m]), np.concatenate([reflection, decay * tail_m * 0.3])

    def delays_and_gains(
        self, t_s: NDArray[np.float64], frequency_hz: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Delays (s) and gains, both [times, paths, mics].

        Args:
            t_s: increasing instants, the first of which is the last one's of the call before.
            frequency_hz: where air absorption is taken.
        """
        absorption_db_per_m = air_absorption_db_per_m(
            frequency_hz,
            temperature_c=self._scene.air.temperature_c,
            relative_humidity_percent=self._scene.air.relative_humidity_percent,
        )
        static_s = self._length_m / self._speed_mps + self._turbulence_s(t_s)
        static_gain = self._static_gain * 10.0 ** (-absorption_db_per_m * self._length_m / 20.0)
        delays, gains = [static_s], [np.broadcast_to(static_gain, static_s.shape)]
        for person in self._scene.people:
            delay_s, gain = self._echoes(person.positions(t_s), absorption_db_per_m)
            delays.append(delay_s)
            gains.append(gain)
        # "C": gains that stand still have strides of 0, which concatenation alone would turn into another order
        return np.concatenate(delays, axis=1), np.concatenate(gains, axis=1).astype(np.float32, order="C")

    def _echoes(
        self, places: NDArray[np.float64], absorption_db_per_m: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Delays (s) and gains [times, parts, mics] of a body's parts at `places` [times, parts, 3]."""
        there_m = np.linalg.norm(places - self._tweeter, axis=2)[..., None]
        back_m = np.linalg.norm(places[:, :, None] - self._mics, axis=3)
        strength = 10.0 ** (TARGET_STRENGTH_DB / 20.0)[:, None]
        inside = np.clip((self._scene.door_x_m - places[..., 0]) / _DOOR_FADE_M, 0.0, 1.0)[..., None]
        # beyond the far field's reach of the formula: a body does not come closer than this
        gain = strength * inside / np.maximum(there_m * back_m, 0.04)
        return (there_m + back_m) / self._speed_mps, gain * 10.0 ** (-absorption_db_per_m * (there_m + back_m) / 20.0)

    def _turbulence_s(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Delay (s) that moving air adds, [times, ways, mics]: second-order noise of 2 Hz that grows with the way."""
        step_s = float(t_s[-1] - t_s[0])
        before = self._air[1].copy()
        if step_s > 0.0:
            keep = math.exp(-2.0 * math.pi * _TURBULENCE_HZ * step_s)
            alike = self._random.standard_normal((len(self._length_m), 1))
            own = self._random.standard_normal(self._length_m.shape)
            drive = math.sqrt(_TURBULENCE_ALIKE) * alike + math.sqrt(1.0 - _TURBULENCE_ALIKE) * own
            self._air[0] = keep * self._air[0] + math.sqrt(1.0 - keep * keep) * drive
            self._air[1] += (1.0 - keep) * (self._air[0] - self._air[1])
        share = ((t_s - t_s[0]) / step_s if step_s > 0.0 else np.zeros_like(t_s))[:, None, None]
        radians = self._scene.air.turbulence_rad * math.sqrt(2.0) * self._length_m / _TURBULENCE_REFERENCE_M
        wander = before + share * (self._air[1] - before)
        return np.asarray(radians * wander / (2.0 * math.pi * _TURBULENCE_REFERENCE_HZ))
