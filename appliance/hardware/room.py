"""The virtual room: a sound card without a card. It hears what is really played; no tone, no echo."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from appliance.dsp._core import MultipathChannel
from appliance.errors import SourceError
from appliance.simulation.propagation import Propagation
from appliance.simulation.scenes import Scene
from appliance.types import PcmBlock

MIC_FULL_SCALE_DB_SPL = 120.0
MIC_NOISE_DB_SPL_PER_HZ = -5.0
CONVERTER_BITS = 24

ROOM_RATE_HZ = 192_000
MAX_TRUE_HZ = 68_000.0
"""Above it the fractional delays of the channel are no longer within -90 dB of the truth."""

_MAX_DELAY_S = 0.12
_CONTROL_S = 0.001
"""Motion is straight between instants this far apart: 6 um off for a foot that accelerates with 50 m/s2."""

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
        self._channel = MultipathChannel(
            paths=self._propagation.paths, mics=mics, max_delay_frames=int(_MAX_DELAY_S * rate_hz)
        )
        self._random = np.random.default_rng(scene.seed + 1)
        to_mic = 10.0 ** ((speaker_full_scale_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0)
        self._scale = np.float32(to_mic / 2.0**31)
        noise_db_spl = MIC_NOISE_DB_SPL_PER_HZ + 10.0 * np.log10(rate_hz / 2.0)
        self._noise = np.float32(10.0 ** ((noise_db_spl - MIC_FULL_SCALE_DB_SPL) / 20.0) / np.sqrt(2.0))
        self._frame = 0
        self._absorption_hz = _DEFAULT_FREQUENCY_HZ
        self._playback: deque[NDArray[np.int32]] = deque(
            np.zeros(block_frames, np.int32) for _ in range(_LATENCY_BLOCKS)
        )

    def read(self) -> PcmBlock | None:
        """What the microphones heard while the oldest waiting block was played; None when the scene is over."""
        first_frame = self._frame
        if first_frame / self.rate_hz >= self._scene.duration_s:
            return None
        played = self._playback.popleft() if self._playback else np.zeros(self._block_frames, np.int32)
        return PcmBlock(samples=self.process(played[:, None]), first_frame=first_frame, rate_hz=self.rate_hz)

    def write(self, samples: NDArray[np.int32]) -> None:
        """Play [frames, outputs]; the tweeter hangs on output 0."""
        self._playback.append(np.ascontiguousarray(samples[:, 0]))

    def suspend(self) -> None:
        """The scene waits where it is."""

    def close(self) -> None:
        """Nothing to give back."""

    def process(self, playback: NDArray[np.int32]) -> NDArray[np.int32]:
        """What [frames, mics] the microphones hear while `playback` [frames, outputs] is played."""
        frames = len(playback)
        signal = playback[:, 0].astype(np.float32) * self._scale
        sound = self._random.standard_normal((frames, self.mics), dtype=np.float32) * self._noise
        points = max(2, round(frames / self.rate_hz / _CONTROL_S) + 1)
        t_s = (self._frame + np.linspace(0.0, frames, points)) / self.rate_hz
        delay_s, gain = self._propagation.delays_and_gains(t_s, self._played_hz(signal))
        self._channel.process_into(signal, delay_s * self.rate_hz, gain, sound)
        self._frame += frames
        step = 2.0 ** (CONVERTER_BITS - 1)
        codes: NDArray[np.int32] = np.clip(np.rint(sound * np.float32(step)), -step, step - 1.0).astype(np.int32)
        codes <<= 32 - CONVERTER_BITS
        return codes

    def _played_hz(self, signal: NDArray[np.float32]) -> float:
        """Where air absorption is taken for all tones: their mean frequency by power, kept while it is about that."""
        if signal.any():
            power = np.abs(np.fft.rfft(signal)) ** 2
            mean_hz = float(power @ np.arange(len(power)) / power.sum()) * self.rate_hz / len(signal)
            if abs(mean_hz / self._absorption_hz - 1.0) > _RETUNED:
                self._absorption_hz = mean_hz
        return self._absorption_hz
