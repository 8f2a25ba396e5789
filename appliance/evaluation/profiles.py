"""How much is judged."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from appliance.config.load import load_config
from appliance.evaluation import cases
from appliance.evaluation.cases import Case
from appliance.evaluation.judge import Subject, code_version, judge

PROFILES = ("quick", "full", "weeks")
"""A look for every day, the full set behind the published figures, and a week of each empty room beside something."""

_LONG = ("hvac", "fan", "oscillating_switched_fan", "curtain")
"""Beside what a home may stand empty for a week; the full profile has the quiet one."""

_QUIET_S = 0.0045
_PERSON_S = 0.012
_FAN_S = 0.022
_THING_S = 0.004
_MUSIC_S = 0.024
_GESTURE_S = 6.0
"""Core time per simulated second, and per gesture, measured on a busy 2.1 GHz x86-64."""

_PROBE_S = 80.0


def cases_of(profile: str, subject: Subject) -> list[Case]:
    """The cases of a profile: first one of every kind, then another, so that any part of a run tells of all kinds."""
    found = {"quick": _quick, "full": _full, "weeks": _weeks}[profile](subject)
    rounds: dict[tuple[object, ...], int] = defaultdict(int)
    ranked = []
    for case in sorted(found, key=lambda case: case.key("")):
        kind = (case.section, case.nuisance, case.activity, case.distance_m, case.speed_mps, case.cell, case.stretch)
        ranked.append((rounds[kind], case))
        rounds[kind] += 1
    return [case for _, case in sorted(ranked, key=lambda pair: pair[0])]


def _quick(subject: Subject) -> Iterator[Case]:
    yield from cases.quiet_cases(4, hours_each=0.1)
    yield from cases.walk_cases({1.2: 2})
    yield from cases.stress_cases(
        1, empty_s=60.0, nuisances=("quiet", "fan", "curtain", "music_loud", "dropouts"), activities=("empty", "walk")
    )
    yield from cases.coverage_cases(stride=3)
    yield from cases.visit_cases(1, hold_s=_hold_s())
    yield from cases.gesture_cases(subject.gestures[::35])


def _full(subject: Subject) -> Iterator[Case]:
    yield from cases.quiet_cases(168, hours_each=1.0)
    yield from cases.walk_cases(dict.fromkeys(cases.QUIET_SPEEDS_MPS, 6) | {1.2: 25})
    yield from cases.stress_cases(4, empty_s=600.0)
    yield from cases.coverage_cases()
    yield from cases.visit_cases(24, hold_s=_hold_s())
    yield from cases.gesture_cases(subject.gestures)
    yield from cases.sound_cases(6, bats=subject.bats is not None)


def _weeks(_subject: Subject) -> Iterator[Case]:
    yield from cases.stress_cases(168, empty_s=3600.0, nuisances=_LONG, activities=("empty",))


def _hold_s() -> float:
    return load_config(None).sensing.hold_s


def expected_s(case: Case) -> float:
    """Core time that a case takes on the machine that was measured on."""
    if case.section == "gestures":
        return _GESTURE_S
    per_s = _QUIET_S + (_PERSON_S if case.activity not in ("empty", "arm") else 0.0)
    if "fan" in case.nuisance:
        per_s += _FAN_S
    elif "music" in case.nuisance:
        per_s += _MUSIC_S
    elif case.nuisance != "quiet":
        per_s += _THING_S
    return case.duration_s * per_s


def machine_factor(subject: Subject) -> float:
    """How much longer this machine takes, as it is now, by a short case."""
    (first,) = cases.quiet_cases(1, hours_each=0.0)
    probe = replace(first, duration_s=_PROBE_S)
    began_s = time.perf_counter()
    judge(probe, subject, code_version())
    return (time.perf_counter() - began_s) / expected_s(probe)
