"""How values are written in routines.yaml: durations, times of day, payloads, addresses."""

import json
import re
from collections.abc import Iterator
from datetime import time, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from appliance.fields import Choice, Matching, did_you_mean
from appliance.routines.template import Tree, check_text

MAX_FOR_S = 366 * 86_400.0
MIN_PRESENCE_FOR_S = 5.0
_MAX_OFFSET_S = 12 * 3600.0

_DURATION = re.compile(r"([0-9]{1,4}):([0-5]?[0-9]):([0-5][0-9])")
_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_UNITS_S = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}
_DURATION_WORDS = 'must be seconds, "HH:MM:SS" or a mapping of hours, minutes and seconds, from'

Sun = Literal["sunrise", "sunset"]
SUN_WORDS: tuple[Sun, ...] = ("sunrise", "sunset")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Annotated[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], Choice()]


def _seconds(found: Any) -> float | None:
    """Seconds of a number, of "HH:MM:SS", or of a mapping of hours, minutes and seconds; None where it is none.

    Two parts are refused: Home Assistant reads "1:30" as hours and minutes, most people as minutes and seconds.
    """
    if isinstance(found, str) and (match := _DURATION.fullmatch(found)):
        hours, minutes, seconds = (int(part) for part in match.groups())
        return hours * 3600.0 + minutes * 60.0 + seconds
    if isinstance(found, dict):
        if found and found.keys() <= _UNITS_S.keys() and all(_is_amount(amount) for amount in found.values()):
            return float(sum(amount * _UNITS_S[unit] for unit, amount in found.items()))
        return None
    return float(found) if _is_amount(found) else None


def _is_amount(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool) and 0 <= found <= MAX_FOR_S


def _duration_s(found: Any) -> float:
    total_s = _seconds(found)
    if total_s is None or total_s > MAX_FOR_S:
        raise PydanticCustomError("plain", f"{_DURATION_WORDS} 0 to 366 days")
    return total_s


def _presence_for_s(found: Any) -> float:
    total_s = _seconds(found)
    if total_s is None or not (total_s == 0.0 or MIN_PRESENCE_FOR_S <= total_s <= MAX_FOR_S):
        raise PydanticCustomError("plain", f"{_DURATION_WORDS} {MIN_PRESENCE_FOR_S:g} s to 366 days, or 0")
    return total_s


def _offset_s(found: Any) -> float:
    sign = 1.0
    if isinstance(found, str) and found[:1] in {"-", "+"}:
        sign, found = (-1.0 if found[0] == "-" else 1.0), found[1:]
    elif isinstance(found, (int, float)) and not isinstance(found, bool) and found < 0:
        sign, found = -1.0, -found
    total_s = _seconds(found)
    if total_s is None or total_s > _MAX_OFFSET_S:
        raise PydanticCustomError("plain", 'must be seconds or "HH:MM:SS", with a minus for earlier, up to 12 hours')
    return sign * total_s


def _time_of_day(found: object) -> time:
    match = _TIME_OF_DAY.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise PydanticCustomError("plain", "must be a time of day from 00:00 to 23:59:59, as HH:MM or HH:MM:SS")
    hour, minute, second = (int(part or 0) for part in match.groups())
    return time(hour, minute, second)


def _edge(found: object) -> time | Sun:
    if found in SUN_WORDS:
        return found
    try:
        return _time_of_day(found)
    except PydanticCustomError:
        hint = did_you_mean(found, SUN_WORDS) if isinstance(found, str) else ""
        message = f"must be a time of day from 00:00 to 23:59:59, as HH:MM or HH:MM:SS, sunrise or sunset{hint}"
        raise PydanticCustomError("plain", message) from None


DurationS = Annotated[float, PlainValidator(_duration_s)]
PresenceForS = Annotated[float, PlainValidator(_presence_for_s)]
OffsetS = Annotated[float, PlainValidator(_offset_s)]
TimeOfDay = Annotated[time, PlainValidator(_time_of_day)]
Edge = Annotated[time | Sun | None, PlainValidator(_edge)]


def json_bytes(found: object) -> bytes:
    """Compact JSON in UTF-8.

    Raises:
        ValueError: a number that JSON does not have.
    """
    return json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _tree(found: Any) -> Tree:
    """A value that is sent as JSON; its texts may hold `{name}`."""
    try:
        json_bytes(found)
    except ValueError as error:
        raise PydanticCustomError("plain", "must not hold .inf or .nan: JSON has no such numbers") from error
    for text in _texts(found):
        check_text(text)
    return Tree(found)


def _texts(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for inner in found.values():
            yield from _texts(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from _texts(inner)


def _payload(found: object) -> Tree:
    if isinstance(found, (str, bool, int, float, dict)):
        return _tree(found)
    raise PydanticCustomError("plain", "must be text, a number, true, false or a mapping")


def _scalar(found: object) -> Tree:
    if isinstance(found, (str, bool, int, float)):
        return _tree(found)
    raise PydanticCustomError("plain", "must be text, a number, true or false")


Payload = Annotated[Tree, PlainValidator(_payload)]
JsonTree = Annotated[Tree, PlainValidator(_tree)]
ScalarTree = Annotated[Tree, PlainValidator(_scalar)]


def _plain_scalar(found: object) -> str | bool | int | float:
    if isinstance(found, (str, bool, int)) or (isinstance(found, float) and abs(found) < float("inf")):
        return found
    raise PydanticCustomError("plain", "must be text, a number, true or false")


Scalar = Annotated[str | bool | int | float, PlainValidator(_plain_scalar)]


def _text_with_values(found: object) -> str:
    if not isinstance(found, str) or not found.strip() or len(found) > 4000:
        raise PydanticCustomError("plain", "must be text of 1 to 4000 characters")
    check_text(found, strict=True)
    return found


TextWithValues = Annotated[str, PlainValidator(_text_with_values)]


def _argument(found: object) -> str:
    if not isinstance(found, str):
        raise PydanticCustomError("plain", "must be text (put a number in quotes)")
    check_text(found)
    return found


Argument = Annotated[str, PlainValidator(_argument)]


def _url(found: object) -> str:
    message = "must be an address that begins with http:// or https://, in ASCII and without a user name"
    if isinstance(found, str) and re.fullmatch(r"[!-~]{1,2000}", found):
        check_text(found)
        try:
            parts = urlsplit(found)
            usable = (
                parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc
            )
        except ValueError:
            usable = False
        if usable:
            if "{" in parts.netloc:
                raise PydanticCustomError("plain", "may hold {name} only behind the host, not in it")
            return found
    raise PydanticCustomError("plain", message)


Address = Annotated[str, PlainValidator(_url)]


ValuePath = Annotated[
    str,
    Matching(
        r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,15}", "the way to a value in JSON, as state or rooms.0.name"
    ),
]


def offset_words(offset_s: float, event: str) -> str:
    """'30 minutes before sunset'."""
    if not offset_s:
        return event
    return f"{duration_words(abs(offset_s))} {'before' if offset_s < 0 else 'after'} {event}"


def duration_words(seconds: float) -> str:
    """'1 hour 30 minutes'; parts of seconds as they are."""
    left = timedelta(seconds=seconds)
    hours, rest = divmod(left.total_seconds(), 3600.0)
    minutes, rest = divmod(rest, 60.0)
    parts = [
        f"{amount:g} {unit}{'' if amount == 1 else 's'}"
        for amount, unit in ((hours, "hour"), (minutes, "minute"), (round(rest, 3), "second"))
        if amount
    ]
    return " ".join(parts) or "0 seconds"
