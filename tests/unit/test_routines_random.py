"""Random rules under random events, against the slow and obvious: no `for` lost, no mode broken, nothing twice."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.routines import Clockwork

from appliance.events import PresenceChanged
from appliance.routines.effects import Cancel, Instant, Note, Perform, Refused
from appliance.routines.engine import Engine
from appliance.routines.outcome import Outcome
from appliance.routines.schema import Routine
from appliance.routines.snapshot import Snapshot, restore, take
from appliance.types import Presence

BEGAN = datetime(2026, 11, 23, 12, tzinfo=UTC)
STATES = ("occupied", "vacant", "unknown")
TOPICS = ("a", "b")

triggers = st.one_of(
    st.tuples(
        st.just("presence"),
        st.sampled_from(STATES),
        st.sampled_from([0, 5, 6, 7, 10, 15]),
        st.sampled_from(["start", "fire", "ignore"]),
    ),
    st.tuples(st.just("go"), st.sampled_from(TOPICS)),
)


@st.composite
def rule_lists(draw):
    count = draw(st.integers(1, 4))
    rules = []
    for number in range(count):
        actions = [
            st.tuples(st.just("do"), st.integers(0, 3)),
            st.tuples(st.just("wait"), st.integers(0, 9)),
            st.tuples(st.just("set"), st.sampled_from(["x", "y"]), st.integers(0, 1)),
        ]
        if number + 1 < count:  # only forwards, so that there is no circle
            actions.append(st.tuples(st.just("start"), st.sampled_from([f"r{i}" for i in range(number + 1, count)])))
        mode = draw(st.sampled_from(["single", "restart", "queued", "parallel"]))
        rules.append(
            {
                "id": f"r{number}",
                "triggers": draw(st.lists(triggers, min_size=1, max_size=3)),
                "only_if": draw(st.none() | st.tuples(st.sampled_from(["x", "y"]), st.integers(0, 1))),
                "mode": mode,
                "max": draw(st.integers(1, 3)) if mode in {"queued", "parallel"} else 10,
                "cooldown_s": draw(st.sampled_from([0, 0, 3, 8])),
                "actions": draw(st.lists(st.one_of(actions), min_size=1, max_size=5)),
            }
        )
    return rules


STEPS = st.lists(
    st.tuples(
        st.integers(0, 8),
        st.sampled_from([*STATES, *TOPICS, *TOPICS, "look", "reload", "restart", "clock back", "clock on"]),
    ),
    max_size=30,
)


def as_routine(rule):
    def trigger(found):
        if found[0] == "go":
            return {"trigger": "mqtt", "topic": found[1]}
        return {"trigger": "presence", "to": found[1], "for": found[2], "if_already": found[3]}

    def action(found):
        match found:
            case ("do", number):
                return {"action": "mqtt.publish", "topic": "t", "payload": number}
            case ("wait", seconds):
                return {"action": "delay", "for": seconds}
            case ("set", name, value):
                return {"action": "set_value", "name": name, "value": value}
            case ("start", name):
                return {"action": "routine", "routine": name}

    only_if = rule["only_if"]
    conditions = []
    if only_if:
        # A value that was never set is an error to the engine; the obvious model takes it as false.
        conditions = [{"condition": "state", "name": only_if[0], "state": only_if[1]}]
    more = {"max": rule["max"]} if rule["mode"] in {"queued", "parallel"} else {}
    return Routine.model_validate(
        {
            "id": rule["id"],
            "triggers": [trigger(found) for found in rule["triggers"]],
            "conditions": conditions,
            "actions": [action(found) for found in rule["actions"]],
            "mode": rule["mode"],
            "cooldown": rule["cooldown_s"],
        }
        | more
    )


class Real:
    """The engine, with effects that end at once, restarts, and a wall clock that somebody sets."""

    def __init__(self, rules):
        self.routines = [as_routine(rule) for rule in rules]
        self.by_id = {rule["id"]: rule for rule in rules}
        self.engine = Engine(self.routines)
        self.told, self.running = [], Counter()
        self.zero, self.clock_off = 0, timedelta()
        self.presence = Presence.UNKNOWN
        self.take(self.engine.start(self.at(0)))

    def at(self, second):
        return Instant(float(second - self.zero), BEGAN + timedelta(seconds=second) + self.clock_off)

    def take(self, outputs):
        waiting = list(outputs)
        while waiting:
            output = waiting.pop(0)
            match output:
                case Note():
                    self.count(output)
                case Refused():
                    for note in output.notes():
                        self.count(note)
                case Perform():
                    second = self.zero + output.at.elapsed_s
                    self.told.append((second, output.routine_id, int(output.effect.payload)))
                    waiting += self.engine.finished(output.run, output.at)
                case Cancel():
                    pass  # nothing here takes time

    def count(self, note):
        rule = self.by_id[note.routine_id]
        if note.outcome is Outcome.FIRED:
            self.told.append((self.zero + note.at.elapsed_s, note.routine_id, "fired"))
            self.running[note.routine_id] += 1
            most = rule["max"] if rule["mode"] == "parallel" else 1
            assert self.running[note.routine_id] <= most, "no more runs than the mode lets go on"
        if note.outcome in {Outcome.DONE, Outcome.FORGOTTEN}:
            self.running[note.routine_id] -= 1
        if note.outcome is Outcome.FAILED:
            assert "never set" in note.words

    def advance(self, second):
        for moment in self.engine.moments_until(self.at(second)):
            self.take(self.engine.advance(moment))

    def step(self, second, what):
        self.advance(second)
        at = self.at(second)
        match what:
            case "look":
                pass
            case "reload":
                self.take(self.engine.reload([as_routine(rule) for rule in self.by_id.values()], at))
            case "restart":
                self.restart(second)
            case "clock back":
                self.clock_off -= timedelta(days=2000)
            case "clock on":
                self.clock_off += timedelta(days=300)
            case _ if what in TOPICS:
                self.take(self.engine.message(what, b"x", at, retained=False))
            case _:
                self.presence = Presence(what)
                self.take(self.engine.handle(self.changed(), at))

    def changed(self):
        return PresenceChanged(0.0, self.presence, Presence.UNKNOWN, 1.0, "test")

    def restart(self, second):
        saved = json.loads(take(self.engine, self.at(second)).model_dump_json())
        self.engine, self.zero = Engine(self.routines), second
        assert restore(self.engine, Snapshot.model_validate(saved), self.at(second)) == []
        self.take(self.engine.start(self.at(second)))
        self.take(self.engine.handle(self.changed(), self.at(second)))


def compare(rules, steps):
    real, obvious = Real(rules), Clockwork(rules)
    second = 0
    for wait_s, what in [*steps, (40, "look")]:
        second += wait_s
        real.step(second, what)
        obvious.tick_to(second)
        if what in STATES:
            obvious.becomes(what)
        elif what in TOPICS:
            obvious.message(what)
    assert real.told == obvious.told


@settings(max_examples=300, deadline=None)
@given(rules=rule_lists(), steps=STEPS)
def test_random_sequences(rules, steps):
    compare(rules, steps)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None)
@given(rules=rule_lists(), steps=STEPS)
def test_ten_thousand_random_sequences(rules, steps):
    compare(rules, steps)


@settings(max_examples=300, deadline=None)
@given(rules=rule_lists(), steps=STEPS, late=st.lists(st.integers(0, 7), min_size=1, max_size=5))
def test_it_does_not_matter_how_often_one_calls(rules, steps, late):
    """One look at the end of a silence gives what many looks would have given."""
    often, seldom = Real(rules), Real(rules)
    second = 0
    for wait_s, what in [*steps, (40, "look")]:
        for between in sorted(late):
            if between < wait_s:
                often.advance(second + between)
        second += wait_s
        often.step(second, what)
        seldom.step(second, what)
    assert often.told == seldom.told
