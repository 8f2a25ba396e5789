"""The one type of each arrow in the way of the data: frozen, with units in the names."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_MICS = 8
MAX_CARRIERS = 4


@dataclass(frozen=True, slots=True)
class PcmBlock:
    """One read of the microphones.

    `samples` [frames, mics] int32, C-contiguous, full scale 2^31. `first_frame` counts from the start of the
    stream and includes lost frames, so that it is the stream's clock.
    """

    samples: NDArray[np.int32]
    first_frame: int
    rate_hz: int
    lost_frames_before: int = 0

    @property
    def end_s(self) -> float:
        """Stream time just behind the block's last frame."""
        return (self.first_frame + len(self.samples)) / self.rate_hz


@dataclass(frozen=True, slots=True)
class BasebandBlock:
    """Complex baseband around each carrier: `iq` [carriers, mics, samples] complex64, full scale 1.0.

    `first_frame` is the PCM frame at which the first sample stands, `rate_hz` the baseband's own rate.
    """

    iq: NDArray[np.complex64]
    first_frame: int
    rate_hz: float
    carriers_hz: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DopplerFrame:
    """Power per velocity bin: `power_dbfs` [carriers, mics, bins] float32, `velocity_mps` [carriers, bins].

    Velocity is + towards the array. `t_s` is stream time at the window's end. `carrier_dbfs` [carriers, mics]
    is the level of the static path.
    """

    power_dbfs: NDArray[np.float32]
    velocity_mps: NDArray[np.float32]
    carrier_dbfs: NDArray[np.float32]
    t_s: float


class MotionClass(enum.StrEnum):
    """What a score tells apart."""

    NOTHING = "nothing"
    MAJOR = "major"
    MINOR = "minor"
    BREATHING = "breathing"
    NUISANCE = "nuisance"


@dataclass(frozen=True, slots=True)
class Score:
    """A detector's opinion of one instant.

    `probabilities` holds the classes this detector can tell; one that is absent was not judged.
    `radial_mps` is + towards the array, None where the direction is not clear. `cause` says in words why the
    detector believes in motion; empty when it does not.
    """

    probabilities: Mapping[MotionClass, float]
    radial_mps: float | None
    t_s: float
    source: str
    cause: str = ""

    @property
    def motion(self) -> float:
        """Probability that a person moves."""
        return self.probabilities.get(MotionClass.MAJOR, 0.0) + self.probabilities.get(MotionClass.MINOR, 0.0)


class Presence(enum.StrEnum):
    """Unknown is a value of its own and never means vacant."""

    UNKNOWN = "unknown"
    VACANT = "vacant"
    OCCUPIED = "occupied"


@dataclass(frozen=True, slots=True)
class Tones:
    """Steady tones: `carriers_hz`, together `level_db_spl` at 1 m."""

    carriers_hz: tuple[float, ...]
    level_db_spl: float


@dataclass(frozen=True, slots=True)
class Chirps:
    """Short linear chirps from `start_hz` to `stop_hz`, `pulses_hz` of them a second.

    Each lasts `pulse_s`, begins and ends with a sine-squared fade of `fade_s`, and has `level_db_spl` at 1 m between
    the fades.
    """

    start_hz: float
    stop_hz: float
    pulse_s: float
    fade_s: float
    pulses_hz: float
    level_db_spl: float


@dataclass(frozen=True, slots=True)
class Emission:
    """What the tweeter plays while it is `on`: tones, chirps or both at once; None where there are none of a kind."""

    tones: Tones | None = None
    chirps: Chirps | None = None
    on: bool = True


@dataclass(frozen=True, slots=True)
class RangeFrame:
    """The echoes of one pulse: `echoes` [mics, bins] complex64, full scale 1.0; `range_m` [bins] from the array.

    `t_s` is stream time at which the pulse left the tweeter.
    """

    echoes: NDArray[np.complex64]
    range_m: NDArray[np.float32]
    t_s: float
