"""A scene as complex baseband, without ever computing a sample at 192 kHz: what the down-conversion would give.

Nothing here knows any physics of its own: paths come from `Propagation`, and the filter is the real one, measured once.
What stands still is summed at its slow rate and then interpolated; what moves slowly is summed at the rate of the
baseband, where the filter is flat; what moves faster is summed at a higher rate and filtered.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import PHASOR_MARGIN, PhasorSum
from appliance.dsp.downconvert import DownConverter
from appliance.simulation.acoustics import Rays
from appliance.simulation.device import MIC_FULL_SCALE_DB_SPL
from appliance.simulation.fir import Fir
from appliance.simulation.heard import BurstsHeard
from appliance.simulation.loudspeaker import Modulation
from appliance.simulation.modulated import ModulatedTones
from appliance.simulation.propagation import Propagation
from appliance.simulation.scenes import Scene
from appliance.types import BasebandBlock, PcmBlock, Tones

PCM_RATE_HZ = 192_000
STEP_S = 4.0
"""What is rendered at once."""

_FLAT_HZ = 850.0
"""Paths that turn slower than this pass the filter as they are."""

_MEDIUM_FRAMES, _WHIRLING_FRAMES = 40, 8
"""Spacing of samples that are filtered to 2.4 kHz: 4.8 kHz for limbs, 24 kHz for blades."""

_MEDIUM_HZ = 2_000.0
_LEAD_FRAMES = 1_920
"""Half of the filter's length, and a little more."""

_STILL_TAPS = 8
_NOISE_TAPS = 48
_COLOUR_HZ, _COLOUR_STEP_HZ = 3_000.0, 20.0


class _Channel(NamedTuple):
    """The real filter: its group delay and impulse response by frame."""

    group_delay_frames: float
    impulse: NDArray[np.float64]
    decimation: int

    @property
    def carrier_gain(self) -> float:
        """Gain at the carrier itself, within 0.1 dB of 1."""
        return float(self.impulse.sum())


@functools.cache
def _channel() -> _Channel:
    """Measured on the down-conversion itself, one impulse for each of the frames between two of its outputs."""
    carrier_hz = 48_000.0
    down = DownConverter(rate_hz=PCM_RATE_HZ, mics=1, carriers_hz=[carrier_hz])
    decimation = round(PCM_RATE_HZ / down.output_rate_hz)
    delay_frames = down.group_delay_s * PCM_RATE_HZ
    outputs = math.ceil(2.0 * delay_frames / decimation) + 2
    impulse = np.zeros(outputs * decimation)
    for at in range(decimation):
        down.reset(0)
        pcm = np.zeros((outputs * decimation, 1), np.int32)
        pcm[at, 0] = 1 << 30
        heard = down.process(PcmBlock(pcm, 0, PCM_RATE_HZ)).iq[0, 0]
        turned = heard * np.exp(2j * np.pi * carrier_hz / PCM_RATE_HZ * at)
        behind = decimation - 1 - at + decimation * np.arange(outputs)
        impulse[behind] = np.real(turned)
    # a carrier is half of a real sine, and reads its whole amplitude; 2^30 is half of full scale
    return _Channel(delay_frames, impulse, decimation)


@functools.cache
def _filter(frames: int) -> Fir:
    """The filter for samples `frames` apart, centred on the content's time, over +-_LEAD_FRAMES."""
    channel = _channel()
    at = channel.group_delay_frames + np.arange(-_LEAD_FRAMES, _LEAD_FRAMES + 1, frames)
    taps = np.interp(at, np.arange(len(channel.impulse)), channel.impulse, left=0.0, right=0.0)
    return Fir(taps[::-1] * frames, decimation=channel.decimation // frames)


@functools.cache
def _noise_filter() -> Fir:
    """Makes of white noise at the baseband's rate what the real filter makes of white noise at the rate of the PCM."""
    channel = _channel()
    length = channel.decimation * _NOISE_TAPS
    power = np.abs(np.fft.fft(channel.impulse, length)) ** 2
    # what lies above half of the output's rate is folded down
    folded = power.reshape(channel.decimation, _NOISE_TAPS).sum(axis=0)
    return Fir(np.roll(np.fft.ifft(np.sqrt(folded)).real, _NOISE_TAPS // 2))


@functools.cache
def _interpolator(phases: int) -> NDArray[np.float32]:
    """[8 points, phases]: Lagrange's polynomial of order 7 through the points around each sample."""
    nodes = np.arange(_STILL_TAPS) - (_STILL_TAPS // 2 - 1)
    share = np.arange(phases) / phases
    rows = [np.prod([(share - other) / (node - other) for other in nodes if other != node], axis=0) for node in nodes]
    return np.array(rows, np.float32)


class BasebandRoom:
    """What a `DownConverter` would give of a scene in which tones stand.

    Args:
        scene: what happens.
        tones: what the tweeter plays, from long before the scene on.
        mics: 1-8.
    """

    def __init__(self, scene: Scene, *, tones: Tones, mics: int = 4) -> None:
        self._scene, self._mics = scene, mics
        self.carriers_hz = tones.carriers_hz
        self._propagation = Propagation(scene, mics=mics)
        channel = _channel()
        self._group_frames = channel.decimation
        self.rate_hz = PCM_RATE_HZ / channel.decimation
        self._content_frame = channel.decimation - 1 - channel.group_delay_frames
        amplitude = 10.0 ** ((tones.level_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0) / len(tones.carriers_hz)
        # a sine is the imaginary part of what turns
        self._response = [
            -1j * amplitude * scene.unit.response(mics, np.array([carrier_hz]))[:, 0]
            for carrier_hz in tones.carriers_hz
        ]
        self._colours: list[_Colour] | None = None
        if not scene.unit.is_flat:
            self._colours = [_Colour(scene, mics, carrier_hz) for carrier_hz in tones.carriers_hz]
        self._shape = (len(tones.carriers_hz), mics)
        self._bands_hz = (
            (self._group_frames, 0.0, _FLAT_HZ),
            (_MEDIUM_FRAMES, _FLAT_HZ, _MEDIUM_HZ),
            (_WHIRLING_FRAMES, _MEDIUM_HZ, math.inf),
        )
        self._music: ModulatedTones | None = None
        if scene.music is not None:
            modulation = Modulation(scene.unit, scene.music, scene.air.temperature_c)
            self._music = ModulatedTones(modulation, self._propagation, tones.carriers_hz, self.rate_hz)
        self._random = np.random.default_rng([scene.seed, 41])
        density = 10.0 ** ((scene.unit.noise_db_spl_per_hz - MIC_FULL_SCALE_DB_SPL) / 10.0)
        self._noise_rms = math.sqrt(density * self.rate_hz)
        self._noise = self._white(_noise_filter().taps - 1)
        self._bursts = BurstsHeard(scene.sounds, self._propagation.mics_m, self.carriers_hz)
        self._step = 0
        self._left = int(scene.duration_s * self.rate_hz)
        self._ready = np.zeros((len(self.carriers_hz), mics, 0), np.complex64)
        self._given = 0

    @property
    def paths(self) -> int:
        """Ways that are summed."""
        return sum(group.paths for group in self._propagation.groups)

    def read(self, duration_s: float) -> BasebandBlock | None:
        """The next samples: `duration_s` of them, fewer at the scene's end or before frames that are lost; then None.

        `first_frame` counts as the DownConverter's does and jumps over lost frames.
        """
        wanted = min(round(duration_s * self.rate_hz), self._left)
        wanted = self._skip_or_stop_at_gap(wanted)
        if wanted <= 0:
            return None
        first_frame = self._given * self._group_frames + self._group_frames - 1
        iq = np.ascontiguousarray(self._take(wanted))
        return BasebandBlock(iq, first_frame, self.rate_hz, self.carriers_hz)

    def _skip_or_stop_at_gap(self, wanted: int) -> int:
        """How many samples come before the next gap; a gap that begins here is passed over."""
        for gap in self._scene.unit.gaps:
            start, end = (math.ceil(at * self.rate_hz) for at in (gap.start_s, gap.start_s + gap.lost_s))
            if start <= self._given < end:
                self._take(min(end - self._given, self._left))
                wanted = min(wanted, self._left)
            elif self._given < start:
                wanted = min(wanted, start - self._given)
        return wanted

    def _take(self, samples: int) -> NDArray[np.complex64]:
        parts, got = [self._ready], self._ready.shape[2]
        while got < samples:
            parts.append(self._render())
            got += parts[-1].shape[2]
        whole = np.concatenate(parts, axis=2)
        self._ready = whole[..., samples:]
        self._given += samples
        self._left -= samples
        return whole[..., :samples]

    def _render(self) -> NDArray[np.complex64]:
        """The next STEP_S."""
        first_frame = round(self._step * STEP_S * PCM_RATE_HZ)
        still = self._still(first_frame) * np.float32(_channel().carrier_gain)
        moving = self._moving(first_frame) if self._propagation.moving else np.zeros_like(still)
        if self._music is None:
            heard = still + moving
        else:
            frame = self._content_frame + first_frame + self._group_frames * np.arange(still.shape[2])
            heard = self._music.play(still, moving, frame / PCM_RATE_HZ)
        self._step += 1
        heard *= np.array(self._response, np.complex64)[..., None]
        heard += self._noise_of_step()
        self._bursts.add_to(heard, first_frame)
        return _clipped(heard)

    def _instants(self, first_frame: int, interval_frames: int, before: int, after: int) -> NDArray[np.float64]:
        """Content's times (s) of points `interval_frames` apart, `before` of them ahead of the step, `after` behind."""
        points = np.arange(-before, round(STEP_S * PCM_RATE_HZ) // interval_frames + after + 1)
        return np.asarray((self._content_frame + first_frame + points * interval_frames) / PCM_RATE_HZ)

    def _still(self, first_frame: int) -> NDArray[np.complex64]:
        """What stands still, [carriers, mics, samples]: summed at its slow rate, then interpolated."""
        group = self._propagation.still
        interval_frames = round(PCM_RATE_HZ / group.rate_hz)
        reach = _STILL_TAPS // 2
        t_s = self._instants(first_frame, interval_frames, reach - 1 + PHASOR_MARGIN, reach + 1 + PHASOR_MARGIN)
        segments = len(t_s) - 1 - 2 * PHASOR_MARGIN
        phases = _interpolator(interval_frames // self._group_frames)
        everything = np.ones(group.paths, np.uint8)
        out = []
        for carrier_hz in self.carriers_hz:
            points = np.zeros((self._mics, segments), np.complex64)
            rays = group.rays(t_s, carrier_hz)
            core = PhasorSum(mics=self._mics, segment_samples=1)
            core.process_into(rays.delay_s, -carrier_hz, rays.gain, everything, points)
            windows = np.lib.stride_tricks.sliding_window_view(points, _STILL_TAPS, axis=1)[:, :-1]
            out.append((windows @ phases).reshape(self._mics, -1))
        return np.stack(out)

    def _moving(self, first_frame: int) -> NDArray[np.complex64]:
        """What moves, [carriers, mics, samples]: slow paths as they are, faster ones at higher rates and filtered."""
        bands = {
            spacing: _Band(self._shape, spacing) for spacing in (self._group_frames, _MEDIUM_FRAMES, _WHIRLING_FRAMES)
        }
        for group in self._propagation.moving:
            interval_frames = round(PCM_RATE_HZ / group.rate_hz)
            lead = -(-_LEAD_FRAMES // interval_frames)
            t_s = self._instants(first_frame, interval_frames, lead + PHASOR_MARGIN, lead + PHASOR_MARGIN)
            for leg in group.legs(t_s):
                for c, carrier_hz in enumerate(self.carriers_hz):
                    rays = leg.rays(carrier_hz)
                    turning_hz = np.diff(rays.delay_s[:, :, 0], axis=0) * (-carrier_hz * group.rate_hz)
                    if self._colours is not None:
                        self._colours[c].apply(rays.gain, turning_hz)
                    fastest_hz = np.abs(turning_hz).max(axis=0)
                    for spacing, low_hz, high_hz in self._bands_hz:
                        chosen = (fastest_hz >= low_hz) & (fastest_hz < high_hz)
                        if chosen.any():
                            bands[spacing].add(
                                rays,
                                chosen,
                                carrier=c,
                                carrier_hz=carrier_hz,
                                interval_frames=interval_frames,
                                lead=lead,
                            )
        return np.asarray(sum(band.heard() for band in bands.values()))

    def _white(self, samples: int) -> NDArray[np.complex64]:
        """White noise at the baseband's rate, [carriers * mics, samples]."""
        planes = self._random.standard_normal((samples, self._shape[0] * self._shape[1], 2), dtype=np.float32)
        turned = np.ascontiguousarray(planes.transpose(1, 0, 2)).view(np.complex64)[..., 0]
        return np.asarray(turned * np.float32(self._noise_rms / math.sqrt(2.0)))

    def _noise_of_step(self) -> NDArray[np.complex64]:
        """The microphones' noise behind the filter, [carriers, mics, samples]."""
        whole = np.concatenate([self._noise, self._white(round(STEP_S * self.rate_hz))], axis=1)
        self._noise = whole[:, 1 - _noise_filter().taps :]
        return _noise_filter().process_complex(whole).reshape(*self._shape, -1)


class _Band:
    """Paths of similar speed, summed at one rate: samples `spacing` frames apart, with the filter's lead if need be."""

    def __init__(self, shape: tuple[int, int], spacing: int) -> None:
        self._shape, self._spacing = shape, spacing
        self._is_filtered = spacing < _channel().decimation
        self._samples: NDArray[np.complex64] | None = None

    def add(
        self,
        rays: Rays,
        chosen: NDArray[np.bool_],
        *,
        carrier: int,
        carrier_hz: float,
        interval_frames: int,
        lead: int,
    ) -> None:
        """Add the chosen paths of a leg, whose points are `interval_frames` apart and begin `lead` of them early."""
        inner = slice(None) if self._is_filtered else slice(lead, len(rays.gain) - lead)
        segments = len(rays.gain[inner]) - 1 - 2 * PHASOR_MARGIN
        per_segment = interval_frames // self._spacing
        summed = np.zeros((self._shape[1], segments * per_segment), np.complex64)
        core = PhasorSum(mics=self._shape[1], segment_samples=per_segment)
        core.process_into(rays.delay_s[inner], -carrier_hz, rays.gain[inner], chosen.view(np.uint8), summed)
        if self._is_filtered:
            skip = (lead * interval_frames - _LEAD_FRAMES) // self._spacing
            wanted = (round(STEP_S * PCM_RATE_HZ) + 2 * _LEAD_FRAMES) // self._spacing
            summed = summed[:, skip : skip + wanted]
        if self._samples is None:
            self._samples = np.zeros((self._shape[0], *summed.shape), np.complex64)
        self._samples[carrier] += summed

    def heard(self) -> NDArray[np.complex64] | float:
        """At the baseband's rate; nothing if nothing was added."""
        if self._samples is None:
            return 0.0
        if not self._is_filtered:
            return self._samples * np.float32(_channel().carrier_gain)
        flat = self._samples.reshape(-1, self._samples.shape[2])
        return _filter(self._spacing).process_complex(flat).reshape(*self._shape, -1)


class _Colour:
    """How the unit answers beside a carrier, relative to the carrier itself; an echo's Doppler shift takes it there."""

    def __init__(self, scene: Scene, mics: int, carrier_hz: float) -> None:
        shift_hz = np.arange(-_COLOUR_HZ, _COLOUR_HZ + _COLOUR_STEP_HZ, _COLOUR_STEP_HZ)
        there = scene.unit.gain(mics, carrier_hz + shift_hz)
        here = np.maximum(scene.unit.gain(mics, carrier_hz), 1e-9)[:, None]
        self._table = np.ascontiguousarray((there / here).T.astype(np.float32))

    def apply(self, gain: NDArray[np.float32], turning_hz: NDArray[np.float64]) -> None:
        """Colour `gain` [times, paths, mics] by the shifts [times - 1, paths] of its paths."""
        steps = (turning_hz * (1.0 / _COLOUR_STEP_HZ) + (_COLOUR_HZ / _COLOUR_STEP_HZ + 0.5)).astype(np.int32)
        gain[:-1] *= self._table.take(steps, axis=0, mode="clip")
        gain[-1] *= self._table.take(steps[-1], axis=0, mode="clip")


def _clipped(iq: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """What is left at the carrier of a sine cut at full scale, its describing function; quiet sound as it is."""
    magnitude = np.abs(iq)
    if magnitude.max(initial=0.0) <= 1.0:
        return iq
    over = 1.0 / np.maximum(magnitude, 1.0)
    kept = 2.0 / np.pi * (np.arcsin(over) + over * np.sqrt(1.0 - over * over))
    return np.asarray(iq * kept.astype(np.float32))
