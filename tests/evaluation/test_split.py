"""What judges is seen by nothing else: its seeds, its rooms and its people."""

import dataclasses
import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from appliance.errors import SourceError
from appliance.evaluation import profiles
from appliance.evaluation.cases import WARM_UP_S, Case
from appliance.evaluation.judge import Subject
from appliance.evaluation.scenes import gait_of, scene_of
from appliance.evaluation.split import JUDGING, SHARES, TRAINING
from appliance.simulation.captures import Captures

_CHECKOUT = Path(__file__).parents[2]
_SEEDS = ("seed", "room", "unit", "person")


class Have(Captures):
    def __init__(self, *names):
        self._have = names

    @property
    def names(self):
        return self._have


class Recorded(Subject):
    """As if the recordings were there."""

    gestures = ("digit0-p1.flac", "digit1-p2.flac")
    bats = Path("bats")


def cases():
    subject = Recorded()
    return [case for profile in profiles.PROFILES for case in profiles.cases_of(profile, subject)]


def test_sets_have_nothing_in_common():
    for one, other in itertools.combinations(SHARES, 2):
        assert not range(max(one.seeds.start, other.seeds.start), min(one.seeds.stop, other.seeds.stop))
        assert not one.captures & other.captures


def test_every_seed_of_every_case_belongs_to_judging():
    for case in cases():
        for name in _SEEDS:
            seed = getattr(case, name)
            assert seed == -1 or seed in JUDGING.seeds, (case, name)


def test_every_case_is_a_scene_of_its_own_and_no_two_things_share_a_seed():
    found = profiles.cases_of("full", Recorded())
    assert len(set(found)) == len(found)
    scenes = [case.seed for case in found if case.section != "gestures"]
    assert len(set(scenes)) == len(scenes)
    kinds = [{getattr(case, name) for case in found} - {-1} for name in _SEEDS]
    for one, other in itertools.combinations(kinds, 2):
        assert not one & other


def test_the_weeks_are_a_week_of_each_empty_room():
    hours = Counter()
    for case in profiles.cases_of("weeks", Recorded()):
        assert (case.activity, case.person) == ("empty", -1)
        hours[case.nuisance] += (case.duration_s - WARM_UP_S) / 3600.0
    assert set(hours) == {"hvac", "fan", "oscillating_switched_fan", "curtain"}
    assert set(hours.values()) == {168.0}


def test_homes_with_pets_are_another_subject():
    homes = Subject("threshold", pets=True)
    assert homes.config.sensing.pets
    assert not Subject("threshold").config.sensing.pets
    assert homes.identity != Subject("threshold").identity


def test_people_walk_by_captures_of_judging_only():
    everybody = Have(*(name for share in SHARES for name in share.captures), "dance_a")
    gaits = {gait_of(case.person, everybody) for case in cases() if case.person != -1}
    assert gaits == JUDGING.captures


def test_without_a_capture_of_its_own_nobody_walks():
    with pytest.raises(SourceError, match="judging set"):
        gait_of(JUDGING.seed(3), Have(*TRAINING.captures))


@pytest.mark.skipif("walk" not in Captures().names, reason="no motion captures: pybullet is not installed")
def test_units_are_those_of_their_seeds_and_rooms_come_again():
    walks = [case for case in cases() if case.section == "walk"]
    one = next(case for case in walks[1:] if case.room == walks[0].room and case.unit != walks[0].unit)
    first, again = (scene_of(dataclasses.replace(case, distance_m=2.0), Captures()) for case in (walks[0], one))
    assert (first.t60_s, first.wall_reflection_db) == (again.t60_s, again.wall_reflection_db)
    assert {first.unit.seed, again.unit.seed} == {walks[0].unit, one.unit}


@pytest.mark.skipif("walk" not in Captures().names, reason="no motion captures: pybullet is not installed")
def test_every_cell_of_the_map_can_be_walked_in():
    for case in cases():
        if case.section == "coverage":
            assert scene_of(case, Captures()).people


def test_only_the_evaluation_takes_what_judges():
    for folder in ("appliance", "models", "image"):
        for path in (_CHECKOUT / folder).rglob("*.py"):
            if "evaluation" not in path.parts:
                assert not re.search(r"\bJUDGING\b", path.read_text(encoding="utf-8")), path


def test_a_set_has_so_many_seeds_and_no_more():
    assert JUDGING.seed(0) == JUDGING.seeds.start
    for number in (-1, len(JUDGING.seeds)):
        with pytest.raises(ValueError, match="judging"):
            JUDGING.seed(number)


def test_another_definition_is_another_result():
    case = Case("quiet", "quiet", "empty", 10.0, seed=JUDGING.seed(1))
    keys = {case.key("a"), case.key("b"), dataclasses.replace(case, duration_s=11.0).key("a")}
    assert len(keys) == 3
    assert case.key("a") == dataclasses.replace(case).key("a")
