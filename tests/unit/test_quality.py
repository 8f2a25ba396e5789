"""Silence and clipping, told from the samples alone."""

import numpy as np
import pytest

from appliance.dsp.quality import CLIPPING_HOLD_S, SILENCE_S, StreamQuality
from appliance.types import PcmBlock

RATE_HZ = 192_000
BLOCK_S = 0.01
HIGHEST_24_BIT = (2**23 - 1) << 8
LOWEST_24_BIT = -(2**31)


def noise(mics=2):
    """A quiet converter: its last bits flicker."""
    return np.random.default_rng(1).integers(-2, 3, (1920, mics)).astype(np.int32) << 8


class Stream:
    def __init__(self):
        self.quality = StreamQuality()
        self.frame = 0

    def __call__(self, samples):
        block = PcmBlock(np.asarray(samples, np.int32), self.frame, RATE_HZ)
        self.frame += len(samples)
        return self.quality.process(block)


def test_a_quiet_converter_is_well():
    stream = Stream()
    assert {stream(noise()) for _ in range(300)} == {()}
    assert not stream.quality.silent


def test_zeros_are_known_at_once_and_are_a_fault_after_half_a_second():
    stream = Stream()
    stream(noise())
    faults = []
    for _ in range(60):
        faults.append(stream(np.zeros((1920, 2))))
        assert stream.quality.silent
    assert ("silence",) in faults
    assert faults.index(("silence",)) == pytest.approx(SILENCE_S / BLOCK_S, abs=1)
    assert stream(noise()) == ()
    assert not stream.quality.silent


def test_zeros_that_begin_inside_a_block_count():
    stream = Stream()
    dying = noise()
    dying[-8:] = 0
    stream(dying)
    assert stream.quality.silent


def test_one_living_microphone_is_a_living_converter():
    stream = Stream()
    one = noise()
    one[:, 0] = 0
    for _ in range(100):
        assert stream(one) == ()


@pytest.mark.parametrize("code", [HIGHEST_24_BIT, LOWEST_24_BIT, LOWEST_24_BIT + 256, 2**31 - 1])
def test_a_cut_off_sample_is_told_for_a_second(code):
    stream = Stream()
    loud = noise()
    loud[700, 1] = code
    assert stream(loud) == ("clipping",)
    after = [stream(noise()) for _ in range(round(CLIPPING_HOLD_S / BLOCK_S) + 5)]
    assert after.count(("clipping",)) == pytest.approx(CLIPPING_HOLD_S / BLOCK_S, abs=1)
    assert after[-1] == ()


@pytest.mark.parametrize("code", [HIGHEST_24_BIT - 256, LOWEST_24_BIT + 512])
def test_just_below_full_scale_is_no_clipping(code):
    stream = Stream()
    loud = noise()
    loud[700, 1] = code
    assert stream(loud) == ()


def test_reset_forgets():
    stream = Stream()
    stream(np.full((1920, 2), HIGHEST_24_BIT))
    stream.quality.reset()
    assert stream(noise()) == ()
