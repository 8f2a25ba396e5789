"""What really goes on in a scene, from its geometry: the labels that a detector is judged by and learns from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.scenes import Scene
from appliance.simulation.things import Thing
from appliance.types import MotionClass

MAJOR_MPS = 0.5
"""A trunk that goes faster than this is major motion (NEMA WD 7 walks at 1.2 m/s)."""

MINOR_MPS = 0.1
"""A limb that goes faster than this is minor motion; breathing and swaying stay far below."""

_STEP_S = 0.02
_TRUNK_SHARE = 0.25
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Truth:
    """Labels at some instants.

    `occupied` [times]: somebody is inside. `motion` [times]: what the most active person does, else `NUISANCE` while
    anything else moves or sounds, else `NOTHING`; the arm of NEMA WD 7 counts as a person. `radial_mps` and
    `distance_m` [times]: of the nearest person's trunk, + towards the device; NaN while nobody is inside.
    """

    t_s: NDArray[np.float64]
    occupied: NDArray[np.bool_]
    motion: NDArray[np.object_]
    radial_mps: NDArray[np.float64]
    distance_m: NDArray[np.float64]


def truth(scene: Scene, t_s: NDArray[np.float64]) -> Truth:
    """The labels at instants `t_s` [times] (s)."""
    t_s = np.asarray(t_s, np.float64)
    parts = [_some(scene, t_s[at : at + _CHUNK]) for at in range(0, len(t_s), _CHUNK)]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.zeros(0)] * 4
    occupied, motion, radial, distance = columns
    return Truth(t_s, occupied.astype(bool), motion.astype(object), radial, distance)


def _some(scene: Scene, t_s: NDArray[np.float64]) -> tuple[NDArray[np.generic], ...]:
    occupied = np.zeros(len(t_s), bool)
    rank = np.zeros(len(t_s), int)
    radial = np.full(len(t_s), np.nan)
    nearest = np.full(len(t_s), np.inf)
    for person in scene.people:
        trunk, fastest, trunk_mps, inside = _moves(person, t_s, scene)
        distance = np.linalg.norm(trunk[1] - np.array(scene.device_m), axis=1)
        before = np.linalg.norm(trunk[0] - np.array(scene.device_m), axis=1)
        after = np.linalg.norm(trunk[2] - np.array(scene.device_m), axis=1)
        is_major, is_minor = trunk_mps > MAJOR_MPS, fastest > MINOR_MPS
        rank = np.maximum(rank, np.where(inside, np.where(is_major, 4, np.where(is_minor, 3, 2)), 0))
        is_nearer = inside & (distance < nearest)
        radial = np.where(is_nearer, (before - after) / (2.0 * _STEP_S), radial)
        nearest = np.where(is_nearer, distance, nearest)
        occupied |= inside
    for thing in scene.things:
        _, fastest, _, inside = _moves(thing, t_s, scene)
        # the standard's arm stands for a person's
        is_arm = thing.kind == "wd7_arm"
        rank = np.maximum(rank, np.where(inside & (fastest > MINOR_MPS), 3 if is_arm else 1, 0))
        occupied |= is_arm
    if scene.sounds:
        rank = np.maximum(rank, 1)
    classes = np.array(
        [MotionClass.NOTHING, MotionClass.NUISANCE, MotionClass.BREATHING, MotionClass.MINOR, MotionClass.MAJOR], object
    )
    return occupied, classes[rank], radial, np.where(np.isinf(nearest), np.nan, nearest)


def _moves(
    thing: Thing, t_s: NDArray[np.float64], scene: Scene
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Trunk before, at and behind each instant; speeds of the fastest scatterer and the trunk; is it inside?"""
    looks = [thing.reflectors(t_s + shift) for shift in (-_STEP_S, 0.0, _STEP_S)]
    strength = looks[1].strength.mean(axis=0)
    strongest = np.argsort(-strength, kind="stable")[: max(1, round(_TRUNK_SHARE * len(strength)))]
    trunk = [look.places[:, strongest].mean(axis=1) for look in looks]
    speed = np.linalg.norm(looks[2].places - looks[0].places, axis=2) / (2.0 * _STEP_S)
    trunk_mps = np.linalg.norm((trunk[2] - trunk[0])[:, :2], axis=1) / (2.0 * _STEP_S)
    inside = (looks[1].places[..., 0] < scene.door_x_m).any(axis=1)
    return trunk, speed.max(axis=1), trunk_mps, inside
