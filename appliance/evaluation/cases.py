"""What is judged: each case is one scene or recording, and follows from its few words here alone."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from appliance.evaluation.split import JUDGING

SIMULATED, REPLAYED, MEASURED = "simulated", "replayed", "measured"

NUISANCES = (
    "quiet", "fan", "oscillating_fan", "switched_fan", "hvac", "curtain", "cat", "dog", "vacuum", "music_soft", "music",
    "music_loud", "other_unit", "dropouts", "clipping", "oscillating_switched_fan",
)  # fmt: skip
"""What else may go on; the stress cells are these with each of `ACTIVITIES`."""

PETS = frozenset({"cat", "dog"})

ACTIVITIES = ("empty", "walk", "arm", "sit", "sleep")

CELL_M = 0.9144
"""NEMA WD 7-2011: cells of 3 x 3 ft."""

WD7_WALK_MPS = 1.2192
"""The same: 4 ft/s."""

COVERAGE_CELLS = (6, 5)
"""Cells of the room that is mapped, away from the device and across."""

WARM_UP_S = 40.0
"""Beside a nuisance a detector may take this long to learn the room; nothing is counted before."""

QUIET_SPEEDS_MPS = (0.3, 0.6, 1.2, 1.8)
RANGES_M = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)

_ROOMS, _UNITS, _PEOPLE = 24, 16, 12
_UNIT_AT, _PERSON_AT, _MAP_ROOM_AT, _QUIET_ROOM_AT, _SCENE_AT = 1_000, 2_000, 3_000, 4_000, 10_000
"""Where the seeds of each kind begin within the judging set."""


@dataclass(frozen=True, slots=True)
class Case:
    """One scene or recording.

    `room`, `unit` and `person` are seeds of the judging set, `seed` is that of everything else in the scene; -1 is
    nobody, or nobody knows. `distance_m` and `speed_mps` are those of a walk; `cell` is a place on the coverage map.
    `source` is a recording's path below the folder of recordings, `stretch` what its time is multiplied by.
    """

    section: str
    nuisance: str
    activity: str
    duration_s: float
    seed: int
    room: int = -1
    unit: int = -1
    person: int = -1
    distance_m: float = 0.0
    speed_mps: float = 0.0
    cell: tuple[int, int] = (-1, -1)
    source: str = ""
    stretch: float = 1.0

    @property
    def basis(self) -> str:
        """What its figures rest on."""
        return REPLAYED if self.source else SIMULATED

    def key(self, version: str) -> str:
        """Names its result: another definition, code or detector gives another key."""
        words = json.dumps([version, dataclasses.asdict(self)], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()[:32]


class _Seeds(TypedDict):
    seed: int
    room: int
    unit: int
    person: int


def _seeded(number: int, section: str, first: int, *, person: bool = True) -> _Seeds:
    """Seeds of case `number` of a section; rooms, units and people go round at different paces."""
    return {
        "seed": JUDGING.seed(_SCENE_AT + first + number),
        "room": JUDGING.seed(number % _ROOMS),
        "unit": JUDGING.seed(_UNIT_AT + (number * 5 + len(section)) % _UNITS),
        "person": JUDGING.seed(_PERSON_AT + (number * 7 + len(section)) % _PEOPLE) if person else -1,
    }


def quiet_cases(count: int, *, hours_each: float) -> Iterator[Case]:
    """Empty rooms in which nothing happens, each a room of its own."""
    for number in range(count):
        seeds = _seeded(number, "quiet", 0, person=False)
        seeds["room"] = JUDGING.seed(_QUIET_ROOM_AT + number)
        yield Case("quiet", "quiet", "empty", hours_each * 3600.0 + WARM_UP_S, **seeds)


def walk_cases(repeats: dict[float, int]) -> Iterator[Case]:
    """Walks in quiet rooms by range and speed: `repeats` of each range at each speed (m/s), two walks a case."""
    number = 0
    for speed_mps, times in repeats.items():
        for distance_m in RANGES_M:
            for _ in range(times):
                duration_s = 12.0 + 2.0 * (2.4 / speed_mps + 6.0)
                seeds = _seeded(number, "walk", 20_000)
                yield Case("walk", "quiet", "walk", duration_s, distance_m=distance_m, speed_mps=speed_mps, **seeds)
                number += 1


def stress_cases(
    repeats: int, *, empty_s: float, nuisances: Sequence[str] = NUISANCES, activities: Sequence[str] = ACTIVITIES
) -> Iterator[Case]:
    """The stress cells, each `repeats` times, in the same rooms and with the same people."""
    duration_s = {"empty": empty_s + WARM_UP_S, "walk": 110.0, "arm": 110.0, "sit": 420.0, "sleep": 420.0}
    for n, nuisance in enumerate(nuisances):
        for a, activity in enumerate(activities):
            for number in range(repeats):
                seeds = _seeded(
                    number, "stress", 40_000 + 1_000 * (len(ACTIVITIES) * n + a), person=activity != "empty"
                )
                yield Case("stress", nuisance, activity, duration_s[activity], **seeds)


def coverage_cases(stride: int = 1) -> Iterator[Case]:
    """The map of one room, every `stride`-th cell both ways: major and minor motion."""
    for x in range(0, COVERAGE_CELLS[0], stride):
        for y in range(0, COVERAGE_CELLS[1], stride):
            for activity, duration_s in (("walk", 44.0), ("arm", 52.0)):
                seeds: _Seeds = {
                    "seed": JUDGING.seed(_SCENE_AT + 130_000 + 100 * x + 10 * y + (activity == "arm")),
                    "room": JUDGING.seed(_MAP_ROOM_AT),
                    "unit": JUDGING.seed(_UNIT_AT),
                    "person": JUDGING.seed(_PERSON_AT),
                }
                yield Case("coverage", "quiet", activity, duration_s, cell=(x, y), **seeds)


def visit_cases(count: int, *, hold_s: float) -> Iterator[Case]:
    """Someone comes in, sits, and leaves again; the room is watched until it should be vacant."""
    for number in range(count):
        yield Case("visit", "quiet", "visit", 110.0 + hold_s, **_seeded(number, "visit", 150_000))


def gesture_cases(gestures: Sequence[str]) -> Iterator[Case]:
    """Recorded hands, as they are and at double speed."""
    for stretch in (1.0, 0.5):
        for number, source in enumerate(gestures):
            seed = JUDGING.seed(_SCENE_AT + 160_000 + number)
            yield Case("gestures", "quiet", "gesture", 14.0, seed=seed, source=source, stretch=stretch)


def sound_cases(rooms: int, *, bats: bool) -> Iterator[Case]:
    """Empty simulated rooms with clicks, and with `bats` as many with recorded bats: 20 sounds a minute."""
    for n, (kind, source) in enumerate([("clicks", ""), ("bats", "bats")][: 1 + bats]):
        for number in range(rooms):
            seeds = _seeded(number, "sounds", 170_000 + 1_000 * n, person=False)
            yield Case("sounds", kind, "empty", 600.0 + WARM_UP_S, source=source, **seeds)
