"""Where 192 kHz ends: PCM blocks in, complex baseband around each carrier out."""

from collections.abc import Sequence

import numpy as np

from appliance.dsp import _core
from appliance.types import BasebandBlock, PcmBlock


class DownConverter:
    """Complex baseband at 2400 Hz around one to four carriers.

    A real sine of amplitude A (full scale 1.0) at a carrier gives `|iq|` = A. Within 900 Hz of the carrier the gain is
    flat to 0.1 dB; from 1100 Hz on everything is at least 80 dB down. The output does not depend, to the last bit, on
    how the stream is cut into blocks.
    """

    def __init__(self, *, rate_hz: int, mics: int, carriers_hz: Sequence[float]) -> None:
        """Tune to the carriers.

        Args:
            rate_hz: rate of the PCM, 384000, 192000 or 96000.
            mics: 1 to 8.
            carriers_hz: 1 to 4 carriers from 30 kHz to 15/32 of the rate: 180, 90 or 45 kHz.

        Raises:
            ValueError: an argument is out of range.
        """
        self.rate_hz = rate_hz
        self.mics = mics
        self.carriers_hz = tuple(float(carrier_hz) for carrier_hz in carriers_hz)
        self._core = _core.DownConverter(rate_hz=rate_hz, mics=mics, carriers_hz=self.carriers_hz)
        self._group_frames = round(rate_hz / self._core.output_rate_hz)
        self.reset()

    @property
    def output_rate_hz(self) -> float:
        """Rate of the baseband."""
        return self._core.output_rate_hz

    @property
    def group_delay_s(self) -> float:
        """Time by which a sample's content lies before the frame at which the sample stands."""
        return self._core.group_delay_frames / self.rate_hz

    def reset(self, first_frame: int = 0) -> None:
        """Forget all samples; the next frame is number `first_frame` of the stream, which fixes the phase."""
        self._core.reset(first_frame)
        self._next_frame = first_frame
        self._group_first_frame = first_frame

    def process(self, block: PcmBlock) -> BasebandBlock:
        """Consume a block of any length, give the samples it completes: `iq` [carriers, mics, samples], maybe none.

        `first_frame` of the result is the newest PCM frame that its first sample has heard; the content lies
        `group_delay_s` before. Where the block does not follow the one before, frames were lost: the filters start
        anew from silence, which needs twice the group delay to settle, and the phase goes on over the gap.

        Raises:
            ValueError: the rate or the number of microphones is not the one this converter was made for.
            TypeError: the samples are not int32.
        """
        if block.rate_hz != self.rate_hz:
            raise ValueError(f"block: wanted a rate of {self.rate_hz} Hz, got {block.rate_hz}")
        if block.samples.ndim != 2 or block.samples.shape[1] != self.mics:
            raise ValueError(f"block: wanted samples [frames, {self.mics}], got {list(block.samples.shape)}")
        if block.first_frame != self._next_frame:
            self.reset(block.first_frame)
        frames = len(block.samples)
        samples = self._core.output_samples(frames)
        iq = np.empty((len(self.carriers_hz), self.mics, samples), np.complex64)
        self._core.process_into(block.samples, iq)
        first_frame = self._group_first_frame + self._group_frames - 1
        self._next_frame += frames
        self._group_first_frame += samples * self._group_frames
        return BasebandBlock(iq, first_frame, self.output_rate_hz, self.carriers_hz)
