"""How sound gets from the tweeter to each microphone: directly, by the walls, by the diffuse tail and by what moves.

Every way is a length and a gain that change with time, so that Doppler shift is not put in by hand but follows.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.physics import air_absorption_db_per_m
from appliance.simulation.acoustics import Atmosphere, MovingAir, StillWays, Ways, images
from appliance.simulation.device import TWEETER_OFFSET_M, microphone_places
from appliance.simulation.scenes import Scene
from appliance.simulation.things import Thing

_STRENGTH_HZ = 40_000.0
_WALL_SCATTERERS = 6
"""Scatterers of a thing that are heard by way of the walls; they carry the energy of all."""

_WALL_FLOOR_DB = -15.0
"""Ways by a wall that stay this far below the direct echo of their thing are left out."""

_NEAREST_M2 = 0.04
_DOOR_FADE_M = 0.1


class PathGroup(Protocol):
    """Paths that need to be asked equally often."""

    @property
    def paths(self) -> int:
        """Their number."""

    @property
    def rate_hz(self) -> float:
        """How often they must be asked if they are joined by cubics."""

    def ways(self, t_s: NDArray[np.float64]) -> Ways:
        """Lengths and gains at instants."""


class MovingWays:
    """Echoes of things, directly and by one wall on the way there or back."""

    def __init__(
        self,
        scene: Scene,
        things: Sequence[Thing],
        atmosphere: Atmosphere,
        places_m: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        self.rate_hz = things[0].rate_hz
        self._atmosphere = atmosphere
        self._things = [
            _Echoes(scene, thing, number, atmosphere, places_m) for number, thing in enumerate(things)
        ]
        self.paths = sum(echoes.paths for echoes in self._things)

    def ways(self, t_s: NDArray[np.float64]) -> Ways:
        """Lengths and gains at instants."""
        found = [echoes.ways(t_s) for echoes in self._things]
        return Ways(
            np.concatenate([ways.length_m for ways in found], axis=1),
            np.concatenate([ways.gain for ways in found], axis=1),
            np.concatenate([ways.slope_db_per_octave for ways in found]),
        )


class _Echoes:
    """One thing's echoes."""

    def __init__(
        self,
        scene: Scene,
        thing: Thing,
        number: int,
        atmosphere: Atmosphere,
        places_m: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> None:
        self._thing = thing
        self._door_x_m = scene.door_x_m
        self._atmosphere = atmosphere
        self._tweeter, self._mics = places_m
        random = np.random.default_rng([scene.seed, 13, number, len(thing.kind)])
        middle = self._middle(scene)
        self._wall = 10.0 ** (scene.wall_reflection_db / 20.0)
        self._tweeter_images = self._heard_images(scene, self._tweeter, middle)
        self._mic_shifts = self._mirrors(scene, middle)
        self._wall_scatterers = np.zeros(0, int)
        self._wall_scale = 1.0
        if self._tweeter_images or self._mic_shifts:
            strength = np.abs(thing.reflectors(np.zeros(1)).strength[0])
            self._wall_scatterers = np.argsort(-strength, kind="stable")[:_WALL_SCATTERERS]
            kept = float((strength[self._wall_scatterers] ** 2).sum())
            self._wall_scale = math.sqrt(float((strength**2).sum()) / kept) if kept > 0.0 else 1.0
        by_walls = len(self._wall_scatterers) * (len(self._tweeter_images) + len(self._mic_shifts))
        self.paths = thing.scatterers + by_walls
        # the air along all ways to one body is much the same
        self._mixtures = MovingAir.mixtures(1, len(self._mics), random)

    def _middle(self, scene: Scene) -> NDArray[np.float64]:
        """Where the thing is on the average, inside the room."""
        places = self._thing.reflectors(np.linspace(0.0, scene.duration_s, 32)).places
        return np.clip(places.mean(axis=(0, 1)), 0.0, np.array(scene.size_m))

    def _is_heard(self, scene: Scene, image: NDArray[np.float64], point: NDArray[np.float64], middle: NDArray[np.float64]) -> bool:
        direct_m = float(np.linalg.norm(point - middle))
        by_wall_db = scene.wall_reflection_db + 20.0 * math.log10(direct_m / float(np.linalg.norm(image - middle)))
        return by_wall_db > _WALL_FLOOR_DB

    def _heard_images(
        self, scene: Scene, point: NDArray[np.float64], middle: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        first = [image for image, bounces in images(point, scene.size_m, min(scene.echo_order, 1)) if bounces == 1]
        return [image for image in first if self._is_heard(scene, image, point, middle)]

    def _mirrors(self, scene: Scene, middle: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """The array's images in the walls that are heard, each [mics, 3]."""
        centre = self._mics.mean(axis=0)
        found = []
        for image in self._heard_images(scene, centre, middle):
            turned = self._mics.copy()
            axis = int(np.abs(image - centre).argmax())
            turned[:, axis] = image[axis] + centre[axis] - self._mics[:, axis]
            found.append(turned)
        return found

    def ways(self, t_s: NDArray[np.float64]) -> Ways:
        """Lengths and gains at instants."""
        found = self._thing.reflectors(t_s)
        inside = np.clip((self._door_x_m - found.places[..., 0]) / _DOOR_FADE_M, 0.0, 1.0)
        strength = found.strength * inside
        there_m = _distance(found.places, self._tweeter)
        back_m = _distances(found.places, self._mics)
        legs = [(there_m[..., None], back_m, strength)]
        if len(self._wall_scatterers):
            chosen = found.places[:, self._wall_scatterers]
            weak = strength[:, self._wall_scatterers] * (self._wall * self._wall_scale)
            there_chosen_m = there_m[:, self._wall_scatterers, None]
            back_chosen_m = back_m[:, self._wall_scatterers]
            legs += [(_distance(chosen, image)[..., None], back_chosen_m, weak) for image in self._tweeter_images]
            legs += [(there_chosen_m, _distances(chosen, turned), weak) for turned in self._mic_shifts]
        length_m = np.concatenate([there + back for there, back, _ in legs], axis=1)
        # beyond the far field's reach of the formula: nothing comes closer than this
        gain = np.concatenate(
            [level[..., None] / np.maximum(there * back, _NEAREST_M2) for there, back, level in legs], axis=1
        )
        wander = self._atmosphere.wander_rad(t_s, self._mixtures)
        length_m += self._atmosphere.added_m(wander, length_m)
        return Ways(length_m, gain, np.full(self.paths, self._thing.slope_db_per_octave))


def _distance(places: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """[times, scatterers] from one point."""
    x, y, z = (places[..., axis] - point[axis] for axis in range(3))
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def _distances(places: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """[times, scatterers, points] from some points."""
    x, y, z = (places[..., axis, None] - points[:, axis] for axis in range(3))
    return np.asarray(np.sqrt(x * x + y * y + z * z))


class Propagation:
    """All ways from the tweeter to the microphones. Gains are relative to the tweeter's level at 1 m.

    `groups` are what stands still, and what moves, each to be asked at its own rate.
    """

    def __init__(self, scene: Scene, *, mics: int) -> None:
        self._scene = scene
        self.atmosphere = Atmosphere(scene.air, scene.seed)
        tweeter = np.array(scene.device_m) + np.array(TWEETER_OFFSET_M)
        self.mics_m = microphone_places(mics, scene.device_m)
        self.still = StillWays(scene, self.atmosphere, tweeter, self.mics_m)
        by_rate: dict[float, list[Thing]] = {}
        for thing in (*scene.people, *scene.things):
            by_rate.setdefault(thing.rate_hz, []).append(thing)
        self.moving = [
            MovingWays(scene, things, self.atmosphere, (tweeter, self.mics_m)) for _, things in sorted(by_rate.items())
        ]
        self._mic_delay_s = scene.unit.mic_delay_s(mics)

    @property
    def groups(self) -> list[PathGroup]:
        """What stands still first."""
        return [self.still, *self.moving]

    def delay_s(self, ways: Ways, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Delays [times, paths, mics] (s), the microphones' own and the clocks' drift in them."""
        delay_s = ways.length_m / self.atmosphere.speed_mps(t_s)[:, None, None] + self._mic_delay_s
        if self._scene.unit.clock_ppm:
            delay_s = delay_s - (1e-6 * self._scene.unit.clock_ppm * t_s)[:, None, None]
        return np.ascontiguousarray(delay_s)

    def gain(self, ways: Ways, frequency_hz: float) -> NDArray[np.float32]:
        """Gains [times, paths, mics] at a frequency: the air's absorption and the reflectors' slope in them."""
        octaves = math.log2(frequency_hz / _STRENGTH_HZ)
        absorption_db_per_m = air_absorption_db_per_m(
            frequency_hz,
            temperature_c=self._scene.air.temperature_c,
            relative_humidity_percent=self._scene.air.relative_humidity_percent,
        )
        loss = ways.length_m.astype(np.float32) * np.float32(-absorption_db_per_m * math.log(10.0) / 20.0)
        if octaves and ways.slope_db_per_octave.any():
            loss += (ways.slope_db_per_octave * (octaves * math.log(10.0) / 20.0)).astype(np.float32)[:, None]
        return np.ascontiguousarray(ways.gain.astype(np.float32) * np.exp(loss))
