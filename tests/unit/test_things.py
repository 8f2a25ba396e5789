"""Whatever moves: no faster than it can, smooth enough to be joined by cubics, and the same however it is asked."""

import math

import numpy as np
import pytest
import scipy.interpolate

from appliance.simulation.actor import Actor, Go, Stay
from appliance.simulation.animals import Animal, RobotVacuum
from appliance.simulation.bodies import Person, Reach, Sit, StandUp, Walk
from appliance.simulation.clip import JOINTS, Clip
from appliance.simulation.fans import Fan
from appliance.simulation.gait import Cycle, Path, cubics, cycle_of, interpolate
from appliance.simulation.objects import Door, Falling, Swaying, Wd7Arm
from appliance.simulation.postures import GESTURES, Breath, Gesture, posture
from appliance.simulation.skeleton import Build

DEVICE_M = (0.06, 2.0, 1.2)
WAVELENGTH_M = 0.0086


def strides():
    """A made-up gait: feet and hands swing by sines, 1.2 m/s."""
    turns = np.arange(60) / 60
    places = np.repeat(posture("stand")[None], 60, axis=0)
    for side, sign in (("left", 1), ("right", -1)):
        for joint, far_m in (("ankle", 0.3), ("toe", 0.3), ("knee", 0.15), ("wrist", -0.2)):
            places[:, JOINTS.index(f"{joint}_{side}"), 0] += sign * far_m * np.sin(2 * np.pi * turns)
    return Cycle(places, 50.0, 1.2)


def actor(*acts, **about):
    return Actor(build=Build(), acts=acts, at=(4.0, 2.0), **about)


CYCLE = strides()
THINGS = {
    "walker": (actor(Go(CYCLE, Path(((4.0, 2.0), (2.0, 2.0), (2.0, 3.5)))), Stay(5.0, "sit")), 8.0),
    "person": (Person(at=(4.0, 2.0), start_s=0.5, actions=(Walk((2.0, 2.0)), Sit(), Reach(), StandUp())), 10.0),
    **{gesture: (actor(Stay(60.0, "sit", (Gesture(gesture, 3),))), 6.0) for gesture in GESTURES},
    "fan": (Fan((3.0, 2.0, 1.0), DEVICE_M, oscillation_s=5.0), 30.0),
    "switched fan": (Fan((3.0, 2.0, 1.0), DEVICE_M, on_s=1.0, off_s=4.0), 30.0),
    "ceiling fan": (Fan((3.0, 2.0, 2.2), DEVICE_M, radius_m=0.6, turns_hz=3.0, axis_deg=(0.0, -90.0)), 30.0),
    "dog": (Animal("dog", Path(((1.0, 1.0), (4.0, 3.0))), 0.5, 1.2, -20.0), 8.0),
    "cat": (Animal("cat", Path(((1.0, 1.0), (4.0, 3.0))), 0.25, 0.6, -30.0, trots=True), 6.0),
    "vacuum": (RobotVacuum(Path(((1.0, 1.0), (4.0, 3.0)))), 2.0),
    "curtain": (Swaying("curtain", (4.9, 2.0, 1.2), 1.5, 2.0, 0.1, 0.5, -15.0), 1.0),
    "door": (Door((4.0, 1.0), 90.0, 2.0, 6.0), 2.0),
    "falling": (Falling((3.0, 2.0, 1.5), 2.0), 6.0),
    "arm": (Wd7Arm((3.0, 2.0)), 0.7),
}


@pytest.mark.parametrize("name", THINGS)
def test_nothing_jumps_and_all_arrays_have_their_shape(name):
    thing, fastest_mps = THINGS[name]
    step_s = 0.25 / thing.rate_hz
    t_s = np.arange(-1.0, 12.0, step_s)
    look = thing.reflectors(t_s)
    assert look.places.shape == (len(t_s), thing.scatterers, 3)
    assert look.strength.shape in ((1, thing.scatterers), (len(t_s), thing.scatterers))
    assert np.isfinite(look.places).all()
    assert (look.strength >= 0).all()
    speed_mps = np.linalg.norm(np.diff(look.places, axis=0), axis=2) / step_s
    assert speed_mps.max() < fastest_mps


@pytest.mark.parametrize("name", sorted(set(THINGS) - {"falling"}))
def test_cubics_between_places_follow_the_motion(name):
    # What falls hits the floor, which no cubic follows.
    thing, _ = THINGS[name]
    coarse_s = np.arange(-0.5, 8.0, 1 / thing.rate_hz)
    fine_s = np.arange(0.0, 7.5, 0.2 / thing.rate_hz)
    joined = scipy.interpolate.CubicSpline(coarse_s, thing.reflectors(coarse_s).places)(fine_s)
    off_m = np.linalg.norm(joined - thing.reflectors(fine_s).places, axis=2)
    # In radians of phase there and back: some hundredths on the average, never more than 40 degrees.
    assert 4 * math.pi * np.sqrt((off_m**2).mean()) / WAVELENGTH_M < 0.06
    assert 4 * math.pi * off_m.max() / WAVELENGTH_M < 0.7


@pytest.mark.parametrize("name", THINGS)
def test_a_place_does_not_depend_on_what_is_asked_with_it(name):
    thing, _ = THINGS[name]
    t_s = np.arange(0.0, 10.0, 0.05)
    whole = thing.reflectors(t_s)
    some = np.arange(3, 200, 17)
    for index in some:
        one = thing.reflectors(t_s[index : index + 1])
        np.testing.assert_allclose(one.places[0], whole.places[index], atol=1e-9)


def test_a_walker_keeps_his_speed_his_way_and_his_feet_on_both_sides():
    walker, _ = THINGS["walker"]
    t_s = np.arange(0.0, 12.0, 0.01)
    places = walker.reflectors(t_s).places
    trunk = places[:, :5].mean(axis=1)
    speed_mps = np.linalg.norm(np.diff(trunk[:, :2], axis=0), axis=1) / 0.01
    assert np.median(speed_mps[100:150]) == pytest.approx(1.2, abs=0.05)
    np.testing.assert_allclose(trunk[-1, :2], [2.0, 3.5], atol=0.15)
    # It goes along -x first: its left is at smaller y.
    left, right = places[120, 12:14, 1].mean(), places[120, 14:16, 1].mean()
    assert trunk[:, 2].min() < trunk[0, 2] - 0.3, "and sits down at last"
    assert left != right


def test_sitting_and_breathing_moves_the_chest_by_some_millimetres_and_nothing_else_by_more():
    sitter = actor(Stay(60.0, "sit"), breath_hz=0.25, breath_m=0.006)
    places = sitter.reflectors(np.arange(1.0, 60.0, 0.05)).places
    travel_m = np.ptp(places[..., 0], axis=0)
    assert 0.005 < travel_m[3:5].max() < 0.012
    assert travel_m.max() < 0.012


def test_a_sleeper_breathes_upwards():
    places = actor(Stay(60.0, "lie")).reflectors(np.arange(1.0, 60.0, 0.05)).places
    assert np.ptp(places[..., 2], axis=0)[3:5].max() > 0.004
    assert np.ptp(places[..., :2], axis=0).max() < 1e-9


def test_breath_has_its_rate_and_is_never_quite_even():
    breath = Breath(0.25, 1).at(np.arange(0.0, 400.0, 0.05))
    crossings = np.flatnonzero((breath[:-1] < 0.5) & (breath[1:] >= 0.5)) * 0.05
    periods_s = np.diff(crossings)
    assert 1 / np.mean(periods_s) == pytest.approx(0.25, rel=0.1)
    assert 0.02 < np.std(periods_s) / np.mean(periods_s) < 0.3


def test_children_and_wool_reflect_less():
    adult, child, woollen = (
        10 * np.log10((10 ** (build.strength_db() / 10)).sum())
        for build in (Build(1.72), Build(1.2), Build(1.72, clothes_db=-8.0))
    )
    assert adult == pytest.approx(-11.0, abs=3.0)
    assert child == pytest.approx(adult - 40 * math.log10(1.72 / 1.2), abs=0.01)
    assert adult - 8.0 < woollen < adult - 5.0


def test_mirrored_cycles_swap_sides():
    plain = cycle_of(Clip("c", 50.0, CYCLE.places), travels=False)
    mirrored = cycle_of(Clip("c", 50.0, CYCLE.places), travels=False, mirror=True)
    left, right = JOINTS.index("ankle_left"), JOINTS.index("ankle_right")
    np.testing.assert_allclose(mirrored.places[:, left] * [1, -1, 1], plain.places[:, right], atol=1e-12)


def test_a_walk_over_the_ground_becomes_one_on_the_spot_with_its_speed():
    turns = np.arange(300)
    places = np.concatenate([CYCLE.places] * 5)
    # It goes along +y at 0.9 m/s.
    places = places @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], float)
    places[..., 1] += 0.9 * turns[:, None] / 50.0
    cycle = cycle_of(Clip("c", 50.0, places), travels=True)
    assert cycle.speed_mps == pytest.approx(0.9, abs=0.03)
    assert np.ptp(cycle.places[:, 0], axis=0).max() < 0.05
    seam_mps = np.linalg.norm(cycle.places[0] - cycle.places[-1], axis=1).max() * 50.0
    inside_mps = np.linalg.norm(np.diff(cycle.places, axis=0), axis=2).max() * 50.0
    assert seam_mps < 1.2 * inside_mps


def test_interpolation_goes_through_the_frames_and_round_the_seam():
    frames = np.sin(2 * np.pi * np.arange(40) / 40)[:, None]
    np.testing.assert_allclose(interpolate(cubics(frames), np.arange(40.0)), frames, atol=1e-12)
    at = np.linspace(-80, 80, 999)
    np.testing.assert_allclose(interpolate(cubics(frames), at)[:, 0], np.sin(2 * np.pi * at / 40), atol=1e-3)


def test_blade_tips_have_their_speed_and_flash_when_they_face_the_device():
    fan = Fan((3.06, 2.0, 1.2), DEVICE_M, radius_m=0.2, turns_hz=18.0)
    t_s = np.arange(0.0, 0.3, 1e-4)
    look = fan.reflectors(t_s)
    speed_mps = np.linalg.norm(np.diff(look.places, axis=0), axis=2).max() / 1e-4
    assert speed_mps == pytest.approx(2 * math.pi * 0.2 * 18.0, rel=0.01)
    tilted = Fan((3.06, 2.0, 1.2), DEVICE_M, axis_deg=(150.0, 0.0)).reflectors(t_s).strength
    assert tilted.max() / tilted.min() > 1.5


def test_the_nema_arm_turns_at_90_degrees_a_second():
    arm = Wd7Arm((3.0, 2.0), from_deg=0.0)
    t_s = np.arange(0.1, 0.9, 0.01)
    tip = arm.reflectors(t_s).places[:, -1, :2] - [3.0, 2.0]
    turned_deg = np.degrees(np.diff(np.unwrap(np.arctan2(tip[:, 1], tip[:, 0])))) / 0.01
    np.testing.assert_allclose(turned_deg, 90.0, rtol=0.06)
    np.testing.assert_allclose(np.linalg.norm(tip, axis=1), 0.381)


def test_what_falls_takes_the_time_that_gravity_wants():
    falling = Falling((3.0, 2.0, 1.2), 2.0)
    height = falling.reflectors(np.array([1.9, 2.0 + math.sqrt(2 * 1.2 / 9.81) / 2, 9.0])).places[:, 0, 2] - 0.05
    np.testing.assert_allclose(height, [1.2, 1.2 * 0.75, 0.0], atol=1e-3)


def test_animals_stay_on_their_way_for_ever():
    dog, _ = THINGS["dog"]
    places = dog.reflectors(np.arange(0.0, 600.0, 0.1)).places
    assert places[..., 0].min() > 0.3
    assert places[..., 0].max() < 4.7
    assert places[..., 2].min() >= 0.0
