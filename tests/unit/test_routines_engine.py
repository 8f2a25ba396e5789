"""The engine: what fires, when, and that nothing fires twice or gets lost."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.events import EmissionChanged, MotionStarted, MotionStopped, MotionUpdated, PresenceChanged
from appliance.routines.engine import Engine
from appliance.routines.schema import Routine
from appliance.types import Emission, MotionClass, Presence, Tones

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACTION = {"action": "mqtt.publish", "topic": "a", "payload": "x"}


def routine(*triggers, conditions=(), name="r"):
    return Routine.model_validate(
        {"id": name, "triggers": list(triggers), "conditions": list(conditions), "actions": [ACTION]}
    )


def presence(to, for_s=0):
    return {"trigger": "presence", "to": to, "for": for_s}


def motion(kind=None):
    return {"trigger": "motion"} | ({"kind": kind} if kind else {})


def becomes(state):
    return PresenceChanged(
        t_s=0.0, presence=Presence(state), previous=Presence.UNKNOWN, confidence=1.0, cause="the test"
    )


def started(kind):
    return MotionStarted(t_s=0.0, kind=MotionClass(kind), score=1.0, radial_mps=None, cause="the test")


def updated(kind):
    return MotionUpdated(t_s=0.0, kind=MotionClass(kind), score=1.0, radial_mps=None, cause="the test")


STOPPED = MotionStopped(t_s=0.0, score=0.0, radial_mps=None, cause="the test")


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def test_presence_fires_at_once_and_says_why():
    rule = routine(presence("occupied"))
    engine = Engine([rule])
    (firing,) = engine.handle(becomes("occupied"), NOON)
    assert (firing.routine_id, firing.actions, firing.cause, firing.at) == (
        "r",
        rule.actions,
        "presence occupied",
        NOON,
    )
    assert engine.next_deadline is None


def test_a_repeated_state_is_no_change():
    engine = Engine([routine(presence("occupied"))])
    assert len(engine.handle(becomes("occupied"), NOON)) == 1
    assert engine.handle(becomes("occupied"), after(1)) == []
    assert engine.handle(becomes("vacant"), after(2)) == []
    assert len(engine.handle(becomes("occupied"), after(3))) == 1


def test_the_first_state_counts_as_a_change_even_when_unknown():
    assert len(Engine([routine(presence("unknown"))]).handle(becomes("unknown"), NOON)) == 1


def test_other_events_and_no_routines_do_nothing():
    engine = Engine([routine(presence("occupied"), motion())])
    assert (
        engine.handle(EmissionChanged(t_s=0.0, emission=Emission(tones=Tones((40_000.0,), 75.0)), cause="x"), NOON)
        == []
    )
    assert Engine([]).handle(becomes("occupied"), NOON) == []


def test_for_fires_once_when_it_is_over():
    engine = Engine([routine(presence("vacant", 10))])
    assert engine.handle(becomes("vacant"), NOON) == []
    assert engine.next_deadline == after(10)
    assert engine.advance(after(9.999)) == []
    (firing,) = engine.advance(after(10))
    assert (firing.cause, firing.at) == ("presence vacant for 10 s", after(10))
    assert engine.next_deadline is None
    assert engine.advance(after(1000)) == []
    assert engine.handle(becomes("vacant"), after(2000)) == []
    assert engine.next_deadline is None, "once a stay"


def test_for_is_cancelled_when_the_state_is_left_and_starts_anew():
    engine = Engine([routine(presence("vacant", 10))])
    engine.handle(becomes("vacant"), NOON)
    assert engine.handle(becomes("occupied"), after(9)) == []
    assert engine.next_deadline is None
    engine.handle(becomes("vacant"), after(9.5))
    assert engine.advance(after(19)) == []
    assert len(engine.advance(after(19.5))) == 1


def test_for_that_was_over_before_the_state_was_left_is_not_lost():
    condition = {"condition": "presence", "state": "vacant"}
    engine = Engine([routine(presence("vacant", 10), conditions=[condition])])
    engine.handle(becomes("vacant"), NOON)
    (firing,) = engine.handle(becomes("occupied"), after(10))
    assert firing.cause == "presence vacant for 10 s"


def test_timers_that_are_due_fire_by_deadline_then_in_the_order_of_the_file():
    engine = Engine(
        [
            routine(presence("vacant", 20), name="late"),
            routine(presence("vacant", 10), name="first"),
            routine(presence("vacant", 10), presence("vacant", 15), name="second"),
        ]
    )
    engine.handle(becomes("vacant"), NOON)
    assert [firing.routine_id for firing in engine.advance(after(60))] == ["first", "second", "second", "late"]


def test_two_triggers_at_one_instant_fire_a_routine_once():
    twice = routine(motion(), motion("major"), presence("vacant"), presence("vacant"), presence("vacant", 5),
                    presence("vacant", 5))  # fmt: skip
    engine = Engine([twice])
    assert [firing.cause for firing in engine.handle(started("major"), NOON)] == ["motion of any kind"]
    assert len(engine.handle(becomes("vacant"), NOON)) == 1
    assert len(engine.advance(after(5))) == 1


@pytest.mark.parametrize(
    ("kind", "events", "fired"),
    [
        (None, [started("minor"), updated("major"), STOPPED, started("breathing")], [1, 0, 0, 1]),
        ("major", [started("minor"), updated("major"), updated("minor"), updated("major")], [0, 1, 0, 0]),
        ("major", [started("major"), updated("minor"), updated("major")], [1, 0, 0]),
        ("major", [started("major"), STOPPED, started("major"), started("major")], [1, 0, 1, 1]),
        ("minor", [started("major"), updated("major"), updated("minor")], [0, 0, 1]),
        ("major", [updated("major"), started("minor"), STOPPED, updated("major")], [0, 0, 0, 0]),
    ],
)
def test_motion_fires_once_a_motion(kind, events, fired):
    engine = Engine([routine(motion(kind))])
    assert [len(engine.handle(event, after(i))) for i, event in enumerate(events)] == fired


def test_the_presence_condition_is_judged_with_the_event_applied():
    engine = Engine([routine(motion(), conditions=[{"condition": "presence", "state": "unknown"}])])
    assert len(engine.handle(started("major"), NOON)) == 1, "before the first event presence is unknown"
    engine.handle(becomes("vacant"), NOON)
    assert engine.handle(started("major"), NOON) == []


@pytest.mark.parametrize(
    ("window", "clock", "holds"),
    [
        ({"after": "18:00", "before": "06:00"}, "18:00:00", True),
        ({"after": "18:00", "before": "06:00"}, "23:59:59", True),
        ({"after": "18:00", "before": "06:00"}, "00:00:00", True),
        ({"after": "18:00", "before": "06:00"}, "05:59:59", True),
        ({"after": "18:00", "before": "06:00"}, "06:00:00", False),
        ({"after": "18:00", "before": "06:00"}, "17:59:59", False),
        ({"after": "06:00", "before": "18:00"}, "06:00:00", True),
        ({"after": "06:00", "before": "18:00"}, "18:00:00", False),
        ({"after": "06:00"}, "05:59:59", False),
        ({"after": "06:00"}, "23:59:59", True),
        ({"before": "06:00"}, "00:00:00", True),
        ({"before": "06:00"}, "06:00:00", False),
    ],
)
def test_windows_of_time(window, clock, holds):
    engine = Engine([routine(motion(), conditions=[{"condition": "time"} | window])])
    now = datetime.fromisoformat(f"2026-11-23T{clock}+00:00")
    assert len(engine.handle(started("major"), now)) == holds


def test_time_of_day_is_that_of_nows_own_zone_at_the_moment_of_firing():
    berlin = ZoneInfo("Europe/Berlin")
    engine = Engine([routine(presence("vacant", 120), conditions=[{"condition": "time", "after": "18:00"}])])
    engine.handle(becomes("vacant"), datetime(2026, 7, 1, 17, 59, tzinfo=berlin))
    assert engine.next_deadline == datetime(2026, 7, 1, 16, 1, tzinfo=UTC)
    (firing,) = engine.advance(datetime(2026, 7, 1, 18, 1, tzinfo=berlin))
    assert firing.at.tzinfo is berlin


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        Engine([]).advance(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("day", ["2026-03-29T01:30+01:00", "2026-10-25T02:30+02:00"])
def test_a_change_to_or_from_summer_time_changes_no_duration(day):
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime.fromisoformat(day)
    engine = Engine([routine(presence("vacant", 3600))])
    engine.handle(becomes("vacant"), begin.astimezone(berlin))
    assert engine.advance((begin + timedelta(minutes=59)).astimezone(berlin)) == []
    assert len(engine.advance((begin + timedelta(minutes=60)).astimezone(berlin))) == 1


def test_a_clock_set_back_leaves_what_was_left_to_wait():
    engine = Engine([routine(presence("vacant", 600))])
    engine.handle(becomes("vacant"), NOON)
    assert engine.advance(after(100)) == []
    assert engine.advance(after(100 - 86_400)) == []
    assert engine.next_deadline == after(600 - 86_400)
    assert len(engine.advance(after(600 - 86_400))) == 1
    assert engine.advance(after(601)) == []


def test_a_clock_set_forwards_fires_what_is_due_once():
    engine = Engine([routine(presence("vacant", 600))])
    engine.handle(becomes("vacant"), NOON)
    assert len(engine.advance(after(86_400))) == 1
    assert engine.advance(after(601)) == []


STATES = st.sampled_from(["occupied", "vacant", "unknown"])
STEPS = st.lists(
    st.tuples(st.integers(0, 8), STATES | st.none() | st.sampled_from(["minor", "major", "stopped"])), max_size=30
)
RULES = st.lists(st.tuples(STATES, st.integers(0, 12)), min_size=1, max_size=4)


@settings(max_examples=1000, deadline=None)
@given(rules=RULES, steps=STEPS)
def test_each_stay_fires_each_for_once_if_it_lasts_and_never_else(rules, steps):
    """Against the obvious: cut the sequence into stays, and ask of each whether it lasted."""
    engine = Engine([routine(presence(to, for_s), name=f"r{i}") for i, (to, for_s) in enumerate(rules)])
    fired, stays, t_s = [], [], 0
    for wait_s, what in [*steps, (0, None)]:
        t_s += wait_s
        if what in {"minor", "major"}:
            firings = engine.handle(started(what), after(t_s))
        elif what == "stopped":
            firings = engine.handle(STOPPED, after(t_s))
        elif what is None:
            firings = engine.advance(after(t_s))
        else:
            firings = engine.handle(becomes(what), after(t_s))
            if not stays or stays[-1][0] != what:
                stays.append((what, t_s))
        fired += [firing.routine_id for firing in firings]
        assert engine.next_deadline is None or engine.next_deadline > after(t_s)
    wanted = []
    for (state, begin_s), (_, end_s) in zip(stays, [*stays[1:], ("", t_s)], strict=False):
        wanted += [f"r{i}" for i, (to, for_s) in enumerate(rules) if to == state and end_s - begin_s >= for_s]
    assert sorted(fired) == sorted(wanted)


@settings(max_examples=500, deadline=None)
@given(
    rules=RULES,
    steps=st.lists(st.tuples(st.integers(-100_000, 100_000), STATES | st.none()), max_size=30),
)
def test_whatever_the_clock_does_no_stay_fires_a_routine_twice_nor_loses_it(rules, steps):
    engine = Engine([routine(presence(to, for_s), name=f"r{i}") for i, (to, for_s) in enumerate(rules)])
    present, of_this_stay, t_s = None, [], 0
    for step_s, what in steps:
        t_s += step_s
        if what is None or what == present:
            of_this_stay += [firing.routine_id for firing in engine.advance(after(t_s))]
        else:
            firings = engine.handle(becomes(what), after(t_s))
            of_this_stay += [f.routine_id for f in firings if f.cause.split()[1] == present]
            assert len(of_this_stay) == len(set(of_this_stay))
            present = what
            of_this_stay = [f.routine_id for f in firings if f.cause.split()[1] == what]
        waiting = 0 if engine.next_deadline is None else (engine.next_deadline - after(t_s)).total_seconds()
        assert 0 <= waiting <= max(for_s for _, for_s in rules), "no step makes anybody wait longer than asked"
    of_this_stay += [firing.routine_id for firing in engine.advance(after(t_s + 12))]
    assert sorted(of_this_stay) == [f"r{i}" for i, (to, _) in enumerate(rules) if to == present]


@settings(max_examples=500, deadline=None)
@given(kinds=st.lists(st.sampled_from(["minor", "major", "breathing", "stopped", "start"]), max_size=30))
def test_each_motion_fires_each_kind_at_most_once(kinds):
    engine = Engine([routine(motion(), name="any"), routine(motion("major"), name="major")])
    moving, seen = False, []
    for kind in kinds:
        if kind == "stopped":
            assert engine.handle(STOPPED, NOON) == []
            moving = False
        elif kind == "start":
            seen = [firing.routine_id for firing in engine.handle(started("minor"), NOON)]
            assert seen == ["any"]
            moving = True
        else:
            seen += (new := [firing.routine_id for firing in engine.handle(updated(kind), NOON)])
            assert moving or not new
            assert len(seen) == len(set(seen))
            assert not moving or kind != "major" or "major" in seen
