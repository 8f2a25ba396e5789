"""The scene of a case, in the words of a scene's file: rooms, units and people by their seeds."""

import math
from dataclasses import replace

import numpy as np

from appliance.errors import SourceError
from appliance.evaluation.cases import CELL_M, COVERAGE_CELLS, WARM_UP_S, WD7_WALK_MPS, Case
from appliance.evaluation.split import JUDGING
from appliance.simulation.captures import Captures
from appliance.simulation.sample import NUISANCES, sample_words
from appliance.simulation.scene_file import build, impossible
from appliance.simulation.scenes import Scene
from appliance.simulation.words import SceneWords

Words = dict[str, object]
Spot = tuple[float, float]
Size = tuple[float, float, float]

_MARGIN_M = 0.4
_MAP_BORDER_M = 0.2
"""Between the walls and the cells of the map, so that a body has room in each."""

_STEP_M = 2.4
_REST_S = 6.0
_ARM_REST_S = 7.0
_GAPS_PER_MINUTE = 6.0
_SOUNDS = {"per_minute": 20.0}
_MUSIC_LEVEL = {"music_soft": 0.1, "music": 0.3, "music_loud": 1.0}
"""Of the loudspeaker's full scale."""


def scene_of(case: Case, captures: Captures, *, bats: str | None = None) -> Scene:
    """The scene.

    Args:
        case: what is judged.
        captures: where people's gaits come from.
        bats: folder of recorded calls.

    Raises:
        SourceError: a capture is missing, or the scene is impossible.
    """
    random = np.random.default_rng([case.seed, 95])
    words = sample_words(case.room, duration_s=case.duration_s)
    words |= {"name": f"{case.section} {case.nuisance} {case.activity}", "seed": case.seed}
    room, device = words["room"], words["device"]
    assert isinstance(room, dict)
    assert isinstance(device, dict)
    size = room["size_m"] = list(_size(case, room["size_m"]))
    device["unit_seed"] = case.unit
    device["at_m"] = [0.06, round(0.5 * size[1], 2), device["at_m"][2]]
    words["people"], things = _people(case, random, (size[0], size[1], size[2]), captures)
    words["things"] = list(things)
    _add_nuisance(words, case, random, bats)
    found = SceneWords.model_validate(words)
    for place, message in impossible(found, captures):
        raise SourceError(f"{found.name}: {'.'.join(map(str, place))} {message}")
    return _with_arms_as_people(build(found, captures))


def _with_arms_as_people(scene: Scene) -> Scene:
    """The arm of NEMA WD 7 stands for somebody's."""
    arms = tuple(thing for thing in scene.things if thing.kind == "wd7_arm")
    return replace(scene, people=scene.people + arms, things=tuple(t for t in scene.things if t not in arms))


def _size(case: Case, drawn: list[float]) -> Size:
    length, width, height = drawn
    if case.section == "coverage":
        return (
            COVERAGE_CELLS[0] * CELL_M + 2.0 * _MAP_BORDER_M,
            COVERAGE_CELLS[1] * CELL_M + 2.0 * _MAP_BORDER_M,
            height,
        )
    if case.section == "walk":
        return round(max(length, case.distance_m + 1.0), 2), max(width, 3.6), height
    return max(length, 3.4), max(width, 3.0), height


def _people(case: Case, random: np.random.Generator, size: Size, captures: Captures) -> tuple[list[Words], list[Words]]:
    """Who is there, and which arms."""
    if case.activity in ("empty", "gesture"):
        return [], []
    if case.section == "coverage":
        return _on_map(case, captures, size)
    if case.activity == "arm":
        at = _spot(random, size, margin_m=0.5)
        arm: Words = {
            "thing": "wd7_arm", "at_m": at, "start_s": WARM_UP_S + 2.0, "end_s": case.duration_s - 4.0,
            "rest_s": _ARM_REST_S, "from_deg": round(random.uniform(0.0, 360.0), 1), "strength_db": _arm_db(random),
        }  # fmt: skip
        return [], [arm]
    if case.section == "walk":
        at, to = _walk(case, random, size)
        acts = [
            _stay(12.0),
            _go(case, captures, to, case.speed_mps),
            _stay(_REST_S),
            _go(case, captures, at, case.speed_mps),
        ]
    elif case.activity == "visit":
        outside = (size[0] + 0.7, 0.5 * size[1])
        chair = _spot(random, size, margin_m=0.5)
        inside = [_go(case, captures, chair, 1.2), _stay(40.0, "sit", "reach")]
        acts = [_stay(30.0), *inside, _go(case, captures, outside, 1.2)]
        at = outside
    else:
        at = _spot(random, size)
        to = _far_spot(random, size, at)
        speed_mps = round(random.uniform(0.8, 1.4), 2)
        acts = [_stay(WARM_UP_S + 2.0)]
        if case.activity == "walk":
            for turn in range(5):
                acts += [_go(case, captures, at if turn % 2 else to, speed_mps), _stay(_REST_S + 2.0)]
        else:
            posture, gesture = ("sit", "turn_pages") if case.activity == "sit" else ("lie", "turn_over")
            acts += [_go(case, captures, to, speed_mps), _stay(case.duration_s, posture, gesture)]
    return [_person(case, at, [*acts, _stay(case.duration_s)])], []


def _on_map(case: Case, captures: Captures, size: Size) -> tuple[list[Words], list[Words]]:
    """Major: across the cell and back, along the room and across it. Minor: the arm in the middle."""
    middle = (
        _MAP_BORDER_M + (case.cell[0] + 0.5) * CELL_M,
        0.5 * size[1] + (case.cell[1] + 0.5 - COVERAGE_CELLS[1] / 2.0) * CELL_M,
    )
    if case.activity == "arm":
        arm: Words = {
            "thing": "wd7_arm", "at_m": middle, "start_s": 12.0, "end_s": case.duration_s - 4.0, "rest_s": _ARM_REST_S,
            "from_deg": 45.0, "strength_db": -26.0,
        }  # fmt: skip
        return [], [arm]
    half = CELL_M / 2.0 - 0.05
    near, far = (middle[0] - half, middle[1]), (middle[0] + half, middle[1])
    left, right = (middle[0], middle[1] - half), (middle[0], middle[1] + half)
    acts = [_stay(12.0)]
    for to in (far, near, left, right, left):
        acts += [_go(case, captures, to, WD7_WALK_MPS), _stay(4.0)]
    return [_person(case, near, acts)], []


def _person(case: Case, at: Spot, acts: list[Words]) -> Words:
    """The person of that seed, at a place and with a purpose."""
    body = np.random.default_rng([case.person, 96])
    return {
        "at_m": at, "facing_deg": 180.0, "height_m": round(float(np.clip(body.normal(1.70, 0.10), 1.45, 2.0)), 2),
        "clothes_db": round(body.uniform(-9.0, 0.0), 1), "breath_hz": round(body.uniform(0.17, 0.33), 3),
        "breath_mm": round(body.uniform(4.0, 8.0), 2), "seed": case.person, "do": acts,
    }  # fmt: skip


def gait_of(person: int, captures: Captures) -> str:
    """The capture by which the person of that seed walks.

    Raises:
        SourceError: no capture of the judging set is there.
    """
    gaits = JUDGING.gaits(captures.names)
    if not gaits:
        raise SourceError(
            "no motion capture of the judging set is there: pip install 'pipistrelle[simulation]', or name a folder"
        )
    return gaits[person % len(gaits)]


def _stay(for_s: float, posture: str = "stand", *gestures: str) -> Words:
    return {"act": "stay", "for_s": for_s, "posture": posture, "gestures": list(gestures)}


def _go(case: Case, captures: Captures, to: Spot, speed_mps: float) -> Words:
    gait = gait_of(case.person, captures)
    return {"act": "go", "gait": gait, "to_m": [to], "speed_mps": speed_mps, "mirror": bool(case.seed % 2)}


def _arm_db(random: np.random.Generator) -> float:
    return round(random.uniform(-32.0, -25.0), 1)


def _spot(random: np.random.Generator, size: Size, *, margin_m: float = _MARGIN_M) -> Spot:
    return round(random.uniform(0.8, size[0] - margin_m), 2), round(random.uniform(margin_m, size[1] - margin_m), 2)


def _far_spot(random: np.random.Generator, size: Size, at: Spot) -> Spot:
    while math.dist(at, to := _spot(random, size)) < 1.2:
        pass
    return to


def _walk(case: Case, random: np.random.Generator, size: Size) -> tuple[Spot, Spot]:
    """From a place at the case's distance, 2.4 m in any direction that the room allows; never farther than it began."""
    middle = 0.5 * size[1]
    while True:
        bearing, course = random.uniform(-0.7, 0.7), random.uniform(-math.pi, math.pi)
        at = (0.06 + case.distance_m * math.cos(bearing), middle + case.distance_m * math.sin(bearing))
        to = (at[0] + _STEP_M * math.cos(course), at[1] + _STEP_M * math.sin(course))
        far_m = math.dist(to, (0.06, middle))
        if _fits(at, size) and _fits(to, size) and (far_m <= case.distance_m or case.distance_m < _STEP_M):
            return (round(at[0], 2), round(at[1], 2)), (round(to[0], 2), round(to[1], 2))


def _fits(spot: Spot, size: Size) -> bool:
    return 0.5 <= spot[0] <= size[0] - 0.3 and 0.3 <= spot[1] <= size[1] - 0.3


def _add_nuisance(words: Words, case: Case, random: np.random.Generator, bats: str | None) -> None:
    room, device, air = words["room"], words["device"], words["air"]
    assert isinstance(room, dict)
    assert isinstance(device, dict)
    assert isinstance(air, dict)
    size = tuple(room["size_m"])
    match case.nuisance:
        case "quiet":
            return
        case "music_soft" | "music" | "music_loud":
            words["music"] = {"level": _MUSIC_LEVEL[case.nuisance], "seed": case.seed}
        case "hvac":
            air.update(NUISANCES["hvac"](random, size, case.duration_s))
        case "dropouts":
            count = random.poisson(_GAPS_PER_MINUTE * case.duration_s / 60.0)
            starts_s = np.sort(random.uniform(5.0, case.duration_s, count))
            device["gaps"] = [
                {"start_s": round(float(start_s), 3), "lost_ms": round(random.uniform(1.0, 50.0), 2)}
                for start_s in starts_s
            ]
        case "clipping":
            words["sounds"] = [
                {"sound": "clicks", "at_m": [0.35, device["at_m"][1], device["at_m"][2]], "level_db_spl": 140.0,
                 "per_minute": 20.0, "seed": case.seed}
            ]  # fmt: skip
        case "bats":
            words["sounds"] = [_SOUNDS | NUISANCES["bats"](random, size, case.duration_s) | {"folder": bats}]
        case "clicks":
            words["sounds"] = [_SOUNDS | NUISANCES["clicks"](random, size, case.duration_s)]
        case "oscillating_switched_fan":
            switched = NUISANCES["switched_fan"](random, size, case.duration_s)
            turning = switched | NUISANCES["oscillating_fan"](random, size, case.duration_s)
            words["things"] = [*words["things"], turning]  # type: ignore[misc]
        case kind:
            drawn = NUISANCES[kind](random, size, case.duration_s)
            key = "sounds" if "sound" in drawn else "things"
            words[key] = [*words[key], drawn]  # type: ignore[misc]
