"""How long it takes from what is written to what is heard: buffers, converters and filters, found by the direct path.

The tweeter is so near that its direct sound is the first arrival, and in most microphones the strongest by far. All
that arrives in a period is compressed and averaged over pulses; what stands still in it and comes first is the direct
path, and its length is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.dsp.matched_filter import Replica

PULSES = 16

_OVER_FLOOR_DB = 16.0
"""Over the median of a period. Noise is exponential in power: among 1200 bins of 8 microphones it exceeds its median
by that much once in 10^8 measurements."""

_WEAKER_DB = 12.0
"""A first arrival may be weaker than the strongest by so much; with a Hann window no side lobe is so high."""

_ALIKE = 0.5
"""Share of the power at the arrival that has to be the same in all pulses. Noise has one in PULSES."""

_APART_S = 0.5e-3
"""Microphones whose first arrivals differ by more, beyond their distances, have not heard the same thing."""

_FINER = 8
"""Points between two samples of the band, so that a parabola through the tip is right to a hundredth of a frame."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A measurement: `offset_frames` from what is written to what is heard, None when it was not found.

    It is known up to multiples of the time between pulses, from 0 to below that. `heard_by` are the microphones that
    agree, `spread_frames` the standard deviation among them.
    """

    offset_frames: float | None
    heard_by: tuple[int, ...] = ()
    spread_frames: float = 0.0


class RoundTripFinder:
    """Measures the round trip over `PULSES` pulses.

    Args:
        replica: of the pulse.
        rate_hz: rate of the PCM.
        period_frames: from pulse to pulse.
        direct_frames: what the direct path takes to each microphone, [mics].
    """

    def __init__(self, replica: Replica, *, rate_hz: int, period_frames: int, direct_frames: Sequence[float]) -> None:
        self._decimation = rate_hz // _core.BAND_HZ
        self._period_frames = period_frames
        self._apart_frames = _APART_S * rate_hz
        self._direct_frames = np.asarray(direct_frames, np.float64)
        bins = round(period_frames / self._decimation)
        self._core = _core.RangeGate(
            rate_hz=rate_hz,
            mics=len(self._direct_frames),
            centre_hz=replica.centre_hz,
            period_frames=period_frames,
            bins=bins,
            bin_samples=1,
            lead_samples=replica.lead_samples,
            replica=replica.samples,
        )
        self._sum = np.zeros((len(self._direct_frames), bins), np.complex128)
        self._power = np.zeros(self._sum.shape)
        self._pulses = 0

    def reset(self, first_frame: int = 0) -> None:
        """Begin anew; the next frame is number `first_frame` of the stream."""
        self._core.reset(first_frame)
        self._clear()

    def _clear(self) -> None:
        self._sum[:] = 0.0
        self._power[:] = 0.0
        self._pulses = 0

    def process(self, samples: NDArray[np.int32]) -> tuple[int, RoundTrip | None]:
        """Consume `samples` [frames, mics]: how many, all or up to where a measurement was complete, and that one.

        Raises:
            TypeError, ValueError: the samples are not int32 [frames, mics].
        """
        frames = self._frames_left(len(samples))
        echoes = np.empty((self._core.output_pulses(frames), *self._sum.shape), np.complex64)
        self._core.process_into(samples[:frames], echoes)
        for echo in echoes:  # one by one: how they are summed must not depend on cuts
            self._sum += echo
            self._power += echo.real**2 + echo.imag**2
        self._pulses += len(echoes)
        if self._pulses < PULSES:
            return frames, None
        round_trip = self._judge()
        self._clear()
        return frames, round_trip

    def _frames_left(self, frames: int) -> int:
        """As many of `frames` as it takes until the measurement is complete: where it ends must not depend on cuts."""
        wanted = PULSES - self._pulses
        if self._core.output_pulses(frames) < wanted:
            return frames
        low, high = 0, frames
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._core.output_pulses(middle) >= wanted else (middle, high)
        return high

    def _judge(self) -> RoundTrip:
        mean = self._sum / self._pulses
        first = [self._first_arrival(mean[m], self._power[m] / self._pulses) for m in range(len(mean))]
        heard = np.array([m for m, frames in enumerate(first) if frames is not None], int)
        if len(heard) == 0:
            return RoundTrip(None)
        offset = np.array([frames for frames in first if frames is not None]) - self._direct_frames[heard]
        # Of two in the middle the earlier one: where half of the microphones hear an echo only, that is the later half.
        middle = (len(offset) - 1) // 2
        typical = np.sort(self._around(offset, offset[0]))[middle]
        offset = self._around(offset, typical)
        agree = np.abs(offset - typical) <= self._apart_frames
        if 2 * agree.sum() < len(offset):
            return RoundTrip(None)
        return RoundTrip(
            float(offset[agree].mean() % self._period_frames),
            tuple(int(m) for m in heard[agree]),
            float(offset[agree].std()),
        )

    def _around(self, frames: NDArray[np.float64], centre_frames: float) -> NDArray[np.float64]:
        """The same instants of a period within half a period of `centre_frames`."""
        half = 0.5 * self._period_frames
        around: NDArray[np.float64] = (frames - centre_frames + half) % self._period_frames - half + centre_frames
        return around

    def _first_arrival(self, mean: NDArray[np.complex128], power: NDArray[np.float64]) -> float | None:
        """Frames from the start of the period to the first strong arrival of one microphone, None if there is none."""
        bins = len(mean)
        level = np.abs(_finer(mean)) ** 2
        strongest = int(level.argmax())
        lowest = max(
            np.median(level) * 10.0 ** (_OVER_FLOOR_DB / 10.0), level[strongest] * 10.0 ** (-_WEAKER_DB / 10.0)
        )
        if level[strongest] <= lowest:
            return None
        peak = (level > lowest) & (level >= np.roll(level, 1)) & (level > np.roll(level, -1))
        place = np.flatnonzero(peak)
        coarse = np.round(place / _FINER).astype(int) % bins
        place = place[np.abs(mean[coarse]) ** 2 >= _ALIKE * power[coarse]]
        if len(place) == 0:
            return None
        # earlier than the strongest, but by less than half a period; else it is the last echo of the pulse before
        before = (strongest - place) % len(level)
        first = int(place[np.where(before < len(level) // 2, before, -1).argmax()])
        left, tip, right = np.log(level[[first - 1, first, (first + 1) % len(level)]])
        exact = first + 0.5 * (left - right) / (left - 2.0 * tip + right)
        return float(exact / _FINER * self._decimation)


def _finer(samples: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """A period of a band, interpolated to `_FINER` times as many points."""
    count = len(samples)
    spectrum = np.fft.fft(samples)
    padded = np.zeros(_FINER * count, complex)
    padded[: (count + 1) // 2] = spectrum[: (count + 1) // 2]
    padded[-(count // 2) :] = spectrum[-(count // 2) :]
    finer: NDArray[np.complex128] = np.fft.ifft(padded) * _FINER
    return finer
