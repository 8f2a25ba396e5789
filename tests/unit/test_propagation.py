"""Ways through the room: lengths, levels and how they change."""

import math

import numpy as np
import pytest

from appliance.physics import air_absorption_db_per_m, speed_of_sound_mps
from appliance.simulation.acoustics import images
from appliance.simulation.bodies import PARTS, TARGET_STRENGTH_DB, Person, Walk
from appliance.simulation.device import microphone_places
from appliance.simulation.propagation import Propagation
from appliance.simulation.scenes import Air, Scene

FREQUENCY_HZ = 40_000.0
DEVICE_M = (0.06, 2.0, 1.2)
TWEETER_M = (0.06, 2.0, 1.26)
STILL_AIR = Air(turbulence_rad=0.0)
LEAK = 1
WALLS = slice(2, 8)
TAIL = 8


def ways(scene, *, mics=4, t_s=(0.0, 0.001), frequency_hz=FREQUENCY_HZ):
    """Delays and gains of the direct way, the leak, the walls, the tail and the people, in this order."""
    found = [group.rays(np.array(t_s), frequency_hz) for group in Propagation(scene, mics=mics).groups]
    return tuple(np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))


def still(**about):
    return Scene(name="still", duration_s=1.0, air=STILL_AIR, **about)


@pytest.mark.parametrize("mics", [1, 4, 8])
def test_microphones_lie_on_a_circle_in_the_plane_of_the_wall(mics):
    places = microphone_places(mics, DEVICE_M)
    assert places.shape == (mics, 3)
    np.testing.assert_allclose(np.linalg.norm(places - DEVICE_M, axis=1), 0.016)
    np.testing.assert_allclose(places[:, 0], DEVICE_M[0])


def test_the_direct_way_is_first_and_has_the_length_and_level_of_the_formula():
    delay_s, gain = ways(still())
    for mic, place in enumerate(microphone_places(4, DEVICE_M)):
        length_m = math.dist(TWEETER_M, place)
        assert delay_s[0, 0, mic] == pytest.approx(length_m / speed_of_sound_mps(), rel=1e-9)
        wanted_db = -20 * math.log10(length_m) - air_absorption_db_per_m(FREQUENCY_HZ) * length_m
        assert 20 * math.log10(gain[0, 0, mic]) == pytest.approx(wanted_db, abs=0.01)


def test_each_wall_mirrors_the_tweeter():
    scene = still()
    delay_s, gain = ways(scene)
    wanted = set()
    for axis, size_m in enumerate(scene.size_m):
        for wall_m in (0.0, size_m):
            image = list(TWEETER_M)
            image[axis] = 2 * wall_m - image[axis]
            length_m = math.dist(image, microphone_places(4, DEVICE_M)[2])
            level_db = -20 * math.log10(length_m) - 8.0 - air_absorption_db_per_m(FREQUENCY_HZ) * length_m
            wanted.add((round(length_m / speed_of_sound_mps() * 1e6, 3), round(level_db, 3)))
    found = {
        (round(delay * 1e6, 3), round(20 * math.log10(level), 3))
        for delay, level in zip(delay_s[0, WALLS, 2], gain[0, WALLS, 2], strict=True)
    }
    np.testing.assert_allclose(sorted(found), sorted(wanted), atol=0.01)


def test_the_tail_decays_with_the_rooms_reverberation_time():
    delay_s, gain = ways(still(), mics=1)
    tail_s, tail_db = delay_s[0, TAIL:, 0], 20 * np.log10(np.abs(gain[0, TAIL:, 0]))
    assert ((tail_s > 0.01) & (tail_s < 0.061)).all()
    air_db = air_absorption_db_per_m(FREQUENCY_HZ) * tail_s * speed_of_sound_mps()
    # 60 dB in 0.1 s, and what the air takes besides.
    slope = np.polyfit(tail_s, tail_db + air_db, 1)[0]
    assert slope == pytest.approx(-600, rel=0.01)


@pytest.mark.parametrize("humidity_percent", [20.0, 50.0])
def test_damper_air_takes_more(humidity_percent):
    air = Air(relative_humidity_percent=humidity_percent, turbulence_rad=0.0)
    _, gain = ways(Scene(name="air", duration_s=1.0, air=air))
    delay_s, reference = ways(still())
    other_end = 2 + int(np.argmax(delay_s[0, WALLS, 0]))
    length_m = delay_s[0, other_end, 0] * speed_of_sound_mps()
    assert length_m > 2 * (5.0 - 0.06) - 0.1
    difference = air_absorption_db_per_m(FREQUENCY_HZ, relative_humidity_percent=humidity_percent)
    difference -= air_absorption_db_per_m(FREQUENCY_HZ)
    found_db = 20 * math.log10(gain[0, other_end, 0] / reference[0, other_end, 0])
    assert found_db == pytest.approx(-difference * length_m, abs=0.01)


def test_warm_air_is_faster():
    cold, warm = (
        ways(Scene(name="air", duration_s=1.0, air=Air(temperature_c=c, turbulence_rad=0.0)))[0][0, 0, 0]
        for c in (10.0, 30.0)
    )
    assert cold / warm == pytest.approx(speed_of_sound_mps(30.0) / speed_of_sound_mps(10.0))


def test_an_echo_has_the_level_of_the_radar_equation():
    person = Person(at=(3.06, 2.0), start_s=1.0, actions=())
    delay_s, gain = ways(still(people=(person,)))
    places = person.positions(np.array([0.0]))[0]
    for part in range(len(PARTS)):
        there_m = math.dist(TWEETER_M, places[part])
        back_m = math.dist(microphone_places(4, DEVICE_M)[1], places[part])
        index = delay_s.shape[1] - len(PARTS) + part
        assert delay_s[0, index, 1] == pytest.approx((there_m + back_m) / speed_of_sound_mps(), rel=1e-9)
        wanted_db = TARGET_STRENGTH_DB[part] - 20 * math.log10(there_m * back_m)
        wanted_db -= air_absorption_db_per_m(FREQUENCY_HZ) * (there_m + back_m)
        assert 20 * math.log10(gain[0, index, 1]) == pytest.approx(wanted_db, abs=0.01)


def test_who_is_outside_the_door_is_not_heard():
    person = Person(at=(5.8, 2.0), start_s=1.0, actions=())
    _, gain = ways(still(people=(person,)))
    assert not gain[:, -len(PARTS) :].any()


def test_an_approaching_torso_shortens_its_way_by_twice_its_speed():
    person = Person(at=(6.0, 2.0), start_s=0.0, actions=(Walk((1.0, 2.0)),))
    scene = Scene(name="walk", duration_s=5.0, people=(person,), air=STILL_AIR, door_x_m=7.0)
    t_s = np.array([2.0, 2.001])
    delay_s, _ = ways(scene, t_s=t_s)
    hips = delay_s.shape[1] - len(PARTS) + PARTS.index("hips")
    found_mps = np.diff(delay_s[:, hips], axis=0)[0] * speed_of_sound_mps() / 0.001
    # The hips are 0.25 m lower than the device and 3.5 m away.
    np.testing.assert_allclose(found_mps, -2 * 1.2, atol=0.03)


def test_air_turns_the_phase_as_far_as_the_scene_says_and_never_jumps():
    scene = Scene(name="air", duration_s=600.0, air=Air(turbulence_rad=0.1))
    room = Propagation(scene, mics=1).still
    t_s = np.arange(0.0, 600.0, 0.005)
    delay_s = room.rays(t_s, FREQUENCY_HZ).delay_s[:, 2:8, 0]
    phase = 2 * np.pi * FREQUENCY_HZ * (delay_s - delay_s.mean(axis=0))
    length_m = delay_s.mean(axis=0) * speed_of_sound_mps()
    np.testing.assert_allclose(phase.std(axis=0), 0.1 * length_m / 4.0, rtol=0.15)
    # Nothing above 12 Hz: from one look to the next it goes on as it went.
    assert np.abs(np.diff(phase, n=2, axis=0)).max() < 0.1 * phase.std(axis=0).max()


def test_air_is_a_function_of_time_however_it_is_asked():
    scene = Scene(name="air", duration_s=600.0, air=Air(turbulence_rad=0.1, heating_swing_c=0.2, drift_c_per_hour=1.0))
    whole = ways(scene, t_s=np.arange(100, 160) / 30)[0]
    parts = [ways(scene, t_s=np.arange(first, first + 20) / 30)[0] for first in (100, 120, 140)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=0, atol=1e-12)


def test_a_degree_turns_a_path_of_4_m_by_5_radians():
    scene = Scene(name="heat", duration_s=3600.0, air=Air(turbulence_rad=0.0, drift_c_per_hour=1.0))
    delay_s = ways(scene, t_s=np.array([0.0, 3600.0]))[0]
    turned = 2 * np.pi * FREQUENCY_HZ * np.diff(delay_s, axis=0)[0]
    per_4_m = turned / (delay_s[0] * speed_of_sound_mps()) * 4.0
    np.testing.assert_allclose(per_4_m, -5.0, atol=0.1)


def test_second_order_images_are_those_of_the_unfolded_room():
    found = images(np.array([1.0, 2.0, 0.5]), (5.0, 4.0, 2.5), 2)
    assert sorted(order for _, order in found) == [0] + 6 * [1] + 18 * [2]
    places = {tuple(np.round(image, 6)) for image, order in found if order == 2}
    assert (11.0, 2.0, 0.5) in places, "there and back along x"
    assert (-1.0, -2.0, 0.5) in places, "by the corner"


def test_who_moves_is_heard_by_the_walls_as_well():
    person = Person(at=(3.06, 2.0), start_s=1.0, actions=())
    about = {"people": (person,), "air": STILL_AIR, "wall_order": 0, "tail_arrivals": 0}
    direct = Propagation(Scene(name="a", duration_s=1.0, **about), mics=4).moving[0]
    walls = Propagation(Scene(name="b", duration_s=1.0, echo_order=1, **about), mics=4).moving[0]
    assert walls.paths > direct.paths
    t_s = np.array([0.0, 0.001])
    alone, all_ways = direct.rays(t_s, FREQUENCY_HZ), walls.rays(t_s, FREQUENCY_HZ)
    np.testing.assert_array_equal(all_ways.delay_s[:, : len(PARTS)], alone.delay_s)
    # By the floor: the image of the tweeter below it, the wall's loss, and the strength that four points stand for.
    chest = person.positions(t_s)[0, PARTS.index("chest")]
    below = (TWEETER_M[0], TWEETER_M[1], -TWEETER_M[2])
    length_m = math.dist(below, chest) + math.dist(chest, microphone_places(4, DEVICE_M)[0])
    found = all_ways.delay_s[0, len(PARTS) :, 0] * speed_of_sound_mps()
    assert np.abs(found - length_m).min() < 1e-6


def test_a_thing_may_reflect_higher_tones_better():
    class Shiny(Person):
        slope_db_per_octave = 6.0

    person = Shiny(at=(3.06, 2.0), start_s=1.0, actions=())
    scene = still(people=(person,))
    low, high = (ways(scene, frequency_hz=hz)[1][0, -1, 0] for hz in (20_000.0, 40_000.0))
    delay_s = ways(scene)[0][0, -1, 0]
    air_db = (air_absorption_db_per_m(40_000.0) - air_absorption_db_per_m(20_000.0)) * delay_s * speed_of_sound_mps()
    assert 20 * math.log10(high / low) + air_db == pytest.approx(6.0, abs=0.01)


@pytest.mark.parametrize("people", [0, 1, 2])
def test_arrays_have_the_order_that_the_core_takes(people):
    scene = still(people=tuple(Person(at=(2.0 + n, 2.0), start_s=1.0, actions=()) for n in range(people)))
    delay_s, gain = ways(scene)
    assert delay_s.flags.c_contiguous
    assert gain.flags.c_contiguous
    assert (delay_s.dtype, gain.dtype) == (np.float64, np.float32)
    paths = sum(group.paths for group in Propagation(scene, mics=4).groups)
    assert delay_s.shape == gain.shape == (2, paths, 4)


def test_a_seed_gives_its_room_again_and_another_another():
    assert (ways(still(seed=3))[0] == ways(still(seed=3))[0]).all()
    assert (ways(still(seed=3))[0] != ways(still(seed=4))[0]).any()
