"""A chart of occupancy for the terminal: a row a day, the hours across; readable without colours."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from rich.text import Text

from appliance.outputs.history import HEARTBEAT_S, Entry
from appliance.types import Presence

_HEIGHTS = "▁▂▃▄▅▆▇█"
_STYLES = {Presence.OCCUPIED: "dark_orange", Presence.VACANT: "steel_blue3", Presence.UNKNOWN: "grey50"}
_SILENT = timedelta(seconds=1.5 * HEARTBEAT_S)
"""Without any entry for so long the service was off, and nothing is known."""

_LABEL_WIDTH = 11
_SUM_WIDTH = 9
Span = tuple[datetime, datetime, Presence]


def spans(entries: Sequence[Entry], until: datetime) -> list[Span]:
    """From when to when presence was what; what nobody wrote down is in none.

    Args:
        entries: in the order in which they came.
        until: end of what was asked for.
    """
    found: list[Span] = []
    presence, heard = Presence.UNKNOWN, None
    for entry in entries:
        if heard is not None and entry.at > heard:
            found.append((heard, min(entry.at, heard + _SILENT), presence))
            if entry.at > heard + _SILENT:
                presence = Presence.UNKNOWN
        if entry.topic == "presence":
            presence = Presence(entry.payload["presence"])
        heard = entry.at
    if heard is not None and heard < until:
        found.append((heard, min(until, heard + _SILENT), presence))
    return found


def chart(found: Sequence[Span], since: datetime, until: datetime, *, width: int) -> list[Text]:
    """Lines of a chart with the days of local time, oldest first.

    Args:
        found: spans of presence.
        since: the first moment of interest, with its zone, in which the days are told.
        until: the end.
        width: of the terminal in characters; an hour gets 1 to 4 of them.
    """
    per_hour = max(1, min(4, (width - _LABEL_WIDTH - _SUM_WIDTH) // 24))
    hours = "".join(f"{hour:<{per_hour * 3}}" for hour in range(0, 24, 3))
    lines = [Text(" " * _LABEL_WIDTH + hours + "occupied".rjust(_SUM_WIDTH), "grey62")]
    day = since.astimezone().date()
    while day <= (until - timedelta(microseconds=1)).astimezone().date():
        lines.append(_row(day, found, since, until, per_hour))
        day += timedelta(days=1)
    legend = Text(" " * _LABEL_WIDTH)
    for sign, presence, words in (
        ("▁▄█", Presence.OCCUPIED, " occupied, part of the time to all of it   "),
        ("·", Presence.VACANT, " vacant   "),
        ("?", Presence.UNKNOWN, " unknown or off"),
    ):
        legend.append(sign, _STYLES[presence]).append(words, "grey62")
    return [*lines, Text(), legend]


def _row(day: date, found: Sequence[Span], since: datetime, until: datetime, per_hour: int) -> Text:
    line = Text(f"{day:%a %d %b}".ljust(_LABEL_WIDTH), "grey62")
    occupied_s = 0.0
    for index in range(24 * per_hour):
        # Each end is a wall-clock time of its own, so that hours stand right on days that are not 24 hours long.
        begin, end = (_local(day, (index + more) * 60 // per_hour) for more in (0, 1))
        if end <= since or begin >= until:
            line.append(" ")
            continue
        parts_s = dict.fromkeys(Presence, 0.0)
        for first, last, presence in found:
            parts_s[presence] += max(0.0, (min(last, end) - max(first, begin)).total_seconds())
        occupied_s += parts_s[Presence.OCCUPIED]
        line.append(*_cell(parts_s))
    return line.append(f"{occupied_s / 3600:.1f} h".rjust(_SUM_WIDTH), "bold")


def _cell(parts_s: dict[Presence, float]) -> tuple[str, str]:
    known_s = parts_s[Presence.OCCUPIED] + parts_s[Presence.VACANT]
    if parts_s[Presence.OCCUPIED] > 0.0:
        share = parts_s[Presence.OCCUPIED] / (known_s + parts_s[Presence.UNKNOWN])
        return _HEIGHTS[round(share * (len(_HEIGHTS) - 1))], _STYLES[Presence.OCCUPIED]
    if known_s > 0.0:
        return "·", _STYLES[Presence.VACANT]
    return "?", _STYLES[Presence.UNKNOWN]


def _local(day: date, minute: int) -> datetime:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 -- the computer's own zone is meant
    return (midnight + timedelta(minutes=minute)).astimezone()
