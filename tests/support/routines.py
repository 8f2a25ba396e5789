"""Routines, events and a clock in few words, for tests."""

from datetime import UTC, datetime

from appliance.events import MotionStarted, MotionStopped, MotionUpdated, PresenceChanged, StreamHealth
from appliance.routines.effects import Cancel, Instant, Note, Perform, Refused
from appliance.routines.engine import Engine
from appliance.routines.outcome import Outcome
from appliance.routines.schema import Routine
from appliance.types import MotionClass, Presence

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PUBLISH = {"action": "mqtt.publish", "topic": "a", "payload": "x"}


def routine(*triggers, name="r", actions=(PUBLISH,), **more):
    return Routine.model_validate({"id": name, "triggers": list(triggers), "actions": list(actions)} | more)


def presence(to, for_s=0, **more):
    return {"trigger": "presence", "to": to, "for": for_s} | more


def motion(**more):
    return {"trigger": "motion"} | more


def mqtt(topic="go", **more):
    return {"trigger": "mqtt", "topic": topic} | more


def delay(seconds):
    return {"action": "delay", "for": seconds}


def set_value(name, value):
    return {"action": "set_value", "name": name, "value": value}


def becomes(state):
    return PresenceChanged(0.0, Presence(state), Presence.UNKNOWN, 1.0, "the test")


def started(kind="major", radial_mps=None):
    return MotionStarted(0.0, MotionClass(kind), 1.0, radial_mps, "the test")


def updated(kind="major", radial_mps=None):
    return MotionUpdated(0.0, MotionClass(kind), 1.0, radial_mps, "the test")


STOPPED = MotionStopped(0.0, 1.0, None, "the test")


def health(*faults):
    return StreamHealth(0.0, faults, 0, "the test")


class Bench:
    """An engine with a clock that the test sets; effects are finished at once unless `slow`.

    `notes` are pairs of routine and outcome, `done` is what was to be done outside.
    """

    def __init__(self, *routines, sun=None, began=NOON, slow=False):
        self.engine = Engine(routines, sun=sun)
        self.began, self.slow = began, slow
        self.notes, self.words, self.done, self.runs, self.cancelled = [], [], [], [], []
        self.t_s = 0.0

    def start(self):
        return self.take(self.engine.start(self.at(0)))

    def at(self, t_s, wall=None):
        self.t_s = t_s
        if wall is None:
            return Instant(0.0, self.began).on_elapsed(float(t_s))
        return Instant(float(t_s), wall)

    def take(self, outputs):
        """Works outputs off; gives the routines that fired by them, in order."""
        fired, waiting = [], list(outputs)
        while waiting:
            output = waiting.pop(0)
            match output:
                case Refused():
                    waiting = [*output.notes(), *waiting]
                case Note():
                    self.notes.append((output.routine_id, output.outcome))
                    self.words.append(output.words)
                    if output.outcome is Outcome.FIRED:
                        fired.append(output.routine_id)
                case Perform():
                    self.done.append(output.effect)
                    self.runs.append(output.run)
                    if not self.slow:
                        waiting += self.engine.finished(output.run, output.at)
                case Cancel():
                    self.cancelled.append(output.run)
        return fired

    def look(self, t_s, wall=None):
        at = self.at(t_s, wall)
        return [name for moment in self.engine.moments_until(at) for name in self.take(self.engine.advance(moment))]

    def event(self, event, t_s=None):
        t_s = self.t_s if t_s is None else t_s
        return self.look(t_s) + self.take(self.engine.handle(event, self.at(t_s)))

    def message(self, topic="go", payload=b"x", t_s=None, *, retained=False):
        t_s = self.t_s if t_s is None else t_s
        return self.look(t_s) + self.take(self.engine.message(topic, payload, self.at(t_s), retained=retained))

    def finish(self, run, t_s=None, **more):
        return self.take(self.engine.finished(run, self.at(self.t_s if t_s is None else t_s), **more))

    def reload(self, *routines):
        return self.take(self.engine.reload(routines, self.at(self.t_s)))


def bench(*routines, **more):
    made = Bench(*routines, **more)
    made.start()
    return made
