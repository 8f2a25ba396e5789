"""Every message of the appliance as a model, and the pure way from an event to its messages.

`TOPICS` is all that we publish below our root; `commands.COMMANDS` is what we listen to.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from appliance.errors import PublishRejected
from appliance.events import (
    DeviceLost,
    EmissionChanged,
    Event,
    MotionStarted,
    MotionStopped,
    MotionUpdated,
    PresenceChanged,
    StreamHealth,
)
from appliance.routines.outcome import Outcome
from appliance.types import Chirps, MotionClass, Presence

MAX_TOPIC_BYTES = 1024
"""Far below the 65,535 of the protocol, because some brokers refuse long topics by ending the connection."""


def rfc3339(at: datetime) -> str:
    """A point in time as RFC 3339 text in UTC, with milliseconds and Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _rounded(digits: int) -> AfterValidator:
    # Adding zero turns -0.0, which JSON would show, into 0.0.
    return AfterValidator(lambda value: round(value, digits) + 0.0)


Time = Annotated[AwareDatetime, PlainSerializer(rfc3339, when_used="json")]
Probability = Annotated[float, Field(ge=0.0, le=1.0), _rounded(3)]
RadialMps = Annotated[float, Field(allow_inf_nan=False), _rounded(2)]
LevelDbSpl = Annotated[float, Field(allow_inf_nan=False), _rounded(1)]
StreamTime = Annotated[float, Field(allow_inf_nan=False), _rounded(3)]


class Message(BaseModel):
    """What all messages share: they do not change, and they hold nothing unnamed."""

    # Built with the first message of its kind, so that the start need not wait for all of them.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Status(enum.StrEnum):
    """Availability as Home Assistant expects it: plain text, no JSON."""

    ONLINE = "online"
    OFFLINE = "offline"


class PresenceState(Message):
    """The room's presence, `since` when it holds and the confidence (0..1) of the evidence that made it so.

    `no_occupancy_since` is the last of the configured numbers of seconds that the room has been vacant for, or null.
    """

    presence: Presence
    since: Time
    confidence: Probability
    cause: str
    no_occupancy_since: int | None = None


class MotionState(Message):
    """Whether somebody moves; null while it cannot be told.

    `kind` is major or minor while there is motion, `radial_mps` in m/s is + towards the array and null where the
    direction is not clear, `score` in 0..1 is the probability of motion.
    """

    motion: bool | None
    kind: Literal[MotionClass.MAJOR, MotionClass.MINOR] | None
    radial_mps: RadialMps | None
    score: Probability | None


class Mode(enum.StrEnum):
    """How the appliance lives: as usual, with rarer false alarms, or silent and hence without an idea of the room."""

    NORMAL = "normal"
    AWAY = "away"
    REST = "rest"


class SettingsState(Message):
    """What the owner can set: hold time in s, sensitivity in 0..100, whether the tweeter plays, and the mode."""

    hold_s: float
    sensitivity: Annotated[float, _rounded(1)]
    emission: bool
    mode: Mode


class HealthLevel(enum.StrEnum):
    """Home Assistant shows everything but ok as a problem."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


class HealthState(Message):
    """The appliance's own state.

    `faults` by name, `lost_frames` since the stream began, `uptime_s` in seconds, `events_dropped` and
    `events_expired` count events that never reached the broker, `callback_errors` faults caught while handling
    the broker's messages.
    """

    state: HealthLevel
    faults: tuple[str, ...]
    lost_frames: int = Field(ge=0)
    uptime_s: float = Field(ge=0.0)
    version: str
    events_waiting: int = Field(ge=0)
    events_dropped: int = Field(ge=0)
    events_expired: int = Field(ge=0)
    callback_errors: int = Field(ge=0)
    at: Time


class UpdateState(Message):
    """The version of the system that runs, the newest that was found, and in % how far its installation has come.

    The keys are those that Home Assistant takes, and all that it takes.
    """

    installed_version: str
    latest_version: str
    in_progress: bool = False
    update_percentage: Annotated[int, Field(ge=0, le=100)] | None = None


class ErrorMessage(Message):
    """What went wrong: with the command on `topic`, or, where that is null, with a routine, which is named."""

    at: Time
    topic: str | None
    message: str


class RoutineMessage(Message):
    """What became of a routine that was started by `set/routine`, step by step, and why in words."""

    at: Time
    routine: str
    outcome: Outcome
    message: str


class _EventMessage(Message):
    """What every event carries: wall-clock `at`, stream time `t_s` in seconds and its cause."""

    at: Time
    t_s: StreamTime
    cause: str


class MotionStartedMessage(_EventMessage):
    """Somebody began to move."""

    type: Literal["motion_started"] = "motion_started"
    kind: MotionClass
    score: Probability
    radial_mps: RadialMps | None


class MotionStoppedMessage(_EventMessage):
    """No motion is seen any more."""

    type: Literal["motion_stopped"] = "motion_stopped"
    score: Probability
    radial_mps: RadialMps | None


class PresenceChangedMessage(_EventMessage):
    """The room's presence changed."""

    type: Literal["presence_changed"] = "presence_changed"
    presence: Presence
    previous: Presence
    confidence: Probability


class ChirpsMessage(Message):
    """Chirps beside the tones: their ends in Hz, times in ms, the level in dB SPL at 1 m."""

    start_hz: float
    stop_hz: float
    pulse_ms: Annotated[float, _rounded(3)]
    fade_ms: Annotated[float, _rounded(3)]
    pulses_hz: float
    level_db_spl: LevelDbSpl


class EmissionChangedMessage(_EventMessage):
    """What the tweeter plays changed.

    `carriers_hz` in Hz, all of them together `level_db_spl` at 1 m, which is null without any; `chirps` is null
    without any.
    """

    type: Literal["emission_changed"] = "emission_changed"
    on: bool
    carriers_hz: tuple[float, ...]
    level_db_spl: LevelDbSpl | None
    chirps: ChirpsMessage | None


class StreamHealthMessage(_EventMessage):
    """The faults of the stream changed."""

    type: Literal["stream_health"] = "stream_health"
    faults: tuple[str, ...]
    lost_frames: int = Field(ge=0)


class DeviceLostMessage(_EventMessage):
    """The audio device went away; the service starts again."""

    type: Literal["device_lost"] = "device_lost"
    device: str


EventMessage = (
    MotionStartedMessage
    | MotionStoppedMessage
    | PresenceChangedMessage
    | EmissionChangedMessage
    | StreamHealthMessage
    | DeviceLostMessage
)
_EVENT_MODELS: tuple[type[_EventMessage], ...] = get_args(EventMessage)
EVENT_TYPES: tuple[str, ...] = tuple(model.model_fields["type"].default for model in _EVENT_MODELS)


def event_message(event: Event, at: datetime) -> EventMessage | None:
    """The message of an event; None for `MotionUpdated`, which changes a state and is no event of its own."""
    match event:
        case MotionStarted(t_s, kind, score, radial_mps, cause):
            return MotionStartedMessage(at=at, t_s=t_s, cause=cause, kind=kind, score=score, radial_mps=radial_mps)
        case MotionUpdated():
            return None
        case MotionStopped(t_s, score, radial_mps, cause):
            return MotionStoppedMessage(at=at, t_s=t_s, cause=cause, score=score, radial_mps=radial_mps)
        case PresenceChanged(t_s, presence, previous, confidence, cause):
            return PresenceChangedMessage(
                at=at, t_s=t_s, cause=cause, presence=presence, previous=previous, confidence=confidence
            )
        case EmissionChanged(t_s, emission, cause):
            tones, chirps = emission.tones, emission.chirps
            return EmissionChangedMessage(
                at=at,
                t_s=t_s,
                cause=cause,
                on=emission.on,
                carriers_hz=tones.carriers_hz if tones else (),
                level_db_spl=tones.level_db_spl if tones else None,
                chirps=_chirps_message(chirps) if chirps else None,
            )
        case StreamHealth(t_s, faults, lost_frames, cause):
            return StreamHealthMessage(at=at, t_s=t_s, cause=cause, faults=faults, lost_frames=lost_frames)
        case DeviceLost(t_s, device, cause):
            return DeviceLostMessage(at=at, t_s=t_s, cause=cause, device=device)


def _chirps_message(chirps: Chirps) -> ChirpsMessage:
    return ChirpsMessage(
        start_hz=chirps.start_hz,
        stop_hz=chirps.stop_hz,
        pulse_ms=chirps.pulse_s * 1000.0,
        fade_ms=chirps.fade_s * 1000.0,
        pulses_hz=chirps.pulses_hz,
        level_db_spl=chirps.level_db_spl,
    )


def presence_state(event: PresenceChanged, at: datetime) -> PresenceState:
    """The presence that holds from `at` on."""
    return PresenceState(presence=event.presence, since=at, confidence=event.confidence, cause=event.cause)


UNKNOWN_MOTION = MotionState(motion=None, kind=None, radial_mps=None, score=None)


def motion_state(event: Event) -> MotionState | None:
    """What an event says of motion; None where it says nothing.

    An unknown presence makes motion unknown too, and a vacant room holds no motion, so that a state of before a
    fault cannot stay.
    """
    match event:
        case MotionStarted() | MotionUpdated():
            kind = event.kind if event.kind in (MotionClass.MAJOR, MotionClass.MINOR) else None
            return MotionState(motion=True, kind=kind, radial_mps=event.radial_mps, score=event.score)
        case MotionStopped():
            return MotionState(motion=False, kind=None, radial_mps=None, score=event.score)
        case PresenceChanged(presence=Presence.UNKNOWN):
            return UNKNOWN_MOTION
        case PresenceChanged(presence=Presence.VACANT):
            return MotionState(motion=False, kind=None, radial_mps=None, score=None)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic we publish, below base and node; `models` empty means plain text."""

    name: str
    retained: bool
    models: tuple[type[Message], ...]
    meaning: str
    qos: Literal[0, 1] = 1

    @property
    def payload(self) -> str:
        """The payload in the words of the README: the keys that all models of this topic have."""
        if not self.models:
            return " or ".join(f"`{status}`" for status in Status)
        shared = [key for key in self.models[0].model_fields if all(key in model.model_fields for model in self.models)]
        evidence = " and the event's evidence" if len(self.models) > 1 else ""
        return f"JSON: {', '.join(f'`{key}`' for key in shared)}{evidence}"


TOPICS: Mapping[str, Topic] = MappingProxyType(
    {
        topic.name: topic
        for topic in (
            Topic("status", True, (), "Availability; also the last will"),
            Topic(
                "presence",
                True,
                (PresenceState,),
                "`unknown`, `vacant` or `occupied`, since when, and for how long nobody has been there",
            ),
            Topic("motion", True, (MotionState,), "Motion, its kind and the velocity, + towards the array"),
            Topic("settings", True, (SettingsState,), "What `set/...` changes, as it is now"),
            Topic("update", True, (UpdateState,), "On the SD-card image: versions, and how an update comes along"),
            Topic("event", False, _EVENT_MODELS, "One message for each event, with its evidence"),
            Topic("health", True, (HealthState,), "Faults, lost frames, uptime, version, counts"),
            Topic("routine", False, (RoutineMessage,), "What becomes of a routine that was started by `set/routine`"),
            Topic("error", False, (ErrorMessage,), "A command that was refused or a routine that failed, and why"),
        )
    }
)


def encode(message: Message | Status) -> bytes:
    """A message as it goes on the wire: JSON, or plain text for the status."""
    if isinstance(message, Status):
        return message.value.encode()
    return message.model_dump_json().encode()


def check_topic(topic: str) -> None:
    """Refuse what a client may not publish to.

    Raises:
        PublishRejected: the topic is empty, too long, reserved, or has a wildcard or a control character.
    """
    try:
        size_bytes = len(topic.encode())
    except UnicodeEncodeError:
        raise PublishRejected(f"topic {topic!a}: is no valid text") from None
    if not topic or size_bytes > MAX_TOPIC_BYTES:
        raise PublishRejected(f"topic {topic[:40]!r}: wants 1 to {MAX_TOPIC_BYTES} bytes, has {size_bytes}")
    if "+" in topic or "#" in topic:
        raise PublishRejected(f"topic {topic!r}: the wildcards + and # are only for subscriptions")
    if topic.startswith("$"):
        raise PublishRejected(f"topic {topic!r}: names that begin with $ belong to the broker")
    if not topic.isprintable():
        raise PublishRejected(f"topic {topic!a}: has a control or other unprintable character")


def check_filter(topic_filter: str) -> None:
    """Refuse what a client may not subscribe to: + must be a whole level, # a whole level and the last (MQTT 5, 4.7.1).

    Raises:
        PublishRejected: the filter is empty, too long, reserved, or has a wildcard in a wrong place.
    """
    levels = topic_filter.split("/")
    if any(len(level) > 1 and ("+" in level or "#" in level) for level in levels) or "#" in levels[:-1]:
        raise PublishRejected(f"filter {topic_filter!a}: + must stand alone between slashes, # alone at the end")
    check_topic(topic_filter.replace("+", "x").replace("#", "x"))
