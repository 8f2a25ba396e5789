"""How sound gets from the tweeter to each microphone: directly, by the walls, by the diffuse tail and by what moves.

Every way is a delay and a gain that change with time, so that Doppler shift is not put in by hand but follows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import EchoPaths
from appliance.simulation.acoustics import Atmosphere, MovingAir, Rays, StillWays, absorption_per_m, images
from appliance.simulation.device import TWEETER_OFFSET_M, microphone_places
from appliance.simulation.scenes import Scene
from appliance.simulation.things import Reflectors, Thing

Array = NDArray[np.float64]

_STRENGTH_HZ = 40_000.0
_WALL_SCATTERERS = 4
"""Scatterers of a thing that are heard by way of the walls; they carry the energy of all."""

_WALL_FLOOR_DB = -15.0
"""Ways by a wall that stay this far below the direct echo of their thing are left out."""

_NEAREST_M = 0.2
_DOOR_FADE_M = 0.1
_LOOKS = 32


class PathGroup(Protocol):
    """Paths that need to be asked equally often."""

    @property
    def paths(self) -> int:
        """Their number."""

    @property
    def rate_hz(self) -> float:
        """How often they must be asked if they are joined by cubics."""

    def rays(self, t_s: Array, frequency_hz: float) -> Rays:
        """Delays and gains at equally spaced instants."""


@dataclass(frozen=True, slots=True)
class Leg:
    """Echoes of points from one source to one array: what `EchoPaths` works on."""

    scene: Scene
    places_m: Array
    strength: NDArray[np.float32]
    slope_db_per_octave: Array
    source_m: Array
    mics_m: Array
    scale: Array
    offset: Array

    def rays(self, frequency_hz: float) -> Rays:
        """Delays and gains [times, points, mics]: the air's absorption and the reflectors' slope in them."""
        mics, (times, points) = len(self.mics_m), self.strength.shape
        delay_s, gain = np.empty((times, points, mics)), np.empty((times, points, mics), np.float32)
        strength = self.strength
        octaves = math.log2(frequency_hz / _STRENGTH_HZ)
        if octaves and self.slope_db_per_octave.any():
            strength = strength * (10.0 ** (self.slope_db_per_octave * octaves / 20.0)).astype(np.float32)
        EchoPaths(mics=mics, nearest_m=_NEAREST_M).process_into(
            self.places_m,
            strength,
            self.source_m,
            self.mics_m,
            self.scale,
            self.offset,
            absorption_per_m(self.scene.air, frequency_hz),
            delay_s,
            gain,
        )
        return Rays(delay_s, gain)


@dataclass(frozen=True, slots=True)
class _Wall:
    """One wall as a mirror: of the tweeter on the way there, or of the array on the way back; who is heard by it."""

    source_m: Array
    mics_m: Array
    chosen: NDArray[np.int64]
    weight: NDArray[np.float32]


class MovingWays:
    """Echoes of things, directly and by one wall on the way there or back."""

    def __init__(
        self, scene: Scene, things: Sequence[Thing], atmosphere: Atmosphere, tweeter_m: Array, mics_m: Array
    ) -> None:
        self.rate_hz = things[0].rate_hz
        self._scene, self._things, self._atmosphere = scene, tuple(things), atmosphere
        self._tweeter, self._mics = tweeter_m, mics_m
        self._slope = np.concatenate([np.full(thing.scatterers, thing.slope_db_per_octave) for thing in things])
        self._walls = self._heard_walls() if scene.echo_order else []
        self.paths = len(self._slope) + sum(len(wall.chosen) for wall in self._walls)
        random = np.random.default_rng([scene.seed, 13, round(self.rate_hz)])
        # the air along all ways to what moves is much the same
        self._mixtures = MovingAir.mixtures(1 + len(self._walls), len(mics_m), random)

    def _heard_walls(self) -> list[_Wall]:
        """The walls by which something is heard, there and back."""
        looks = [thing.reflectors(np.linspace(0.0, self._scene.duration_s, _LOOKS)) for thing in self._things]
        centre = self._mics.mean(axis=0)
        found = []
        for is_back, point in ((False, self._tweeter), (True, centre)):
            for image, bounces in images(point, self._scene.size_m, 1):
                if not bounces:
                    continue
                chosen, weight = self._hears(looks, point, image)
                turned = self._mics
                if is_back:
                    turned = self._mics.copy()
                    axis = int(np.abs(image - centre).argmax())
                    turned[:, axis] = image[axis] + centre[axis] - self._mics[:, axis]
                if len(chosen):
                    found.append(_Wall(self._tweeter if is_back else image, turned, chosen, weight))
        return found

    def _hears(
        self, looks: list[Reflectors], point: Array, image: Array
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Scatterers that are heard by one image, and the weight of each: the wall's loss, and what it stands for."""
        chosen, weights, first = [], [], 0
        for look in looks:
            middle = np.clip(look.places.mean(axis=(0, 1)), 0.0, np.array(self._scene.size_m))
            nearer = float(np.linalg.norm(point - middle) / np.linalg.norm(image - middle))
            strength = np.abs(look.strength).mean(axis=0)
            strongest = np.argsort(-strength, kind="stable")[:_WALL_SCATTERERS]
            kept = float((strength[strongest] ** 2).sum())
            if kept > 0.0 and self._scene.wall_reflection_db + 20.0 * math.log10(nearer) > _WALL_FLOOR_DB:
                wall = 10.0 ** (self._scene.wall_reflection_db / 20.0)
                chosen.append(first + strongest)
                weights.append(np.full(len(strongest), wall * math.sqrt(float((strength**2).sum()) / kept)))
            first += len(strength)
        if not chosen:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        return np.concatenate(chosen), np.concatenate(weights).astype(np.float32)

    def legs(self, t_s: Array) -> list[Leg]:
        """The direct echoes, and those by each wall."""
        looks = [thing.reflectors(t_s) for thing in self._things]
        places = np.ascontiguousarray(np.concatenate([look.places for look in looks], axis=1))
        inside = np.clip((self._scene.door_x_m - places[..., 0]) / _DOOR_FADE_M, 0.0, 1.0)
        shapes = [np.broadcast_to(look.strength, look.places.shape[:2]) for look in looks]
        strength = np.ascontiguousarray(np.concatenate(shapes, axis=1) * inside, np.float32)
        scales = self._atmosphere.delay_per_m(t_s, self._mixtures)
        offset = self._atmosphere.offset_s(t_s, len(self._mics))
        legs = [
            Leg(
                self._scene,
                places,
                strength,
                self._slope,
                self._tweeter,
                self._mics,
                np.ascontiguousarray(scales[:, 0]),
                offset,
            )
        ]
        for number, wall in enumerate(self._walls, start=1):
            legs.append(
                Leg(
                    self._scene,
                    np.ascontiguousarray(places[:, wall.chosen]),
                    np.ascontiguousarray(strength[:, wall.chosen] * wall.weight),
                    self._slope[wall.chosen],
                    wall.source_m,
                    wall.mics_m,
                    np.ascontiguousarray(scales[:, number]),
                    offset,
                )
            )
        return legs

    def rays(self, t_s: Array, frequency_hz: float) -> Rays:
        """All legs as one."""
        found = [leg.rays(frequency_hz) for leg in self.legs(t_s)]
        return Rays(
            np.concatenate([rays.delay_s for rays in found], axis=1),
            np.concatenate([rays.gain for rays in found], axis=1),
        )


class Propagation:
    """All ways from the tweeter to the microphones. Gains are relative to the tweeter's level at 1 m.

    `still` is what would be heard if nothing moved; `moving` is what moves, in groups that have rates of their own.
    """

    def __init__(self, scene: Scene, *, mics: int) -> None:
        atmosphere = Atmosphere(scene.air, scene.unit, scene.seed)
        tweeter = np.array(scene.device_m) + np.array(TWEETER_OFFSET_M)
        self.mics_m = microphone_places(mics, scene.device_m)
        self.still = StillWays(scene, atmosphere, tweeter, self.mics_m)
        by_rate: dict[float, list[Thing]] = {}
        for thing in (*scene.people, *scene.things):
            by_rate.setdefault(thing.rate_hz, []).append(thing)
        self.moving = [
            MovingWays(scene, things, atmosphere, tweeter, self.mics_m) for _, things in sorted(by_rate.items())
        ]

    @property
    def groups(self) -> list[PathGroup]:
        """What stands still first."""
        return [self.still, *self.moving]
