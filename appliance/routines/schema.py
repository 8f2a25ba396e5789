"""The words of routines.yaml, which are Home Assistant's: triggers, conditions, actions.

Validated with `context={"commands": names}`, a routine may only name those commands; without, any. With
`context={"can_play": False}` sounds are refused. What lies between routines is looked at in `checks.py`.
"""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from appliance.events import Fault
from appliance.fields import (
    LANGUAGE,
    ROUTINE_ID,
    Choice,
    KindBy,
    Matching,
    NotEmpty,
    PlainModel,
    Range,
    Topic,
    Wanted,
    did_you_mean,
)
from appliance.routines.expression import Expression
from appliance.routines.notation import (
    Address,
    Argument,
    Day,
    DurationS,
    Edge,
    JsonTree,
    OffsetS,
    Payload,
    PresenceForS,
    Scalar,
    ScalarTree,
    TextWithValues,
    TimeOfDay,
    ValuePath,
)
from appliance.routines.template import NAME
from appliance.types import MotionClass, Presence

MAX_RUNS = 100
DEFAULT_RUNS = 10
"""Runs of one routine that may wait or go on at once; Home Assistant's default."""


def _allowed(found: object, info: ValidationInfo) -> str:
    if not isinstance(found, str):
        raise PydanticCustomError("plain", "must be the name of a command")
    allowed = (info.context or {}).get("commands")
    if allowed is not None and found not in allowed:
        hint = did_you_mean(found, allowed)
        raise PydanticCustomError("plain", f"is not a command of routines.commands in the configuration{hint}")
    return found


def _expression(found: object) -> Expression:
    if not isinstance(found, str):
        raise PydanticCustomError("plain", "must be text such as weather.temperature > 25")
    return Expression(found)


def _listed(found: object) -> object:
    """One word stands for a list of one."""
    return [found] if isinstance(found, str) else found


_Name = Annotated[str, Matching(NAME, "a name of a-z, 0-9 and _ that begins with a letter")]
_RoutineId = Annotated[str, Matching(ROUTINE_ID, "1 to 64 of a-z, 0-9 and _")]
_Days = Annotated[tuple[Day, ...], Field(strict=False), BeforeValidator(_listed)]
_LevelDb = Annotated[float, Range(-60, 0)]


# Triggers


class PresenceTrigger(PlainModel):
    """Presence becomes `to` and stays so for `for_s` seconds.

    `if_already` says what a state means that holds when the routine begins to be watched: `for` counts from then
    (start), the routine fires at once (fire), or the next change is waited for (ignore).
    """

    trigger: Literal["presence"]
    to: Annotated[Presence, Choice()]
    for_s: PresenceForS = Field(0.0, alias="for")
    if_already: Annotated[Literal["start", "fire", "ignore"], Choice()] = "start"


class MotionTrigger(PlainModel):
    """Motion of a kind, direction and speed; once a motion, when it first is so. Speeds are radial, without sign."""

    trigger: Literal["motion"]
    kind: Annotated[Literal[MotionClass.MAJOR, MotionClass.MINOR], Choice()] | None = None
    direction: Annotated[Literal["towards", "away"], Choice()] | None = None
    speed_above_mps: Annotated[float, Range(0, 10)] | None = None
    speed_below_mps: Annotated[float, Range(0, 10)] | None = None

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        above, below = self.speed_above_mps, self.speed_below_mps
        if above is not None and below is not None and above >= below:
            raise PydanticCustomError("plain", "speed_above_mps must be less than speed_below_mps")
        return self


class MqttTrigger(PlainModel):
    """A message comes on `topic`: any, one that is `payload`, or JSON in which `value` is `payload`."""

    trigger: Literal["mqtt"]
    topic: Annotated[str, Topic()]
    payload: Scalar | None = None
    value: ValuePath | None = None

    @model_validator(mode="after")
    def _value_is_something(self) -> Self:
        if self.value is not None and self.payload is None:
            raise PydanticCustomError("plain", "value needs a payload to be compared with")
        return self


class TimeTrigger(PlainModel):
    """A local time of day, on all days or some."""

    trigger: Literal["time"]
    at: TimeOfDay
    weekday: _Days = ()


class SunTrigger(PlainModel):
    """The sun rises or sets, `offset_s` seconds later."""

    trigger: Literal["sun"]
    event: Annotated[Literal["sunrise", "sunset"], Choice()]
    offset_s: OffsetS = Field(0.0, alias="offset")


class HealthTrigger(PlainModel):
    """A fault of the device appears or goes: one of them, or the first and the last of any."""

    trigger: Literal["health"]
    event: Annotated[Literal["appears", "goes"], Choice()]
    fault: Annotated[Fault, Choice()] | None = None


# Conditions


class TimeCondition(PlainModel):
    """Local time is at or behind `after` and before `before`; over midnight when `after` is the later.

    `weekday` is the day on which the window begins, so that one on Friday over midnight ends on Saturday.
    """

    condition: Literal["time"]
    after: Edge = None
    before: Edge = None
    after_offset_s: OffsetS = Field(0.0, alias="after_offset")
    before_offset_s: OffsetS = Field(0.0, alias="before_offset")
    weekday: _Days = ()

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.after is None and self.before is None and not self.weekday:
            raise PydanticCustomError("plain", "needs after, before, weekday or several of them")
        if self.after is not None and (self.after, self.after_offset_s) == (self.before, self.before_offset_s):
            raise PydanticCustomError("plain", "after and before must differ")
        for name, edge, offset_s in (
            ("after", self.after, self.after_offset_s),
            ("before", self.before, self.before_offset_s),
        ):
            if offset_s and not isinstance(edge, str):
                raise PydanticCustomError("plain", f"{name}_offset belongs to {name}: sunrise or sunset")
        return self


class PresenceCondition(PlainModel):
    """Presence is `state`."""

    condition: Literal["presence"]
    state: Annotated[Presence, Choice()]


class StateCondition(PlainModel):
    """A named value, with steps into it, is `state`."""

    condition: Literal["state"]
    name: Annotated[
        str, Matching(rf"{NAME}(\.[A-Za-z0-9_-]{{1,64}}){{0,15}}", "the name of a value, as armed or weather.wind")
    ]
    state: Scalar


class ExpressionCondition(PlainModel):
    """An expression over named values is true."""

    condition: Literal["expression"]
    expression: Annotated[Expression, PlainValidator(_expression)]


Condition = TimeCondition | PresenceCondition | StateCondition | ExpressionCondition
_Conditions = Annotated[tuple[Annotated[Condition, KindBy("condition")], ...], Field(strict=False)]


# Actions


class PublishAction(PlainModel):
    """Sends an MQTT message; a mapping goes over the wire as JSON."""

    action: Literal["mqtt.publish"]
    topic: Annotated[str, Topic()]
    payload: Payload
    retain: bool = False
    qos: Annotated[Literal[0, 1, 2], Choice()] = 1


class WebhookAction(PlainModel):
    """Makes an HTTP request; `body` is sent as JSON. Its JSON answer becomes the value `response_variable`."""

    action: Literal["webhook"]
    url: Address
    method: Annotated[Literal["GET", "POST", "PUT", "PATCH", "DELETE"], Choice()] = "POST"
    body: JsonTree | None = Field(None, alias="json")
    timeout_s: Annotated[float, Range(0.1, 60)] = 5.0
    response_variable: _Name | None = None


class CommandAction(PlainModel):
    """Starts a program of the configuration's allow list.

    An argument of the allow list that is nothing but `{name}` takes the value that `values` gives to that name.
    """

    action: Literal["command"]
    command: Annotated[str, PlainValidator(_allowed)]
    values: dict[_Name, Argument] = Field(default_factory=dict)
    timeout_s: Annotated[float, Range(0.1, 3600)] = 10.0


class _SoundAction(PlainModel):
    """What needs a player of sounds."""

    @model_validator(mode="after")
    def _can_be_heard(self, info: ValidationInfo) -> Self:
        if not (info.context or {}).get("can_play", True):
            raise PydanticCustomError("plain", "cannot be used: name the loudspeaker's channels in audio.music_outputs")
        return self


class PlayAction(_SoundAction):
    """Plays a file or a stream to its end, `level_db` below its own level."""

    action: Literal["play"]
    media: Annotated[
        str,
        Matching(r"(/|https?://)[^\x00-\x1f\x7f]{1,1000}", "the path of a file from / on, or an http or https address"),
    ]
    level_db: _LevelDb = 0.0


class StopPlayingAction(_SoundAction):
    """Ends whatever is played."""

    action: Literal["stop_playing"]


class AnnounceAction(_SoundAction):
    """Speaks a text with its values."""

    action: Literal["announce"]
    text: TextWithValues
    language: Annotated[str, Matching(LANGUAGE, "a language such as en, de or en-gb")] = "en"
    level_db: _LevelDb = 0.0


class EmissionAction(PlainModel):
    """Lets the tweeter play or rest; while it rests presence is unknown."""

    action: Literal["emission"]
    state: Annotated[Literal["on", "off"], Choice()]


class SetValueAction(PlainModel):
    """Gives a named value, which lasts until it is set again, over restarts too."""

    action: Literal["set_value"]
    name: _Name
    value: ScalarTree


class DelayAction(PlainModel):
    """Waits."""

    action: Literal["delay"]
    for_s: DurationS = Field(alias="for")


class RoutineAction(PlainModel):
    """Starts another routine, if its conditions, mode and cooldown let it; does not wait for its end."""

    action: Literal["routine"]
    routine: _RoutineId


class ChooseOption(PlainModel):
    """Actions for when all conditions hold."""

    conditions: Annotated[_Conditions, NotEmpty()]
    actions: "_Actions"


class ChooseAction(PlainModel):
    """Runs the actions of the first option whose conditions hold, else `default`."""

    action: Literal["choose"]
    options: Annotated[tuple[ChooseOption, ...], Field(strict=False), NotEmpty()]
    default: "_Actions" = ()


Trigger = PresenceTrigger | MotionTrigger | MqttTrigger | TimeTrigger | SunTrigger | HealthTrigger
Action = (
    PublishAction | WebhookAction | CommandAction | PlayAction | StopPlayingAction | AnnounceAction | EmissionAction
    | SetValueAction | DelayAction | RoutineAction | ChooseAction
)  # fmt: skip
_Actions = Annotated[tuple[Annotated[Action, KindBy("action")], ...], Field(strict=False)]
ChooseOption.model_rebuild()
ChooseAction.model_rebuild()


class Variable(PlainModel):
    """A value that is read from the last message of a topic: the whole of it, or what stands at `value` in its JSON."""

    topic: Annotated[str, Topic()]
    value: ValuePath | None = None


class Routine(PlainModel):
    """One rule: any of its triggers fires it, if all of its conditions hold; then its actions run in order."""

    id: _RoutineId
    alias: Annotated[str | None, Wanted("text")] = None
    triggers: Annotated[tuple[Annotated[Trigger, KindBy("trigger")], ...], Field(strict=False), NotEmpty()]
    conditions: _Conditions = ()
    actions: Annotated[_Actions, NotEmpty()]
    variables: dict[_Name, Variable] = Field(default_factory=dict)
    mode: Annotated[Literal["single", "restart", "queued", "parallel"], Choice()] = "single"
    max: Annotated[int, Range(1, MAX_RUNS)] = DEFAULT_RUNS
    cooldown_s: DurationS = Field(0.0, alias="cooldown")

    @field_validator("max")
    @classmethod
    def _max_has_a_meaning(cls, found: int, info: ValidationInfo) -> int:
        if info.data.get("mode") not in {"queued", "parallel", None}:
            raise PydanticCustomError("plain", "belongs to mode queued or parallel")
        return found
