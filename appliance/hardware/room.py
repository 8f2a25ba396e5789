"""The virtual room: a sound card without a card. It hears what is really played; no tone, no echo."""

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import MultipathChannel
from appliance.errors import SourceError
from appliance.physics import MIN_CARRIER_HZ
from appliance.simulation.device import CONVERTER_BITS, MIC_FULL_SCALE_DB_SPL, RESPONSE_TAPS
from appliance.simulation.fir import Fir
from appliance.simulation.heard import SoundsHeard
from appliance.simulation.loudspeaker import Modulation
from appliance.simulation.propagation import PathGroup, Propagation
from appliance.simulation.scenes import Scene
from appliance.simulation.things import WALKING_RATE_HZ
from appliance.types import PcmBlock

ROOM_RATE_HZ = 192_000
MAX_TRUE_HZ = 68_000.0
"""Above it the fractional delays of the channel are no longer within -90 dB of the truth."""

_MAX_DELAY_S = 0.12
_SLIP_FRAMES = 9_600
"""Clocks that run apart slip when they are so far apart, as a card's buffers do that run over or empty."""

_CONTROLS_A_POINT = 12
_CONTROLS_A_WHIRLING_POINT = 24
"""Motion is straight between instants this much denser than cubics would need: 4 um off for a foot that accelerates
with 50 m/s2, 6 um for the tip of a blade."""

_WIDE_HZ = 1_000.0
_TILT_HZ = 1_000.0
_MUSIC_FRAMES = 32
_CONE_FRAMES = 16
"""A delay that any movement of a cone can be taken off."""

_DEAD = 1e-9
"""What stands for a gain of nothing where a logarithm is taken."""

_LATENCY_BLOCKS = 2
_DEFAULT_FREQUENCY_HZ = 40_000.0
_RETUNED = 0.02
"""A played frequency that differs by less is the same; the absorption must not jump with an analysis' fine detail."""

_LONG_S = 3.0
"""Over so long the mean of a sweep beside a tone stands still."""

_LEFT_OF_MUSIC = 1e-8
"""Of all that is played: ultrasound below this is what is left of music."""


class VirtualRoom:
    """Implements `ports.Audio` for a scene.

    Args:
        scene: what happens.
        rate_hz: of capture and playback, 192000.
        mics: 1-8.
        block_frames: frames a read gives.
        speaker_full_scale_db_spl: level at 1 m that full scale of the tweeter's output gives.
        outputs: channels of the playback.
        tweeter: index of the one that is heard; nothing hangs on the others.

    Raises:
        SourceError: another rate.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        rate_hz: int = ROOM_RATE_HZ,
        mics: int = 4,
        block_frames: int = 1920,
        speaker_full_scale_db_spl: float = 90.0,
        outputs: int = 1,
        tweeter: int = 0,
    ) -> None:
        self.name = f"room:{scene.name}"
        if rate_hz != ROOM_RATE_HZ:
            raise SourceError(f"{self.name}: the virtual room runs at {ROOM_RATE_HZ} Hz; set audio.rate_hz to that")
        self.rate_hz = rate_hz
        self.mics = mics
        self.outputs = outputs
        self._tweeter = tweeter
        self._scene = scene
        self._block_frames = block_frames
        self._propagation = Propagation(scene, mics=mics)
        max_delay_frames = int(_MAX_DELAY_S * rate_hz) + (_SLIP_FRAMES if scene.unit.clock_ppm else 0)
        self._channels = [
            _Ways(
                group,
                MultipathChannel(paths=group.paths, mics=mics, max_delay_frames=max_delay_frames),
                max_delay_frames,
            )
            for group in self._propagation.groups
        ]
        self._modulation: Modulation | None = None
        if scene.music is not None:
            self._modulation = Modulation(scene.unit, scene.music, scene.air.temperature_c)
            self._cone = MultipathChannel(paths=1, mics=1, max_delay_frames=4 * _CONE_FRAMES)
        self._sounds = SoundsHeard(scene.sounds, self._propagation.mics_m)
        self._responses = _responses(scene, mics)
        self._before = np.zeros((mics, RESPONSE_TAPS - 1), np.float32)
        self._random = np.random.default_rng(scene.seed + 1)
        to_mic = 10.0 ** ((speaker_full_scale_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0)
        self._scale = np.float32(to_mic / 2.0**31)
        noise_db_spl = scene.unit.noise_db_spl_per_hz + 10.0 * np.log10(rate_hz / 2.0)
        self._noise = np.float32(10.0 ** ((noise_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0) / np.sqrt(2.0))
        self._frame = 0
        self._middle_hz = _DEFAULT_FREQUENCY_HZ
        self._is_wide = False
        self._played_power = self._played_moment = 0.0
        self._signal_before = np.zeros(2, np.float32)
        self._playback: deque[NDArray[np.int32]] = deque(
            np.zeros(block_frames, np.int32) for _ in range(_LATENCY_BLOCKS)
        )

    def read(self) -> PcmBlock | None:
        """What the microphones heard while the oldest waiting block was played; None when the scene is over."""
        lost_frames = self._lose()
        first_frame = self._frame
        if first_frame / self.rate_hz >= self._scene.duration_s:
            return None
        samples = self.process(self._played()[:, None])
        return PcmBlock(samples=samples, first_frame=first_frame, rate_hz=self.rate_hz, lost_frames_before=lost_frames)

    def _played(self) -> NDArray[np.int32]:
        return self._playback.popleft() if self._playback else np.zeros(self._block_frames, np.int32)

    def _lose(self) -> int:
        """Pass over a gap of the scene that begins in or before this block; the number of frames lost."""
        lost_frames = 0
        for gap in self._scene.unit.gaps:
            if self._frame <= gap.start_s * self.rate_hz < self._frame + self._block_frames:
                lost_frames += round(gap.lost_s * self.rate_hz)
        if lost_frames:
            self.process(np.resize(self._played(), (lost_frames, 1)))
        return lost_frames

    def write(self, samples: NDArray[np.int32]) -> None:
        """Play [frames, outputs]."""
        self._playback.append(np.ascontiguousarray(samples[:, self._tweeter]))

    def suspend(self) -> None:
        """The scene waits where it is."""

    def close(self) -> None:
        """Nothing to give back."""

    def process(self, playback: NDArray[np.int32]) -> NDArray[np.int32]:
        """What [frames, mics] the microphones hear while `playback` [frames, 1] is played by the tweeter."""
        frames = len(playback)
        signal = playback[:, 0].astype(np.float32) * self._scale
        if self._modulation is not None:
            signal = self._modulated(signal, self._modulation)
        heard = np.zeros((frames, self.mics), np.float32)
        played = self._look(signal)
        for ways in self._channels:
            self._carry(ways, signal, played, heard)
        if self._responses is not None:
            heard = self._answer(heard)
        sound = self._random.standard_normal((frames, self.mics), dtype=np.float32) * self._noise
        sound += heard
        self._sounds.add_to(sound, self._frame)
        self._frame += frames
        step = 2.0 ** (CONVERTER_BITS - 1)
        codes: NDArray[np.int32] = np.clip(np.rint(sound * np.float32(step)), -step, step - 1.0).astype(np.int32)
        codes <<= 32 - CONVERTER_BITS
        return codes

    def _modulated(self, signal: NDArray[np.float32], modulation: Modulation) -> NDArray[np.float32]:
        """The loudspeaker's output while music moves it; delayed by _CONE_FRAMES."""
        frames = len(signal)
        points = frames // _MUSIC_FRAMES + 2
        t_s = (self._frame + np.linspace(0.0, frames, points)) / self.rate_hz
        delay = (modulation.delay_s(t_s) * self.rate_hz + _CONE_FRAMES)[:, None, None]
        moved = np.zeros((frames, 1), np.float32)
        self._cone.process_into(signal, delay, modulation.level(t_s).astype(np.float32)[:, None, None], moved)
        return np.ascontiguousarray(moved[:, 0])

    def _carry(self, ways: "_Ways", signal: NDArray[np.float32], played: "_Played", heard: NDArray[np.float32]) -> None:
        """Add what comes by the paths of one group."""
        frames, group = len(signal), ways.group
        denser = _CONTROLS_A_POINT if group.rate_hz == WALKING_RATE_HZ else _CONTROLS_A_WHIRLING_POINT
        points = max(2, round(frames / self.rate_hz * group.rate_hz * denser) + 1)
        t_s = (self._frame + np.linspace(0.0, frames, points)) / self.rate_hz
        rays = group.rays(t_s, played.middle_hz)
        delay_frames = rays.delay_s * self.rate_hz + self._slipped_frames()
        ways.channel.process_into(signal, delay_frames, rays.gain, heard)
        if played.tilt is None:
            return
        if ways.tilted is None:
            ways.tilted = MultipathChannel(paths=group.paths, mics=self.mics, max_delay_frames=ways.max_delay_frames)
        above = group.rays(t_s, played.middle_hz + _TILT_HZ).gain
        below = group.rays(t_s, played.middle_hz - _TILT_HZ).gain
        # the tilted signal comes a frame late
        ways.tilted.process_into(played.tilt, delay_frames - 1.0, (above - below) * np.float32(0.5), heard)

    def _slipped_frames(self) -> int:
        """What keeps delays within the channel's however long clocks have run apart; 0 for one clock."""
        apart_frames = 1e-6 * self._scene.unit.clock_ppm * self._frame
        return (math.floor(apart_frames / _SLIP_FRAMES) + 1) * _SLIP_FRAMES if apart_frames else 0

    def _answer(self, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """The tweeter's and microphones' responses over frequency."""
        assert self._responses is not None
        whole = np.concatenate([self._before, heard.T], axis=1)
        self._before = whole[:, -(RESPONSE_TAPS - 1) :]
        filtered = [response.process(whole[m : m + 1]) for m, response in enumerate(self._responses)]
        return np.ascontiguousarray(np.concatenate(filtered).T)

    def _look(self, signal: NDArray[np.float32]) -> "_Played":
        """Where absorption and reflection are taken, and the signal by whose help they change over frequency.

        The frequency is the mean by power of tones and chirps, over seconds, kept while it is about that; music beside
        them must not change how they are heard. Once something wide has been played (several tones, a chirp), gains
        follow a straight line over frequency around it.
        """
        power = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
        first = round(MIN_CARRIER_HZ * len(signal) / self.rate_hz)
        everything, power = power.sum(), power[first:]
        if power.sum() > _LEFT_OF_MUSIC * everything:
            frequency_hz = (first + np.arange(len(power))) * self.rate_hz / len(signal)
            mean_hz = float(power @ frequency_hz / power.sum())
            spread_hz = float(np.sqrt(power @ (frequency_hz - mean_hz) ** 2 / power.sum()))
            self._is_wide |= spread_hz > _WIDE_HZ
            # a sweep is elsewhere in each block: gains that followed it would shake the tone beside it
            kept = math.exp(-len(signal) / self.rate_hz / _LONG_S) if self._is_wide else 0.0
            self._played_power = kept * self._played_power + float(power.sum())
            self._played_moment = kept * self._played_moment + float(power @ frequency_hz)
            mean_hz = self._played_moment / self._played_power
            if abs(mean_hz / self._middle_hz - 1.0) > _RETUNED:
                self._middle_hz = mean_hz
        whole = np.concatenate([self._signal_before, signal])
        self._signal_before = whole[-2:]
        if not self._is_wide:
            return _Played(self._middle_hz, None)
        # an even filter of three taps whose gain is 0 at the middle and 1 where the gains are _TILT_HZ higher
        middle = 2.0 * np.pi * self._middle_hz / self.rate_hz
        side = np.float32(-0.5 / (np.sin(middle) * 2.0 * np.pi * _TILT_HZ / self.rate_hz))
        tilt = side * (whole[2:] + whole[:-2] - np.float32(2.0 * np.cos(middle)) * whole[1:-1])
        return _Played(self._middle_hz, np.ascontiguousarray(tilt, np.float32))


class _Played(NamedTuple):
    """What is played: its middle, and the signal with a gain that rises over frequency, where that is wanted."""

    middle_hz: float
    tilt: NDArray[np.float32] | None


@dataclass(slots=True)
class _Ways:
    """A group of paths and what carries sound over them."""

    group: PathGroup
    channel: MultipathChannel
    max_delay_frames: int
    tilted: MultipathChannel | None = None


def _responses(scene: Scene, mics: int) -> list[Fir] | None:
    """The unit's responses as filters, one a microphone; None for a flat unit."""
    unit = scene.unit
    if unit.is_flat and not (unit.deaf_mics or unit.dead_mics):
        return None
    return [Fir(impulse[::-1]) for impulse in unit.impulses(mics, ROOM_RATE_HZ)]
