"""The seams: what the pipeline's surroundings must offer. Real and virtual devices implement the same protocol."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.errors import ModelError
from appliance.types import DopplerFrame, PcmBlock, RangeFrame, Score


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
    """What judges Doppler frames.

    `failure` says why it is not the one that was wanted; None while it is.
    """

    failure: ModelError | None

    def process(self, frame: DopplerFrame) -> Score | None:
        """The score of one frame; None while nothing can be said."""

    def process_ranges(self, frame: RangeFrame) -> None:
        """Hear the echoes of a pulse, which count for the frames behind it; one that needs none ignores them."""

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Judge from now on so that a stationary empty room is called moving so often."""

    def reset(self) -> None:
        """Forget the room."""


class Player(Protocol):
    """Plays music and speech beside the tone; used in the event loop.

    A call that is cancelled ends what it plays, without a click.
    """

    async def play(self, media: str, *, level_db: float) -> None:
        """Play a file (its path) or a stream (its http or https address) to its end, or until `stop`.

        `level_db` is relative to the sound's own level, from -60 to 0.

        Raises:
            RoutineError: it is missing or cannot be played; names it.
        """

    async def announce(self, text: str, *, language: str, level_db: float) -> None:
        """Speak a text to its end, or until `stop`; `language` such as en, de or en-gb.

        Raises:
            RoutineError: it cannot be spoken.
        """

    def stop(self) -> None:
        """End whatever is played or spoken; nothing where there is nothing."""
