"""Range gates: PCM in, the echoes of each pulse sorted by their range out."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.dsp.chirp import period_frames
from appliance.dsp.matched_filter import design_replica
from appliance.dsp.round_trip import RoundTrip, RoundTripFinder
from appliance.physics import speed_of_sound_mps
from appliance.types import Chirps, PcmBlock, RangeFrame

_BIN_SAMPLES = 2
"""Samples of the band, at 12 kHz, from bin to bin: 2.9 cm. A compressed pulse is 3.6 cm wide at half its height."""

_BLIND_BINS = 10
"""Bins before the next pulse that are left out: its direct path is so strong that its side lobes reach into them."""


def highest_centre_hz(rate_hz: int) -> float:
    """The highest middle of a sweep whose band fits below half of `rate_hz`."""
    return float(min(_core.HIGHEST_CHIRP_HZ, rate_hz / 2 - _core.BAND_STOP_HZ))


class RangeGate:
    """Echoes by range for each microphone, one `RangeFrame` a pulse; the whole way from PCM is C.

    An echo of amplitude A (full scale 1.0) has a peak of `|echoes|` = A at its range, and a phase of -4 pi range /
    wavelength at the chirps' centre. Between two bins the peak lies up to 4 dB higher than either. Side lobes are
    31 dB down, and 74 dB from half a metre on. Ranges beyond what sound can do before the next pulse are left out.

    First the way from what is written to what is heard is measured, and again whenever frames were lost, because a
    stream that starts anew may have another one; until that is done there are no frames. Output does not depend, to
    the last bit, on how the stream is cut into blocks.

    A rising sweep sees who comes nearer at v too near, by v * centre / (sweep / pulse length): for 10 kHz in 5 ms by
    2 cm at 1 m/s, in 40 ms by 16 cm.

    Args:
        chirps: what is emitted. Of a sweep wider than 10 kHz only the middle is used.
        rate_hz: rate of the PCM, 192000, or 96000 for chirps whose centre is at most 41 kHz.
        mics: 1 to 8.
        direct_m: distance from the tweeter to each microphone, [mics].
        max_range_m: ranges up to here.
        temperature_c: of the air.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        chirps: Chirps,
        *,
        rate_hz: int,
        mics: int,
        direct_m: Sequence[float],
        max_range_m: float = 8.0,
        temperature_c: float = 20.0,
    ) -> None:
        if len(direct_m) != mics or not all(0.0 <= distance_m < math.inf for distance_m in direct_m):
            raise ValueError(f"direct_m: wanted {mics} distances, got {list(direct_m)}")
        self.rate_hz = rate_hz
        self.mics = mics
        self.round_trip: RoundTrip | None = None
        replica = design_replica(chirps, rate_hz=rate_hz)
        self._period_frames = period_frames(chirps, rate_hz=rate_hz)
        speed_mps = speed_of_sound_mps(temperature_c)
        bin_m = 0.5 * speed_mps * _BIN_SAMPLES / _core.BAND_HZ
        unambiguous = self._period_frames * _core.BAND_HZ // rate_hz // _BIN_SAMPLES - _BLIND_BINS
        bins = min(int(max_range_m / bin_m) + 1, unambiguous)
        self.range_m: NDArray[np.float32] = (bin_m * np.arange(bins)).astype(np.float32)
        self.range_m.setflags(write=False)  # every frame shares it
        self._core = _core.RangeGate(
            rate_hz=rate_hz,
            mics=mics,
            centre_hz=replica.centre_hz,
            period_frames=self._period_frames,
            bins=bins,
            bin_samples=_BIN_SAMPLES,
            lead_samples=replica.lead_samples,
            replica=replica.samples,
        )
        self._finder = RoundTripFinder(
            replica,
            rate_hz=rate_hz,
            period_frames=self._period_frames,
            direct_frames=[distance_m / speed_mps * rate_hz for distance_m in direct_m],
        )
        self._offset_frames: float | None = None
        self._next_frame = 0

    def reset(self, first_frame: int = 0) -> None:
        """Forget all samples and the round trip; the next frame is number `first_frame` of the stream."""
        self.round_trip = None
        self._offset_frames = None
        self._finder.reset(first_frame)
        self._next_frame = first_frame

    def align(self, offset_frames: float) -> None:
        """Take `offset_frames`, from what is written to what is heard, as known from now on, until frames are lost."""
        self._core.reset(self._next_frame, offset_frames)
        self._offset_frames = offset_frames

    def process(self, block: PcmBlock) -> list[RangeFrame]:
        """Consume a block of any length, give a frame for each pulse whose last echo it completes.

        Raises:
            ValueError: the rate or the number of microphones is not the one this gate was made for.
            TypeError: the samples are not int32.
        """
        if block.rate_hz != self.rate_hz:
            raise ValueError(f"block: wanted a rate of {self.rate_hz} Hz, got {block.rate_hz}")
        if block.samples.ndim != 2 or block.samples.shape[1] != self.mics:
            raise ValueError(f"block: wanted samples [frames, {self.mics}], got {list(block.samples.shape)}")
        if block.first_frame != self._next_frame:
            self.reset(block.first_frame)
        samples = block.samples
        if self._offset_frames is None:
            samples = self._measure(samples)
        return self._gate(samples) if self._offset_frames is not None else []

    def _measure(self, samples: NDArray[np.int32]) -> NDArray[np.int32]:
        """Look for the round trip; what is left of `samples` behind the frame at which it was found."""
        while len(samples) > 0 and self._offset_frames is None:
            taken, round_trip = self._finder.process(samples)
            self._next_frame += taken
            samples = samples[taken:]
            self.round_trip = round_trip or self.round_trip
            if round_trip is not None and round_trip.offset_frames is not None:
                self.align(round_trip.offset_frames)
        return samples

    def _gate(self, samples: NDArray[np.int32]) -> list[RangeFrame]:
        assert self._offset_frames is not None
        pulse_frame = self._core.next_pulse_frame
        pulses = self._core.output_pulses(len(samples))
        echoes = np.empty((pulses, self.mics, len(self.range_m)), np.complex64)
        self._core.process_into(samples, echoes)
        self._next_frame += len(samples)
        return [
            RangeFrame(
                echoes[pulse],
                self.range_m,
                (pulse_frame + pulse * self._period_frames + self._offset_frames) / self.rate_hz,
            )
            for pulse in range(pulses)
        ]
