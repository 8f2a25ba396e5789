"""The events file of `pipistrelle routines simulate`: JSON lines, as `replay --json` prints them, or a YAML list."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from appliance import events
from appliance.config.load import all_at_once, located, read_text
from appliance.config.yaml12 import parse
from appliance.errors import ConfigError, Problem
from appliance.fields import Choice, KindBy, PlainModel, Range, Topic
from appliance.routines.notation import DurationS, json_bytes
from appliance.routines.simulate import Answer, End, Happening, MqttMessage
from appliance.types import MotionClass, Presence

_LIST = "- "


class _Timed(PlainModel):
    """What happens `t_s` seconds, or "HH:MM:SS", behind the start."""

    t_s: DurationS
    file: str | None = None


class _Motion(_Timed):
    kind: Annotated[Literal[MotionClass.MAJOR, MotionClass.MINOR], Choice()] = MotionClass.MAJOR
    score: Annotated[float, Range(0, 1)] = 1.0
    radial_mps: Annotated[float, Range(-20, 20)] | None = None
    cause: str = "events file"


class _MotionStarted(_Motion):
    type: Literal["motion_started"]

    def what(self) -> events.Event:
        return events.MotionStarted(self.t_s, self.kind, self.score, self.radial_mps, self.cause)


class _MotionUpdated(_Motion):
    type: Literal["motion_updated"]

    def what(self) -> events.Event:
        return events.MotionUpdated(self.t_s, self.kind, self.score, self.radial_mps, self.cause)


class _MotionStopped(_Timed):
    type: Literal["motion_stopped"]
    score: Annotated[float, Range(0, 1)] = 0.0
    radial_mps: Annotated[float, Range(-20, 20)] | None = None
    cause: str = "events file"

    def what(self) -> events.Event:
        return events.MotionStopped(self.t_s, self.score, self.radial_mps, self.cause)


class _PresenceChanged(_Timed):
    type: Literal["presence_changed"]
    presence: Annotated[Presence, Choice()]
    previous: Annotated[Presence, Choice()] = Presence.UNKNOWN
    confidence: Annotated[float, Range(0, 1)] = 1.0
    cause: str = "events file"

    def what(self) -> events.Event:
        return events.PresenceChanged(self.t_s, self.presence, self.previous, self.confidence, self.cause)


class _StreamHealth(_Timed):
    type: Literal["stream_health"]
    faults: Annotated[tuple[Annotated[events.Fault, Choice()], ...], Field(strict=False)]
    lost_frames: Annotated[int, Range(0, 1e15)] = 0
    cause: str = "events file"

    def what(self) -> events.Event:
        return events.StreamHealth(self.t_s, self.faults, self.lost_frames, self.cause)


def _json(found: Any) -> Any:
    try:
        json_bytes(found)
    except ValueError as error:
        raise PydanticCustomError("plain", "must not hold .inf or .nan: JSON has no such numbers") from error
    return found


_Json = Annotated[Any, PlainValidator(_json)]


class _MqttMessage(_Timed):
    type: Literal["mqtt_message"]
    topic: Annotated[str, Topic()]
    payload: _Json
    retained: bool = False

    def what(self) -> MqttMessage:
        payload = self.payload.encode() if isinstance(self.payload, str) else json_bytes(self.payload)
        return MqttMessage(self.topic, payload, self.retained)


class _Answer(PlainModel):
    """What requests to an address are answered, from a time on."""

    type: Literal["answer"]
    url: str
    json_: _Json = Field(alias="json")
    t_s: DurationS = 0.0

    def what(self) -> Answer:
        return Answer(self.url, self.json_)


class _End(_Timed):
    type: Literal["end"]

    def what(self) -> End:
        return End()


class _Summary(PlainModel):
    """The last line of `replay --json`: the recording ends."""

    type: Literal["summary"]
    duration_s: Annotated[float, Range(0, 1e9)]
    motion_s: float = 0.0
    occupied_s: float = 0.0
    carriers_hz: Any = ()
    faults: Any = ()
    file: str | None = None

    @property
    def t_s(self) -> float:
        return self.duration_s

    def what(self) -> End:
        return End()


_Model = (
    _MotionStarted | _MotionUpdated | _MotionStopped | _PresenceChanged | _StreamHealth | _MqttMessage | _Answer | _End
    | _Summary
)  # fmt: skip
_ONE: TypeAdapter[_Model] = TypeAdapter(Annotated[_Model, KindBy("type")])


def load_happenings(path: Path) -> tuple[Happening, ...]:
    """What happens, in the order of the file.

    Raises:
        ConfigError: the file cannot be read or used; holds every problem.
    """
    text = read_text(path)
    json_lines = text.lstrip().startswith("{")
    if json_lines:
        # A JSON object is YAML; a list of them needs only its marks.
        text = "\n".join(_LIST + line if line.strip() else "" for line in text.split("\n"))
    document = parse(text, path=str(path))
    data = [] if document.data is None else document.data
    if not isinstance(data, list):
        raise ConfigError(str(path), [Problem(1, 1, "file", "must be JSON lines or a YAML list of events")])
    problems = list(document.problems)
    found: list[Happening] = []
    latest_s = 0.0
    for index, each in enumerate(data):
        try:
            model = _ONE.validate_python(each)
        except ValidationError as error:
            problems += located(error, document, within=(index,), name=f"events[{index}]")
            continue
        happening = Happening(model.t_s, model.what())
        if happening.t_s < latest_s:
            mark = document.values.get((index, "t_s"), document.values[(index,)])
            message = f"is earlier than what stands before it, at {latest_s:g} s"
            problems.append(Problem(mark.line, mark.column, f"events[{index}].t_s", message))
        latest_s = max(latest_s, happening.t_s)
        found.append(happening)
    if problems:
        shift = len(_LIST) if json_lines else 0
        moved = [replace(problem, column=max(1, problem.column - shift)) for problem in problems]
        raise all_at_once(path, moved)
    return tuple(found)
