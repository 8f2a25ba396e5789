"""The words of a scene's file: what a user may write, with types, ranges and defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from appliance.fields import Choice, KindBy, Matching, NotEmpty, PlainModel, Range

_Metres = Annotated[float, Range(-5, 50)]
Spot = Annotated[tuple[_Metres, _Metres], Field(strict=False)]
Point = Annotated[tuple[_Metres, _Metres, _Metres], Field(strict=False)]
_Size = Annotated[float, Range(1, 30)]
_Seconds = Annotated[float, Range(0, 1e7)]
_Level = Annotated[float, Range(0, 140)]
_Strength = Annotated[float, Range(-60, 10)]
_Seed = Annotated[int, Range(0, 2**31)]
_Name = Annotated[str, Matching(r"[A-Za-z0-9 ._-]{1,64}", "1 to 64 letters, digits, spaces, dots, _ or -")]


def _folder(found: object, info: ValidationInfo) -> Path | None:
    """A path; a relative one starts at the scene's own directory."""
    if found is None:
        return None
    if not isinstance(found, (str, Path)) or not str(found) or "\0" in str(found):
        raise PydanticCustomError("plain", "must be the path of a folder, or null")
    return Path((info.context or {}).get("directory", "")) / found


Folder = Annotated[Path | None, PlainValidator(_folder)]


class RoomWords(PlainModel):
    """The shoe-box."""

    size_m: Annotated[tuple[_Size, _Size, _Size], Field(strict=False)] = (5.0, 4.0, 2.5)
    door_x_m: Annotated[float, Range(0, 50)] | None = None
    wall_reflection_db: Annotated[float, Range(-200, 0)] = -8.0
    wall_order: Annotated[int, Range(0, 3)] = 2
    echoes_by_walls: bool = True
    t60_s: Annotated[float, Range(0.02, 1)] = 0.1
    tail_arrivals: Annotated[int, Range(0, 400)] = 48


class AirWords(PlainModel):
    """The air, and how restless it is."""

    temperature_c: Annotated[float, Range(-20, 50)] = 20.0
    relative_humidity_percent: Annotated[float, Range(1, 100)] = 50.0
    turbulence_rad: Annotated[float, Range(0, 3)] = 0.05
    turbulence_corner_hz: Annotated[float, Range(0.1, 20)] = 2.0
    drift_c_per_hour: Annotated[float, Range(-20, 20)] = 0.0
    heating_swing_c: Annotated[float, Range(0, 5)] = 0.0


class GapWords(PlainModel):
    """Frames that are lost."""

    start_s: _Seconds
    lost_ms: Annotated[float, Range(0.01, 1000)]


class DeviceWords(PlainModel):
    """The unit: where it hangs, which it is, what is wrong with it."""

    at_m: Point = (0.06, 2.0, 1.2)
    unit: Annotated[Literal["ideal", "random"], Choice()] = "ideal"
    unit_seed: _Seed = 1
    deaf_mics: Annotated[tuple[Annotated[int, Range(0, 7)], ...], Field(strict=False)] = ()
    dead_mics: Annotated[tuple[Annotated[int, Range(0, 7)], ...], Field(strict=False)] = ()
    clock_ppm: Annotated[float, Range(-200, 200)] = 0.0
    same_cone: bool = False
    gaps: Annotated[tuple[GapWords, ...], Field(strict=False)] = ()


class GoWords(PlainModel):
    """Go along a path in a captured gait."""

    act: Literal["go"]
    to_m: Annotated[tuple[Spot, ...], Field(strict=False), NotEmpty()]
    gait: _Name = "walk"
    speed_mps: Annotated[float, Range(0.05, 8)] | None = None
    times: Annotated[int, Range(1, 10_000)] = 1
    mirror: bool = False


class StayWords(PlainModel):
    """Stay in a posture, with gestures."""

    act: Literal["stay"]
    for_s: _Seconds
    posture: Annotated[Literal["stand", "sit", "lie"], Choice()] = "stand"
    gestures: Annotated[
        tuple[Annotated[Literal["reach", "wave", "drink", "turn_pages", "type", "fidget", "turn_over"], Choice()], ...],
        Field(strict=False),
    ] = ()
    speed: Annotated[float, Range(0.1, 4)] = 1.0


class MoveWords(PlainModel):
    """Move on the spot as a capture has it."""

    act: Literal["move"]
    capture: _Name
    for_s: _Seconds
    speed: Annotated[float, Range(0.1, 4)] = 1.0
    mirror: bool = False


ActWords = GoWords | StayWords | MoveWords


class PersonWords(PlainModel):
    """Somebody."""

    at_m: Spot
    do: Annotated[tuple[Annotated[ActWords, KindBy("act")], ...], Field(strict=False), NotEmpty()]
    facing_deg: Annotated[float, Range(-360, 360)] = 180.0
    start_s: _Seconds = 0.0
    height_m: Annotated[float, Range(0.6, 2.2)] = 1.72
    clothes_db: Annotated[float, Range(-10, 0)] = -3.0
    breath_hz: Annotated[float, Range(0.05, 1)] = 0.25
    breath_mm: Annotated[float, Range(0, 20)] = 6.0
    seed: _Seed = 1


class FanWords(PlainModel):
    """A pedestal fan, or with `axis_deg` [0, -90] one at the ceiling."""

    thing: Literal["fan"]
    at_m: Point
    radius_m: Annotated[float, Range(0.03, 1.5)] = 0.2
    turns_hz: Annotated[float, Range(0.2, 60)] = 18.0
    blades: Annotated[int, Range(1, 8)] = 3
    axis_deg: Annotated[
        tuple[Annotated[float, Range(-360, 360)], Annotated[float, Range(-90, 90)]], Field(strict=False)
    ] = (
        180.0,
        0.0,
    )
    oscillation_s: Annotated[float, Range(2, 60)] | None = None
    on_s: _Seconds | None = None
    off_s: _Seconds | None = None
    strength_db: _Strength = -22.0


class SwayingWords(PlainModel):
    """What draughts move."""

    at_m: Point
    width_m: Annotated[float, Range(0.05, 6)]
    height_m: Annotated[float, Range(0.05, 4)]
    reach_m: Annotated[float, Range(0, 1)]
    sway_hz: Annotated[float, Range(0.02, 10)]
    strength_db: _Strength
    gust_s: Annotated[float, Range(1, 600)] = 8.0
    along_x: bool = False
    seed: _Seed = 1


class CurtainWords(SwayingWords):
    """A curtain."""

    thing: Literal["curtain"]
    width_m: Annotated[float, Range(0.05, 6)] = 1.4
    height_m: Annotated[float, Range(0.05, 4)] = 2.0
    reach_m: Annotated[float, Range(0, 1)] = 0.06
    sway_hz: Annotated[float, Range(0.02, 10)] = 0.5
    strength_db: _Strength = -14.0


class BlindWords(SwayingWords):
    """Slats on cords, which rattle."""

    thing: Literal["blind"]
    width_m: Annotated[float, Range(0.05, 6)] = 1.0
    height_m: Annotated[float, Range(0.05, 4)] = 1.2
    reach_m: Annotated[float, Range(0, 1)] = 0.012
    sway_hz: Annotated[float, Range(0.02, 10)] = 1.8
    strength_db: _Strength = -12.0


class PlantWords(SwayingWords):
    """A hanging plant."""

    thing: Literal["plant"]
    width_m: Annotated[float, Range(0.05, 6)] = 0.4
    height_m: Annotated[float, Range(0.05, 4)] = 0.5
    reach_m: Annotated[float, Range(0, 1)] = 0.03
    sway_hz: Annotated[float, Range(0.02, 10)] = 0.9
    strength_db: _Strength = -22.0


class VacuumWords(PlainModel):
    """A robot vacuum on its way to and fro."""

    thing: Literal["vacuum"]
    path_m: Annotated[tuple[Spot, ...], Field(strict=False, min_length=2)]
    speed_mps: Annotated[float, Range(0.05, 1)] = 0.3
    start_s: _Seconds = 0.0
    strength_db: _Strength = -22.0


class DogWords(PlainModel):
    """A dog on its way to and fro."""

    thing: Literal["dog"]
    path_m: Annotated[tuple[Spot, ...], Field(strict=False, min_length=2)]
    height_m: Annotated[float, Range(0.15, 1)] = 0.5
    speed_mps: Annotated[float, Range(0.1, 5)] = 0.9
    rest_s: Annotated[float, Range(0.5, 600)] = 3.0
    trots: bool = False
    base_m: Annotated[float, Range(0, 2)] = 0.0
    start_s: _Seconds = 0.0
    strength_db: _Strength = -20.0


class CatWords(DogWords):
    """A cat, which may walk on a shelf `base_m` above the floor."""

    thing: Literal["cat"]  # type: ignore[assignment]
    height_m: Annotated[float, Range(0.15, 1)] = 0.25
    speed_mps: Annotated[float, Range(0.1, 5)] = 0.6
    strength_db: _Strength = -30.0


class DoorWords(PlainModel):
    """A door's leaf."""

    thing: Literal["door"]
    hinge_m: Spot
    opens_s: _Seconds
    closes_s: _Seconds | None = None
    closed_deg: Annotated[float, Range(-360, 360)] = 90.0
    strength_db: _Strength = -14.0


class FallingWords(PlainModel):
    """Something falls."""

    thing: Literal["falling"]
    at_m: Point
    at_s: _Seconds
    strength_db: _Strength = -28.0


class ArmWords(PlainModel):
    """The arm of NEMA WD 7 for minor motion."""

    thing: Literal["wd7_arm"]
    at_m: Spot
    start_s: _Seconds = 0.0
    end_s: _Seconds | None = None
    rest_s: Annotated[float, Range(0, 600)] = 0.0
    from_deg: Annotated[float, Range(-360, 360)] = 135.0
    strength_db: _Strength = -26.0


ThingWords = (
    FanWords
    | CurtainWords
    | BlindWords
    | PlantWords
    | VacuumWords
    | DogWords
    | CatWords
    | DoorWords
    | FallingWords
    | ArmWords
)


class SoundWords(PlainModel):
    """What sounds by itself; `tone` is steady, the others come now and then."""

    sound: Annotated[Literal["clicks", "keys", "bats", "repeller", "taps", "tone"], Choice()]
    at_m: Point = (2.0, 2.0, 1.0)
    level_db_spl: _Level | None = None
    per_minute: Annotated[float, Range(0, 6000)] | None = None
    frequency_hz: Annotated[float, Range(1000, 90_000)] = 40_100.0
    start_s: _Seconds = 0.0
    end_s: _Seconds | None = None
    folder: Folder = None
    seed: _Seed = 1


class MusicWords(PlainModel):
    """Music from the unit's own loudspeaker."""

    level: Annotated[float, Range(0, 1)] = 0.3
    beats_per_minute: Annotated[float, Range(30, 240)] = 110.0
    seed: _Seed = 1


class SceneWords(PlainModel):
    """A whole scene."""

    name: _Name = "scene"
    duration_s: Annotated[float, Range(0.5, 1e7)]
    seed: _Seed = 1
    captures: Folder = None
    room: RoomWords = RoomWords()
    air: AirWords = AirWords()
    device: DeviceWords = DeviceWords()
    people: Annotated[tuple[PersonWords, ...], Field(strict=False)] = ()
    things: Annotated[tuple[Annotated[ThingWords, KindBy("thing")], ...], Field(strict=False)] = ()
    music: MusicWords | None = None
    sounds: Annotated[tuple[SoundWords, ...], Field(strict=False)] = ()
