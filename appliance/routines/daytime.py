"""Times of day: when a trigger comes next, and whether a moment lies in a window. Pure; the zone is that of the moment.

While the wall clock cannot be believed (`wall.py`), no such rule holds.
"""

import functools
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from appliance.routines.notation import DAYS, Sun, offset_words
from appliance.routines.schema import SunTrigger, TimeCondition, TimeTrigger
from appliance.routines.sun import SunTimes
from appliance.routines.wall import is_set

_SEARCH_DAYS = 370
"""Beyond the polar circles the sun's next rising may be months away, or never come."""

NO_PLACE = "the place of the device is not configured"


def next_occurrence(trigger: TimeTrigger | SunTrigger, behind: datetime, sun: SunTimes | None) -> datetime | None:
    """The first time of a trigger behind a moment, in UTC; None where it does not come within a year.

    A time of day that a change to summer time skips comes at the instant at which it would have been; one that is
    lived twice comes the first time.
    """
    zone = behind.tzinfo
    assert zone is not None
    today = behind.date()
    for days in range(-1, _SEARCH_DAYS if isinstance(trigger, SunTrigger) else 9):
        found = _on(trigger, today + timedelta(days=days), zone, sun)
        if found is not None and found > behind.astimezone(UTC):
            return found
    return None


def _on(trigger: TimeTrigger | SunTrigger, day: date, zone: tzinfo, sun: SunTimes | None) -> datetime | None:
    if isinstance(trigger, TimeTrigger):
        if trigger.weekday and DAYS[day.weekday()] not in trigger.weekday:
            return None
        return datetime.combine(day, trigger.at, tzinfo=zone).astimezone(UTC)
    found = sun.on(day, trigger.event, zone) if sun else None
    return found.astimezone(UTC) + timedelta(seconds=trigger.offset_s) if found else None


class Daytime:
    """The wall clock of one moment as windows look at it; the sun's edges are worked out once for all of them."""

    __slots__ = ("_edges", "_sun", "clock", "is_set", "wall")

    def __init__(self, wall: datetime, sun: SunTimes | None) -> None:
        self.wall = wall
        self.clock = wall.time()
        self.is_set = is_set(wall)
        self._sun = sun
        self._edges: dict[tuple[Sun, float], time] = {}

    def edge(self, event: Sun, offset_s: float) -> time:
        """The time of day of a sun's event today, `offset_s` seconds later.

        Raises:
            NoSun: it does not come today, or the place is not known.
        """
        found = self._edges.get((event, offset_s))
        if found is None:
            found = self._edges[event, offset_s] = self._calculate(event, offset_s)
        return found

    def _calculate(self, event: Sun, offset_s: float) -> time:
        if self._sun is None:
            raise NoSun(NO_PLACE)
        zone = self.wall.tzinfo
        assert zone is not None
        found = self._sun.on(self.wall.date(), event, zone)
        if found is None:
            raise NoSun(f"there is no {event} on {self.wall:%-d %B} here")
        return (found.astimezone(UTC) + timedelta(seconds=offset_s)).astimezone(zone).time()


class NoSun(Exception):
    """The sun does not come to an edge today."""


Refusal = Callable[[], str]
"""Why something does not hold, in words that are put together when somebody wants to read them."""


def outside(window: TimeCondition) -> Callable[[Daytime], Refusal | None]:
    """A function that says why a moment is not in a window, None where it is.

    `after` is part of the window, `before` is not.
    """
    after, before, weekday = window.after, window.before, window.weekday
    fixed = None if isinstance(after, str) or isinstance(before, str) else (after, before)

    def ask(day: Daytime) -> Refusal | None:
        if not day.is_set:
            return _not_set
        try:
            since, until = fixed or _edges(window, day)
        except NoSun as none:
            return functools.partial(str, none)
        clock = day.clock
        over_midnight = since is not None and until is not None and since > until
        is_after = since is None or clock >= since
        is_before = until is None or clock < until
        if not (is_after or is_before if over_midnight else is_after and is_before):
            return functools.partial(_not_now, window, day, since, until)
        if weekday:
            begun = day.wall.date() - timedelta(days=1) if over_midnight and not is_after else day.wall.date()
            if DAYS[begun.weekday()] not in weekday:
                return functools.partial(_not_today, window, begun)
        return None

    return ask


def _edges(window: TimeCondition, day: Daytime) -> tuple[time | None, time | None]:
    after, before = window.after, window.before
    return (
        day.edge(after, window.after_offset_s) if isinstance(after, str) else after,
        day.edge(before, window.before_offset_s) if isinstance(before, str) else before,
    )


def _not_set() -> str:
    return "the clock is not set"


def _not_now(window: TimeCondition, day: Daytime, after: time | None, before: time | None) -> str:
    return f"it is {day.clock:%H:%M:%S}, not {window_words(window, after, before)}"


def _not_today(window: TimeCondition, begun: date) -> str:
    return f"it is {begun:%A}, not {', '.join(window.weekday)}"


def window_words(window: TimeCondition, after: time | None = None, before: time | None = None) -> str:
    """'between 18:00 and sunset'; with times, they are shown beside the sun's words."""
    edges = []
    for edge, offset_s, at in (
        (window.after, window.after_offset_s, after),
        (window.before, window.before_offset_s, before),
    ):
        if isinstance(edge, time):
            edges.append(clock_words(edge))
        elif edge is not None:
            edges.append(offset_words(offset_s, edge) + (f" ({clock_words(at)})" if at else ""))
        else:
            edges.append("")
    match edges:
        case ["", ""]:
            return "at any time"
        case [since, ""]:
            return f"after {since}"
        case ["", until]:
            return f"before {until}"
        case _:
            return f"between {edges[0]} and {edges[1]}"


def clock_words(at: time) -> str:
    """'18:00', with seconds where there are some."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
