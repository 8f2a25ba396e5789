"""Events and the time in, outputs out: pure, and the whole behaviour of routines.

Two clocks. `for`, delays and cooldowns run on elapsed time, which no setting of the clock moves; times of day and the
sun run on the wall clock, and wait until it is set. Whatever falls due between two calls is worked off in the order
of its deadlines, each at its own time, so that with `moments_until` it does not matter how often one calls.

A trigger with `for` fires once a stay. A step of the wall clock brings what it skipped when it is small, and nothing
when it is large; a small step back repeats nothing.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from appliance.events import (
    DeviceLost,
    Event,
    MotionStarted,
    MotionStopped,
    MotionUpdated,
    PresenceChanged,
    StreamHealth,
)
from appliance.routines.conditions import Judges
from appliance.routines.daytime import clock_words, next_occurrence
from appliance.routines.effects import Instant, Output
from appliance.routines.facts import Facts, Message
from appliance.routines.notation import duration_words, offset_words
from appliance.routines.runs import Found, Rule, Runs, Trigger
from appliance.routines.schema import PresenceTrigger, Routine, SunTrigger, TimeTrigger
from appliance.routines.sun import SunTimes
from appliance.routines.wall import is_set
from appliance.routines.watch import Watch, Watched
from appliance.types import Presence

SMALL_STEP_S = 3600.0
"""A clock that steps further than this tells of another day, not of a correction."""

_STEADY_S = 1.0
"""Two clocks of one computer never part further between two calls, unless one of them is set."""


class Stay(NamedTuple):
    """A `for` under way; the earliest comes first, then the routine that stands first in the file."""

    deadline_s: float
    order: int
    place: int
    rule: Rule
    trigger: PresenceTrigger


class _Occurrence(NamedTuple):
    """The next time of a trigger on the time of day."""

    at: datetime
    order: int
    place: int


class Engine:
    """Decides what routines do.

    Every call gives back what is to be done and what was decided. `start` comes first.

    Args:
        routines: as loaded.
        sun: sunrise and sunset of the place; None where it is not known.
    """

    def __init__(self, routines: Sequence[Routine], *, sun: SunTimes | None = None) -> None:
        self.facts = Facts(sun)
        self.runs = Runs(self.facts)
        judges = Judges()
        self.runs.rules = {routine.id: _rule(routine, order, judges) for order, routine in enumerate(routines)}
        self.watch = Watch(self.runs.rules.values())
        self.stays: list[Stay] = []
        self.held: list[Stay] = []
        """Stays of before a restart, until it is sensed whether they go on in `held_presence`."""
        self.held_presence: Presence | None = None
        self._calendar: list[_Occurrence] = []
        self._came: datetime | None = None  # the last time of day that came
        self._last: Instant | None = None

    @property
    def topics(self) -> frozenset[str]:
        """The MQTT topics whose messages the engine wants."""
        return self.watch.topics

    # Time

    def start(self, at: Instant) -> list[Output]:
        """Begin: presence is unknown, and that state may have its `for`; or it goes on from before a restart."""
        if at.wall.utcoffset() is None:
            raise ValueError("the engine wants a wall-clock time with its zone")
        self._last = at
        self._read_calendar(at)
        if self.held_presence is self.facts.presence:
            self._release_held()
        else:
            # Behind a restart unknown is where the way back begins, not what has held all the time.
            self._hold_already(self.watch.presence[self.facts.presence], at, may_fire=self.held_presence is None)
        return self._taken()

    def advance(self, at: Instant) -> list[Output]:
        """Work off what has fallen due."""
        self._advance(at)
        return self._taken()

    def moments_until(self, at: Instant) -> Iterator[Instant]:
        """The moments to `advance` to, one after the other, and `at` as the last.

        Whoever was late comes to each deadline by itself, so that what one brings about is over before the next.
        """
        while (deadline_s := self.next_deadline_s()) is not None and deadline_s < at.elapsed_s:
            yield at.on_elapsed(deadline_s)
        yield at

    def next_deadline_s(self) -> float | None:
        """The elapsed time at which something falls due, if the wall clock runs evenly until then."""
        deadlines = [deadline_s for deadline_s, _ in self._next_due()]
        return min(deadlines, default=None)

    def _advance(self, at: Instant) -> None:
        assert self._last is not None, "the engine was not started"
        step_s = (at.utc - self._last.utc).total_seconds() - (at.elapsed_s - self._last.elapsed_s)
        if abs(step_s) > _STEADY_S:
            self._clock_was_set(step_s, at)
        began_s, self._last = self._last.elapsed_s, at
        while due := [one for one in self._next_due() if one[0] <= at.elapsed_s]:
            deadline_s, work_off = min(due, key=lambda one: one[0])
            # What a step of the clock skipped lies before the last call.
            work_off(at.on_elapsed(max(deadline_s, began_s)))

    def _next_due(self) -> list[tuple[float, Any]]:
        """The next deadline of each kind with what is to be done then."""
        due: list[tuple[float, Any]] = []
        if self.stays:
            due.append((self.stays[0].deadline_s, self._stays_over))
        if self._calendar:
            assert self._last is not None
            until_s = (self._calendar[0].at - self._last.utc).total_seconds()
            due.append((self._last.elapsed_s + until_s, self._time_came))
        if (wake_s := self.runs.next_wake_s()) is not None:
            due.append((wake_s, self.runs.wake))
        return due

    def _stays_over(self, at: Instant) -> None:
        deadline_s = self.stays[0].deadline_s
        over = []
        while self.stays and self.stays[0].deadline_s == deadline_s:
            over.append(heapq.heappop(self.stays))
        causes = {(stay.trigger.to, stay.trigger.for_s): _stayed(stay.trigger) for stay in over}
        self._fire_each([(stay.rule, causes[stay.trigger.to, stay.trigger.for_s]) for stay in over], at)

    # The wall clock

    def _read_calendar(self, at: Instant) -> None:
        """The next time of each trigger on the time of day; none while the clock is not set."""
        self._calendar = []
        if not is_set(at.wall):
            return
        behind = at.wall
        if self._came is not None and timedelta() < self._came - at.utc < timedelta(seconds=SMALL_STEP_S):
            behind = self._came.astimezone(at.wall.tzinfo)
        for index in range(len(self.watch.daytime)):
            self._write_down(index, behind)

    def _write_down(self, index: int, behind: datetime) -> None:
        trigger, watched = self.watch.daytime[index]
        found = next_occurrence(trigger, behind, self.facts.sun)
        if found is not None:
            heapq.heappush(self._calendar, _Occurrence(found, watched.rule.order, index))

    def _clock_was_set(self, step_s: float, at: Instant) -> None:
        assert self._last is not None
        if abs(step_s) > SMALL_STEP_S or is_set(at.wall) != is_set(self._last.wall):
            self._read_calendar(at)

    def _time_came(self, at: Instant) -> None:
        self._came = came = self._calendar[0].at
        found = []
        while self._calendar and self._calendar[0].at == came:
            occurrence = heapq.heappop(self._calendar)
            trigger, watched = self.watch.daytime[occurrence.place]
            found.append((watched.rule, Trigger(_time_words(trigger, came.astimezone(at.wall.tzinfo)))))
            self._write_down(occurrence.place, came.astimezone(at.wall.tzinfo))
        self._fire_each(found, at)

    # Events

    def handle(self, event: Event, at: Instant) -> list[Output]:
        """What was due before the event, then what the event brings."""
        self._advance(at)
        match event:
            case PresenceChanged():
                self._presence_changed(event.presence, at)
            case MotionStarted() | MotionUpdated():
                self._fire_each(self.watch.motion(event), at)
            case MotionStopped():
                self.watch.motion_stopped()
            case StreamHealth():
                self._fire_each(self.watch.health(event.faults), at)
            case DeviceLost():
                self._fire_each(self.watch.health(("device_lost",)), at)
            case _:
                pass
        return self._taken()

    def message(self, topic: str, payload: bytes, at: Instant, *, retained: bool) -> list[Output]:
        """An MQTT message. A retained one gives values only: it tells of the past, and comes at each connection."""
        self._advance(at)
        message = Message(topic, payload)
        if topic in self.watch.variable_topics:
            if payload:
                self.facts.messages[topic] = message
            else:
                self.facts.messages.pop(topic, None)
        if not retained:
            self._fire_each(self.watch.message(message), at)
        return self._taken()

    def begin(self, routine_id: str, at: Instant, *, cause: str) -> list[Output]:
        """Fire a routine by hand."""
        self._advance(at)
        self.runs.fire([(self.runs.rules[routine_id], Trigger(cause, by_hand=True))], at)
        return self._taken()

    def finished(self, run: int, at: Instant, *, answer: Any = None, error: str | None = None) -> list[Output]:
        """A run's effect is over: with an answer, or failed."""
        self._advance(at)
        self.runs.finished(run, at, answer=answer, error=error)
        return self._taken()

    def reload(self, routines: Sequence[Routine], at: Instant) -> list[Output]:
        """Take new routines: what goes on in those that are unchanged goes on, in others it ends."""
        self._advance(at)
        earlier, kept, judges = self.runs.rules, {}, Judges()
        for order, routine in enumerate(routines):
            rule = earlier.get(routine.id)
            # Not by ==, to which a payload of 1 and one of true are the same.
            if rule is None or repr(rule.routine) != repr(routine):
                rule = _rule(routine, order, judges)
            rule.order = order
            kept[routine.id] = rule
        for rule in earlier.values():
            if kept.get(rule.routine.id) is not rule:
                self.runs.cancel(rule, "the routine was changed", at)
        self.runs.rules = kept
        watch, self.watch = self.watch, Watch(kept.values())
        self.watch.follow(watch)
        self.facts.messages = {
            topic: said for topic, said in self.facts.messages.items() if topic in self.watch.variable_topics
        }
        unchanged = {id(rule) for rule in kept.values() if earlier.get(rule.routine.id) is rule}
        self.stays = _kept(self.stays, unchanged)
        self.held = _kept(self.held, unchanged)
        self._read_calendar(at)
        here = self.watch.presence[self.facts.presence]
        self._hold_already([one for one in here if id(one[1].rule) not in unchanged], at, may_fire=True)
        return self._taken()

    # Presence

    def _presence_changed(self, presence: Presence, at: Instant) -> None:
        if presence is self.facts.presence:
            return
        self.facts.presence = presence
        self.stays = []
        if presence is self.held_presence:
            # The stay of before the restart goes on: nothing began, and what is over by now is over.
            self._release_held()
            self._advance(at)
            return
        self.held, self.held_presence = [], None
        now_s = at.elapsed_s
        self.stays = [
            Stay(now_s + for_s, order, place, rule, trigger)
            for for_s, order, place, rule, trigger in self.watch.waits.get(presence, ())
        ]
        why = Trigger(f"presence {presence}", {"presence": presence.value})
        self.runs.fire([(rule, why) for rule in self.watch.at_once.get(presence, ())], at)

    def _release_held(self) -> None:
        self.stays, self.held = self.held, []
        self.held_presence = None
        heapq.heapify(self.stays)

    def _hold_already(self, holding: Iterable[tuple[PresenceTrigger, Watched]], at: Instant, *, may_fire: bool) -> None:
        """What a state means that held before anybody watched."""
        found = []
        for trigger, watched in holding:
            if trigger.if_already == "fire" and may_fire:
                found.append((watched.rule, Trigger(f"presence {trigger.to} already", _info(trigger))))
            elif trigger.if_already == "start" and trigger.for_s:
                heapq.heappush(self.stays, _stay(trigger, watched, at.elapsed_s + trigger.for_s))
        self._fire_each(found, at)

    # Firing

    def _fire_each(self, found: Sequence[Found], at: Instant) -> None:
        """Fires rules in the order of the file; several triggers of one rule at one instant are one reason to act."""
        first = {one[0].order: one for one in reversed(found)}
        self.runs.fire([first[order] for order in sorted(first)], at)

    def _taken(self) -> list[Output]:
        outputs, self.runs.outputs = self.runs.outputs, []
        return outputs


def _rule(routine: Routine, order: int, judges: Judges) -> Rule:
    return Rule(routine, order, judges.of(routine.conditions, routine.variables))


def _stay(trigger: PresenceTrigger, watched: Watched, deadline_s: float) -> Stay:
    return Stay(deadline_s, watched.rule.order, watched.place, watched.rule, trigger)


def _kept(stays: Iterable[Stay], unchanged: set[int]) -> list[Stay]:
    kept = [stay._replace(order=stay.rule.order) for stay in stays if id(stay.rule) in unchanged]
    heapq.heapify(kept)
    return kept


def _info(trigger: PresenceTrigger) -> dict[str, Any]:
    return {"presence": trigger.to.value}


def _stayed(trigger: PresenceTrigger) -> Trigger:
    return Trigger(f"presence {trigger.to} for {duration_words(trigger.for_s)}", _info(trigger))


def _time_words(trigger: TimeTrigger | SunTrigger, came: datetime) -> str:
    if isinstance(trigger, TimeTrigger):
        return f"it is {clock_words(trigger.at)}"
    return f"{offset_words(trigger.offset_s, trigger.event)} ({came:%H:%M})"
