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
from appliance.simulation.things import WALKING_RATE_HZ, Reflectors, Thing

Array = NDArray[np.float64]

_STRENGTH_HZ = 40_000.0
_WALL_SCATTERERS = 4
"""Scatterers of a thing that are heard by way of the walls; they carry the energy of all."""

_WALL_FLOOR_DB = -15.0
"""Ways by a wall that stay this far below the direct echo of their thing are left out."""

NEAREST_M = 0.2
"""Echoes get no louder any nearer."""

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

    @property
    def slope_db_per_octave(self) -> Array:
        """How much louder what scatters there grows with frequency, [paths]."""

    def rays(self, t_s: Array, frequency_hz: float) -> Rays:
        """Delays and gains at equally spaced instants."""


@dataclass(frozen=True, slots=True)
class Legs:
    """Who is heard how: from sources [legs, 3] to arrays [legs, mics, 3].

    `scatterer`, `leg` and `weight` [paths]: whose echo, by which leg, and how much of it; the paths of a leg together.
    """

    source_m: Array
    mics_m: Array
    scatterer: NDArray[np.int32]
    leg: NDArray[np.int32]
    weight: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Echoes:
    """Scatterers at some instants, `places_m` [times, scatterers, 3] and `strength` [times, scatterers].

    `scale` [times, legs, mics] and `offset` [times, mics] make a delay of a leg's length.
    """

    places_m: Array
    strength: NDArray[np.float32]
    scale: Array
    offset: Array


@dataclass(frozen=True, slots=True)
class _Mirror:
    """A wall as a mirror, of the tweeter on the way there or of the array on the way back, or none; who is heard so."""

    source_m: Array
    mics_m: Array
    scatterer: NDArray[np.int32]
    weight: NDArray[np.float32]


class MovingWays:
    """Echoes of things, directly and by one wall on the way there or back."""

    def __init__(
        self, scene: Scene, things: Sequence[Thing], atmosphere: Atmosphere, tweeter_m: Array, mics_m: Array
    ) -> None:
        self.rate_hz = things[0].rate_hz
        self._scene, self._things, self._atmosphere = scene, tuple(things), atmosphere
        self._tweeter, self._mics = tweeter_m, mics_m
        everybody = np.arange(sum(thing.scatterers for thing in things), dtype=np.int32)
        mirrors = [_Mirror(tweeter_m, mics_m, everybody, np.ones(len(everybody), np.float32))]
        if scene.echo_order:
            mirrors += self._heard_walls()
        self.legs = Legs(
            np.stack([mirror.source_m for mirror in mirrors]),
            np.stack([mirror.mics_m for mirror in mirrors]),
            np.concatenate([mirror.scatterer for mirror in mirrors]),
            np.repeat(np.arange(len(mirrors), dtype=np.int32), [len(mirror.scatterer) for mirror in mirrors]),
            np.concatenate([mirror.weight for mirror in mirrors]),
        )
        self.paths = len(self.legs.scatterer)
        slope = np.concatenate([np.full(thing.scatterers, thing.slope_db_per_octave) for thing in things])
        self.slope_db_per_octave = slope[self.legs.scatterer]
        random = np.random.default_rng([scene.seed, 13, round(self.rate_hz)])
        # the air along all ways to what moves is much the same
        self._mixtures = MovingAir.mixtures(len(mirrors), len(mics_m), random)

    def _heard_walls(self) -> list[_Mirror]:
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
                    found.append(_Mirror(self._tweeter if is_back else image, turned, chosen, weight))
        return found

    def _hears(
        self, looks: list[Reflectors], point: Array, image: Array
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
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
            return np.zeros(0, np.int32), np.zeros(0, np.float32)
        return np.concatenate(chosen).astype(np.int32), np.concatenate(weights).astype(np.float32)

    def echoes(self, t_s: Array, frequency_hz: float) -> Echoes:
        """Everything at equally spaced instants `t_s` [times]; strengths are those at the frequency."""
        looks = [thing.reflectors(t_s) for thing in self._things]
        places = looks[0].places if len(looks) == 1 else np.concatenate([look.places for look in looks], axis=1)
        inside = np.clip((self._scene.door_x_m - places[..., 0]) * (1.0 / _DOOR_FADE_M), 0.0, 1.0)
        octaves = math.log2(frequency_hz / _STRENGTH_HZ)
        strength = np.empty(places.shape[:2], np.float32)
        first = 0
        for thing, look in zip(self._things, looks, strict=True):
            some = slice(first, first + thing.scatterers)
            louder = 10.0 ** (thing.slope_db_per_octave * octaves / 20.0)
            np.multiply(look.strength * louder, inside[:, some], out=strength[:, some], casting="same_kind")
            first += thing.scatterers
        scale = self._atmosphere.delay_per_m(t_s, self._mixtures, whirls=self.rate_hz > WALKING_RATE_HZ)
        offset = self._atmosphere.offset_s(t_s, len(self._mics))
        return Echoes(np.ascontiguousarray(places), strength, scale, offset)

    def loudest(self, echoes: Echoes) -> tuple[float, float]:
        """Energy of all echoes in their midst, and their mean delay (s) by energy."""
        now = len(echoes.places_m) // 2
        places = echoes.places_m[now, self.legs.scatterer]
        there = np.linalg.norm(places - self.legs.source_m[self.legs.leg], axis=1)
        back = np.linalg.norm(places - self.legs.mics_m[self.legs.leg, 0], axis=1)
        strength = echoes.strength[now, self.legs.scatterer] * self.legs.weight
        energy = (strength / np.maximum(there * back, NEAREST_M**2)) ** 2
        delay_s = (there + back) * echoes.scale[now, self.legs.leg, 0]
        return float(energy.sum()), float((energy * delay_s).sum() / max(energy.sum(), 1e-30))

    def rays(self, t_s: Array, frequency_hz: float) -> Rays:
        """All legs as one: delays and gains [times, paths, mics], with the air's absorption in them."""
        echoes = self.echoes(t_s, frequency_hz)
        found = []
        for leg, (source_m, mics_m) in enumerate(zip(self.legs.source_m, self.legs.mics_m, strict=True)):
            of_leg = self.legs.leg == leg
            scatterer = self.legs.scatterer[of_leg]
            shape = (len(t_s), len(scatterer), len(mics_m))
            ray = Rays(np.empty(shape), np.empty(shape, np.float32))
            EchoPaths(mics=len(mics_m), nearest_m=NEAREST_M).process_into(
                np.ascontiguousarray(echoes.places_m[:, scatterer]),
                np.ascontiguousarray(echoes.strength[:, scatterer] * self.legs.weight[of_leg]),
                source_m,
                mics_m,
                np.ascontiguousarray(echoes.scale[:, leg]),
                echoes.offset,
                absorption_per_m(self._scene.air, frequency_hz),
                ray.delay_s,
                ray.gain,
            )
            found.append(ray)
        return Rays(
            np.concatenate([ray.delay_s for ray in found], axis=1), np.concatenate([ray.gain for ray in found], axis=1)
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
