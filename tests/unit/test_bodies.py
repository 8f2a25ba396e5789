"""The simulated person moves as people do, and never jumps."""

import numpy as np
import pytest

from appliance.simulation.bodies import PARTS, Person, Reach, Sit, StandUp, Stay, Walk

STEP_S = 0.001
CHEST, HIPS, HAND_RIGHT = PARTS.index("chest"), PARTS.index("hips"), PARTS.index("hand_right")
FEET = [PARTS.index("foot_left"), PARTS.index("foot_right")]

EVERYTHING = (
    Walk((2.0, 1.0)),
    Walk((2.0, 3.0), speed_mps=0.5),
    Walk((1.9, 1.0), speed_mps=2.0),
    Walk((2.0, 1.1)),
    Sit(),
    Stay(0.7),
    Reach(),
    Stay(0.3),
    StandUp(),
    Reach(),
    Walk((4.0, 3.0)),
    Stay(1.0),
)


def track(person, seconds):
    t_s = np.arange(0.0, seconds, STEP_S)
    return t_s, person.positions(t_s)


def velocity(places):
    return np.diff(places, axis=0) / STEP_S


@pytest.mark.parametrize("facing", [(-1.0, 0.0), (0.0, 1.0), (1.0, 0.0)])
def test_no_part_jumps_whatever_the_person_does(facing):
    person = Person(at=(4.0, 2.0), start_s=1.0, actions=EVERYTHING, facing=facing)
    _, places = track(person, person.end_s + 1.0)
    speed_mps = np.linalg.norm(velocity(places), axis=2)
    assert speed_mps.max() < 10.0
    # It did move: feet swing three to four times as fast as their owner walks.
    assert speed_mps.max() > 4.0


@pytest.mark.parametrize("speed_mps", [0.6, 1.2, 1.8])
def test_a_torso_walks_at_its_speed_and_feet_swing_at_almost_four_times_that(speed_mps):
    person = Person(at=(10.0, 0.0), start_s=1.0, actions=(Walk((0.0, 0.0), speed_mps=speed_mps),))
    t_s, places = track(person, person.end_s)
    steady = (t_s[1:] > 2.0) & (t_s[1:] < person.end_s - 1.0)
    along_mps = -velocity(places)[..., 0]
    assert along_mps[steady, HIPS].mean() == pytest.approx(speed_mps, abs=0.01)
    # Swaying, and on the chest breathing, add some mm/s.
    np.testing.assert_allclose(along_mps[steady, CHEST], speed_mps, atol=0.02)
    for foot in FEET:
        assert along_mps[steady, foot].max() == pytest.approx(3.75 * speed_mps, rel=0.01)
        # It stands for more than half of the time.
        standing = np.abs(along_mps[steady, foot]) < 0.01
        assert 0.55 < standing.mean() < 0.65


def test_feet_take_turns():
    person = Person(at=(10.0, 0.0), start_s=1.0, actions=(Walk((0.0, 0.0)),))
    t_s, places = track(person, person.end_s)
    steady = (t_s[1:] > 2.0) & (t_s[1:] < person.end_s - 1.0)
    swings = np.abs(velocity(places)[steady][:, FEET, 0]) > 0.1
    assert not swings.all(axis=1).any()
    assert swings.any(axis=0).all()


def test_a_walk_begins_and_ends_gently_and_arrives():
    person = Person(at=(4.0, 1.0), start_s=1.0, actions=(Walk((1.0, 1.0)), Stay(2.0)))
    _, places = track(person, person.end_s)
    hips_mps = velocity(places)[:, HIPS]
    acceleration = np.linalg.norm(np.diff(hips_mps, axis=0), axis=1) / STEP_S
    # From nothing to 1.2 m/s in half a second by a raised cosine: at most 3.8 m/s2.
    assert acceleration.max() < 4.0
    np.testing.assert_allclose(places[-1, HIPS, :2], [1.0, 1.0], atol=0.01)
    np.testing.assert_allclose(places[0, HIPS, :2], [4.0, 1.0], atol=0.01)
    assert person.end_s == pytest.approx(1.0 + 3.0 / 1.2 + 0.5 + 2.0)


def test_who_stays_only_breathes_and_sways():
    person = Person(at=(3.0, 2.0), start_s=20.0, actions=())
    _, places = track(person, 20.0)
    travel_m = np.ptp(places, axis=0)
    assert 0.004 < travel_m[CHEST, 0] < 0.010
    assert travel_m[FEET].max() == 0.0
    assert travel_m.max() < 0.010
    assert np.abs(velocity(places)).max() < 0.01


def test_sitting_lowers_the_head_and_puts_the_feet_in_front():
    person = Person(at=(3.0, 2.0), start_s=0.5, actions=(Sit(), Stay(1.0), StandUp(), Stay(1.0)))
    before, sitting, after = person.positions(np.array([0.2, 2.0, 4.5]))
    head = PARTS.index("head")
    assert before[head, 2] - sitting[head, 2] > 0.3
    assert before[FEET[0], 0] - sitting[FEET[0], 0] > 0.3, "it looks along -x"
    np.testing.assert_allclose(after, before, atol=0.01)


def test_reaching_takes_the_hand_there_and_back():
    person = Person(at=(3.0, 2.0), start_s=1.0, actions=(Reach(), Stay(1.0)))
    t_s, places = track(person, 3.0)
    reach_m = places[0, HAND_RIGHT, 0] - places[:, HAND_RIGHT, 0]
    assert reach_m.max() == pytest.approx(0.35, abs=0.01)
    assert t_s[reach_m.argmax()] == pytest.approx(1.6, abs=0.05)
    assert abs(reach_m[-1]) < 0.01


def test_a_place_does_not_depend_on_what_is_asked_with_it():
    person = Person(at=(4.0, 2.0), start_s=1.0, actions=EVERYTHING)
    t_s, places = track(person, person.end_s + 0.5)
    some = np.arange(0, len(t_s), 137)
    np.testing.assert_array_equal(person.positions(t_s[some]), places[some])
