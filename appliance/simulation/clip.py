"""A motion capture as the simulation knows it: named joints in metres over time, whatever file it came from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from appliance.errors import SourceError

Array = NDArray[np.float64]

REFERENCE_HEIGHT_M = 1.72
"""Every clip's body is brought to this height; persons scale it."""

JOINTS = (
    "hips", "chest", "neck", "head",
    "shoulder_left", "elbow_left", "wrist_left", "shoulder_right", "elbow_right", "wrist_right",
    "hip_left", "knee_left", "ankle_left", "toe_left", "hip_right", "knee_right", "ankle_right", "toe_right",
)  # fmt: skip

_LIMBS = (
    ("hips", "chest"), ("chest", "neck"), ("neck", "head"), ("hip_left", "knee_left"), ("knee_left", "ankle_left"),
)  # fmt: skip
_LIMBS_SHARE = 0.93
"""Of a body's height, what these add up to; the rest is above the head's joint and below the ankle's."""

_FASTEST_MPS = 25.0
_PLAIN = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Clip:
    """`places` [frames, joints, 3] of `JOINTS` in m: x and y on the floor, z up, feet at about 0.

    With `wraps` the last frame is the first one again, but for the way covered.
    """

    name: str
    rate_hz: float
    places: Array
    wraps: bool = False

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        return (len(self.places) - 1) / self.rate_hz

    def place(self, joint: str) -> Array:
        """One joint's way [frames, 3].

        Raises:
            SourceError: there is no such joint.
        """
        if joint not in JOINTS:
            raise SourceError(f"{self.name}: no joint is called {joint}; there are {', '.join(JOINTS)}")
        return np.asarray(self.places[:, JOINTS.index(joint)])


@dataclass(frozen=True, slots=True)
class Where:
    """A file being read: makes the errors, which begin with its name and a line."""

    path: Path

    def refuse(self, line: int, message: str, *, column: int = 1) -> NoReturn:
        """Raise the error."""
        raise SourceError(f"{self.path}:{line}:{column}: {message}")

    def number(self, word: str, line: int, what: str) -> float:
        """A finite number, or an error that names `what`."""
        try:
            found = float(word)
        except ValueError:
            self.refuse(line, f"{what}: wanted a number, found {word[:40]!r}")
        if not abs(found) < 1e9:
            self.refuse(line, f"{what}: {word[:40]} is no length or angle")
        return found


def assemble(
    where: Where,
    ways: Mapping[str, Array],
    aliases: Mapping[str, Sequence[str]],
    *,
    rate_hz: float,
    axes: tuple[int, int, int],
    line: int,
    wraps: bool = False,
) -> Clip:
    """A clip of a file's own joints.

    Args:
        where: the file.
        ways: each joint's places [frames, 3] in the file's units.
        aliases: for each of `JOINTS` the names that the file's makers give it, best first.
        rate_hz: frames a second.
        axes: which of the file's axes become x, y and z; a cyclic order, so that left stays left.
        line: the line on which joints are declared.
        wraps: the file says that its motion repeats.

    Raises:
        SourceError: a joint is missing, or the body is no body.
    """
    plain = {_PLAIN.sub("", name.lower()): way for name, way in ways.items()}
    found = []
    for joint in JOINTS:
        known = [plain[alias] for alias in aliases[joint] if alias in plain]
        if not known:
            where.refuse(
                line, f"no joint for {joint}; looked for {', '.join(aliases[joint])} among {', '.join(ways)}"[:600]
            )
        found.append(known[0])
    places = np.stack(found, axis=1)[:, :, list(axes)]
    height = sum(
        float(np.median(np.linalg.norm(places[:, JOINTS.index(a)] - places[:, JOINTS.index(b)], axis=1)))
        for a, b in _LIMBS
    )
    if not height > 0.0:
        where.refuse(line, "all joints lie at one place")
    places = _mended(places, rate_hz, height)
    places = places * (REFERENCE_HEIGHT_M * _LIMBS_SHARE / height)
    places[..., 2] -= np.percentile(places[:, :, 2].min(axis=1), 5)
    places[..., :2] -= places[0, 0, :2]
    return Clip(where.path.name.split(".")[0], rate_hz, places, wraps)


def _mended(places: Array, rate_hz: float, height: float) -> Array:
    """Joints that a capture lost for some frames, and which then seem to fly, go straight over the hole."""
    farthest = _FASTEST_MPS / rate_hz * height / (REFERENCE_HEIGHT_M * _LIMBS_SHARE)
    step = np.linalg.norm(np.diff(places, axis=0), axis=2) > farthest
    flies = np.zeros(places.shape[:2], bool)
    flies[1:-1] = step[1:] | step[:-1]
    mended = places.copy()
    frames = np.arange(len(places))
    for joint in np.flatnonzero(flies.any(axis=0)):
        sound = ~flies[:, joint]
        for axis in range(3):
            mended[:, joint, axis] = np.interp(frames, frames[sound], places[sound, joint, axis])
    return mended


def about(axis: str, radians: Array) -> Array:
    """Rotations [frames, 3, 3] about x, y or z."""
    cosine, sine = np.cos(radians), np.sin(radians)
    matrix = np.zeros((*np.shape(radians), 3, 3))
    one, two, three = {"x": (0, 1, 2), "y": (1, 2, 0), "z": (2, 0, 1)}[axis]
    matrix[..., one, one] = 1.0
    matrix[..., two, two] = matrix[..., three, three] = cosine
    matrix[..., two, three], matrix[..., three, two] = -sine, sine
    return matrix


def from_quaternion(wxyz: Array) -> Array:
    """Rotations [frames, 3, 3] of quaternions [frames, 4], which need not be of length 1."""
    w, x, y, z = (wxyz / np.linalg.norm(wxyz, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.asarray(np.array(rows).transpose(2, 0, 1))
