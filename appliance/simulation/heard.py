"""Sounds of a scene as either renderer needs them: samples at 192 kHz, or the baseband they would have given."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.dsp.downconvert import DownConverter
from appliance.simulation.sounds import LONGEST_BURST_S, SOUND_RATE_HZ, STRETCH_S, Burst, Line, Sound
from appliance.types import PcmBlock

_BAND_HZ = 1_300.0
"""Steady tones farther from a carrier than this are filtered away."""


class SoundsHeard:
    """All sounds of a scene at the microphones, at 192 kHz; to be asked in any order."""

    def __init__(self, sounds: Sequence[Sound], mics_m: NDArray[np.float64]) -> None:
        self._sounds = tuple(sounds)
        self._mics_m = mics_m
        self._stretches: dict[int, list[Burst]] = {}
        self.lines: list[Line] = [line for sound in self._sounds for line in sound.lines(mics_m)]

    def bursts(self, first_frame: int, frames: int) -> list[Burst]:
        """Those that overlap these frames, in order."""
        longest = int((LONGEST_BURST_S + 0.1) * SOUND_RATE_HZ)
        stretch_frames = int(STRETCH_S * SOUND_RATE_HZ)
        wanted = range(max(0, (first_frame - longest) // stretch_frames), (first_frame + frames) // stretch_frames + 1)
        for stretch in [known for known in self._stretches if known not in wanted]:
            del self._stretches[stretch]
        found = []
        for stretch in wanted:
            if stretch not in self._stretches:
                self._stretches[stretch] = [
                    burst for sound in self._sounds for burst in sound.bursts(stretch, self._mics_m)
                ]
            found += [
                burst
                for burst in self._stretches[stretch]
                if burst.first_frame < first_frame + frames and burst.first_frame + len(burst.samples) > first_frame
            ]
        return sorted(found, key=lambda burst: burst.first_frame)

    def add_to(self, sound: NDArray[np.float32], first_frame: int) -> None:
        """Add what is heard to [frames, mics] that begin at `first_frame`."""
        frames = len(sound)
        for burst in self.bursts(first_frame, frames) if self._sounds else ():
            start = max(burst.first_frame, first_frame)
            stop = min(burst.first_frame + len(burst.samples), first_frame + frames)
            sound[start - first_frame : stop - first_frame] += burst.samples[
                start - burst.first_frame : stop - burst.first_frame
            ]
        for line in self.lines:
            turns = np.mod(line.frequency_hz / SOUND_RATE_HZ * (first_frame + np.arange(frames)), 1.0)
            sound += np.imag(np.exp(2j * np.pi * turns)[:, None] * line.amplitude).astype(np.float32)


class BurstsHeard:
    """The same as baseband: bursts go through the real down-conversion, steady tones need none."""

    def __init__(self, sounds: Sequence[Sound], mics_m: NDArray[np.float64], carriers_hz: tuple[float, ...]) -> None:
        self._heard = SoundsHeard(sounds, mics_m)
        self._mics = len(mics_m)
        self._carriers_hz = carriers_hz
        self._down = DownConverter(rate_hz=SOUND_RATE_HZ, mics=self._mics, carriers_hz=carriers_hz)
        self._group_frames = round(SOUND_RATE_HZ / self._down.output_rate_hz)
        self._settle_frames = 2 * math.ceil(self._down.group_delay_s * SOUND_RATE_HZ)

    def add_to(self, iq: NDArray[np.complex64], first_frame: int) -> None:
        """Add what is heard to [carriers, mics, samples], the first of which stands behind `first_frame`'s group."""
        frames = iq.shape[2] * self._group_frames
        for line in self._heard.lines:
            self._add_line(line, iq, first_frame)
        # what began before still rings in the filter
        bursts = self._heard.bursts(first_frame - self._settle_frames, frames + self._settle_frames)
        while bursts:
            start = bursts[0].first_frame
            together, end = [], start
            while bursts and bursts[0].first_frame <= end + self._settle_frames:
                together.append(bursts.pop(0))
                end = max(end, together[-1].first_frame + len(together[-1].samples))
            self._add_bursts(together, start, end + self._settle_frames, iq, first_frame)

    def _add_line(self, line: Line, iq: NDArray[np.complex64], first_frame: int) -> None:
        for c, carrier_hz in enumerate(self._carriers_hz):
            shift_hz = line.frequency_hz - carrier_hz
            if abs(shift_hz) < _BAND_HZ:
                frame = first_frame + self._group_frames - 1 + self._group_frames * np.arange(iq.shape[2])
                content_s = frame / SOUND_RATE_HZ - self._down.group_delay_s
                level = _gain_at(self._down, shift_hz)
                turning = np.exp(2j * np.pi * np.mod(shift_hz * content_s, 1.0)) * level
                iq[c] += (-1j * line.amplitude[:, None] * turning).astype(np.complex64)

    def _add_bursts(
        self, bursts: list[Burst], start: int, end: int, iq: NDArray[np.complex64], first_frame: int
    ) -> None:
        start = start // self._group_frames * self._group_frames
        pcm = np.zeros((end - start, self._mics))
        for burst in bursts:
            pcm[burst.first_frame - start :][: len(burst.samples)] += burst.samples
        # room above full scale, so that the sum is cut once, with all the rest
        scale = max(1.0, float(np.abs(pcm).max()))
        samples = np.rint(pcm / scale * (2.0**31 - 1.0)).astype(np.int32)
        self._down.reset(start)
        heard = self._down.process(PcmBlock(samples, start, SOUND_RATE_HZ)).iq * np.float32(scale)
        at = (start - first_frame) // self._group_frames
        first, last = max(at, 0), min(at + heard.shape[2], iq.shape[2])
        if first < last:
            iq[..., first:last] += heard[..., first - at : last - at]


def _gain_at(down: DownConverter, shift_hz: float) -> float:
    """Gain of the down-conversion beside the carrier, by listening to a tone there."""
    carrier_hz = 40_000.0
    frames = 8 * math.ceil(down.group_delay_s * SOUND_RATE_HZ)
    turns = np.mod((carrier_hz + shift_hz) / SOUND_RATE_HZ * np.arange(frames), 1.0)
    samples = np.rint(0.5 * np.sin(2.0 * np.pi * turns) * 2.0**31).astype(np.int32)[:, None]
    probe = DownConverter(rate_hz=SOUND_RATE_HZ, mics=1, carriers_hz=[carrier_hz])
    heard = probe.process(PcmBlock(samples, 0, SOUND_RATE_HZ)).iq[0, 0]
    return 2.0 * float(np.abs(heard[len(heard) // 2 :]).mean())
