"""The seams: what the pipeline's surroundings must offer. Real and virtual devices implement the same protocol."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.types import DopplerFrame, PcmBlock, Score


class Audio(Protocol):
    """A full-duplex stream with one clock: a card, a recording or the virtual room.

    The caller reads a block, then writes as many frames as it read; where `outputs` is 0 nothing is written.
    """

    name: str
    rate_hz: int
    mics: int
    outputs: int

    def read(self) -> PcmBlock | None:
        """The next block, blocking until it is there; None at the end of a recording or scene.

        Raises:
            DeviceLost: the card went away.
            SourceError: the recording is damaged.
        """

    def write(self, samples: NDArray[np.int32]) -> None:
        """Play `samples` [frames, outputs] int32, full scale 2^31, behind what was written before.

        Raises:
            DeviceLost: the card went away.
        """

    def suspend(self) -> None:
        """Stop both directions until the next read, which goes on as if no time had passed between."""

    def close(self) -> None:
        """Give the device back; may be called twice."""


class Detector(Protocol):
    """What judges Doppler frames."""

    def process(self, frame: DopplerFrame) -> Score | None:
        """The score of one frame; None while nothing can be said."""

    def reset(self) -> None:
        """Forget the room."""
