"""The multipath channel against its analytic twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.multipath import multipath

from appliance.dsp import _core

RATE_HZ = 192_000
LEAD = 3_000
"""Frames of signal before the paths are looked at: more than any delay in these tests."""


def chord(time_frames):
    """Four sines up to 66 kHz, each of amplitude 0.25."""
    turns = np.multiply.outer([3_300.0, 40_000.0, 59_900.0, 66_000.0], np.asarray(time_frames) / RATE_HZ)
    return 0.25 * np.sin(2 * np.pi * turns).sum(axis=0)


def primed(paths, mics, max_delay_frames=2_900):
    """A channel through which the chord has already travelled for LEAD frames."""
    channel = _core.MultipathChannel(paths=paths, mics=mics, max_delay_frames=max_delay_frames)
    still = np.full((2, paths, mics), _core.MIN_DELAY_FRAMES, float)
    silent = np.zeros((2, paths, mics), np.float32)
    channel.process_into(
        chord(np.arange(-LEAD, 0)).astype(np.float32), still, silent, np.zeros((LEAD, mics), np.float32)
    )
    return channel


def run(channel, frames, delay_frames, gain):
    out = np.zeros((frames, delay_frames.shape[2]), np.float32)
    channel.process_into(chord(np.arange(frames)).astype(np.float32), delay_frames, gain, out)
    return out


@settings(max_examples=40, deadline=None)
@given(
    paths=st.integers(1, 5),
    mics=st.integers(1, 8),
    points=st.integers(2, 12),
    frames=st.integers(1, 5_000),
    reach=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)
def test_moving_paths_are_what_the_twin_gives(paths, mics, points, frames, reach, seed):
    rng = np.random.default_rng(seed)
    lowest = float(_core.MIN_DELAY_FRAMES)
    # From static paths to ones that cross half the range within a block.
    base = rng.uniform(lowest, 1_500, (1, paths, mics))
    delay_frames = np.ascontiguousarray(base + reach * rng.uniform(0, 1_300, (points, paths, mics)))
    gain = rng.uniform(-1, 1, (points, paths, mics)).astype(np.float32)
    out = run(primed(paths, mics), frames, delay_frames, gain)
    wanted = multipath(chord, frames, delay_frames, gain)
    assert np.abs(out - wanted).max() < paths * 1e-4


def test_single_moving_path_errs_by_less_than_80_db():
    delay_frames = np.array([100.25, 130.9, 90.0, 90.0]).reshape(4, 1, 1)
    gain = np.ones((4, 1, 1), np.float32)
    out = run(primed(1, 1), 20_000, delay_frames, gain)
    error = np.abs(out - multipath(chord, 20_000, delay_frames, gain)).max()
    assert 20 * np.log10(error) < -80


def test_paths_go_on_over_blocks():
    frames, delay_frames = 6_000, np.array([2_900.0, 40.5, 800.0, 10.0]).reshape(4, 1, 1)
    gain = np.array([1.0, 0.5, -0.5, 1.0], np.float32).reshape(4, 1, 1)
    whole = run(primed(1, 1), frames, delay_frames, gain)
    channel, parts = primed(1, 1), []
    signal = chord(np.arange(frames)).astype(np.float32)
    for part in range(3):
        out = np.zeros((2_000, 1), np.float32)
        lines = slice(part, part + 2)
        channel.process_into(signal[part * 2_000 : (part + 1) * 2_000], delay_frames[lines], gain[lines], out)
        parts.append(out)
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_it_adds_to_out_and_reset_forgets():
    channel = primed(1, 2)
    channel.reset()
    out = np.full((500, 2), 3.0, np.float32)
    channel.process_into(np.ones(500, np.float32), np.full((2, 1, 2), 400.0), np.ones((2, 1, 2), np.float32), out)
    np.testing.assert_array_equal(out[:380], 3.0)
    np.testing.assert_allclose(out[430:], 4.0, atol=1e-4)
    channel.process_into(np.zeros(0, np.float32), np.full((2, 1, 2), 400.0), np.ones((2, 1, 2), np.float32), out[:0])


@pytest.mark.parametrize("delay_frames", [9.99, 2_900.1, -1.0, np.nan, np.inf])
def test_a_delay_out_of_range_is_named(delay_frames):
    delays = np.full((3, 2, 2), 50.0)
    delays[1, 1, 0] = delay_frames
    out = np.zeros((10, 2), np.float32)
    with pytest.raises(ValueError, match=r"wanted 10 to 2900, got .* for path 1, microphone 0"):
        primed(2, 2).process_into(np.zeros(10, np.float32), delays, np.ones((3, 2, 2), np.float32), out)


@pytest.mark.parametrize(
    ("index", "other", "error", "message"),
    [
        (0, np.zeros(10), TypeError, "signal: wrong type"),
        (1, np.full((1, 2, 2), 50.0), ValueError, r"gain: wrong shape.*\[1, 2, 2\].*\[3, 2, 2\]"),
        (1, np.full((3, 1, 2), 50.0), ValueError, r"delay_frames: wrong shape.*\[any, 2, 2\].*\[3, 1, 2\]"),
        (2, np.ones((3, 2, 2)), TypeError, "gain: wrong type"),
        (3, np.zeros((9, 2), np.float32), ValueError, r"out: wrong shape.*\[10, 2\].*\[9, 2\]"),
    ],
)
def test_a_buffer_that_does_not_fit_is_named(index, other, error, message):
    arguments = [
        np.zeros(10, np.float32),
        np.full((3, 2, 2), 50.0),
        np.ones((3, 2, 2), np.float32),
        np.zeros((10, 2), np.float32),
    ]
    arguments[index] = other
    with pytest.raises(error, match=message):
        primed(2, 2).process_into(*arguments)


def test_one_point_is_not_a_line():
    one = np.full((1, 2, 2), 50.0)
    with pytest.raises(ValueError, match="at least 2 points, got 1"):
        primed(2, 2).process_into(np.zeros(10, np.float32), one, one.astype(np.float32), np.zeros((10, 2), np.float32))


@pytest.mark.parametrize(("paths", "mics", "max_delay_frames"), [(0, 1, 50), (1, 9, 50), (1, 1, 9), (5_000, 1, 50)])
def test_what_is_out_of_range_is_refused(paths, mics, max_delay_frames):
    with pytest.raises(ValueError, match="wanted"):
        _core.MultipathChannel(paths=paths, mics=mics, max_delay_frames=max_delay_frames)
