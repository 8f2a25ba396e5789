"""What the tweeter plays: steady tones that fade and glide, never click and never exceed their limit."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core

BLOCK_FRAMES: Final = _core.TONE_BLOCK_FRAMES
"""The signal is made in blocks of this length, whatever is asked for; changes begin at a block's start."""


class ToneSynthesiser:
    """One to four sines on every output.

    Every change begins within `BLOCK_FRAMES` and takes `fade_s`, rounded to whole blocks, along a raised cosine.
    Carriers keep their place in the list: the first glides from the old first one, new ones fade in, those without a
    successor fade out. No sample exceeds `max_amplitude`, and no carrier below `MIN_CARRIER_HZ` is taken.
    """

    def __init__(self, *, rate_hz: int, outputs: int, max_amplitude: float, fade_s: float = 0.1) -> None:
        """Start silent.

        Args:
            rate_hz: 192000 or 96000.
            outputs: 1 to 8 channels, all with the same signal.
            max_amplitude: above 0 to 1.0 of full scale.
            fade_s: 0.05 to 60.

        Raises:
            ValueError: an argument is out of range.
        """
        self.outputs = outputs
        self._core = _core.ToneSynthesiser(rate_hz=rate_hz, outputs=outputs, max_amplitude=max_amplitude, fade_s=fade_s)

    @property
    def settled(self) -> bool:
        """True when no fade or glide is under way."""
        return self._core.settled

    @property
    def loudest(self) -> float:
        """Sum of amplitudes (of full scale) that is not exceeded from the next frame on, until `play` is called."""
        return self._core.loudest

    def play(self, *, carriers_hz: Sequence[float], amplitude: float) -> None:
        """Begin the transition to these carriers, none for silence; the same wish again changes nothing.

        Args:
            carriers_hz: up to 4 from 32 kHz to half the rate less 1.1 kHz.
            amplitude: sum over carriers, of full scale; above `max_amplitude` it becomes `max_amplitude`.

        Raises:
            ValueError: a carrier or the amplitude is out of range; nothing changed.
        """
        self._core.play(carriers_hz, amplitude)

    def process(self, frames: int) -> NDArray[np.int32]:
        """The next `frames` frames: int32 [frames, outputs], full scale 2^31."""
        samples = np.empty((frames, self.outputs), np.int32)
        self.process_into(samples)
        return samples

    def process_into(self, samples: NDArray[np.int32]) -> None:
        """Fill `samples` int32 [frames, outputs], C-contiguous."""
        self._core.process_into(samples)

    def reset(self) -> None:
        """Silence at once, as when new."""
        self._core.reset()
