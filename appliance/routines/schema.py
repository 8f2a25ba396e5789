"""The words of routines.yaml, which are Home Assistant's: triggers, conditions, actions.

Validated with `context={"commands": names}`, a routine may only name those commands; without, any.
"""

import json
import re
from datetime import time
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from appliance.fields import Choice, KindBy, Matching, NotEmpty, PlainModel, Range, Topic, Wanted, did_you_mean
from appliance.types import MotionClass, Presence

MAX_FOR_S = 366 * 86_400.0

_DURATION = re.compile(r"([0-9]{1,4}):([0-5]?[0-9]):([0-5][0-9])")
_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def _duration_s(found: Any) -> float:
    """Seconds of a number, of "HH:MM:SS", or of a mapping of hours, minutes and seconds.

    Two parts are refused: Home Assistant reads "1:30" as hours and minutes, most people as minutes and seconds.
    """
    total_s = -1.0
    if isinstance(found, str) and (match := _DURATION.fullmatch(found)):
        hours, minutes, seconds = (int(part) for part in match.groups())
        total_s = hours * 3600.0 + minutes * 60.0 + seconds
    elif isinstance(found, dict):
        if found and found.keys() <= _UNITS_S.keys() and all(_is_amount(amount) for amount in found.values()):
            total_s = sum(amount * _UNITS_S[unit] for unit, amount in found.items())
    elif _is_amount(found):
        total_s = float(found)
    if not 0.0 <= total_s <= MAX_FOR_S:
        message = 'must be seconds, "HH:MM:SS" or a mapping of hours, minutes and seconds, from 0 to 366 days'
        raise PydanticCustomError("plain", message)
    return total_s


_UNITS_S = {"hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def _is_amount(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool) and 0 <= found <= MAX_FOR_S


def _time_of_day(found: object) -> time | None:
    match = _TIME_OF_DAY.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise PydanticCustomError("plain", "must be a time of day from 00:00 to 23:59:59, as HH:MM or HH:MM:SS")
    hour, minute, second = (int(part or 0) for part in match.groups())
    return time(hour, minute, second)


def _json_bytes(found: object) -> bytes:
    try:
        return json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise PydanticCustomError("plain", "must not hold .inf or .nan: JSON has no such numbers") from error


def _payload(found: object) -> bytes:
    if isinstance(found, str):
        return found.encode()
    if isinstance(found, (bool, int, float, dict)):
        return _json_bytes(found)
    raise PydanticCustomError("plain", "must be text, a number, true, false or a mapping")


def _url(found: object) -> str:
    message = "must be an address that begins with http:// or https://, in ASCII and without a user name"
    if isinstance(found, str) and re.fullmatch(r"[!-~]{1,2000}", found):
        try:
            parts = urlsplit(found)
            usable = (
                parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc
            )
        except ValueError:
            usable = False
        if usable:
            return found
    raise PydanticCustomError("plain", message)


def _allowed(found: object, info: ValidationInfo) -> str:
    if not isinstance(found, str):
        raise PydanticCustomError("plain", "must be the name of a command")
    allowed = (info.context or {}).get("commands")
    if allowed is not None and found not in allowed:
        hint = did_you_mean(found, allowed)
        raise PydanticCustomError("plain", f"is not a command of routines.commands in the configuration{hint}")
    return found


_TimeOfDay = Annotated[time | None, PlainValidator(_time_of_day)]


class PresenceTrigger(PlainModel):
    """Presence becomes `to` and stays so for `for_s` seconds."""

    trigger: Literal["presence"]
    to: Annotated[Presence, Choice()]
    for_s: Annotated[float, PlainValidator(_duration_s)] = Field(0.0, alias="for")


class MotionTrigger(PlainModel):
    """Motion begins, of any kind or of one."""

    trigger: Literal["motion"]
    kind: Annotated[Literal[MotionClass.MAJOR, MotionClass.MINOR], Choice()] | None = None


class TimeCondition(PlainModel):
    """Local time of day is at or behind `after` and before `before`; over midnight when `after` is the later."""

    condition: Literal["time"]
    after: _TimeOfDay = None
    before: _TimeOfDay = None

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.after is None and self.before is None:
            raise PydanticCustomError("plain", "needs after, before or both")
        if self.after == self.before:
            raise PydanticCustomError("plain", "after and before must differ")
        return self


class PresenceCondition(PlainModel):
    """Presence is `state`."""

    condition: Literal["presence"]
    state: Annotated[Presence, Choice()]


class PublishAction(PlainModel):
    """Sends an MQTT message; `payload` is what goes over the wire."""

    action: Literal["mqtt.publish"]
    topic: Annotated[str, Topic()]
    payload: Annotated[bytes, PlainValidator(_payload)]
    retain: bool = False
    qos: Annotated[Literal[0, 1, 2], Choice()] = 1


class WebhookAction(PlainModel):
    """Makes an HTTP request; `body` is JSON, or nothing."""

    action: Literal["webhook"]
    url: Annotated[str, PlainValidator(_url)]
    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Choice()] = "POST"
    body: Annotated[bytes | None, PlainValidator(_json_bytes)] = Field(None, alias="json")
    timeout_s: Annotated[float, Range(0.1, 60)] = 5.0


class CommandAction(PlainModel):
    """Starts a program of the configuration's allow list."""

    action: Literal["command"]
    command: Annotated[str, PlainValidator(_allowed)]
    timeout_s: Annotated[float, Range(0.1, 3600)] = 10.0


Trigger = PresenceTrigger | MotionTrigger
Condition = TimeCondition | PresenceCondition
Action = PublishAction | WebhookAction | CommandAction


class Routine(PlainModel):
    """One rule: any of its triggers fires it, if all of its conditions hold; then its actions run in order."""

    id: Annotated[str, Matching(r"[a-z0-9_]{1,64}", "1 to 64 of a-z, 0-9 and _")]
    alias: Annotated[str | None, Wanted("text")] = None
    triggers: Annotated[tuple[Annotated[Trigger, KindBy("trigger")], ...], Field(strict=False), NotEmpty()]
    conditions: Annotated[tuple[Annotated[Condition, KindBy("condition")], ...], Field(strict=False)] = ()
    actions: Annotated[tuple[Annotated[Action, KindBy("action")], ...], Field(strict=False), NotEmpty()]
