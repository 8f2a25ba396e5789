"""Motion capture in Biovision's BVH: a tree of joints, then a line of channels for each frame."""

from dataclasses import dataclass, field

import numpy as np

from appliance.simulation.clip import Array, Clip, Where, about, assemble

_POSITIONS = ("Xposition", "Yposition", "Zposition")
_ROTATIONS = ("Xrotation", "Yrotation", "Zrotation")
_MAX_JOINTS, _MAX_FRAMES = 500, 500_000

_SIDE_ALIASES = {
    "shoulder": ("upperarm{s}", "{side}arm", "{side}shoulder", "{s}shoulder", "{side}upperarm", "{s}humerus"),
    "elbow": ("forearm{s}", "{side}forearm", "{side}elbow", "{s}elbow", "{side}lowerarm"),
    "wrist": (
        "hand{s}",
        "{side}hand",
        "{side}wrist",
        "{s}wrist",
        "forearm{s}end",
        "{side}forearmend",
        "{side}elbowend",
    ),
    "hip": ("thigh{s}", "{side}upleg", "{side}hip", "{s}hip", "{side}thigh", "{side}upperleg"),
    "knee": ("shin{s}", "{side}leg", "{side}knee", "{s}knee", "{side}lowerleg", "{side}shin"),
    "ankle": ("foot{s}", "{side}foot", "{side}ankle", "{s}ankle"),
    "toe": (
        "toe{s}",
        "{side}toebase",
        "{side}toe",
        "foot{s}end",
        "{side}footend",
        "{side}ankleend",
        "{side}toebaseend",
    ),
}
ALIASES = {
    "hips": ("hips", "pelvis", "root", "hip"),
    "chest": ("spine001", "spine1", "spine2", "chest", "spine", "upperback", "thorax"),
    "neck": ("neck", "neck1", "lowerneck"),
    "head": ("faceend", "headend", "head", "face", "neckend"),
} | {
    f"{part}_{side}": tuple(alias.format(s=side[0], side=side) for alias in aliases)
    for part, aliases in _SIDE_ALIASES.items()
    for side in ("left", "right")
}


@dataclass(slots=True)
class _Joint:
    """A node of the tree."""

    name: str
    parent: int
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    channels: list[str] = field(default_factory=list)


def parse_bvh(text: str, where: Where) -> Clip:
    """The clip of a BVH file.

    Raises:
        SourceError: it is damaged; names the line and the joint.
    """
    lines = text.splitlines()
    joints, motion = _hierarchy(lines, where)
    frames, rate_hz = _motion_head(lines, motion, where)
    columns = sum(len(joint.channels) for joint in joints)
    values = np.empty((frames, columns))
    rows = [(number, line) for number, line in enumerate(lines[motion + 3 :], start=motion + 4) if line.strip()]
    if len(rows) < frames:
        where.refuse(len(lines), f"ends after {len(rows)} of {frames} frames")
    for frame, (number, line) in enumerate(rows[:frames]):
        values[frame] = _row(line, number, joints, columns, where)
    ways = _places(joints, values)
    return assemble(where, ways, ALIASES, rate_hz=rate_hz, axes=(2, 0, 1), line=1)


def _hierarchy(lines: list[str], where: Where) -> tuple[list[_Joint], int]:
    """The joints, parents first, and the index of the line MOTION."""
    joints: list[_Joint] = []
    stack: list[int] = []
    for index, line in enumerate(lines):
        words = line.split()
        if not words or words[0] == "HIERARCHY":
            continue
        inside = joints[stack[-1]].name if stack else "the file"
        match words[0]:
            case "ROOT" | "JOINT" | "End":
                name = f"{joints[stack[-1]].name} end" if words[0] == "End" and stack else " ".join(words[1:])
                if (words[0] == "ROOT") != (not stack) or not name:
                    where.refuse(index + 1, f"{words[0]} does not belong into {inside}")
                joints.append(_Joint(name, stack[-1] if stack else -1))
                if len(joints) > _MAX_JOINTS:
                    where.refuse(index + 1, f"more than {_MAX_JOINTS} joints")
            case "{":
                if not joints or (stack and stack[-1] == len(joints) - 1):
                    where.refuse(index + 1, f"a brace without a joint in {inside}")
                stack.append(len(joints) - 1)
            case "}":
                if not stack:
                    where.refuse(index + 1, "a closing brace too many")
                stack.pop()
            case "OFFSET" | "CHANNELS" if not stack:
                where.refuse(index + 1, f"{words[0]} outside of any joint")
            case "OFFSET":
                numbers = [where.number(word, index + 1, f"{inside}: OFFSET") for word in words[1:]]
                if len(numbers) != 3:
                    where.refuse(index + 1, f"{inside}: OFFSET: wanted 3 numbers, found {len(numbers)}")
                joints[stack[-1]].offset = (numbers[0], numbers[1], numbers[2])
            case "CHANNELS":
                wrong = [word for word in words[2:] if word not in _POSITIONS + _ROTATIONS]
                if wrong or len(words) < 2 or words[1] != str(len(words) - 2):
                    found = f"unknown {wrong[0]}" if wrong else f"{len(words) - 2} named"
                    where.refuse(index + 1, f"{inside}: CHANNELS: {found}, {' '.join(words[1:2]) or 'none'} declared")
                joints[stack[-1]].channels = words[2:]
            case "MOTION":
                if stack:
                    where.refuse(index + 1, f"MOTION before {inside} is closed")
                if not joints:
                    where.refuse(index + 1, "no ROOT before MOTION")
                return joints, index
            case other:
                where.refuse(index + 1, f"{inside}: {other[:40]!r} is no word of BVH")
    return where.refuse(len(lines), "no MOTION: the file is cut off, or it is no BVH")


def _motion_head(lines: list[str], motion: int, where: Where) -> tuple[int, float]:
    head = [line.split() for line in lines[motion + 1 : motion + 3]]
    if len(head) < 2 or head[0][:1] != ["Frames:"] or head[1][:2] != ["Frame", "Time:"]:
        where.refuse(motion + 2, "wanted 'Frames: N' and 'Frame Time: S' below MOTION")
    frames = where.number(" ".join(head[0][1:]), motion + 2, "Frames")
    frame_s = where.number(" ".join(head[1][2:]), motion + 3, "Frame Time")
    if not 2 <= frames <= _MAX_FRAMES or frames != int(frames):
        where.refuse(motion + 2, f"Frames: wanted 2 to {_MAX_FRAMES}, found {frames:g}")
    if not 0.0005 <= frame_s <= 1.0:
        where.refuse(motion + 3, f"Frame Time: wanted 0.0005 to 1 s, found {frame_s:g}")
    return int(frames), 1.0 / frame_s


def _row(line: str, number: int, joints: list[_Joint], columns: int, where: Where) -> Array:
    words = line.split()
    if len(words) != columns:
        where.refuse(number, f"wanted {columns} values, found {len(words)}")
    try:
        values = np.array(words, np.float64)
    except ValueError:
        values = np.full(columns, np.nan)
    if not np.isfinite(values).all():
        names = [f"{joint.name}: {channel}" for joint in joints for channel in joint.channels]
        for word, name in zip(words, names, strict=True):
            where.number(word, number, name)
    return values


def _places(joints: list[_Joint], values: Array) -> dict[str, Array]:
    """Forward kinematics: each joint's places [frames, 3]."""
    turned: list[Array] = []
    places: list[Array] = []
    at = 0
    for joint in joints:
        offset = np.broadcast_to(np.array(joint.offset), (len(values), 3)).copy()
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        for channel in joint.channels:
            column = values[:, at]
            at += 1
            if channel in _POSITIONS:
                offset[:, _POSITIONS.index(channel)] = column
            else:
                turn = turn @ about(channel[0].lower(), np.radians(column))
        if joint.parent < 0:
            places.append(offset)
            turned.append(turn)
        else:
            places.append(places[joint.parent] + (turned[joint.parent] @ offset[..., None])[..., 0])
            turned.append(turned[joint.parent] @ turn)
    return {joint.name: place for joint, place in zip(joints, places, strict=True)}
