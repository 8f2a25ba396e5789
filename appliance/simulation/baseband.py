"""A scene as complex baseband, without ever computing a sample at 192 kHz: what the down-conversion would give.

Nothing here knows any physics of its own: paths come from `Propagation`, and the filter is the real one, measured once.
What stands still is summed at its slow rate and then interpolated. What walks is summed at the rate of the baseband:
its Doppler shift changes so slowly that the filter does to it what it does to a tone there. Blades sweep across the
filter within its own length, so they are summed at twice that rate, but for what is far outside, and are filtered.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import ECHO_MARGIN, PHASOR_MARGIN, EchoTones, PhasorSum
from appliance.dsp.downconvert import DownConverter
from appliance.simulation.acoustics import absorption_per_m
from appliance.simulation.device import MIC_FULL_SCALE_DB_SPL
from appliance.simulation.fir import Fir
from appliance.simulation.heard import BurstsHeard
from appliance.simulation.loudspeaker import Modulation
from appliance.simulation.modulated import ModulatedTones
from appliance.simulation.propagation import NEAREST_M, Echoes, MovingWays, Propagation
from appliance.simulation.scenes import Scene
from appliance.simulation.things import WALKING_RATE_HZ
from appliance.types import BasebandBlock, PcmBlock, Tones

PCM_RATE_HZ = 192_000
STEP_S = 8.0
"""What is rendered at once."""

_WHIRLING_FRAMES = 40
"""Spacing of the samples of what whirls, 4.8 kHz."""

_FULL_HZ, _NOTHING_HZ = 1_600.0, 3_200.0
"""Blades are heard fully up to the first shift and not at all beyond the second; what lies between is filtered away,
and what 4.8 kHz folds down of it as well."""

_SHIFT_STEP_HZ = 20.0
_STOPPED = 1e-4
"""Gain of the filter below which nothing is summed."""

_LEAD_FRAMES = 1_920
"""Half of the filter's length, and a little more."""

_STILL_TAPS = 8
_NOISE_TAPS = 48


class _Channel(NamedTuple):
    """The real filter: its group delay and impulse response by frame."""

    group_delay_frames: float
    impulse: NDArray[np.float64]
    decimation: int

    @property
    def carrier_gain(self) -> float:
        """Gain at the carrier itself, within 0.1 dB of 1."""
        return float(self.impulse.sum())

    def gain(self, shift_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gain for tones so far from the carrier."""
        at_s = (np.arange(len(self.impulse)) - self.group_delay_frames) / PCM_RATE_HZ
        return np.asarray(np.cos(2.0 * np.pi * np.outer(shift_hz, at_s)) @ self.impulse)


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
        self._shape = (len(tones.carriers_hz), mics)
        self._summed = [
            _Summed(scene, group, mics=mics, carriers_hz=tones.carriers_hz) for group in self._propagation.moving
        ]
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
            heard = self._music.play(still, moving, self._moving_delay_s(), frame / PCM_RATE_HZ)
        self._step += 1
        heard *= np.array(self._response, np.complex64)[..., None]
        noise = self._noise_of_step()
        heard.real += noise[0]
        heard.imag += noise[1]
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
        out = np.empty((*self._shape, round(STEP_S * self.rate_hz)), np.complex64)
        for c, carrier_hz in enumerate(self.carriers_hz):
            points = np.zeros((self._mics, segments), np.complex64)
            rays = group.rays(t_s, carrier_hz)
            core = PhasorSum(mics=self._mics, segment_samples=1)
            core.process_into(rays.delay_s, -carrier_hz, rays.gain, everything, points)
            planes = np.stack([points.real, points.imag])
            windows = np.lib.stride_tricks.sliding_window_view(planes, _STILL_TAPS, axis=2)[:, :, :-1]
            real, imaginary = (np.ascontiguousarray(windows) @ phases).reshape(2, self._mics, -1)
            out[c].real, out[c].imag = real, imaginary
        return out

    def _moving(self, first_frame: int) -> NDArray[np.complex64]:
        """What moves, [carriers, mics, samples]."""
        heard = np.zeros((*self._shape, round(STEP_S * self.rate_hz)), np.complex64)
        for summed in self._summed:
            lead = summed.lead + ECHO_MARGIN
            summed.add_to(heard, self._instants(first_frame, summed.interval_frames, lead, lead))
        return heard

    def _moving_delay_s(self) -> float:
        """Mean delay of what moved in the step, by energy."""
        loudest = [summed.loudest() for summed in self._summed]
        total = max(sum(energy for energy, _ in loudest), 1e-30)
        return sum(energy * delay_s for energy, delay_s in loudest) / total

    def _white(self, samples: int) -> NDArray[np.float32]:
        """White noise at the baseband's rate, [2 * carriers * mics, samples], real parts first."""
        planes = self._random.standard_normal((2 * self._shape[0] * self._shape[1], samples), dtype=np.float32)
        planes *= np.float32(self._noise_rms / math.sqrt(2.0))
        return planes

    def _noise_of_step(self) -> NDArray[np.float32]:
        """The microphones' noise behind the filter, [2, carriers, mics, samples]: real and imaginary parts."""
        whole = np.concatenate([self._noise, self._white(round(STEP_S * self.rate_hz))], axis=1)
        self._noise = whole[:, 1 - _noise_filter().taps :]
        return _noise_filter().process(whole).reshape(2, *self._shape, -1)


class _Summed:
    """A group of moving ways, summed: `interval_frames` between its points, `lead` of which come before and behind."""

    def __init__(self, scene: Scene, group: MovingWays, *, mics: int, carriers_hz: tuple[float, ...]) -> None:
        self._group, self._air, self._mics, self._carriers_hz = group, scene.air, mics, carriers_hz
        self.interval_frames = round(PCM_RATE_HZ / group.rate_hz)
        self._is_filtered = group.rate_hz > WALKING_RATE_HZ
        self._spacing = _WHIRLING_FRAMES if self._is_filtered else _channel().decimation
        self.lead = -(-_LEAD_FRAMES // self.interval_frames) if self._is_filtered else 0
        self._core = EchoTones(mics=mics, segment_samples=self.interval_frames // self._spacing, nearest_m=NEAREST_M)
        shift_hz = np.arange(-_NOTHING_HZ, _NOTHING_HZ + _SHIFT_STEP_HZ, _SHIFT_STEP_HZ)
        if self._is_filtered:
            share = np.clip((np.abs(shift_hz) - _FULL_HZ) / (_NOTHING_HZ - _FULL_HZ), 0.0, 1.0)
            heard = 0.5 + 0.5 * np.cos(np.pi * share)
        else:
            heard = _channel().gain(shift_hz)
            passed = np.abs(shift_hz) <= np.abs(shift_hz[np.abs(heard) > _STOPPED]).max()
            shift_hz, heard = shift_hz[passed], heard[passed]
        self._echoes: Echoes | None = None
        self._responses = [_colour(scene, mics, carrier_hz, shift_hz, heard) for carrier_hz in carriers_hz]

    def add_to(self, heard: NDArray[np.complex64], t_s: NDArray[np.float64]) -> None:
        """Add to [carriers, mics, samples] what is heard of the group at instants `t_s`."""
        samples = (len(t_s) - 1 - 2 * ECHO_MARGIN) * self.interval_frames // self._spacing
        legs = self._group.legs
        for c, carrier_hz in enumerate(self._carriers_hz):
            self._echoes = echoes = self._group.echoes(t_s, carrier_hz)
            out = np.zeros((self._mics, samples), np.complex64) if self._is_filtered else heard[c]
            self._core.process_into(
                echoes.places_m,
                echoes.strength,
                legs.scatterer,
                legs.leg,
                legs.weight,
                legs.source_m,
                legs.mics_m,
                echoes.scale,
                echoes.offset,
                absorption_per_m(self._air, carrier_hz),
                carrier_hz,
                self._group.rate_hz,
                self._responses[c],
                _SHIFT_STEP_HZ,
                out,
            )
            if self._is_filtered:
                skip = (self.lead * self.interval_frames - _LEAD_FRAMES) // self._spacing
                heard[c] += _filter(self._spacing).process_complex(out[:, skip:])[:, : heard.shape[2]]

    def loudest(self) -> tuple[float, float]:
        """Energy of what was added last, and its mean delay (s)."""
        return self._group.loudest(self._echoes) if self._echoes is not None else (0.0, 0.0)


def _colour(
    scene: Scene, mics: int, carrier_hz: float, shift_hz: NDArray[np.float64], heard: NDArray[np.float64]
) -> NDArray[np.float32]:
    """How tones beside a carrier are heard, [mics, shifts]: `heard` by how the unit answers relative to the carrier."""
    there = scene.unit.gain(mics, carrier_hz + shift_hz)
    here = np.maximum(scene.unit.gain(mics, carrier_hz), 1e-9)[:, None]
    return np.ascontiguousarray(heard * there / here, np.float32)


def _clipped(iq: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """What is left at the carrier of a sine cut at full scale, its describing function; quiet sound as it is."""
    magnitude = np.abs(iq)
    if magnitude.max(initial=0.0) <= 1.0:
        return iq
    over = 1.0 / np.maximum(magnitude, 1.0)
    kept = 2.0 / np.pi * (np.arcsin(over) + over * np.sqrt(1.0 - over * over))
    return np.asarray(iq * kept.astype(np.float32))
