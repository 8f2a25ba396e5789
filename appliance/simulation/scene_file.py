"""Scenes as files: YAML in, `Scene` out; every fault with its line and column, impossible scenes included."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath

from pydantic import ValidationError

from appliance.config.load import all_at_once, located, read_document, wrong_top
from appliance.config.yaml12 import Document, Mark, Place, dotted
from appliance.errors import Problem, SourceError
from appliance.fields import did_you_mean
from appliance.simulation import words
from appliance.simulation.actor import Act, Actor, Go, Stay
from appliance.simulation.animals import Animal, RobotVacuum
from appliance.simulation.captures import Captures
from appliance.simulation.device import IDEAL, Gap, random_unit
from appliance.simulation.fans import Fan
from appliance.simulation.gait import Path, cycle_of
from appliance.simulation.loudspeaker import Music
from appliance.simulation.objects import Door, Falling, Swaying, Wd7Arm
from appliance.simulation.postures import Gesture
from appliance.simulation.recorded import recorded_calls
from appliance.simulation.scenes import SCENES, Air, Scene
from appliance.simulation.skeleton import Build
from appliance.simulation.sounds import SHAPES, Bursts, Sound, SteadyTone
from appliance.simulation.things import Thing

_BODY_M = 0.15
"""Nobody's middle comes nearer to a wall than this."""

_CONE_TRAVEL_M = 0.001
"""What a small cone goes to and fro at full scale of bass."""

_SUFFIXES = (".yaml", ".yml")


def scene_named(name: str) -> Scene:
    """The built-in scene of that name, or that of a YAML file.

    Raises:
        SourceError: there is none; the message lists those there are.
        ConfigError: the file cannot be used.
    """
    if name.endswith(_SUFFIXES):
        return load_scene(FilePath(name))
    if name not in SCENES:
        known = ", ".join(sorted(SCENES))
        raise SourceError(f"room:{name}: no such scene; there are {known}, and files that end in .yaml")
    return SCENES[name]()


def load_scene(path: FilePath) -> Scene:
    """The scene of a YAML file; relative folders in it start at its own directory.

    Raises:
        ConfigError: the file cannot be used; holds every problem.
        SourceError: a motion capture or recording that it names is damaged.
    """
    document = read_document(path)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise wrong_top(path, document, "a mapping of keys")
    problems = list(document.problems)
    try:
        found = words.SceneWords.model_validate(data, context={"directory": path.parent})
    except ValidationError as error:
        raise all_at_once(path, [*problems, *located(error, document)]) from None
    captures = Captures((found.captures,) if found.captures else ())
    problems += [_problem(place, message, document) for place, message in impossible(found, captures)]
    if problems:
        raise all_at_once(path, problems)
    return build(found, captures)


def _problem(place: Place, message: str, document: Document) -> Problem:
    while place and place not in document.values:
        place = place[:-1]
    mark = document.values.get(place, Mark(1, 1))
    return Problem(mark.line, mark.column, dotted(place), message)


def impossible(scene: words.SceneWords, captures: Captures) -> Iterator[tuple[Place, str]]:
    """What cannot be, each with the way to its key: a person in a wall, a capture that nobody has."""
    size_m = scene.room.size_m
    if not all(0.0 <= at <= size for at, size in zip(scene.device.at_m, size_m, strict=True)):
        yield ("device", "at_m"), f"is outside of the room, which is {_metres(size_m)}"
    for p, person in enumerate(scene.people):
        spots: list[tuple[Place, words.Spot]] = [(("people", p, "at_m"), person.at_m)]
        for a, act in enumerate(person.do):
            at: Place = ("people", p, "do", a)
            if isinstance(act, words.GoWords):
                spots += [((*at, "to_m", s), spot) for s, spot in enumerate(act.to_m)]
            if isinstance(act, (words.GoWords, words.MoveWords)):
                key, name = ("gait", act.gait) if isinstance(act, words.GoWords) else ("capture", act.capture)
                if name not in captures.names:
                    yield (*at, key), _no_capture(name, captures)
        for place, spot in spots:
            if (fault := _stands_wrong(spot, scene)) is not None:
                yield place, fault
    for t, thing in enumerate(scene.things):
        for key in ("at_m", "path_m", "hinge_m"):
            found = getattr(thing, key, ())
            for point in found if key == "path_m" else [found] if found else []:
                if not all(0.0 <= at <= size for at, size in zip(point, size_m, strict=False)):
                    yield ("things", t, key), f"is outside of the room, which is {_metres(size_m)}"


def _no_capture(name: str, captures: Captures) -> str:
    if not captures.names:
        return (
            f"no motion capture is called {name}: install pybullet (extra `simulation`), or name a folder in captures"
        )
    return f"no motion capture is called {name}{did_you_mean(name, captures.names)}"


def _stands_wrong(spot: tuple[float, float], scene: words.SceneWords) -> str | None:
    """Why nobody can stand there; beyond the wall at the far end of x one is outside, and that is allowed."""
    length, width, _ = scene.room.size_m
    if spot[0] < _BODY_M or not _BODY_M <= spot[1] <= width - _BODY_M:
        return f"is in a wall or behind it: the room is {_metres(scene.room.size_m)}, and a body needs {_BODY_M} m"
    door = scene.room.door_x_m or length
    if length - _BODY_M < spot[0] < length + _BODY_M and spot[0] < door:
        return f"is in the wall at x = {length:g}"
    if math.dist(spot, scene.device.at_m[:2]) < 0.1:
        return "is where the device is"
    return None


def _metres(size_m: tuple[float, float, float]) -> str:
    return " x ".join(f"{size:g}" for size in size_m) + " m"


def build(found: words.SceneWords, captures: Captures) -> Scene:
    """The scene that the words describe."""
    room, device = found.room, found.device
    unit = random_unit(device.unit_seed) if device.unit == "random" else IDEAL
    unit = replace(
        unit,
        deaf_mics=device.deaf_mics or unit.deaf_mics,
        dead_mics=device.dead_mics or unit.dead_mics,
        clock_ppm=device.clock_ppm,
        cone_travel_m=_CONE_TRAVEL_M if device.same_cone else 0.0,
        gaps=tuple(Gap(gap.start_s, gap.lost_ms / 1000.0) for gap in device.gaps),
    )
    return Scene(
        name=found.name,
        duration_s=found.duration_s,
        people=tuple(_person(person, captures) for person in found.people),
        things=tuple(_thing(thing, device.at_m) for thing in found.things),
        sounds=tuple(_sound(sound) for sound in found.sounds),
        size_m=room.size_m,
        device_m=device.at_m,
        door_x_m=room.size_m[0] if room.door_x_m is None else room.door_x_m,
        wall_reflection_db=room.wall_reflection_db,
        wall_order=room.wall_order,
        echo_order=int(room.echoes_by_walls),
        t60_s=room.t60_s,
        tail_arrivals=room.tail_arrivals,
        air=Air(**found.air.model_dump()),
        unit=unit,
        music=None if found.music is None else Music(**found.music.model_dump()),
        seed=found.seed,
    )


def _person(person: words.PersonWords, captures: Captures) -> Actor:
    acts: list[Act] = []
    at = person.at_m
    for number, act in enumerate(person.do):
        if isinstance(act, words.GoWords):
            cycle = cycle_of(captures.clip(act.gait), travels=True, mirror=act.mirror)
            pace_mps = act.speed_mps or max(cycle.speed_mps, 0.1)
            there = (at, *act.to_m)
            around = there[0] == there[-1]
            for turn in range(act.times):
                points = there if around or turn % 2 == 0 else there[::-1]
                acts.append(Go(cycle, Path(points, round_m=max(0.35, 0.35 * pace_mps)), act.speed_mps))
                at = points[-1]
        elif isinstance(act, words.MoveWords):
            cycle = cycle_of(captures.clip(act.capture), travels=False, mirror=act.mirror)
            acts.append(Stay(act.for_s, cycle=cycle, speed=act.speed))
        else:
            gestures = tuple(Gesture(kind, 97 * person.seed + 7 * number + g) for g, kind in enumerate(act.gestures))
            acts.append(Stay(act.for_s, act.posture, gestures, speed=act.speed))
    return Actor(
        build=Build(person.height_m, person.clothes_db, person.seed),
        acts=tuple(acts),
        at=person.at_m,
        facing_deg=person.facing_deg,
        start_s=person.start_s,
        breath_hz=person.breath_hz,
        breath_m=person.breath_mm / 1000.0,
    )


def _thing(thing: words.ThingWords, device_m: tuple[float, float, float]) -> Thing:
    match thing:
        case words.FanWords():
            return Fan(
                at_m=thing.at_m,
                device_m=device_m,
                radius_m=thing.radius_m,
                turns_hz=thing.turns_hz,
                blades=thing.blades,
                axis_deg=thing.axis_deg,
                oscillation_s=thing.oscillation_s,
                on_s=-math.inf if thing.on_s is None else thing.on_s,
                off_s=_until(thing.off_s),
                strength_db=thing.strength_db,
            )
        case words.CurtainWords() | words.BlindWords() | words.PlantWords():
            about = thing.model_dump(exclude={"thing", "at_m"})
            return Swaying(kind=thing.thing, middle_m=thing.at_m, **about)
        case words.VacuumWords():
            return RobotVacuum(Path(thing.path_m), thing.speed_mps, thing.start_s, thing.strength_db)
        case words.DogWords():
            about = thing.model_dump(exclude={"thing", "path_m"})
            return Animal(kind=thing.thing, path=Path(thing.path_m), **about)
        case words.DoorWords():
            return Door(
                thing.hinge_m, thing.closed_deg, thing.opens_s, _until(thing.closes_s), strength_db=thing.strength_db
            )
        case words.FallingWords():
            return Falling(thing.at_m, thing.at_s, thing.strength_db)
        case words.ArmWords():
            about = thing.model_dump(exclude={"thing", "end_s"})
            return Wd7Arm(end_s=_until(thing.end_s), **about)


def _until(at_s: float | None) -> float:
    return math.inf if at_s is None else at_s


def _sound(sound: words.SoundWords) -> Sound:
    if sound.sound == "tone":
        level = 70.0 if sound.level_db_spl is None else sound.level_db_spl
        return SteadyTone("tone", sound.frequency_hz, level, sound.at_m)
    shape, per_minute, level_db_spl = SHAPES[sound.sound]
    return Bursts(
        kind=sound.sound,
        shape=recorded_calls(sound.folder) if sound.folder else shape,
        per_minute=per_minute if sound.per_minute is None else sound.per_minute,
        level_db_spl=level_db_spl if sound.level_db_spl is None else sound.level_db_spl,
        at_m=sound.at_m,
        on_case=sound.sound == "taps",
        start_s=sound.start_s,
        end_s=_until(sound.end_s),
        seed=sound.seed,
    )
