"""The virtual room: a sound card without a card. It hears what is really played; no tone, no echo."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import MultipathChannel
from appliance.errors import SourceError
from appliance.simulation.device import CONVERTER_BITS, MIC_FULL_SCALE_DB_SPL
from appliance.simulation.fir import Fir
from appliance.simulation.heard import SoundsHeard
from appliance.simulation.propagation import PathGroup, Propagation
from appliance.simulation.scenes import Scene
from appliance.types import PcmBlock

ROOM_RATE_HZ = 192_000
MAX_TRUE_HZ = 68_000.0
"""Above it the fractional delays of the channel are no longer within -90 dB of the truth."""

_MAX_DELAY_S = 0.12
_CONTROLS_A_POINT = 12
"""Motion is straight between instants this much denser than cubics would need: 6 um off for a foot that accelerates
with 50 m/s2, 6 um as well for the tip of a blade."""

_RESPONSE_TAPS = 1023
_DEAD = 1e-9
"""What stands for a gain of nothing where a logarithm is taken."""

_LATENCY_BLOCKS = 2
_DEFAULT_FREQUENCY_HZ = 40_000.0
_RETUNED = 0.02
"""A played frequency that differs by less is the same; the absorption must not jump with an analysis' fine detail."""


class VirtualRoom:
    """Implements `ports.Audio` for a scene.

    Args:
        scene: what happens.
        rate_hz: of capture and playback, 192000.
        mics: 1-8.
        block_frames: frames a read gives.
        speaker_full_scale_db_spl: level at 1 m that full scale of output 0 gives.

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
    ) -> None:
        self.name = f"room:{scene.name}"
        if rate_hz != ROOM_RATE_HZ:
            raise SourceError(f"{self.name}: the virtual room runs at {ROOM_RATE_HZ} Hz; set audio.rate_hz to that")
        self.rate_hz = rate_hz
        self.mics = mics
        self.outputs = 1
        self._scene = scene
        self._block_frames = block_frames
        self._propagation = Propagation(scene, mics=mics)
        max_delay_frames = int(_MAX_DELAY_S * rate_hz)
        self._channels = [
            (group, MultipathChannel(paths=group.paths, mics=mics, max_delay_frames=max_delay_frames))
            for group in self._propagation.groups
        ]
        self._sounds = SoundsHeard(scene.sounds, self._propagation.mics_m)
        self._responses = _responses(scene, mics)
        self._before = np.zeros((mics, _RESPONSE_TAPS - 1), np.float32)
        self._random = np.random.default_rng(scene.seed + 1)
        to_mic = 10.0 ** ((speaker_full_scale_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0)
        self._scale = np.float32(to_mic / 2.0**31)
        noise_db_spl = scene.unit.noise_db_spl_per_hz + 10.0 * np.log10(rate_hz / 2.0)
        self._noise = np.float32(10.0 ** ((noise_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0) / np.sqrt(2.0))
        self._frame = 0
        self._absorption_hz = _DEFAULT_FREQUENCY_HZ
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
        """Play [frames, outputs]; the tweeter hangs on output 0."""
        self._playback.append(np.ascontiguousarray(samples[:, 0]))

    def close(self) -> None:
        """Nothing to give back."""

    def process(self, playback: NDArray[np.int32]) -> NDArray[np.int32]:
        """What [frames, mics] the microphones hear while `playback` [frames, outputs] is played."""
        frames = len(playback)
        signal = playback[:, 0].astype(np.float32) * self._scale
        heard = np.zeros((frames, self.mics), np.float32)
        played_hz = self._played_hz(signal)
        for group, channel in self._channels:
            self._carry(group, channel, signal, played_hz, heard)
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

    def _carry(
        self,
        group: PathGroup,
        channel: MultipathChannel,
        signal: NDArray[np.float32],
        played_hz: float,
        heard: NDArray[np.float32],
    ) -> None:
        """Add what comes by the paths of one group."""
        frames = len(signal)
        points = max(2, round(frames / self.rate_hz * group.rate_hz * _CONTROLS_A_POINT) + 1)
        t_s = (self._frame + np.linspace(0.0, frames, points)) / self.rate_hz
        rays = group.rays(t_s, played_hz)
        channel.process_into(signal, rays.delay_s * self.rate_hz, rays.gain, heard)

    def _answer(self, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """The tweeter's and microphones' responses over frequency."""
        assert self._responses is not None
        whole = np.concatenate([self._before, heard.T], axis=1)
        self._before = whole[:, -(_RESPONSE_TAPS - 1) :]
        filtered = [response.process(whole[m : m + 1]) for m, response in enumerate(self._responses)]
        return np.ascontiguousarray(np.concatenate(filtered).T)

    def _played_hz(self, signal: NDArray[np.float32]) -> float:
        """Where air absorption is taken for all tones: their mean frequency by power, kept while it is about that."""
        if signal.any():
            power = np.abs(np.fft.rfft(signal)) ** 2
            mean_hz = float(power @ np.arange(len(power)) / power.sum()) * self.rate_hz / len(signal)
            if abs(mean_hz / self._absorption_hz - 1.0) > _RETUNED:
                self._absorption_hz = mean_hz
        return self._absorption_hz


def _responses(scene: Scene, mics: int) -> list[Fir] | None:
    """The unit's responses as filters of minimum phase, which do not delay, one a microphone; None for a flat unit."""
    unit = scene.unit
    if unit.is_flat and not (unit.deaf_mics or unit.dead_mics):
        return None
    length = 8 * (_RESPONSE_TAPS + 1)
    gains = unit.response(mics, np.fft.rfftfreq(length, 1.0 / ROOM_RATE_HZ))
    filters = []
    for gain in gains:
        # the real cepstrum folded onto positive time (Oppenheim and Schafer, Discrete-Time Signal Processing, 13.5)
        cepstrum = np.fft.irfft(np.log(np.maximum(gain, _DEAD)))
        cepstrum[1 : length // 2] *= 2.0
        cepstrum[length // 2 + 1 :] = 0.0
        impulse = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[:_RESPONSE_TAPS]
        filters.append(Fir(impulse[::-1]))
    return filters
