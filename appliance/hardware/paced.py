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
        self._began_s: float | None = None  # when the stream's first frame was or would have been
        self.name, self.rate_hz = audio.name, audio.rate_hz
        self.mics, self.outputs = audio.mics, audio.outputs

    def read(self) -> PcmBlock | None:
        """The next block, once its last frame would have been recorded."""
        block = self._audio.read()
        if block is not None:
            now_s = time.monotonic()
            if self._began_s is None:
                self._began_s = now_s - block.first_frame / block.rate_hz
            if (ahead_s := self._began_s + block.end_s - now_s) > 0.0:
                time.sleep(ahead_s)
        return block

    def write(self, samples: NDArray[np.int32]) -> None:
        """Play [frames, outputs]."""
        self._audio.write(samples)

    def suspend(self) -> None:
        """Stop until the next read; what then comes begins then."""
        self._audio.suspend()
        self._began_s = None

    def close(self) -> None:
        """Close the source."""
        self._audio.close()
