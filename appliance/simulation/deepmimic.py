"""Motion capture in the text format of DeepMimic: JSON whose frames hold a duration, a root and joint rotations."""

import json

import numpy as np

from appliance.simulation.clip import Array, Clip, Where, about, assemble, from_quaternion

_VALUES = 44
_TURNED: tuple[tuple[str, str, tuple[float, float, float], int], ...] = (
    ("chest", "root", (0.0, 0.236, 0.0), 4),
    ("neck", "chest", (0.0, 0.224, 0.0), 4),
    ("hip_right", "root", (0.0, 0.0, 0.085), 4),
    ("knee_right", "hip_right", (0.0, -0.422, 0.0), 1),
    ("ankle_right", "knee_right", (0.0, -0.410, 0.0), 4),
    ("shoulder_right", "chest", (-0.024, 0.244, 0.183), 4),
    ("elbow_right", "shoulder_right", (0.0, -0.275, 0.0), 1),
    ("hip_left", "root", (0.0, 0.0, -0.085), 4),
    ("knee_left", "hip_left", (0.0, -0.422, 0.0), 1),
    ("ankle_left", "knee_left", (0.0, -0.410, 0.0), 4),
    ("shoulder_left", "chest", (-0.024, 0.244, -0.183), 4),
    ("elbow_left", "shoulder_left", (0.0, -0.275, 0.0), 1),
)
"""Joint, parent, offset (m; x ahead, y up, z to the right) and values, in the order of a frame. Offsets are those of
the humanoid that the format was made for."""

_ENDS: tuple[tuple[str, str, tuple[float, float, float]], ...] = (
    ("head", "neck", (0.0, 0.175, 0.0)),
    ("wrist_right", "elbow_right", (0.0, -0.259, 0.0)),
    ("wrist_left", "elbow_left", (0.0, -0.259, 0.0)),
    ("toe_right", "ankle_right", (0.13, -0.04, 0.0)),
    ("toe_left", "ankle_left", (0.13, -0.04, 0.0)),
)


def parse_deepmimic(text: str, where: Where) -> Clip:
    """The clip of a humanoid's file.

    Raises:
        SourceError: it is damaged or of another body; names the line and the joint.
    """
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
        where.refuse(line, "is no JSON: cut off or damaged", column=column)
    frames = found.get("Frames") if isinstance(found, dict) else None
    if not isinstance(frames, list) or len(frames) < 2:
        where.refuse(1, "Frames: wanted a list of at least 2 frames")
    for number, frame in enumerate(frames):
        _check(frame, number, text, where)
    values = np.array(frames, np.float64)
    frame_s = float(np.median(values[:-1, 0]))
    if not 0.0005 <= frame_s <= 1.0:
        where.refuse(_line_of(text, 0), f"duration: wanted frames of 0.0005 to 1 s, found {frame_s:g}")
    aliases = {joint: (joint.replace("_", ""),) for joint in _places(values[:2])} | {"hips": ("root",)}
    wraps = found.get("Loop") == "wrap"
    return assemble(where, _places(values), aliases, rate_hz=1.0 / frame_s, axes=(2, 0, 1), line=1, wraps=wraps)


def _check(frame: object, number: int, text: str, where: Where) -> None:
    if not isinstance(frame, list) or len(frame) != _VALUES:
        found = f"{len(frame)} values" if isinstance(frame, list) else "no list"
        where.refuse(_line_of(text, number), f"frame {number}: wanted {_VALUES} values (a humanoid), found {found}")
    for index, value in enumerate(frame):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e6:
            where.refuse(
                _line_of(text, number), f"frame {number}: {_joint_of(index)}: {str(value)[:40]!r} is no number"
            )


def _line_of(text: str, frame: int) -> int:
    """The line on which a frame's bracket opens."""
    at = text.find("[", text.find('"Frames"')) + 1
    for _ in range(frame + 1):
        at = text.find("[", at) + 1
        if not at:
            return 1
    return text.count("\n", 0, at) + 1


def _joint_of(index: int) -> str:
    names = ["duration", *["root"] * 7] + [name for name, _, _, size in _TURNED for _ in range(size)]
    return names[index]


def _places(values: Array) -> dict[str, Array]:
    """Forward kinematics: each joint's places [frames, 3]."""
    places = {"root": values[:, 1:4]}
    turned = {"root": from_quaternion(_sound(values[:, 4:8]))}
    at = 8
    for name, parent, offset, size in _TURNED:
        own = values[:, at : at + size]
        at += size
        places[name] = places[parent] + turned[parent] @ np.array(offset)
        turn = about("z", own[:, 0]) if size == 1 else from_quaternion(_sound(own))
        turned[name] = turned[parent] @ turn
    for name, parent, offset in _ENDS:
        places[name] = places[parent] + turned[parent] @ np.array(offset)
    return places


def _sound(wxyz: Array) -> Array:
    """A quaternion of nothing but zeros turns nothing."""
    return np.asarray(np.where(np.abs(wxyz).sum(axis=1, keepdims=True) > 0.0, wxyz, [1.0, 0.0, 0.0, 0.0]))
