"""A source that takes its time."""

import time

import numpy as np
from numpy.typing import NDArray

from appliance.ports import Audio
from appliance.types import PcmBlock


class Paced:
    """Gives the blocks of another source no earlier than a card would."""

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._started_s: float | None = None
        self.name, self.rate_hz = audio.name, audio.rate_hz
        self.mics, self.outputs = audio.mics, audio.outputs

    def read(self) -> PcmBlock | None:
        """The next block, once its last frame would have been recorded."""
        block = self._audio.read()
        if block is not None:
            now_s = time.monotonic()
            if self._started_s is None:
                self._started_s = now_s
            time.sleep(max(0.0, self._started_s + block.end_s - now_s))
        return block

    def write(self, samples: NDArray[np.int32]) -> None:
        """Play [frames, outputs]."""
        self._audio.write(samples)

    def close(self) -> None:
        """Close the source."""
        self._audio.close()
