"""Whole scenes through the same pipeline, player and room as the service, in stream time. All of them are simulated."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from support.lockstep import events_of, listen, make_pipeline

from appliance.events import MotionStarted, MotionStopped, MotionUpdated, PresenceChanged, StreamHealth
from appliance.simulation.bodies import Person, Reach, Sit, Stay, Walk
from appliance.simulation.scenes import Scene, empty, visit, walk
from appliance.types import Presence

HOLD_S = 8.0
MOTION_BAR_S = 0.3
OCCUPIED_BAR_S = 0.5


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def occupied_s(events):
    return [event.t_s for event in of(events, PresenceChanged) if event.presence is Presence.OCCUPIED]


def oblique(*, distance_m, start_s=5.0, seed=1):
    """Someone walks past at 45 degrees."""
    at = (0.06 + distance_m, 1.2)
    return Scene(
        name=f"oblique at {distance_m:g} m",
        duration_s=start_s + 3.0,
        people=(Person(at=at, start_s=start_s, actions=(Walk((at[0] - 1.5, 2.7)),)),),
        size_m=(7.0, 4.0, 2.5),
        door_x_m=7.0,
        seed=seed,
    )


def assert_an_empty_room_stays_empty(seed):
    events = events_of(empty(60.0, seed=seed))
    assert not of(events, MotionStarted)
    assert not of(events, StreamHealth)
    (vacant,) = of(events, PresenceChanged)
    assert vacant.presence is Presence.VACANT
    # Tone, clutter and floor are learned within three seconds.
    assert HOLD_S < vacant.t_s < HOLD_S + 3.0


def test_an_empty_room_is_vacant_and_nobody_moves():
    assert_an_empty_room_stays_empty(1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_other_empty_rooms_are_vacant_too(seed):
    assert_an_empty_room_stays_empty(seed)


def assert_a_walk_is_noticed_in_time(scene, start_s=5.0):
    events = events_of(scene)
    started = of(events, MotionStarted)
    assert started, "the walk was missed"
    assert start_s <= started[0].t_s <= start_s + MOTION_BAR_S
    assert start_s < occupied_s(events)[0] <= start_s + OCCUPIED_BAR_S


@pytest.mark.parametrize("distance_m", [2, 3, 4, 5])
def test_someone_who_walks_up_is_noticed_within_the_bar(distance_m):
    assert_a_walk_is_noticed_in_time(walk(distance_m=distance_m))


@pytest.mark.parametrize("distance_m", [2, 3, 4])
def test_someone_who_walks_across_is_noticed_within_the_bar(distance_m):
    assert_a_walk_is_noticed_in_time(walk(distance_m=distance_m, towards=False))


@pytest.mark.parametrize("distance_m", [2, 3, 4])
def test_someone_who_walks_past_is_noticed_within_the_bar(distance_m):
    assert_a_walk_is_noticed_in_time(oblique(distance_m=distance_m))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
@pytest.mark.parametrize("distance_m", [2, 3, 4, 5])
def test_in_other_rooms_too(distance_m, seed):
    assert_a_walk_is_noticed_in_time(walk(distance_m=distance_m, seed=seed))


@pytest.fixture(scope="module")
def visited():
    """The visit's events, once for all that is asked of it."""
    return events_of(visit())


def test_who_comes_in_is_noticed_within_half_a_second(visited):
    entered_s, _ = visit().inside_s()
    assert entered_s < occupied_s(visited)[0] <= entered_s + OCCUPIED_BAR_S
    assert len(occupied_s(visited)) == 1, "and stays noticed"


def test_the_room_is_vacant_after_the_hold_time_once_the_visitor_has_left(visited):
    _, left_s = visit().inside_s()
    vacant = [event for event in of(visited, PresenceChanged) if event.presence is Presence.VACANT][-1]
    stopped = of(visited, MotionStopped)[-1]
    assert left_s - 0.2 < stopped.t_s < left_s + 0.5
    assert vacant.t_s - stopped.t_s == pytest.approx(HOLD_S, abs=0.05)


def test_a_reader_is_kept_by_turning_pages(visited):
    entered_s, left_s = visit().inside_s()
    lost = [event for event in of(visited, PresenceChanged) if entered_s + 1 < event.t_s < left_s]
    assert not lost
    reading = [event for event in of(visited, MotionStarted) if 11.0 < event.t_s < 21.0]
    assert len(reading) == 3, "each reach is motion of its own"


def test_radial_velocity_is_positive_while_coming_and_negative_while_going(visited):
    _, left_s = visit().inside_s()
    told = [event for event in visited if isinstance(event, MotionStarted | MotionUpdated)]
    coming = [event.radial_mps for event in told if 6.3 < event.t_s < 8.0]
    going = [event.radial_mps for event in told if left_s - 2.0 < event.t_s < left_s]
    assert len(coming) >= 3
    assert len(going) >= 3
    assert np.median(coming) == pytest.approx(1.2, abs=0.2)
    assert np.median(going) == pytest.approx(-1.2, abs=0.2)
    assert min(coming) > 0 > max(going)


def test_of_two_people_who_sit_one_who_reaches_keeps_the_room_occupied():
    reader = Person(at=(2.5, 2.6), start_s=4.0, actions=(Sit(), *(a for _ in range(3) for a in (Stay(4.0), Reach()))))
    sleeper = Person(at=(2.5, 1.4), start_s=4.0, actions=(Sit(),))
    scene = Scene(name="two", duration_s=22.0, people=(reader, sleeper), door_x_m=5.0)
    events = events_of(scene)
    assert len(occupied_s(events)) == 1
    assert not [event for event in of(events, PresenceChanged) if event.presence is Presence.VACANT]


def test_starts_and_stops_alternate_in_every_event_stream(visited):
    edges = [type(event) for event in visited if isinstance(event, MotionStarted | MotionStopped)]
    assert edges == [edge for edge, _ in zip(itertools.cycle((MotionStarted, MotionStopped)), edges, strict=False)]
    assert edges[-1] is MotionStopped


def test_the_same_scene_gives_the_same_events():
    def short():
        return [step.events for t_s, step in listen(walk(distance_m=3.0), make_pipeline()) if t_s < 7.0]

    assert short() == short()


def bursts(count, *, level_dbfs, seed):
    """Clicks of 0.005 to 2 ms of noise, one every 2 s from 5 s on, on all microphones alike."""
    random = np.random.default_rng(seed)
    sound = np.zeros((2 * count + 6) * 192_000)
    for number in range(count):
        click = random.standard_normal(random.integers(1, 400))
        start = (5 + 2 * number) * 192_000 + int(random.integers(0, 192_000))
        sound[start : start + len(click)] = click / np.abs(click).max() * 10 ** (level_dbfs / 20)
    return sound * 2.0**31


@pytest.mark.parametrize("level_dbfs", [-40.0, -6.0])
def test_few_clicks_are_taken_for_motion(level_dbfs):
    count = 15
    sound = bursts(count, level_dbfs=level_dbfs, seed=4)

    def heard(block):
        added = sound[block.first_frame : block.first_frame + len(block.samples), None]
        samples = np.clip(block.samples + added, -(2.0**31), 2.0**31 - 256).astype(np.int32)
        return replace(block, samples=samples)

    events = events_of(empty(5.0 + 2.0 * count, seed=3), heard=heard)
    assert sum(isinstance(event, MotionStarted) for event in events) <= 3
