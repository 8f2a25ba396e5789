"""The beginning and the end of motion: hysteresis, release, and what is said in between."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.events import MotionStarted, MotionStopped, MotionUpdated
from appliance.presence.motion import KEEP_SCORE, RELEASE_S, START_SCORE, UPDATE_S, MotionTracker
from appliance.types import MotionClass, Score

HOP_S = 64 / 2400


def score(t_s, motion, *, major=0.0, radial_mps=None, cause="the test"):
    return Score(
        {
            MotionClass.NOTHING: 1.0 - motion,
            MotionClass.MAJOR: motion * major,
            MotionClass.MINOR: motion * (1.0 - major),
        },
        radial_mps,
        t_s,
        "test",
        cause,
    )


def drive(tracker, values, *, start_s=0.0, major=0.0):
    events = []
    for number, value in enumerate(values):
        events += tracker.process(score(start_s + number * HOP_S, value, major=major))
    return events


def moving(**about):
    tracker = MotionTracker()
    tracker.process(score(0.0, 0.9, **about))
    return tracker


def test_motion_starts_at_the_start_score_and_carries_its_evidence():
    tracker = MotionTracker()
    assert tracker.process(score(1.0, START_SCORE - 0.01)) == []
    assert not tracker.moving
    events = tracker.process(score(2.0, START_SCORE, major=1.0, radial_mps=-0.7, cause="a reason"))
    assert events == [MotionStarted(2.0, MotionClass.MAJOR, START_SCORE, -0.7, "a reason")]
    assert tracker.moving


def test_motion_that_began_goes_on_on_less_than_it_needs_to_begin():
    tracker = moving()
    assert drive(tracker, [KEEP_SCORE] * 10, start_s=HOP_S) == []
    assert tracker.moving


def test_motion_ends_when_it_stayed_below_for_the_release_time_exactly():
    tracker = moving()
    assert tracker.process(score(RELEASE_S - 0.001, KEEP_SCORE - 0.01)) == []
    assert tracker.moving
    (stopped,) = tracker.process(score(RELEASE_S, KEEP_SCORE - 0.01, radial_mps=None))
    assert isinstance(stopped, MotionStopped)
    assert (stopped.t_s, stopped.score, stopped.radial_mps) == (RELEASE_S, KEEP_SCORE - 0.01, None)
    assert not tracker.moving


def test_a_pause_shorter_than_the_release_time_is_no_end():
    tracker = moving()
    values = [*[0.0] * (round(RELEASE_S / HOP_S) - 2), 0.9]
    events = drive(tracker, 5 * values, start_s=HOP_S)
    assert not any(isinstance(event, MotionStopped) for event in events)
    assert tracker.moving


def test_while_motion_lasts_it_is_said_again_every_half_second():
    tracker = MotionTracker()
    events = drive(tracker, [0.9] * round(3.0 / HOP_S))
    assert isinstance(events[0], MotionStarted)
    assert all(isinstance(event, MotionUpdated) for event in events[1:])
    gaps_s = [after.t_s - before.t_s for before, after in itertools.pairwise(events)]
    assert min(gaps_s) >= UPDATE_S
    assert max(gaps_s) < UPDATE_S + 1.01 * HOP_S


def test_another_kind_is_said_at_once():
    tracker = moving()
    (updated,) = tracker.process(score(HOP_S, 0.8, major=0.9, radial_mps=1.2))
    assert updated == MotionUpdated(HOP_S, MotionClass.MAJOR, pytest.approx(0.8), 1.2, "the test")
    assert tracker.process(score(2 * HOP_S, 0.8, major=0.9)) == []


def test_a_class_that_was_not_judged_is_no_motion_of_that_kind():
    tracker = MotionTracker()
    only_minor = Score({MotionClass.MINOR: 0.9}, None, 0.0, "test")
    assert tracker.process(only_minor)[0].kind is MotionClass.MINOR
    assert MotionTracker().process(Score({MotionClass.BREATHING: 1.0, MotionClass.NUISANCE: 1.0}, None, 0, "x")) == []


def test_motion_that_cannot_be_followed_ends_with_its_reason():
    tracker = moving()
    assert tracker.stop(t_s=3.0, cause="silence") == [MotionStopped(3.0, 0.0, None, "silence")]
    assert not tracker.moving
    assert tracker.stop(t_s=4.0, cause="silence") == []


def test_reset_ends_motion_without_a_word():
    tracker = moving()
    tracker.reset()
    assert not tracker.moving
    assert tracker.process(score(9.0, 0.0)) == []


stimuli = st.lists(
    st.one_of(st.tuples(st.floats(0.001, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0)), st.just("stop")),
    max_size=60,
)


@given(stimuli)
def test_starts_and_stops_alternate_and_time_never_runs_back(stimuli):
    tracker, t_s, events = MotionTracker(), 0.0, []
    for stimulus in stimuli:
        if stimulus == "stop":
            events += tracker.stop(t_s=t_s, cause="stop")
            continue
        step_s, motion, major = stimulus
        t_s += step_s
        found = tracker.process(score(t_s, motion, major=major))
        assert len(found) <= 1
        events += found
        assert tracker.moving == (bool(events) and not isinstance(events[-1], MotionStopped))
    edges = [event for event in events if not isinstance(event, MotionUpdated)]
    for number, event in enumerate(edges):
        assert isinstance(event, MotionStopped if number % 2 else MotionStarted)
    on = False
    for event in events:
        on = isinstance(event, MotionStarted) or (on and not isinstance(event, MotionStopped))
        assert on or not isinstance(event, MotionUpdated)
    assert all(before.t_s <= after.t_s for before, after in itertools.pairwise(events))
