"""Static clutter: the direct path and everything in the room that does not move."""

import math

import numpy as np
from numpy.typing import NDArray

from appliance.types import BasebandBlock

TIME_CONSTANT_S = 2.0
"""Slow enough to leave motion of 28 Hz and more alone, fast enough to follow warming air."""


class ClutterCanceller:
    """Subtracts from each carrier and microphone the mean that it follows slowly.

    While `frozen`, the mean stays as it is, so that a person who comes to rest is not learned away.
    """

    def __init__(self) -> None:
        self._mean: NDArray[np.complex64] | None = None

    def process(self, block: BasebandBlock, *, frozen: bool) -> BasebandBlock:
        """The block without its static part; same shape and rate."""
        samples = block.iq.shape[2]
        if samples == 0:
            return block
        block_mean = block.iq.sum(axis=2) / np.float32(samples)
        if self._mean is None:
            self._mean = block_mean
        before = self._mean
        if not frozen:
            forgotten = -math.expm1(-samples / (TIME_CONSTANT_S * block.rate_hz))
            self._mean = (before + forgotten * (block_mean - before)).astype(np.complex64)
        # a straight line between the old and the new mean: a step at each block would be a tone of its own
        way = np.arange(samples, dtype=np.float32) / np.float32(samples)
        static = before[..., None] + way * (self._mean - before)[..., None]
        return BasebandBlock(
            iq=block.iq - static,
            first_frame=block.first_frame,
            rate_hz=block.rate_hz,
            carriers_hz=block.carriers_hz,
        )

    def reset(self) -> None:
        """Forget the room."""
        self._mean = None
