"""Events and the time in, firings out: pure, and the whole behaviour of routines.

What already goes on at the start counts from the first change that is seen: a presence from its first
`PresenceChanged`, a motion from its `MotionStarted`.

A trigger with `for` fires once a stay. Its deadline is the wall-clock time of the change plus `for`; a clock that is
set back takes the deadlines with it, so that what was left to wait is still left. A step forwards cannot be told from
a late call: what is due by then fires, once. Durations are elapsed time; a change to summer time changes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.events import Event, MotionStarted, MotionStopped, MotionUpdated, PresenceChanged
from appliance.routines.schema import (
    Action,
    Condition,
    MotionTrigger,
    PresenceCondition,
    PresenceTrigger,
    Routine,
    TimeCondition,
)
from appliance.types import MotionClass, Presence


@dataclass(frozen=True, slots=True)
class Firing:
    """A routine whose trigger came and whose conditions held: its actions are to run. `at` is the engine's `now`."""

    routine_id: str
    actions: tuple[Action, ...]
    cause: str
    at: datetime


@dataclass(frozen=True, slots=True, order=True)
class _Timer:
    """A `for` under way; the earliest comes first, then the routine that stands first in the file."""

    deadline: datetime
    routine: int
    cause: str


class Engine:
    """Decides which routines fire.

    `now` is the wall clock's time at the call, with its time zone; conditions on the time of day are judged in that
    zone, at the moment of firing. A time without a zone raises ValueError.
    """

    def __init__(self, routines: Sequence[Routine]) -> None:
        self._routines = tuple(routines)
        self._timers: list[_Timer] = []
        self._presence: Presence | None = None
        self._kinds_of_this_motion: set[MotionClass] | None = None
        self._latest: datetime | None = None

    @property
    def next_deadline(self) -> datetime | None:
        """When `advance` has something to do, in UTC; None while no `for` is under way."""
        return min(self._timers).deadline if self._timers else None

    def advance(self, now: datetime) -> list[Firing]:
        """Fires each `for` that is over."""
        instant = self._instant(now)
        due = sorted(timer for timer in self._timers if timer.deadline <= instant)
        self._timers = [timer for timer in self._timers if timer.deadline > instant]
        # Two triggers of one routine that come at the same instant are one reason to act.
        first = {(timer.deadline, timer.routine): timer for timer in reversed(due)}
        return [firing for _, timer in sorted(first.items()) for firing in self._fire(timer.routine, timer.cause, now)]

    def handle(self, event: Event, now: datetime) -> list[Firing]:
        """Fires what was due before the event, then what the event triggers."""
        firings = self.advance(now)
        match event:
            case PresenceChanged():
                causes = self._presence_changed(event.presence, self._instant(now))
            case MotionStarted():
                self._kinds_of_this_motion = {event.kind}
                causes = self._motion_triggers(None, event.kind)
            case MotionUpdated() if self._kinds_of_this_motion is not None:
                causes = [] if event.kind in self._kinds_of_this_motion else self._motion_triggers(event.kind)
                self._kinds_of_this_motion.add(event.kind)
            case MotionStopped():
                self._kinds_of_this_motion = None
                causes = []
            case _:
                causes = []
        for routine, cause in sorted(dict(reversed(causes)).items()):
            firings += self._fire(routine, cause, now)
        return firings

    def _instant(self, now: datetime) -> datetime:
        """`now` in UTC, where differences are elapsed time; moves the deadlines when the clock was set back."""
        if now.utcoffset() is None:
            raise ValueError("the engine wants a time with a time zone")
        instant = now.astimezone(UTC)
        if self._latest is not None and instant < self._latest:
            back = self._latest - instant
            self._timers = [_Timer(timer.deadline - back, timer.routine, timer.cause) for timer in self._timers]
        self._latest = instant
        return instant

    def _presence_changed(self, presence: Presence, instant: datetime) -> list[tuple[int, str]]:
        """Ends the `for`s of the state that was left, begins those of the new one; gives what fires at once."""
        if presence is self._presence:
            return []
        self._presence = presence
        self._timers = []
        causes = []
        for index, routine in enumerate(self._routines):
            for trigger in routine.triggers:
                if not isinstance(trigger, PresenceTrigger) or trigger.to is not presence:
                    continue
                if trigger.for_s == 0.0:
                    causes.append((index, f"presence {presence}"))
                else:
                    cause = f"presence {presence} for {trigger.for_s:g} s"
                    self._timers.append(_Timer(instant + timedelta(seconds=trigger.for_s), index, cause))
        return causes

    def _motion_triggers(self, *kinds: MotionClass | None) -> list[tuple[int, str]]:
        """The triggers on one of these kinds; None stands for those on any kind."""
        return [
            (index, f"motion {trigger.kind or 'of any kind'}")
            for index, routine in enumerate(self._routines)
            for trigger in routine.triggers
            if isinstance(trigger, MotionTrigger) and trigger.kind in kinds
        ]

    def _fire(self, index: int, cause: str, now: datetime) -> list[Firing]:
        """One firing, or none where a condition does not hold."""
        routine = self._routines[index]
        if all(self._holds(condition, now) for condition in routine.conditions):
            return [Firing(routine.id, routine.actions, cause, now)]
        return []

    def _holds(self, condition: Condition, now: datetime) -> bool:
        match condition:
            case PresenceCondition():
                return condition.state is (self._presence or Presence.UNKNOWN)
            case TimeCondition():
                return _is_within(condition, now)


def _is_within(window: TimeCondition, now: datetime) -> bool:
    """`after` is part of the window, `before` is not."""
    clock = now.time()
    is_after = window.after is None or clock >= window.after
    is_before = window.before is None or clock < window.before
    if window.after is not None and window.before is not None and window.after > window.before:
        return is_after or is_before
    return is_after and is_before
