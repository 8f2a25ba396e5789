"""The C extension's types. Contracts in csrc/*.h; slow twins in tests/reference."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class DownConverter:
    """Down-conversion of interleaved int32 PCM to complex baseband at 2400 Hz around 1-4 carriers."""

    output_rate_hz: float
    group_delay_frames: float

    def __init__(self, *, rate_hz: int, mics: int, carriers_hz: Sequence[float]) -> None: ...
    def output_samples(self, frames: int) -> int:
        """How many baseband samples the next `frames` frames will give."""
    def process_into(self, samples: NDArray[np.int32], iq: NDArray[np.complex64]) -> int:
        """Consume [frames, mics]; write [carriers, mics, n]; return n, which is output_samples(frames)."""
    def reset(self, first_frame: int = 0) -> None:
        """Forget all samples; the next frame is number `first_frame` of the stream, which fixes the phase."""

class ToneSynthesiser:
    """1-4 sines with raised-cosine fades, phase-continuous retuning and a hard limit of the sum's amplitude."""

    def __init__(self, *, rate_hz: int, outputs: int, max_amplitude: float, fade_s: float) -> None: ...
    def play(self, carriers_hz: Sequence[float], amplitude: float) -> None:
        """Fade to these carriers; `amplitude` (0..1 of full scale) is the sum over carriers. Empty fades to silence."""
    def process_into(self, samples: NDArray[np.int32]) -> None:
        """Fill [frames, outputs], the same signal on every output."""
    @property
    def settled(self) -> bool:
        """True when no fade or glide is under way."""

class MultipathChannel:
    """Many moving delays of one signal, summed for each microphone: y[m] = sum_p gain[p,m] x(t - delay[p,m](t))."""

    def __init__(self, *, paths: int, mics: int, max_delay_frames: int) -> None: ...
    def process_into(
        self,
        signal: NDArray[np.float32],
        delay_frames: NDArray[np.float64],
        gain: NDArray[np.float32],
        out: NDArray[np.float32],
    ) -> None:
        """Signal [frames]; delay_frames, gain [points, paths, mics], linear between points; adds to out [frames, mics]."""
    def reset(self) -> None: ...
