"""Captured motion made endless and placed: cycles without the ground they cover, and paths with rounded corners."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.clip import JOINTS, Clip

Array = NDArray[np.float64]

_FADE_S = 0.25
_SMOOTH_S = 0.5
_GRID_M = 0.01
_MIN_LOOP_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Cycle:
    """A motion that can be repeated for ever, on the spot and facing +x.

    `places` [frames, joints, 3] in m, whose last frame leads on to its first; `speed_mps` is that of its ground.
    """

    places: Array
    rate_hz: float
    speed_mps: float

    @property
    def duration_s(self) -> float:
        """Of one turn."""
        return len(self.places) / self.rate_hz


def cycle_of(clip: Clip, *, travels: bool, mirror: bool = False) -> Cycle:
    """The best part of a clip to repeat.

    Args:
        clip: any.
        travels: take out the way over the ground, and the body's turns with it; else all stays, about its mean.
        mirror: swap left and right.
    """
    places = clip.places.copy()
    if travels:
        places, speed_mps = _on_the_spot(places, clip.rate_hz)
    else:
        speed_mps = 0.0
        places[..., :2] -= places[:, :1, :2].mean(axis=0)
        places = _faced(places, np.full(len(places), _heading(places)[len(places) // 2]))
    if mirror:
        swapped = [JOINTS.index(_other(joint)) for joint in JOINTS]
        places = places[:, swapped] * np.array([1.0, -1.0, 1.0])
    return Cycle(places[:-1] if clip.wraps else _looped(places, clip.rate_hz), clip.rate_hz, speed_mps)


def _other(joint: str) -> str:
    if joint.endswith("_left"):
        return joint.removesuffix("left") + "right"
    return joint.removesuffix("right") + "left" if joint.endswith("_right") else joint


def _heading(places: Array) -> Array:
    """Where the hips face, rad [frames], unwrapped."""
    across = places[:, JOINTS.index("hip_left")] - places[:, JOINTS.index("hip_right")]
    return np.unwrap(np.arctan2(-across[:, 0], across[:, 1]))


def _faced(places: Array, heading_rad: Array) -> Array:
    """Turned so that `heading_rad` [frames] becomes +x."""
    cosine, sine = np.cos(heading_rad)[:, None], np.sin(heading_rad)[:, None]
    turned = places.copy()
    turned[..., 0] = cosine * places[..., 0] + sine * places[..., 1]
    turned[..., 1] = -sine * places[..., 0] + cosine * places[..., 1]
    return turned


def _smooth(values: Array, frames: int) -> Array:
    """Mean over `frames` along the first axis; the ends go on as they were going."""
    frames = max(1, min(frames, len(values) // 3)) | 1
    half = frames // 2
    before = 2.0 * values[:1] - values[half:0:-1]
    after = 2.0 * values[-1:] - values[-2 : -half - 2 : -1]
    total = np.cumsum(np.concatenate([np.zeros_like(values[:1]), before, values, after]), axis=0)
    return np.asarray((total[frames:] - total[:-frames]) / frames)


def _on_the_spot(places: Array, rate_hz: float) -> tuple[Array, float]:
    """Without its smoothed way over the ground; how fast that was."""
    frames = len(places)
    if frames / rate_hz < 3.0:
        share = np.linspace(0.0, 1.0, frames)[:, None]
        ground = places[0, 0, :2] + share * (places[-1, 0, :2] - places[0, 0, :2])
        heading = np.full(frames, np.arctan2(*(places[-1, 0, 1::-1] - places[0, 0, 1::-1])))
    else:
        ground = _smooth(places[:, 0, :2], round(_SMOOTH_S * 2.0 * rate_hz))
        heading = _smooth(_heading(places), round(_SMOOTH_S * 2.0 * rate_hz))
    speed_mps = float(np.median(np.linalg.norm(np.diff(ground, axis=0), axis=1))) * rate_hz
    standing = places.copy()
    standing[..., :2] -= ground[:, None]
    return _faced(standing, heading), speed_mps


def _looped(places: Array, rate_hz: float) -> Array:
    """The part whose end is most like its beginning, the seam faded over."""
    frames = len(places)
    fade = min(max(1, round(_FADE_S * rate_hz)), frames // 4)
    shortest = max(round(_MIN_LOOP_SHARE * frames), 2 * fade)
    ends = np.arange(shortest, frames - fade + 1)
    if len(ends):
        unlike = [float(((places[end : end + fade] - places[:fade]) ** 2).mean()) for end in ends]
        end = int(ends[int(np.argmin(np.array(unlike) * (1.0 + 0.5 * (frames - ends) / frames)))])
    else:
        end = frames - fade
    loop = places[:end].copy()
    share = ((np.arange(fade) + 0.5) / fade)[:, None, None]
    tail = places[end : end + fade]
    loop[: len(tail)] = share[: len(tail)] * places[: len(tail)] + (1.0 - share[: len(tail)]) * tail
    return loop


def cubics(frames: Array) -> Array:
    """Catmull and Rom's cubics through a repeated sequence [frames, ...]: powers of each, [4, frames, ...]."""
    before, here, there, after = (np.roll(frames, -step, axis=0) for step in (-1, 0, 1, 2))
    return np.stack(
        [
            here,
            0.5 * (there - before),
            before - 2.5 * here + 2.0 * there - 0.5 * after,
            1.5 * (here - there) + 0.5 * (after - before),
        ]
    )


def interpolate(powers: Array, at: Array) -> Array:
    """Values of a repeated sequence at positions `at` [times] by its cubics."""
    whole = np.floor(at)
    u = (at - whole).reshape(-1, *[1] * (powers.ndim - 2))
    index = whole.astype(np.int64) % powers.shape[1]
    value = powers[3].take(index, axis=0)
    for power in powers[2::-1]:
        value *= u
        value += power.take(index, axis=0)
    return np.asarray(value)


class Path:
    """A way over the floor through some points (m), its corners rounded over about `round_m`."""

    def __init__(self, points: tuple[tuple[float, float], ...], *, round_m: float = 0.35) -> None:
        corners = np.array(points, np.float64)
        legs_m = np.linalg.norm(np.diff(corners, axis=0), axis=1)
        along_m = np.concatenate([[0.0], np.cumsum(legs_m)])
        grid = np.linspace(0.0, along_m[-1], max(2, int(along_m[-1] / _GRID_M) + 1))
        way = np.stack([np.interp(grid, along_m, corners[:, axis]) for axis in range(2)], axis=1)
        frames = round(round_m / _GRID_M)
        for _ in range(2):
            way = _smooth(way, frames)
        way[0], way[-1] = corners[0], corners[-1]
        steps_m = np.linalg.norm(np.diff(way, axis=0), axis=1)
        self._along_m = np.concatenate([[0.0], np.cumsum(steps_m)])
        self._way = way
        tangent = np.gradient(way, axis=0)
        self._heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
        self.length_m = float(self._along_m[-1])

    def at(self, along_m: Array) -> tuple[Array, Array]:
        """Places [times, 2] (m) and headings [times] (rad) so far along."""
        place = np.stack([np.interp(along_m, self._along_m, self._way[:, axis]) for axis in range(2)], axis=1)
        return place, np.asarray(np.interp(along_m, self._along_m, self._heading))
