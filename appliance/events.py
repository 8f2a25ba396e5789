"""What the pipeline says: a closed union, each member with its evidence and the stream time it holds for."""

from dataclasses import dataclass
from typing import Literal

from appliance.types import Emission, MotionClass, Presence

Fault = Literal["clipping", "device_lost", "frames_lost", "model_failed", "silence", "tone_missing"]
"""What can be wrong with the ears, and with what judges by them: every name that `StreamHealth.faults` may hold, and a
card that went away."""


@dataclass(frozen=True, slots=True)
class MotionStarted:
    """Somebody began to move; `score` is the probability of motion, `radial_mps` + towards the array."""

    t_s: float
    kind: MotionClass
    score: float
    radial_mps: float | None
    cause: str


@dataclass(frozen=True, slots=True)
class MotionUpdated:
    """Motion goes on and its kind or velocity is worth saying again."""

    t_s: float
    kind: MotionClass
    score: float
    radial_mps: float | None
    cause: str


@dataclass(frozen=True, slots=True)
class MotionStopped:
    """No motion is seen any more."""

    t_s: float
    score: float
    radial_mps: float | None
    cause: str


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """The room's state changed; `confidence` in 0..1 is that of the evidence that changed it."""

    t_s: float
    presence: Presence
    previous: Presence
    confidence: float
    cause: str


@dataclass(frozen=True, slots=True)
class EmissionChanged:
    """What the tweeter is told to play changed."""

    t_s: float
    emission: Emission
    cause: str


@dataclass(frozen=True, slots=True)
class StreamHealth:
    """The stream's faults at this moment, by name: one or more of `Fault`."""

    t_s: float
    faults: tuple[str, ...]
    lost_frames: int
    cause: str


@dataclass(frozen=True, slots=True)
class DeviceLost:
    """The audio device went away; the process ends after this event."""

    t_s: float
    device: str
    cause: str


Event = MotionStarted | MotionUpdated | MotionStopped | PresenceChanged | EmissionChanged | StreamHealth | DeviceLost
