"""The last seconds of baseband and of what was said of it, in memory that is taken once."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from appliance.snippets.snippet import SCORE_COLUMNS
from appliance.types import BasebandBlock

_BLOCKS_PER_S = 250
"""More than the shortest block_ms makes; where even more come, the ring reaches less far back."""

_SCORES_PER_S = 64

_T = TypeVar("_T", bound=np.generic)


class BasebandRing:
    """Keeps blocks that follow one another. `add` and `note` allocate nothing that stays.

    Args:
        carriers: of each block.
        mics: of each block.
        rate_hz: of the baseband.
        seconds: how far back it reaches.
    """

    def __init__(self, *, carriers: int, mics: int, rate_hz: float, seconds: float) -> None:
        self._iq = np.zeros((carriers, mics, round(seconds * rate_hz)), np.complex64)
        self._blocks = np.zeros((round(seconds * _BLOCKS_PER_S), 4), np.int64)
        self._scores = np.zeros((round(seconds * _SCORES_PER_S), len(SCORE_COLUMNS)))
        self._rate_hz = rate_hz
        self.reset()

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self._iq.nbytes + self._blocks.nbytes + self._scores.nbytes

    @property
    def held_s(self) -> float:
        """How much it holds."""
        return min(self._written, self._iq.shape[2]) / self._rate_hz

    def reset(self) -> None:
        """Forget everything: what comes does not follow what was."""
        self._written = self._count = self._noted = 0

    def add(self, block: BasebandBlock, *, end_frame: int) -> None:
        """Keep a block; `end_frame` is the PCM frame just behind what it was made of."""
        samples, capacity = block.iq.shape[2], self._iq.shape[2]
        if samples > capacity:
            self.reset()
            return
        at = self._written % capacity
        first = min(samples, capacity - at)
        self._iq[:, :, at : at + first] = block.iq[:, :, :first]
        if first < samples:
            self._iq[:, :, : samples - first] = block.iq[:, :, first:]
        self._blocks[self._count % len(self._blocks)] = (self._written, samples, block.first_frame, end_frame)
        self._written += samples
        self._count += 1

    def note(self, row: tuple[float, ...]) -> None:
        """Keep a score, as `snippet.score_row` gives it."""
        self._scores[self._noted % len(self._scores)] = row
        self._noted += 1

    def take(self) -> tuple[int, NDArray[np.complex64], NDArray[np.int64], NDArray[np.float64]] | None:
        """A copy of all that is held: the first sample's PCM frame, and the arrays of a `Snippet`; None of nothing."""
        blocks = _unrolled(self._blocks, self._count)
        # of a block that is half overwritten nothing is of use
        blocks = blocks[blocks[:, 0] >= self._written - self._iq.shape[2]]
        if not len(blocks) or self._written == blocks[0, 0]:
            return None
        begin, first_frame = int(blocks[0, 0]), int(blocks[0, 2])
        capacity = self._iq.shape[2]
        iq = np.empty((*self._iq.shape[:2], self._written - begin), np.complex64)
        at, size = begin % capacity, self._written - begin
        first = min(size, capacity - at)
        iq[:, :, :first] = self._iq[:, :, at : at + first]
        iq[:, :, first:] = self._iq[:, :, : size - first]
        scores = _unrolled(self._scores, self._noted)
        return first_frame, iq, np.stack([blocks[:, 1], blocks[:, 3] - first_frame], axis=1), scores


def _unrolled(rows: NDArray[_T], count: int) -> NDArray[_T]:
    """A copy of a ring of rows, the oldest first, of which `count` were ever written."""
    if count <= len(rows):
        return rows[:count].copy()
    at = count % len(rows)
    return np.concatenate([rows[at:], rows[:at]])
