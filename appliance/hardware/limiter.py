"""A look-ahead limiter whose gain is so smooth that it adds nothing to the ultrasound."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_BLOCK_FRAMES = 64
_SMOOTHED_BLOCKS = 48
_CEILING = 0.9999
"""Below 1 by more than the rounding of a gain."""


class Limiter:
    """Turns down what exceeds full scale, from 16 ms before (at 192 kHz) to 16 ms behind it, and nothing else.

    A clipped wave has overtones at the tones that are listened to. A gain that follows a Hann window of 16 ms moves
    each note by less than 1 kHz. What comes out is late by nothing, but comes in pieces of 64 frames, 16 ms later.

    Args:
        channels: turned down together.
    """

    def __init__(self, channels: int) -> None:
        self._waiting = np.empty((0, channels), np.float32)
        self._allowed = np.ones(_SMOOTHED_BLOCKS - 1)  # of blocks that are out already, and of those that wait
        window = np.hanning(_SMOOTHED_BLOCKS + 1)[1:-1]
        self._window = window / window.sum()

    def process(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Take [frames, channels]; give what is ready, within 1.0, all of it with the last."""
        waiting = np.concatenate((self._waiting, samples))
        frames = len(waiting)
        if last:
            waiting = np.concatenate((waiting, np.zeros((-frames % _BLOCK_FRAMES, waiting.shape[1]), np.float32)))
        blocks = len(waiting) // _BLOCK_FRAMES
        seen = len(self._allowed) - (_SMOOTHED_BLOCKS - 1)
        fresh = waiting[seen * _BLOCK_FRAMES : blocks * _BLOCK_FRAMES]
        peaks = np.abs(fresh).reshape(blocks - seen, _BLOCK_FRAMES * waiting.shape[1]).max(axis=1).astype(np.float64)
        allowed = np.concatenate((self._allowed, _CEILING / np.maximum(peaks, _CEILING)))
        ready = blocks if last else max(0, blocks - _SMOOTHED_BLOCKS + 1)
        if last:
            allowed = np.concatenate((allowed, np.ones(_SMOOTHED_BLOCKS)))
        out = waiting[: ready * _BLOCK_FRAMES]
        if ready and allowed.min() < 1.0:
            # Each term of the mean covers the blocks on both sides of an edge, so that no gain exceeds what they allow.
            lowest = sliding_window_view(allowed, _SMOOTHED_BLOCKS).min(axis=1)
            edges = sliding_window_view(lowest, _SMOOTHED_BLOCKS - 1)[: ready + 1] @ self._window
            place = np.arange(ready * _BLOCK_FRAMES) / _BLOCK_FRAMES
            gain = np.interp(place, np.arange(ready + 1), edges)
            out = (out * gain[:, None]).astype(np.float32)
        self._waiting, self._allowed = waiting[ready * _BLOCK_FRAMES :], allowed[ready:]
        return out[:frames] if last else out
