"""A person who acts: goes along paths in captured gaits, stays in postures, moves as captures or gestures have it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.clip import REFERENCE_HEIGHT_M
from appliance.simulation.gait import Cycle, Path, cubics, interpolate
from appliance.simulation.postures import Breath, Gesture, posture
from appliance.simulation.skeleton import SCATTERERS, Build
from appliance.simulation.things import WALKING_RATE_HZ, Reflectors, amplitude

Array = NDArray[np.float64]

_RAMP_S = 0.6
_SWAY_M = 0.004
_SWAY_LINES = 5


@dataclass(frozen=True, slots=True)
class Go:
    """Along a path in a captured gait, `times` to and fro or round if the path closes; `speed_mps` None as captured."""

    cycle: Cycle
    path: Path
    speed_mps: float | None = None

    @property
    def pace_mps(self) -> float:
        """How fast the ground goes by."""
        return self.speed_mps or max(self.cycle.speed_mps, 0.1)

    @property
    def duration_s(self) -> float:
        """With its ramps at both ends."""
        return self.path.length_m / self.pace_mps + _RAMP_S


@dataclass(frozen=True, slots=True)
class Stay:
    """In a posture for a while, with gestures; or, with a cycle, moving on the spot as captured."""

    duration_s: float
    posture: str = "stand"
    gestures: tuple[Gesture, ...] = ()
    cycle: Cycle | None = None
    speed: float = 1.0


Act = Go | Stay


@dataclass(frozen=True, slots=True)
class _Scene:
    """One act with its place in time and space."""

    act: Act
    start_s: float
    at: Array
    heading_rad: float


class Actor:
    """A `Thing`: does one act after the other and stays in the last.

    Args:
        build: the body.
        acts: what it does.
        at: where it is at first (m).
        facing_deg: which way it looks at first, 0 along +x, 90 along +y.
        start_s: when the first act begins; before, it is not there yet.
        blend_s: how long one act takes to become the next.
        breath_hz: how often it breathes.
        breath_m: how far the chest rises, 4 to 8 mm.
    """

    kind = "person"
    scatterers = SCATTERERS
    rate_hz = WALKING_RATE_HZ
    slope_db_per_octave = 0.0

    def __init__(
        self,
        *,
        build: Build,
        acts: tuple[Act, ...],
        at: tuple[float, float],
        facing_deg: float = 180.0,
        start_s: float = 0.0,
        blend_s: float = 0.8,
        breath_hz: float = 0.25,
        breath_m: float = 0.006,
    ) -> None:
        self._weights = build.weights()
        self._cycles: dict[int, Array] = {}
        self._breathing = build.breathing() * breath_m
        self._strength = amplitude(build.strength_db())[None]
        self._scale = build.height_m / REFERENCE_HEIGHT_M
        self._breath = Breath(breath_hz, build.seed)
        self._blend_s = blend_s
        random = np.random.default_rng([build.seed, 71])
        self._sway = [
            (random.uniform(0.08, 0.9), random.uniform(0.0, 6.28, 2), random.uniform(0.3, 1.0))
            for _ in range(_SWAY_LINES)
        ]
        self._scenes: list[_Scene] = []
        place, heading_rad, begins_s = np.array(at, np.float64), math.radians(facing_deg), start_s
        for act in acts:
            if isinstance(act, Go):
                places, headings = act.path.at(np.array([0.0, act.path.length_m]))
                heading_rad += math.remainder(float(headings[0]) - heading_rad, 2.0 * math.pi)
            self._scenes.append(_Scene(act, begins_s, place, heading_rad))
            begins_s += act.duration_s
            if isinstance(act, Go):
                place = places[1]
                heading_rad += float(headings[1] - headings[0])
        self.end_s = begins_s

    def reflectors(self, t_s: Array) -> Reflectors:
        """Every scatterer."""
        return Reflectors(self._places(t_s), self._strength)

    def _places(self, t_s: Array) -> Array:
        starts = np.array([scene.start_s for scene in self._scenes])
        which = np.maximum(np.searchsorted(starts, t_s, side="right") - 1, 0)
        breath = self._breath.at(t_s)
        if which[0] == which[-1] and (which[0] == 0 or t_s[0] - starts[which[0]] >= self._blend_s):
            return self._of(int(which[0]), t_s, breath)
        places = np.empty((len(t_s), SCATTERERS, 3))
        for index in map(int, np.unique(which)):
            first, last = np.searchsorted(which, (index, index + 1))
            places[first:last] = self._of(index, t_s[first:last], breath[first:last])
            blended = int(np.searchsorted(t_s[first:last], starts[index] + self._blend_s))
            if index and blended:
                now = slice(first, first + blended)
                share = (t_s[now] - starts[index]) / self._blend_s
                share = share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
                before = self._of(index - 1, t_s[now], breath[now])
                places[now] = before + share[:, None, None] * (places[now] - before)
        return places

    def _of(self, index: int, t_s: Array, breath: Array) -> Array:
        """Places [times, scatterers, 3] of one act, which before and after its time goes on as it began or ended."""
        scene = self._scenes[index]
        since_s = t_s - scene.start_s
        sway = 1.0
        if isinstance(scene.act, Go):
            # who has arrived stands still
            moves = slice(None) if since_s[0] < scene.act.duration_s else slice(1)
            body, ground, heading = self._going(scene, scene.act, since_s[moves])
        else:
            body = self._staying(scene.act, since_s)
            ground, heading = scene.at[None], np.array([scene.heading_rad])
            sway = {"stand": 1.0, "sit": 0.35, "lie": 0.0}[scene.act.posture] if scene.act.cycle is None else 0.0
        places = np.empty((len(t_s), SCATTERERS, 3))
        np.multiply(body, self._scale, out=places)
        lies = isinstance(scene.act, Stay) and scene.act.posture == "lie" and scene.act.cycle is None
        places[..., 2 if lies else 0] += breath[:, None] * self._breathing
        if sway and not isinstance(scene.act, Go):
            self._add_sway(places, t_s, sway)
        cosine, sine = np.cos(heading)[:, None], np.sin(heading)[:, None]
        x = cosine * places[..., 0] - sine * places[..., 1] + ground[:, :1]
        places[..., 1] = sine * places[..., 0] + cosine * places[..., 1] + ground[:, 1:]
        places[..., 0] = x
        return places

    def _going(self, scene: _Scene, act: Go, since_s: Array) -> tuple[Array, Array, Array]:
        """Body, ground and heading while going."""
        stretch_s = act.path.length_m / act.pace_mps
        along_m = np.clip(act.pace_mps * (_ramped(since_s) - _ramped(since_s - stretch_s)), 0.0, act.path.length_m)
        tempo = act.pace_mps / act.cycle.speed_mps if act.cycle.speed_mps > 0.1 else 1.0
        frame = along_m / act.pace_mps * tempo * act.cycle.rate_hz
        body = interpolate(self._on_body(act.cycle), frame)
        ground, heading = act.path.at(along_m)
        turned = scene.heading_rad - float(act.path.at(np.zeros(1))[1][0])
        return body, ground, heading + turned

    def _staying(self, act: Stay, since_s: Array) -> Array:
        if act.cycle is not None:
            return interpolate(self._on_body(act.cycle), since_s * act.speed * act.cycle.rate_hz)
        body = np.broadcast_to(self._weights @ posture(act.posture), (len(since_s), SCATTERERS, 3)).copy()
        for gesture in act.gestures:
            body += np.tensordot(gesture.offsets(since_s * act.speed), self._weights, axes=(1, 1)).transpose(0, 2, 1)
        return body

    def _on_body(self, cycle: Cycle) -> Array:
        """The scatterers' places in a cycle as cubics, kept."""
        if id(cycle) not in self._cycles:
            self._cycles[id(cycle)] = cubics(self._weights @ cycle.places)
        return self._cycles[id(cycle)]

    def _add_sway(self, places: Array, t_s: Array, share: float) -> None:
        """Whoever stands sways over the ankles; higher parts more."""
        for axis in range(2):
            swing = sum(far * np.sin(2.0 * np.pi * hz * t_s + phases[axis]) for hz, phases, far in self._sway)
            places[..., axis] += (share * _SWAY_M / math.sqrt(_SWAY_LINES) * swing)[:, None] * places[..., 2]


def _ramped(since_s: Array) -> Array:
    """Time that a motion is ahead by when its speed comes up by a raised cosine within _RAMP_S."""
    ramp = np.clip(since_s, 0.0, _RAMP_S)
    gained = 0.5 * ramp - _RAMP_S / (2.0 * np.pi) * np.sin(np.pi * ramp / _RAMP_S)
    return np.asarray(gained + np.maximum(since_s - _RAMP_S, 0.0))
