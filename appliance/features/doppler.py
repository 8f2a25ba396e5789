"""From baseband to power per velocity bin, one frame a hop."""

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.dsp.spectrum import Spectrum
from appliance.physics import radial_velocity_mps
from appliance.types import BasebandBlock, DopplerFrame

WINDOW_SAMPLES = 256
"""107 ms at 2.4 kHz: bins of 9.4 Hz, 40 mm/s of radial velocity at 40 kHz."""

HOP_SAMPLES = 64
"""26.7 ms at 2.4 kHz."""


class Doppler:
    """Collects baseband and gives a `DopplerFrame` each hop, once the first window is full."""

    def __init__(self, *, carriers_hz: tuple[float, ...], mics: int, rate_hz: float, pcm_rate_hz: int) -> None:
        self.spectrum = Spectrum(window_samples=WINDOW_SAMPLES)
        self.channels = len(carriers_hz) * mics
        self._core = _core.DopplerSpectra(
            carriers=len(carriers_hz), mics=mics, window_samples=WINDOW_SAMPLES, hop_samples=HOP_SAMPLES
        )
        self._shape = (len(carriers_hz), mics, WINDOW_SAMPLES)
        self._rate_hz = rate_hz
        self._pcm_rate_hz = pcm_rate_hz
        bins_hz = (np.arange(WINDOW_SAMPLES) - WINDOW_SAMPLES // 2) * rate_hz / WINDOW_SAMPLES
        velocity = [[radial_velocity_mps(shift, carrier) for shift in bins_hz] for carrier in carriers_hz]
        self.bins_hz: NDArray[np.float32] = bins_hz.astype(np.float32)
        self.velocity_mps: NDArray[np.float32] = np.array(velocity, np.float32)

    @property
    def hop_s(self) -> float:
        """Time between two frames."""
        return HOP_SAMPLES / self._rate_hz

    def process(self, block: BasebandBlock, *, carrier_dbfs: NDArray[np.float32]) -> list[DopplerFrame]:
        """All frames that `block` completes; `carrier_dbfs` [carriers, mics] is passed on in them."""
        at = self._core.until_hop
        power_dbfs = np.empty((self._core.output_spectra(block.iq.shape[2]), *self._shape), np.float32)
        self._core.process_into(np.ascontiguousarray(block.iq), power_dbfs)
        frames = []
        for power in power_dbfs:
            # a sample stands at the last PCM frame it has heard: the window ends right behind it
            end_frame = block.first_frame + 1 + (at - 1) * self._pcm_rate_hz / self._rate_hz
            frames.append(DopplerFrame(power, self.velocity_mps, carrier_dbfs, end_frame / self._pcm_rate_hz))
            at += HOP_SAMPLES
        return frames

    def reset(self) -> None:
        """Begin a new window; frames before a gap and behind it are never mixed."""
        self._core.reset()
