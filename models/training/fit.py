"""Training: pieces of clips in batches, several things learned at once, a checkpoint after each epoch."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from appliance.classify.manifest import PET
from appliance.features.evidence import BANDS, FEATURES
from appliance.types import MotionClass
from models.training.corpus import Rows
from models.training.kinds import KINDS, kinds_of
from models.training.listen import UNLABELLED
from models.training.network import MotionNetwork

_BATCH_HOPS = 9000
_LONGEST_PIECE_HOPS = 2250
"""A minute: three times the longest memory."""

_PEAK_RATE = 4e-3
_WARM_UP_SHARE = 0.05
_DECAY = 1e-5

_AFTERMATH_S = 0.3
"""After motion has ended frames are not learned from: the window still holds it, and echoes die away."""

_RADIAL_MPS = 0.2
"""Trunks slower than this teach no direction."""

_DIRECTION_WEIGHT, _RADIAL_WEIGHT = 0.15, 0.15
_CLASS_WEIGHT = {
    MotionClass.NOTHING: 1.0,
    MotionClass.MAJOR: 2.0,
    MotionClass.MINOR: 2.0,
    MotionClass.BREATHING: 0.3,
    MotionClass.NUISANCE: 1.5,
    PET: 1.5,
}
"""Frames of still people are many, and tones can hardly tell them from empty rooms."""

_LEVEL_JITTER = 0.6
"""Standard deviation, in units of 20 dB, by which all levels of a clip are moved: units differ."""

_MOVING = [KINDS.index(MotionClass.MAJOR), KINDS.index(MotionClass.MINOR)]


@dataclass(frozen=True, slots=True)
class Batch:
    """`values` [pieces, hops, FEATURES]; the others [pieces, hops]. Weights are 0 where nothing is to be learned."""

    values: NDArray[np.float32]
    label: NDArray[np.int32]
    weight: NDArray[np.float32]
    radial_mps: NDArray[np.float32]
    radial_weight: NDArray[np.float32]


def _weights(rows: Rows, kind: NDArray[np.int8]) -> NDArray[np.float32]:
    weight = np.array([_CLASS_WEIGHT[each] for each in KINDS], np.float32)[kind]
    for clip in rows.clips:
        moves = np.isin(kind[clip], _MOVING)
        t_s = rows.t_s[clip]
        ended = np.flatnonzero(moves[:-1] & ~moves[1:])
        for at in ended:
            behind = (t_s > t_s[at]) & (t_s <= t_s[at] + _AFTERMATH_S) & ~moves
            weight[clip][behind] = 0.0
    return np.where(rows.settled & (kind != UNLABELLED), weight, 0.0).astype(np.float32)


def _batch_shape(rows: Rows) -> tuple[int, int]:
    """Pieces in a batch, and hops of each: no longer than the longest clip, so that windows are not mostly filling."""
    hops = min(max(clip.stop - clip.start for clip in rows.clips), _LONGEST_PIECE_HOPS)
    return max(1, min(_BATCH_HOPS // hops, len(rows.clips))), hops


def _pieces(clip: slice, hops: int, random: np.random.Generator) -> Iterator[slice]:
    """A clip, or if it is longer than a piece, pieces of it that begin at a random phase; shorter ends come too."""
    if clip.stop - clip.start <= hops:
        yield clip
        return
    cuts = np.arange(clip.start + random.integers(hops), clip.stop, hops).tolist()
    for low, high in pairwise([clip.start, *cuts, clip.stop]):
        if high > low:
            yield slice(low, high)


def batches(rows: Rows, random: np.random.Generator) -> Iterator[Batch]:
    """All clips once, in pieces in random order; shorter ones are filled up at their end."""
    kind = kinds_of(rows)
    weight = _weights(rows, kind)
    moving = np.isin(kind, _MOVING) & (np.abs(np.nan_to_num(rows.radial_mps)) > _RADIAL_MPS)
    count, hops = shape = _batch_shape(rows)
    pieces = [piece for clip in rows.clips for piece in _pieces(clip, hops, random)]
    order = random.permutation(len(pieces))
    for at in range(0, len(order) - count + 1, count):
        batch = Batch(
            np.zeros((*shape, FEATURES), np.float32),
            *(np.zeros(shape, kind) for kind in (np.int32, np.float32, np.float32, np.float32)),
        )
        for row, number in enumerate(order[at : at + count]):
            piece = pieces[number]
            size = piece.stop - piece.start
            batch.values[row, :size] = rows.values[piece]
            jitter = random.normal(scale=_LEVEL_JITTER)
            # where there are no tones they have no levels
            batch.values[row, :size, 2 * BANDS : 3 * BANDS + 2] += jitter * batch.values[row, :size, -2:-1]
            # an unlabelled hop weighs nothing, but must have some class
            batch.label[row, :size] = np.maximum(kind[piece], 0)
            batch.weight[row, :size] = weight[piece]
            batch.radial_mps[row, :size] = np.nan_to_num(rows.radial_mps[piece])
            batch.radial_weight[row, :size] = moving[piece] & rows.settled[piece]
        yield batch


class Training:
    """One run, which goes on where it was when it is made again with the same arguments.

    Args:
        network: whose weights are learned.
        rows: what is learned from.
        epochs: how often.
        seed: of order and jitter.
        folder: of checkpoints.
        identity: what else makes this run another one.
    """

    def __init__(
        self, network: MotionNetwork, rows: Rows, *, epochs: int, seed: int, folder: Path, identity: str
    ) -> None:
        self._network, self._rows, self._epochs, self._seed = network, rows, epochs, seed
        count, hops = _batch_shape(rows)
        pieces = sum((clip.stop - clip.start - 1) // hops + 1 for clip in rows.clips)
        steps = max(epochs * (pieces // count), 2)
        warm_up = max(round(_WARM_UP_SHARE * steps), 1)
        rate = tf.keras.optimizers.schedules.CosineDecay(
            0.0, steps - warm_up, warmup_target=_PEAK_RATE, warmup_steps=warm_up
        )
        self._optimizer = tf.keras.optimizers.Adam(learning_rate=rate, clipnorm=1.0)
        self._optimizer.build(network.trainable_variables)
        self._epoch = tf.Variable(0, dtype=tf.int64)
        words = json.dumps([identity, epochs, seed, len(rows.label), network.parameters])
        checkpoint = tf.train.Checkpoint(network=network, optimizer=self._optimizer, epoch=self._epoch)
        name = hashlib.sha256(words.encode()).hexdigest()[:16]
        self._keeper = tf.train.CheckpointManager(checkpoint, str(folder / name), max_to_keep=1)
        checkpoint.restore(self._keeper.latest_checkpoint)

    def run(self) -> Iterator[tuple[int, float]]:
        """Train what is not trained yet; each epoch's number and mean loss."""
        while int(self._epoch) < self._epochs:
            number = int(self._epoch)
            random = np.random.default_rng([self._seed, number])
            losses = [
                float(self._learn(batch.values, batch.label, batch.weight, batch.radial_mps, batch.radial_weight))
                for batch in batches(self._rows, random)
            ]
            self._epoch.assign_add(1)
            self._keeper.save()
            yield number, float(np.mean(losses))

    @tf.function(jit_compile=True)
    def _learn(
        self, values: tf.Tensor, label: tf.Tensor, weight: tf.Tensor, radial_mps: tf.Tensor, radial_weight: tf.Tensor
    ) -> tf.Tensor:
        with tf.GradientTape() as tape:
            told = self._network.clips(values)
            classes, direction, radial = told[..., : len(KINDS)], told[..., -2], told[..., -1]
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=classes)
            loss = tf.reduce_sum(entropy * weight) / (tf.reduce_sum(weight) + 1.0)
            moving = tf.reduce_sum(radial_weight) + 1.0
            towards = tf.cast(radial_mps > 0.0, tf.float32)
            side = tf.nn.sigmoid_cross_entropy_with_logits(labels=towards, logits=direction)
            loss += _DIRECTION_WEIGHT * tf.reduce_sum(side * radial_weight) / moving
            off = tf.abs(radial - radial_mps)
            huber = tf.where(off < 0.5, off * off, off - 0.25)
            loss += _RADIAL_WEIGHT * tf.reduce_sum(huber * radial_weight) / moving
            loss += _DECAY * sum(
                tf.nn.l2_loss(each) for each in self._network.trainable_variables if len(each.shape) > 1
            )
        weights = self._network.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss
