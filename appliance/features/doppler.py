"""From baseband to power per velocity bin, one frame a hop."""

import numpy as np
from numpy.typing import NDArray

from appliance.dsp.spectrum import Spectrum
from appliance.physics import radial_velocity_mps
from appliance.types import BasebandBlock, DopplerFrame

WINDOW_SAMPLES = 256
"""107 ms at 2.4 kHz: bins of 9.4 Hz, 40 mm/s of radial velocity at 40 kHz."""

HOP_SAMPLES = 64
"""26.7 ms at 2.4 kHz."""

_SMALLEST_POWER = 1e-20


class Doppler:
    """Collects baseband and gives a `DopplerFrame` each hop, once the first window is full."""

    def __init__(self, *, carriers_hz: tuple[float, ...], mics: int, rate_hz: float, pcm_rate_hz: int) -> None:
        self.spectrum = Spectrum(window_samples=WINDOW_SAMPLES)
        self._samples = np.zeros((len(carriers_hz), mics, WINDOW_SAMPLES), np.complex64)
        self._until_hop = WINDOW_SAMPLES
        self.channels = len(carriers_hz) * mics
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
        windows, ends_s = [], []
        at = 0
        samples = block.iq.shape[2]
        while at < samples:
            take = min(self._until_hop, samples - at)
            self._samples[..., :-take] = self._samples[..., take:]
            self._samples[..., -take:] = block.iq[..., at : at + take]
            at += take
            self._until_hop -= take
            if self._until_hop == 0:
                self._until_hop = HOP_SAMPLES
                # a sample stands at the last PCM frame it has heard: the window ends right behind it
                end_frame = block.first_frame + 1 + (at - 1) * self._pcm_rate_hz / self._rate_hz
                windows.append(self._samples.copy())
                ends_s.append(end_frame / self._pcm_rate_hz)
        return self._frames(windows, ends_s, carrier_dbfs) if windows else []

    def _frames(
        self, windows: list[NDArray[np.complex64]], ends_s: list[float], carrier_dbfs: NDArray[np.float32]
    ) -> list[DopplerFrame]:
        """All at once: a simulated block may hold hundreds."""
        power = self.spectrum.power(np.stack(windows))
        power_dbfs = 10.0 * np.log10(np.maximum(power, _SMALLEST_POWER))
        return [
            DopplerFrame(power_dbfs=dbfs, velocity_mps=self.velocity_mps, carrier_dbfs=carrier_dbfs, t_s=end_s)
            for dbfs, end_s in zip(power_dbfs, ends_s, strict=True)
        ]

    def reset(self) -> None:
        """Begin a new window; frames before a gap and behind it are never mixed."""
        self._samples[...] = 0
        self._until_hop = WINDOW_SAMPLES
