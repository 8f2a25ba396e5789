"""Presence: every entry of the table, and how long each stimulus has to last."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.events import PresenceChanged
from appliance.presence.machine import CONFIRM_S, TRANSITIONS, PresenceMachine, Stimulus
from appliance.presence.motion import MotionTracker
from appliance.types import MotionClass, Presence, Score

HOLD_S = 5.0
HOP_S = 0.025


def score(t_s, motion):
    return Score({MotionClass.NOTHING: 1.0 - motion, MotionClass.MINOR: motion}, None, t_s, "test")


class Driver:
    """Feeds a machine a score each hop, on one clock."""

    def __init__(self, hold_s=HOLD_S):
        self.machine = PresenceMachine(hold_s=hold_s)
        self.t_s = 0.0

    def _scores(self, duration_s, motion, *, moving):
        events = []
        for _ in range(round(duration_s / HOP_S) + 1):
            events += self.machine.process(score(self.t_s, motion), moving=moving)
            self.t_s += HOP_S
        return events

    def motion(self, duration_s=2 * CONFIRM_S):
        return self._scores(duration_s, 0.9, moving=True)

    def quiet(self, duration_s):
        return self._scores(duration_s, 0.01, moving=False)

    def blind(self):
        return self.machine.blind(t_s=self.t_s, cause="silence")

    def reach(self, presence):
        """Bring it into a state."""
        if presence is Presence.OCCUPIED:
            self.motion()
        if presence is Presence.VACANT:
            self.quiet(HOLD_S + HOP_S)
        assert self.machine.presence is presence

    def apply(self, stimulus):
        if stimulus is Stimulus.MOTION:
            return self.motion()
        if stimulus is Stimulus.HELD_OUT:
            return self.quiet(HOLD_S + HOP_S)
        return self.blind()


def test_the_table_is_whole():
    assert set(TRANSITIONS) == set(itertools.product(Presence, Stimulus))


@pytest.mark.parametrize(("before", "stimulus"), list(itertools.product(Presence, Stimulus)))
def test_every_transition_of_the_table(before, stimulus):
    # Not read from the table: motion occupies, quiet empties, blindness knows nothing, from wherever one comes.
    wanted = {
        Stimulus.MOTION: Presence.OCCUPIED,
        Stimulus.HELD_OUT: Presence.VACANT,
        Stimulus.BLIND: Presence.UNKNOWN,
    }[stimulus]
    driver = Driver()
    driver.reach(before)
    events = driver.apply(stimulus)
    assert driver.machine.presence is wanted is TRANSITIONS[before, stimulus]
    if wanted is before:
        assert events == []
    else:
        (event,) = events
        assert (event.presence, event.previous) == (wanted, before)
        assert event.cause == driver.machine.cause
        assert 0.0 <= event.confidence <= 1.0


def test_everything_begins_unknown_with_a_reason():
    machine = PresenceMachine(hold_s=HOLD_S)
    assert (machine.presence, machine.cause) == (Presence.UNKNOWN, "starting")


def test_motion_occupies_once_it_was_confirmed_and_not_before():
    machine = PresenceMachine(hold_s=HOLD_S)
    assert machine.process(score(1.0, 0.9), moving=True) == []
    assert machine.process(score(1.0 + CONFIRM_S - 0.001, 0.9), moving=True) == []
    (event,) = machine.process(score(1.0 + CONFIRM_S + 0.001, 0.8), moving=True)
    assert event == PresenceChanged(1.0 + CONFIRM_S + 0.001, Presence.OCCUPIED, Presence.UNKNOWN, 0.8, "motion")


def test_motion_that_comes_in_pieces_shorter_than_the_confirmation_is_no_person():
    driver = Driver()
    driver.quiet(HOLD_S)
    for _ in range(50):
        assert driver.motion(CONFIRM_S - 2 * HOP_S) == []
        assert driver.quiet(HOP_S) == []
    assert driver.machine.presence is Presence.VACANT


@pytest.mark.parametrize("hold_s", [5.0, 8.0, 120.0])
def test_vacant_comes_after_the_hold_time_exactly(hold_s):
    driver = Driver(hold_s)
    driver.motion()
    quiet_s = driver.t_s
    (event,) = driver.quiet(hold_s + 1.0)
    assert event.presence is Presence.VACANT
    assert event.t_s - quiet_s == pytest.approx(hold_s, abs=1.01 * HOP_S)
    assert event.t_s - quiet_s >= hold_s - 1e-9
    assert event.cause == f"no motion for {hold_s:g} s"
    assert event.confidence == pytest.approx(0.99)


def test_any_motion_starts_the_hold_time_anew():
    driver = Driver()
    driver.motion()
    for _ in range(5):
        assert driver.quiet(0.9 * HOLD_S) == []
        assert driver.motion(0.0) == []
    assert driver.machine.presence is Presence.OCCUPIED


def test_blindness_starts_the_hold_time_anew():
    driver = Driver()
    driver.motion()
    driver.quiet(0.9 * HOLD_S)
    driver.blind()
    assert driver.quiet(0.9 * HOLD_S) == []
    assert driver.machine.presence is Presence.UNKNOWN


def test_blindness_ends_a_confirmation_that_was_under_way():
    machine = PresenceMachine(hold_s=HOLD_S)
    machine.process(score(1.0, 0.9), moving=True)
    machine.blind(t_s=1.05, cause="silence")
    assert machine.process(score(1.5, 0.9), moving=True) == []


def test_time_that_was_not_sensed_does_not_count_as_quiet():
    driver = Driver()
    driver.motion()
    driver.quiet(1.0)
    driver.t_s += 100 * HOLD_S
    assert driver.quiet(0.5 * HOLD_S) == []
    assert driver.machine.presence is Presence.OCCUPIED


def test_time_that_was_not_sensed_does_not_confirm_motion():
    machine = PresenceMachine(hold_s=HOLD_S)
    machine.process(score(1.0, 0.9), moving=True)
    assert machine.process(score(2.0, 0.9), moving=True) == []


def test_short_gaps_do_not_keep_a_room_from_becoming_vacant():
    driver = Driver()
    driver.motion()
    for _ in range(round(2 * HOLD_S)):
        driver.quiet(0.8)
        driver.t_s += 0.2
    assert driver.machine.presence is Presence.VACANT


def test_another_hold_time_counts_from_now_on():
    driver = Driver()
    driver.motion()
    driver.quiet(0.5 * HOLD_S)
    driver.machine.hold_s = 0.25 * HOLD_S
    (event,) = driver.quiet(HOP_S)
    assert event.presence is Presence.VACANT


steps = st.lists(
    st.one_of(
        st.tuples(st.just("score"), st.floats(0.01, 0.4), st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.0])),
        st.tuples(st.just("quiet"), st.floats(0.01, 0.4), st.just(0.0)),
        st.tuples(st.just("blind"), st.just(0.0), st.just(0.0)),
    ),
    max_size=120,
)


@given(steps, st.floats(0.5, 3.0))
def test_never_occupied_without_motion_and_vacant_only_after_quiet(steps, hold_s):
    tracker, machine = MotionTracker(), PresenceMachine(hold_s=hold_s)
    t_s, moved_s, sensed_from_s, events = 0.0, None, None, []
    for kind, step_s, value in steps:
        if kind == "blind":
            tracker.stop(t_s=t_s, cause="blind")
            found = machine.blind(t_s=t_s, cause="blind")
            sensed_from_s = moved_s = None
            assert machine.presence is Presence.UNKNOWN
        else:
            for _ in range(20 if kind == "quiet" else 1):
                t_s += step_s
                sensed_from_s = t_s if sensed_from_s is None else sensed_from_s
                now = score(t_s, value)
                tracker.process(now)
                found = machine.process(now, moving=tracker.moving)
                moved_s = t_s if tracker.moving else moved_s
                for event in found:
                    if event.presence is Presence.OCCUPIED:
                        assert tracker.moving
                    if event.presence is Presence.VACANT:
                        assert not tracker.moving
                        assert t_s - max(sensed_from_s, moved_s or 0.0) >= hold_s
                events += found
            found = []
        events += found
    assert all(event.presence is not event.previous for event in events)
    assert all(before.presence is after.previous for before, after in itertools.pairwise(events))
    assert all(before.t_s <= after.t_s for before, after in itertools.pairwise(events))
