"""The network, in two forms that share their weights: over whole clips for training, and hop by hop for the device.

Bands of both signs go through two convolutions over frequency, whose weights are the same for all speeds, gates of
range through two over range, alike for all ranges, then everything through causal convolutions over time whose reach
doubles from block to block: 127 hops, 3.4 s, in all. What they find is also remembered, as exponential means over 4 and
20 s, beside which the instant is judged. The device keeps what the convolutions over time still need, and the memory,
as one flat state, which goes in and comes out.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from appliance.features.echoes import GATES
from appliance.features.evidence import BANDS, FEATURES, TONE_FEATURES
from models.training.kinds import KINDS

OUTPUTS = len(KINDS) + 2
"""Logits of `KINDS`, log odds of approach against recession, radial velocity in m/s."""

DILATIONS = (1, 2, 4, 8, 16, 32)

MEMORY_HOPS = (150, 750)
"""Time constants of what is remembered: 4 and 20 s."""

_STRETCH_HOPS = 25
"""In training the memory runs through so many hops at once."""

_TAPS = 3
_BAND_CHANNELS = 8
_GATE_CHANNELS = 6
_CHANNELS = 36

STATE = (sum((_TAPS - 1) * dilation for dilation in DILATIONS) + len(MEMORY_HOPS)) * _CHANNELS
"""Values that the device keeps from one hop to the next."""


def _kept_share(hops: int) -> float:
    """Of an exponential mean with that time constant, what a hop keeps."""
    return math.exp(-1.0 / hops)


_Convolution = Callable[[tf.Tensor, tf.Tensor, int], tf.Tensor]


def _convolution(values: tf.Tensor, weight: tf.Tensor, stride: int) -> tf.Tensor:
    """Of [rows, places, channels] over places with weights [taps, channels, filters], as long as what goes in, or half
    of it.
    """
    return tf.nn.conv1d(values, weight, stride, "SAME")


def _product(values: tf.Tensor, weight: tf.Tensor, stride: int) -> tf.Tensor:
    """The same as one product of matrices: faster in training, where there are few channels and many rows, and slower
    on the device.
    """
    places, channels = values.shape[1:]
    taps, _, filters = weight.shape
    out = -(-places // stride)
    missing = (out - 1) * stride + taps - places
    padded = tf.pad(values, ((0, 0), (missing // 2, missing - missing // 2), (0, 0)))
    gathered = tf.concat([padded[:, tap : tap + (out - 1) * stride + 1 : stride] for tap in range(taps)], 2)
    product = tf.reshape(gathered, (-1, taps * channels)) @ tf.reshape(weight, (taps * channels, filters))
    return tf.reshape(product, (-1, out, filters))


class MotionNetwork(tf.Module):
    """Values of hops in, class logits, direction and radial velocity out."""

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        random = np.random.default_rng(seed)

        def weight(name: str, *shape: int, gain: float = 1.0) -> tf.Variable:
            scale = gain * math.sqrt(2.0 / math.prod(shape[:-1]))
            return tf.Variable(random.normal(scale=scale, size=shape).astype(np.float32), name=name)

        def bias(name: str, size: int) -> tf.Variable:
            return tf.Variable(np.zeros(size, np.float32), name=name)

        self.band_1 = weight("band_1", 3, 3, _BAND_CHANNELS)
        self.band_1_bias = bias("band_1_bias", _BAND_CHANNELS)
        self.band_2 = weight("band_2", 3, _BAND_CHANNELS, _BAND_CHANNELS)
        self.band_2_bias = bias("band_2_bias", _BAND_CHANNELS)
        self.gate_1 = weight("gate_1", 3, 2, _GATE_CHANNELS)
        self.gate_1_bias = bias("gate_1_bias", _GATE_CHANNELS)
        self.gate_2 = weight("gate_2", 3, _GATE_CHANNELS, _GATE_CHANNELS)
        self.gate_2_bias = bias("gate_2_bias", _GATE_CHANNELS)
        halved = -(-BANDS // 2) * _BAND_CHANNELS + -(-GATES // 2) * _GATE_CHANNELS
        self.enter = weight("enter", halved + FEATURES, _CHANNELS)
        self.enter_bias = bias("enter_bias", _CHANNELS)
        self.depth, self.point, self.point_bias = [], [], []
        for number, _ in enumerate(DILATIONS):
            self.depth.append(weight(f"depth_{number}", _TAPS, _CHANNELS, gain=0.7))
            self.point.append(weight(f"point_{number}", _CHANNELS, _CHANNELS, gain=0.5))
            self.point_bias.append(bias(f"point_bias_{number}", _CHANNELS))
        self.leave = weight("leave", (1 + len(MEMORY_HOPS)) * _CHANNELS, _CHANNELS)
        self.leave_bias = bias("leave_bias", _CHANNELS)
        self.tell = weight("tell", _CHANNELS, OUTPUTS, gain=0.3)
        self.tell_bias = bias("tell_bias", OUTPUTS)

    @property
    def parameters(self) -> int:
        """How many there are."""
        return sum(int(tf.size(each)) for each in self.trainable_variables)

    def _enter(self, values: tf.Tensor, convolved: _Convolution) -> tf.Tensor:
        """[hops, FEATURES] -> [hops, _CHANNELS]: each hop by itself."""
        away, towards = tf.reverse(values[:, :BANDS], [1]), values[:, BANDS : 2 * BANDS]
        bands = tf.stack([towards, away, values[:, 2 * BANDS : 3 * BANDS]], axis=2)
        bands = tf.nn.relu(convolved(bands, self.band_1, 1) + self.band_1_bias)
        bands = tf.nn.relu(convolved(bands, self.band_2, 2) + self.band_2_bias)
        at = TONE_FEATURES
        gates = tf.stack([values[:, at : at + GATES], values[:, at + GATES : at + 2 * GATES]], axis=2)
        gates = tf.nn.relu(convolved(gates, self.gate_1, 1) + self.gate_1_bias)
        gates = tf.nn.relu(convolved(gates, self.gate_2, 2) + self.gate_2_bias)
        flat = [tf.reshape(each, (-1, each.shape[1] * each.shape[2])) for each in (bands, gates)]
        return tf.nn.relu(tf.concat([*flat, values], 1) @ self.enter + self.enter_bias)

    def _leave(self, hidden: tf.Tensor) -> tf.Tensor:
        """[hops, channels and what is remembered of them] -> [hops, OUTPUTS]."""
        return tf.nn.relu(hidden @ self.leave + self.leave_bias) @ self.tell + self.tell_bias

    def clips(self, values: tf.Tensor) -> tf.Tensor:
        """[clips, hops, FEATURES] -> [clips, hops, OUTPUTS], from rest."""
        shape = tf.shape(values)
        return tf.reshape(self._leave(self._through(values)), (shape[0], shape[1], OUTPUTS))

    def _through(self, values: tf.Tensor) -> tf.Tensor:
        """[clips, hops, FEATURES] -> [clips * hops, channels and what is remembered of them]."""
        shape = tf.shape(values)
        hidden = self._enter(tf.reshape(values, (-1, FEATURES)), _product)
        hidden = tf.reshape(hidden, (shape[0], shape[1], _CHANNELS))
        for depth, point, bias, dilation in zip(self.depth, self.point, self.point_bias, DILATIONS, strict=True):
            past = tf.pad(hidden, ((0, 0), ((_TAPS - 1) * dilation, 0), (0, 0)))
            mixed = sum(past[:, tap * dilation : tap * dilation + shape[1]] * depth[tap] for tap in range(_TAPS))
            hidden += tf.nn.relu(mixed @ point + bias)
        beside = tf.concat([hidden, *(self._remember(hidden, _kept_share(hops)) for hops in MEMORY_HOPS)], 2)
        return tf.reshape(beside, (-1, beside.shape[2]))

    def _remember(self, hidden: tf.Tensor, kept: float) -> tf.Tensor:
        """Exponential means of [clips, hops, _CHANNELS] from 0 on, of which each hop keeps that share.

        Within a stretch by one product with all powers of the share; what a stretch leaves behind fades in those after
        it.
        """
        shape = tf.shape(hidden)
        stretches = -(-shape[1] // _STRETCH_HOPS)
        padded = tf.pad(hidden, ((0, 0), (0, stretches * _STRETCH_HOPS - shape[1]), (0, 0)))
        cut = tf.reshape(padded, (shape[0], stretches, _STRETCH_HOPS, _CHANNELS))
        hop = np.arange(_STRETCH_HOPS)
        since = hop[:, None] - hop
        share = np.where(since >= 0, (1.0 - kept) * kept ** np.maximum(since, 0), 0.0).astype(np.float32)
        within = tf.einsum("ij,bnjc->bnic", share, cut)
        stretch = tf.cast(tf.range(stretches), tf.float32)
        since_end = stretch[:, None] - stretch - 1.0
        fades = tf.where(since_end >= 0.0, kept ** (_STRETCH_HOPS * tf.maximum(since_end, 0.0)), 0.0)
        before = tf.einsum("ij,bjc->bic", fades, within[:, :, -1])
        faded = (kept ** (hop + 1.0)).astype(np.float32)
        whole = within + faded[:, None] * before[:, :, None]
        return tf.reshape(whole, (shape[0], -1, _CHANNELS))[:, : shape[1]]

    @tf.function(
        input_signature=[
            tf.TensorSpec((1, FEATURES), name="features"),
            tf.TensorSpec((1, STATE), name="state"),
        ]
    )
    def step(self, features: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        """One hop: [1, FEATURES] and the state -> outputs [1, OUTPUTS] and the next state."""
        hidden, kept, at = self._enter(features, _convolution), [], 0
        for depth, point, bias, dilation in zip(self.depth, self.point, self.point_bias, DILATIONS, strict=True):
            size = (_TAPS - 1) * dilation * _CHANNELS
            past = tf.concat([state[:, at : at + size], hidden], 1)
            at += size
            taps = [past[:, tap * dilation * _CHANNELS :][:, :_CHANNELS] for tap in range(_TAPS)]
            mixed = sum(taps[tap] * depth[tap] for tap in range(_TAPS))
            hidden += tf.nn.relu(mixed @ point + bias)
            kept.append(past[:, _CHANNELS:])
        memory = []
        for hops in MEMORY_HOPS:
            share = _kept_share(hops)
            memory.append(share * state[:, at : at + _CHANNELS] + (1.0 - share) * hidden)
            at += _CHANNELS
        kept += memory
        hidden = tf.concat([hidden, *memory], 1)
        return {"outputs": self._leave(hidden), "next_state": tf.concat(kept, 1)}

    def tflite(self) -> bytes:
        """The step as a TFLite model, float32."""
        converter = tf.lite.TFLiteConverter.from_concrete_functions([self.step.get_concrete_function()], self)
        return bytes(converter.convert())
