"""Motion capture in Acclaim's pair of files: a skeleton (ASF) and its motion (AMC)."""

from dataclasses import dataclass, field

import numpy as np

from appliance.simulation.clip import Array, Clip, Where, about, assemble

AMC_RATE_HZ = 120.0
"""AMC files do not tell theirs; the CMU database was taken at this one."""

_MAX_BONES = 500

_SIDES = {
    f"{part}_{side}": tuple(name.format(side[0]) for name in names)
    for part, names in {
        "shoulder": ("{}clavicle",), "elbow": ("{}humerus",), "wrist": ("{}radius",),
        "hip": ("{}hipjoint",), "knee": ("{}femur",), "ankle": ("{}tibia",), "toe": ("{}foot",),
    }.items()
    for side in ("left", "right")
}  # fmt: skip
ALIASES = {"hips": ("root",), "chest": ("upperback",), "neck": ("thorax",), "head": ("head", "upperneck")} | _SIDES
"""A bone stands for the joint at its far end."""


@dataclass(slots=True)
class _Bone:
    """A bone as declared: it points along `direction` and turns about `axis` in the order `dof`."""

    line: int
    direction: Array = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: Array = field(default_factory=lambda: np.eye(3))
    dof: tuple[str, ...] = ()
    parent: str = ""


def parse_amc(amc: str, amc_where: Where, asf: str, asf_where: Where) -> Clip:
    """The clip of an AMC file and the ASF skeleton that belongs to it.

    Raises:
        SourceError: one of them is damaged; names the line and the bone.
    """
    bones = _skeleton(asf, asf_where)
    values = _motion(amc, amc_where, bones)
    frames = len(values["root"])
    root = values["root"]
    places = {"root": root[:, :3]}
    turned = {"root": _turn(("rx", "ry", "rz"), root[:, 3:])}
    for name, bone in bones.items():
        if name == "root":
            continue
        own = _turn(bone.dof, values[name]) if bone.dof else np.broadcast_to(np.eye(3), (frames, 3, 3))
        turned[name] = turned[bone.parent] @ bone.axis @ own @ bone.axis.T
        places[name] = places[bone.parent] + bone.length * (turned[name] @ bone.direction)
    return assemble(amc_where, places, ALIASES, rate_hz=AMC_RATE_HZ, axes=(2, 0, 1), line=1)


def _turn(dof: tuple[str, ...], degrees: Array) -> Array:
    """Rz Ry Rx of the axes that there are."""
    turn = np.broadcast_to(np.eye(3), (len(degrees), 3, 3))
    for axis, column in zip(dof, degrees.T, strict=True):
        turn = about(axis[1], np.radians(column)) @ turn
    return turn


def _skeleton(text: str, where: Where) -> dict[str, _Bone]:
    """The bones, parents first."""
    bones = {"root": _Bone(1, dof=("tx", "ty", "tz", "rx", "ry", "rz"))}
    section, name, bone = "", "", _Bone(1)
    ordered = ["root"]
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            section = words[0]
        elif section == ":bonedata":
            if words[0] == "begin":
                bone, name = _Bone(number), ""
            elif words[0] == "name" and len(words) == 2:
                name = words[1]
                bones[name] = bone
                if len(bones) > _MAX_BONES:
                    where.refuse(number, f"more than {_MAX_BONES} bones")
            else:
                _declare(bone, name, words, number, where)
        elif section == ":hierarchy" and words[0] not in ("begin", "end"):
            parent, *children = words
            if parent not in ordered:
                where.refuse(number, f"{parent}: no such bone above this line")
            for child in children:
                if child not in bones or child in ordered:
                    what = "is no bone of :bonedata" if child not in bones else "has two parents"
                    where.refuse(number, f"{child}: {what}")
                bones[child].parent = parent
                ordered.append(child)
    if len(ordered) == 1:
        where.refuse(max(len(text.splitlines()), 1), "no :bonedata and :hierarchy: cut off, or no ASF")
    return {name: bones[name] for name in ordered}


def _declare(bone: _Bone, name: str, words: list[str], number: int, where: Where) -> None:
    """One line of a bone."""
    key, *rest = words
    if key == "dof":
        wrong = [axis for axis in rest if axis not in ("rx", "ry", "rz")]
        if wrong:
            where.refuse(number, f"{name}: dof: {wrong[0]} is none of rx, ry, rz")
        bone.dof = tuple(rest)
    elif key in ("direction", "axis", "length"):
        wanted = 1 if key == "length" else 3
        if len(rest) < wanted:
            where.refuse(number, f"{name}: {key}: wanted {wanted} numbers, found {len(rest)}")
        numbers = np.array([where.number(word, number, f"{name}: {key}") for word in rest[:wanted]])
        if key == "length":
            bone.length = float(numbers[0])
        elif key == "direction":
            bone.direction = numbers
        else:
            turns = [about(axis, np.radians(numbers[i : i + 1]))[0] for i, axis in enumerate("xyz")]
            bone.axis = turns[2] @ turns[1] @ turns[0]


def _motion(text: str, where: Where, bones: dict[str, _Bone]) -> dict[str, Array]:
    """Values [frames, degrees of freedom] of each bone that moves."""
    moved = {name: len(bone.dof) for name, bone in bones.items() if bone.dof}
    found: dict[str, list[list[str]]] = {name: [] for name in moved}
    lines: dict[str, list[int]] = {name: [] for name in moved}
    frames, number = 0, 0
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0][0] in "#:":
            continue
        if len(words) == 1 and words[0].isdigit():
            _complete(found, frames, number, where)
            frames += 1
            continue
        name, *values = words
        if name not in moved or not frames:
            where.refuse(number, f"{name[:40]!r} is no bone that moves in the skeleton")
        if len(values) != moved[name] or len(found[name]) != frames - 1:
            what = (
                "is given twice" if len(found[name]) >= frames else f"wanted {moved[name]} values, found {len(values)}"
            )
            where.refuse(number, f"{name}: {what}")
        found[name].append(values)
        lines[name].append(number)
    _complete(found, frames, number, where)
    if frames < 2:
        where.refuse(max(number, 1), f"{frames} frames; wanted at least 2")
    return {name: _numbers(name, rows, lines[name], where) for name, rows in found.items()}


def _complete(found: dict[str, list[list[str]]], frames: int, number: int, where: Where) -> None:
    for name, rows in found.items():
        if len(rows) != frames:
            where.refuse(number, f"{name}: is missing in frame {frames}")


def _numbers(name: str, rows: list[list[str]], lines: list[int], where: Where) -> Array:
    try:
        values = np.array(rows, np.float64)
    except ValueError:
        values = np.full((1, 1), np.nan)
    if not np.isfinite(values).all():
        for row, line in zip(rows, lines, strict=True):
            for word in row:
                where.number(word, line, name)
    return values
