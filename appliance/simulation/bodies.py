"""People as moving scatterers: where each part of a body is at any instant.

A person has a script of actions. Every position is a smooth function of time, so that its Doppler shift is what such a
motion gives: at 1.2 m/s the torso shifts 40 kHz by 280 Hz and a swinging foot by 1 kHz.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.things import WALKING_RATE_HZ, Reflectors, amplitude

Xy = tuple[float, float]

_RAMP_S = 0.5
"""Time to get up to walking speed, and to stop."""

_STRIDE_M = 1.3
_SWING_SHARE = 0.4
_POSTURE_S = 1.2
_TURN_S = 0.6
_REACH_S = 1.2
_REACH_M = 0.35
_BREATH_HZ = 0.25
_BREATH_M = 0.0025
_SWAY_HZ = 0.3
_SWAY_M = 0.002

PARTS = (
    "head", "chest", "belly", "hips", "elbow_left", "elbow_right",
    "hand_left", "hand_right", "knee_left", "knee_right", "foot_left", "foot_right",
)  # fmt: skip
TARGET_STRENGTH_DB = np.array([-22, -15, -18, -20, -27, -27, -30, -30, -25, -25, -28, -28], np.float64)
"""Echo at 1 m from a part, relative to what reaches it."""

_STANDING_HEIGHT_M = np.array([1.65, 1.35, 1.15, 0.95, 1.15, 1.15, 0.9, 0.9, 0.5, 0.5, 0.08, 0.08])
_SITTING_HEIGHT_M = np.array([1.22, 0.92, 0.70, 0.50, 0.75, 0.75, 0.65, 0.65, 0.5, 0.5, 0.08, 0.08])
_SITTING_FORWARD_M = np.array([0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.35, 0.35, 0.4, 0.4, 0.45, 0.45])
_SIDEWAYS_M = np.array([0.0, 0.0, 0.0, 0.0, 0.25, -0.25, 0.25, -0.25, 0.12, -0.12, 0.12, -0.12])


@dataclass(frozen=True, slots=True)
class Walk:
    """Walk straight to a place (m) at a speed."""

    to: Xy
    speed_mps: float = 1.2


@dataclass(frozen=True, slots=True)
class Stay:
    """Stay as one is, breathing, for a while."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class Sit:
    """Sit down."""


@dataclass(frozen=True, slots=True)
class StandUp:
    """Stand up."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Reach out with the right hand and take it back."""


Action = Walk | Stay | Sit | StandUp | Reach


@dataclass(frozen=True, slots=True)
class _Segment:
    """One action in time and space: from `start_s` at place `at`, turning from one heading (rad) to another."""

    action: Action
    start_s: float
    duration_s: float
    at: NDArray[np.float64]
    heading_before_rad: float
    heading_rad: float
    sitting_before: float
    walked_before_m: float


class Person:
    """A body that follows its script from `start_s` on; before and after it stays as it was.

    Args:
        at: where it stands at first (m).
        start_s: when its first action begins.
        actions: what it does, in order.
        facing: which way it looks before it walks, a vector.
    """

    kind = "person"
    scatterers = len(PARTS)
    rate_hz = WALKING_RATE_HZ
    slope_db_per_octave = 0.0

    def __init__(self, *, at: Xy, start_s: float, actions: tuple[Action, ...], facing: Xy = (-1.0, 0.0)) -> None:
        heading_rad = math.atan2(facing[1], facing[0])
        waiting = _Segment(Stay(start_s), 0.0, start_s, np.array(at), heading_rad, heading_rad, 0.0, 0.0)
        self._segments: list[_Segment] = [waiting]
        for action in actions:
            self._append(action)

    @property
    def end_s(self) -> float:
        """When the last action ends."""
        last = self._segments[-1]
        return last.start_s + last.duration_s

    def _append(self, action: Action) -> None:
        last = self._segments[-1]
        at, walked, sitting = last.at, last.walked_before_m, last.sitting_before
        heading_rad = last.heading_rad
        if isinstance(last.action, Walk):
            way = np.array(last.action.to) - at
            at, walked = np.array(last.action.to), walked + float(np.hypot(*way))
        sitting = {Sit: 1.0, StandUp: 0.0}.get(type(last.action), sitting)
        duration_s = {Sit: _POSTURE_S, StandUp: _POSTURE_S, Reach: _REACH_S}.get(type(action), 0.0)
        if isinstance(action, Stay):
            duration_s = action.duration_s
        if isinstance(action, Walk):
            way = np.array(action.to) - at
            ahead_rad = math.atan2(float(way[1]), float(way[0]))
            heading_rad += math.remainder(ahead_rad - heading_rad, 2.0 * math.pi)
            duration_s = float(np.hypot(*way)) / action.speed_mps + _RAMP_S
        turn = (last.heading_rad, heading_rad)
        self._segments.append(_Segment(action, self.end_s, duration_s, at, *turn, sitting, walked))

    def reflectors(self, t_s: NDArray[np.float64]) -> Reflectors:
        """Every part, at any instants."""
        return Reflectors(self.positions(t_s), amplitude(TARGET_STRENGTH_DB)[None])

    def positions(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place of every part (m), [times, parts, 3]."""
        starts = np.array([segment.start_s for segment in self._segments])
        which = np.maximum(np.searchsorted(starts, t_s, side="right") - 1, 0)
        places = np.empty((len(t_s), len(PARTS), 3))
        for index in np.unique(which):
            chosen = which == index
            places[chosen] = _pose(self._segments[index], t_s[chosen])
        return places


def _pose(segment: _Segment, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
    elapsed = np.clip(t_s - segment.start_s, 0.0, segment.duration_s)
    sitting = np.full(len(t_s), segment.sitting_before)
    if isinstance(segment.action, Sit):
        sitting = _smoothstep(elapsed / _POSTURE_S)
    elif isinstance(segment.action, StandUp):
        sitting = 1.0 - _smoothstep(elapsed / _POSTURE_S)
    walked, pace = np.zeros(len(t_s)), np.zeros(len(t_s))
    if isinstance(segment.action, Walk):
        walked, pace = _progress(elapsed, segment.duration_s, segment.action.speed_mps)

    forward = sitting[:, None] * _SITTING_FORWARD_M
    height = _STANDING_HEIGHT_M + sitting[:, None] * (_SITTING_HEIGHT_M - _STANDING_HEIGHT_M)
    _add_gait(forward, height, (segment.walked_before_m + walked) / _STRIDE_M, pace)
    breath = _BREATH_M * np.sin(2.0 * np.pi * _BREATH_HZ * t_s)
    forward[:, 1] += breath
    forward[:, 2] += 0.6 * breath
    forward[:, :8] += (_SWAY_M * (1.0 - 0.7 * sitting) * np.sin(2.0 * np.pi * _SWAY_HZ * t_s + 1.0))[:, None]
    if isinstance(segment.action, Reach):
        reach = 0.5 * (1.0 - np.cos(2.0 * np.pi * elapsed / _REACH_S))
        forward[:, 7] += _REACH_M * reach
        forward[:, 5] += 0.5 * _REACH_M * reach

    turned = _smoothstep(elapsed / _TURN_S)
    heading_rad = segment.heading_before_rad + turned * (segment.heading_rad - segment.heading_before_rad)
    ahead = np.stack([np.cos(heading_rad), np.sin(heading_rad)], axis=1)[:, None]
    left = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1)
    way = np.array([math.cos(segment.heading_rad), math.sin(segment.heading_rad)])
    places = np.empty((len(t_s), len(PARTS), 3))
    places[..., :2] = (
        segment.at + walked[:, None, None] * way + forward[..., None] * ahead + _SIDEWAYS_M[:, None] * left
    )
    places[..., 2] = height
    return places


def _add_gait(
    forward: NDArray[np.float64], height: NDArray[np.float64], strides: NDArray[np.float64], pace: NDArray[np.float64]
) -> None:
    """Feet stand and swing, knees follow them, hands swing against them; all scaled by the pace (0..1)."""
    for knee, foot, hand, elbow, offset in ((8, 10, 7, 5, 0.0), (9, 11, 6, 4, 0.5)):
        phase = np.mod(strides + 1.0 - _SWING_SHARE + offset, 1.0)
        swing = np.clip((phase - 1.0 + _SWING_SHARE) / _SWING_SHARE, 0.0, 1.0)
        ahead = pace * _STRIDE_M * (_smoothstep(swing) - phase + 0.3)
        forward[:, foot] += ahead
        forward[:, knee] += 0.5 * ahead
        height[:, foot] += pace * 0.1 * np.sin(np.pi * swing) ** 2
        arm = pace * 0.25 * np.sin(2.0 * np.pi * (strides + offset))
        forward[:, hand] += arm
        forward[:, elbow] += 0.5 * arm


def _progress(
    elapsed: NDArray[np.float64], duration_s: float, speed_mps: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (m) and share of full speed of a walk that starts and stops by raised-cosine ramps."""

    def ramped(since_s: NDArray[np.float64]) -> NDArray[np.float64]:
        ramp = np.clip(since_s, 0.0, _RAMP_S)
        gained = 0.5 * ramp - _RAMP_S / (2.0 * np.pi) * np.sin(np.pi * ramp / _RAMP_S)
        return np.asarray(gained + np.maximum(since_s - _RAMP_S, 0.0))

    until_stop = elapsed - (duration_s - _RAMP_S)
    walked = speed_mps * (ramped(elapsed) - ramped(until_stop))
    pace = _smoothcos(elapsed / _RAMP_S) - _smoothcos(until_stop / _RAMP_S)
    return walked, pace


def _smoothcos(share: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(share, 0.0, 1.0)))


def _smoothstep(share: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
