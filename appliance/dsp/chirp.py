"""Short linear chirps, by whose echoes one tells how far something is: their waveform, and when each begins.

Pulse k begins with frame k * `period_frames` of the stream: the frame counter of what is read (`PcmBlock.first_frame`)
counts what is written as its answer too, so that who listens knows the instant without being told.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.types import Chirps

LOWEST_CHIRP_HZ: Final = _core.LOWEST_CHIRP_HZ
HIGHEST_CHIRP_HZ: Final = _core.HIGHEST_CHIRP_HZ
"""Both ends of a sweep: 2 kHz within 32 and 48 kHz, beyond which less than -60 dB of a pulse's energy then lies."""

MIN_SWEEP_HZ: Final = _core.MIN_SWEEP_HZ
MIN_PULSE_S: Final = _core.MIN_PULSE_S
MAX_PULSE_S: Final = _core.MAX_PULSE_S
MIN_PULSE_FADE_S: Final = _core.MIN_PULSE_FADE_S
MAX_PULSE_FADE_S: Final = _core.MAX_PULSE_FADE_S
MIN_PULSES_HZ: Final = 10.0
MAX_PULSES_HZ: Final = 25.0


def period_frames(chirps: Chirps, *, rate_hz: int) -> int:
    """Frames from one pulse's start to the next one's: the nearest whole number, at most 65 ppm (96 kHz) off."""
    return round(rate_hz / chirps.pulses_hz)


def pulse_start_frame(chirps: Chirps, pulse: int, *, rate_hz: int) -> int:
    """The stream's frame with which pulse number `pulse` begins, if it is played; pulse 0 begins the stream."""
    return pulse * period_frames(chirps, rate_hz=rate_hz)


def first_pulse_from(chirps: Chirps, frame: int, *, rate_hz: int) -> int:
    """The number of the first pulse that begins with `frame` or later."""
    return -(-frame // period_frames(chirps, rate_hz=rate_hz))


def chirp_pulse(chirps: Chirps, *, rate_hz: int) -> NDArray[np.float32]:
    """One pulse as it is played: float32 [frames], amplitude 1 between the fades.

    Raises:
        ValueError: a chirp that is never played.
    """
    return ChirpSynthesiser(chirps, rate_hz=rate_hz, outputs=1, max_amplitude=1.0).pulse()


class ChirpSynthesiser:
    """Adds pulses to a stream, each the same to the last bit; one that has begun runs to its end."""

    def __init__(self, chirps: Chirps, *, rate_hz: int, outputs: int, max_amplitude: float) -> None:
        """Start silent.

        Args:
            chirps: the sweep; how often and how loud it is played is up to the caller of `begin`.
            rate_hz: 192000 or 96000.
            outputs: 1 to 8 channels, all with the same pulses.
            max_amplitude: above 0 to 1.0 of full scale; no sample that `process_into` touches leaves further from 0.

        Raises:
            ValueError: an argument is out of range.
        """
        self._core = _core.ChirpSynthesiser(
            rate_hz=rate_hz,
            outputs=outputs,
            max_amplitude=max_amplitude,
            start_hz=chirps.start_hz,
            stop_hz=chirps.stop_hz,
            pulse_s=chirps.pulse_s,
            fade_s=chirps.fade_s,
        )

    @property
    def frames_left(self) -> int:
        """Frames until the pulse under way is over; 0 when none is."""
        return self._core.frames_left

    def begin(self, amplitude: float) -> None:
        """Let a pulse begin with the next frame.

        Args:
            amplitude: of full scale; above `max_amplitude` it becomes `max_amplitude`.

        Raises:
            ValueError: the amplitude is out of range, or a pulse is not over; nothing changed.
        """
        self._core.begin(amplitude)

    def process_into(self, samples: NDArray[np.int32]) -> None:
        """Add the pulse under way to `samples` int32 [frames, outputs], C-contiguous; behind it they stay."""
        self._core.process_into(samples)

    def pulse(self) -> NDArray[np.float32]:
        """One pulse of amplitude 1: float32 [frames]."""
        pulse = np.empty(self._core.pulse_frames, np.float32)
        self._core.pulse_into(pulse)
        return pulse

    def reset(self) -> None:
        """Silence at once, as when new."""
        self._core.reset()
