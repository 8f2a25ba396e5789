"""What no capture shows: sitting, lying, and what hands do meanwhile, with the statistics of real life.

Postures and gestures are places of joints in the body's own axes: x ahead, y left, z up, in m for the reference height.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.clip import JOINTS

Array = NDArray[np.float64]

_SLOTS_BEFORE = 1000
"""Stretches of time before 0 are counted as well, and seeds are not negative."""

_HALF: dict[str, dict[str, tuple[float, float, float]]] = {
    "stand": {
        "hips": (0, 0, 0.95), "chest": (0, 0, 1.20), "neck": (0, 0, 1.43), "head": (0.02, 0, 1.62),
        "shoulder": (0, 0.18, 1.40), "elbow": (-0.02, 0.22, 1.12), "wrist": (0.04, 0.22, 0.87),
        "hip": (0, 0.09, 0.92), "knee": (0.02, 0.10, 0.50), "ankle": (0, 0.10, 0.08), "toe": (0.15, 0.11, 0.02),
    },
    "sit": {
        "hips": (-0.05, 0, 0.52), "chest": (-0.06, 0, 0.78), "neck": (-0.03, 0, 1.01), "head": (0.02, 0, 1.19),
        "shoulder": (-0.03, 0.18, 0.97), "elbow": (0.05, 0.23, 0.71), "wrist": (0.28, 0.12, 0.70),
        "hip": (0, 0.09, 0.50), "knee": (0.40, 0.11, 0.50), "ankle": (0.38, 0.11, 0.08), "toe": (0.53, 0.12, 0.02),
    },
    "lie": {
        "hips": (0, 0, 0.55), "chest": (-0.26, 0, 0.57), "neck": (-0.50, 0, 0.57), "head": (-0.68, 0, 0.60),
        "shoulder": (-0.46, 0.18, 0.56), "elbow": (-0.18, 0.26, 0.52), "wrist": (0.07, 0.25, 0.54),
        "hip": (0.03, 0.09, 0.54), "knee": (0.45, 0.10, 0.55), "ankle": (0.87, 0.10, 0.53), "toe": (0.90, 0.11, 0.66),
    },
}  # fmt: skip


def posture(name: str) -> Array:
    """[joints, 3] of `stand`, `sit` or `lie`."""
    half = _HALF[name]
    places = []
    for joint in JOINTS:
        part, _, side = joint.partition("_")
        x, y, z = half[part]
        places.append((x, -y if side == "right" else y, z))
    return np.array(places, np.float64)


POSTURES = tuple(_HALF)


def _raised(t_s: Array, start_s: Array | float, rise_s: float, stay_s: float) -> Array:
    """0, up to 1 as hands move (least jerk; Flash and Hogan, 1985), and back."""

    def up(since_s: Array) -> Array:
        share = np.clip(since_s / rise_s, 0.0, 1.0)
        return np.asarray(share**3 * (10.0 - 15.0 * share + 6.0 * share**2))

    return up(t_s - start_s) - up(t_s - start_s - rise_s - stay_s)


class Gesture:
    """Movements of hands and head that come again and again; a function of time and seed.

    `offsets` gives [times, joints, 3] to be added to a posture. Each movement stays within its own stretch of time.
    """

    def __init__(self, kind: str, seed: int) -> None:
        self._make = _GESTURES[kind]
        self._seed = seed
        self._pause_s = _PAUSES_S[kind]

    def offsets(self, t_s: Array) -> Array:
        """All movements that go on at instants, which are in order."""
        out = np.zeros((len(t_s), len(JOINTS), 3))
        low_s, slot_s = self._pause_s
        for slot in range(math.floor(t_s[0] / slot_s), math.floor(t_s[-1] / slot_s) + 1):
            random = np.random.default_rng([self._seed, 61, slot + _SLOTS_BEFORE])
            start_s = slot * slot_s + random.uniform(0.0, slot_s - low_s)
            first, last = np.searchsorted(t_s, (start_s, start_s + low_s))
            if first < last:
                self._make(out[first:last], t_s[first:last] - start_s, random)
        return out


def _move_hand(out: Array, side: str, by: Array, elbow_share: float = 0.5) -> None:
    out[:, JOINTS.index(f"wrist_{side}")] += by
    out[:, JOINTS.index(f"elbow_{side}")] += elbow_share * by


def _reach(out: Array, t_s: Array, random: np.random.Generator) -> None:
    far_m = random.uniform(0.2, 0.45)
    raised = _raised(t_s, 0.0, random.uniform(0.4, 0.8), random.uniform(0.2, 1.5))
    direction = np.array([1.0, random.uniform(-0.5, 0.5), random.uniform(-0.1, 0.5)])
    _move_hand(out, random.choice(["left", "right"]), far_m * raised[:, None] * direction)


def _wave(out: Array, t_s: Array, random: np.random.Generator) -> None:
    raised = _raised(t_s, 0.0, 0.6, 2.5)
    swing = raised * np.sin(2.0 * np.pi * random.uniform(1.2, 2.2) * t_s) * random.uniform(0.12, 0.22)
    side = str(random.choice(["left", "right"]))
    _move_hand(out, side, raised[:, None] * np.array([0.15, 0.0, 0.75]), 0.4)
    out[:, JOINTS.index(f"wrist_{side}"), 1] += swing


def _drink(out: Array, t_s: Array, random: np.random.Generator) -> None:
    side = str(random.choice(["left", "right"]))
    inwards = -0.15 if side == "left" else 0.15
    fetched = _raised(t_s, 0.0, 0.8, 0.4)
    drunk = _raised(t_s, 1.0, 0.9, random.uniform(1.0, 2.5))
    lift = fetched[:, None] * np.array([0.18, 0.0, 0.05]) + drunk[:, None] * np.array([-0.15, inwards, 0.42])
    _move_hand(out, side, lift, 0.45)
    out[:, JOINTS.index("head"), 0] -= 0.03 * drunk


def _turn_page(out: Array, t_s: Array, random: np.random.Generator) -> None:
    raised = _raised(t_s, 0.0, random.uniform(0.25, 0.4), random.uniform(0.1, 0.3))
    across = _raised(t_s, 0.2, random.uniform(0.4, 0.6), 0.1)
    _move_hand(out, "right", raised[:, None] * np.array([0.03, 0.0, 0.07]) + across[:, None] * np.array([0, 0.22, 0]))
    out[:, JOINTS.index("head"), 1] += 0.01 * across


def _type(out: Array, t_s: Array, random: np.random.Generator) -> None:
    for side in ("left", "right"):
        strokes = int(random.integers(6, 16))
        start_s, across_m = random.uniform([0.0, -0.01], [4.0, 0.01], (strokes, 2)).T
        struck = _raised(t_s[:, None], start_s, 0.07, 0.02)
        by = np.stack([np.full(strokes, 0.004), across_m, np.full(strokes, -0.012)], axis=1)
        _move_hand(out, side, struck @ by, 0.15)


def _fidget(out: Array, t_s: Array, random: np.random.Generator) -> None:
    by = random.normal(0.0, 0.025, 3) * _raised(t_s, 0.0, random.uniform(0.5, 1.5), 3.0)[:, None]
    if random.random() < 0.5:
        _move_hand(out, random.choice(["left", "right"]), 2.0 * by)
    else:
        for joint in ("chest", "neck", "head", "shoulder_left", "shoulder_right"):
            out[:, JOINTS.index(joint)] += by


def _turn_over(out: Array, t_s: Array, random: np.random.Generator) -> None:
    rolled = _raised(t_s, 0.0, random.uniform(1.5, 3.0), 4.0)
    for joint in JOINTS:
        share = 0.3 if joint.startswith(("ankle", "toe")) else 1.0
        out[:, JOINTS.index(joint), 1] += share * random.uniform(0.1, 0.2) * rolled
        out[:, JOINTS.index(joint), 2] += share * random.uniform(0.0, 0.06) * np.sin(np.pi * rolled)


_GESTURES: dict[str, Callable[[Array, Array, np.random.Generator], None]] = {
    "reach": _reach, "wave": _wave, "drink": _drink, "turn_pages": _turn_page, "type": _type, "fidget": _fidget,
    "turn_over": _turn_over,
}  # fmt: skip
_PAUSES_S: dict[str, tuple[float, float]] = {
    "reach": (4.0, 8.0), "wave": (4.5, 6.0), "drink": (7.0, 30.0), "turn_pages": (2.0, 25.0), "type": (4.2, 5.0),
    "fidget": (7.0, 40.0), "turn_over": (12.0, 600.0),
}  # fmt: skip
"""The longest a movement takes, and the stretch of time that holds one."""

GESTURES = tuple(_GESTURES)


class Breath:
    """A chest that rises and falls, never quite evenly: 1 at most, 0 at rest."""

    def __init__(self, rate_hz: float, seed: int) -> None:
        random = np.random.default_rng([seed, 62])
        self._rate_hz = rate_hz
        self._wander = [
            (random.uniform(0.005, 0.05), random.uniform(0.0, 6.28), random.uniform(0.1, 0.5)) for _ in range(4)
        ]

    def at(self, t_s: Array) -> Array:
        """[times]; breathing in takes less time than out (2 to 3)."""
        turns = self._rate_hz * t_s
        depth = np.ones(len(t_s))
        for hz, phase, far in self._wander:
            turns = turns + far * self._rate_hz / hz * 0.05 * np.sin(2.0 * np.pi * hz * t_s + phase)
            depth = depth + 0.1 * far * np.sin(2.0 * np.pi * hz * t_s + 2.0 * phase)
        angle = 2.0 * np.pi * turns
        return np.asarray(depth * (0.5 - 0.5 * np.cos(angle - 0.35 * np.sin(angle))))
