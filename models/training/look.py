"""A trained network: what it makes of clips, and how it is kept, with how all that it has learned from sounds."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.training import mine
from models.training.choose import log_odds_of
from models.training.corpus import CorpusError
from models.training.network import MotionNetwork

_BATCH_CLIPS = 10


class Peak(NamedTuple):
    """A clip's candidate: first hop of its second, log odds of motion in it, and how the window around it sounds."""

    hop: int
    log_odds: float
    sound: NDArray[np.float32]


class Observer:
    """Hears whole clips with a network."""

    def __init__(self, network: MotionNetwork) -> None:
        self._forward = tf.function(network.clips, reduce_retracing=True)

    def hear(self, clips: Sequence[NDArray[Any]]) -> list[NDArray[np.float64]]:
        """Log odds of motion of each hop of clips [hops, FEATURES], each from rest; what may be a pet is one."""
        heard = []
        for at in range(0, len(clips), _BATCH_CLIPS):
            some = clips[at : at + _BATCH_CLIPS]
            # few lengths, for each is traced anew
            longest = -(-max(len(each) for each in some) // mine.WINDOW_HOPS) * mine.WINDOW_HOPS
            batch = np.zeros((len(some), longest, some[0].shape[1]), np.float32)
            for row, each in zip(batch, some, strict=True):
                row[: len(each)] = each
            for outputs, each in zip(self._forward(tf.constant(batch)).numpy(), some, strict=True):
                heard.append(log_odds_of(outputs[: len(each)], pets=True))
        return heard

    def peaks(self, clips: Sequence[NDArray[Any]], settled: Sequence[NDArray[np.bool_]]) -> list[Peak | None]:
        """Each clip's candidate; None of one that is too short."""
        found: list[Peak | None] = []
        for values, log_odds, known in zip(clips, self.hear(clips), settled, strict=True):
            peak = mine.peak_of(log_odds, known)
            if peak is None:
                found.append(None)
                continue
            start = mine.window_start(peak[0], len(values))
            found.append(Peak(*peak, mine.sound_of(values[start : start + mine.WINDOW_HOPS])))
        return found


def keep(path: Path, network: MotionNetwork, known: NDArray[np.float32], judged: str) -> None:
    """Write a network, what it has learned from, and what was found of it: whole or not at all."""
    weights = {f"weight_{number}": each.numpy() for number, each in enumerate(network.trainable_variables)}
    partial = path.with_suffix(".partial.npz")
    try:
        np.savez(partial, known=known, judged=judged, **weights)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CorpusError(f"{path}: {error.strerror}; make room and run the same command again") from error


def load(path: Path) -> MotionNetwork:
    """A network that was kept.

    Raises:
        CorpusError: the file is damaged.
    """
    network = MotionNetwork(seed=0)
    try:
        with np.load(path) as kept:
            for number, variable in enumerate(network.trainable_variables):
                variable.assign(kept[f"weight_{number}"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: damaged: {error}; remove it and run the same command again") from error
    return network
