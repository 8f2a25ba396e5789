"""The sum of phasors against its twin and against motions whose phase is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.phasor_sum import phasor_sum

from appliance.dsp import _core

MARGIN = _core.PHASOR_MARGIN


def run(phase_turns, gain, segment_samples, *, turns_per_way=1.0, chosen=None):
    points, paths, mics = phase_turns.shape
    out = np.zeros((mics, (points - 1 - 2 * MARGIN) * segment_samples), np.complex64)
    chosen = np.ones(paths, np.uint8) if chosen is None else chosen
    way = phase_turns / turns_per_way
    _core.PhasorSum(mics=mics, segment_samples=segment_samples).process_into(way, turns_per_way, gain, chosen, out)
    return out


def test_ways_may_be_delays_and_paths_may_be_left_out():
    phase_turns, gain = drawn(12, 3, 4, 5)
    wanted = run(phase_turns, gain, 8)
    np.testing.assert_allclose(run(phase_turns, gain, 8, turns_per_way=-40_000.0), wanted, atol=1e-4)
    some = np.array([1, 0, 1], np.uint8)
    only = run(np.ascontiguousarray(phase_turns[:, ::2]), np.ascontiguousarray(gain[:, ::2]), 8)
    np.testing.assert_array_equal(run(phase_turns, gain, 8, chosen=some), only)


def drawn(points, paths, mics, seed, *, turns=3.0):
    """Phases that wander by some turns a segment, and a little apart between microphones."""
    rng = np.random.default_rng(seed)
    mean = np.cumsum(rng.normal(0, turns, (points, paths, 1)), axis=0) + rng.uniform(-1e5, 1e5, (1, paths, 1))
    apart = rng.uniform(-2, 2, (1, paths, mics)) + np.cumsum(rng.normal(0, 0.02, (points, paths, mics)), axis=0)
    return mean + apart, rng.uniform(-1, 1, (points, paths, mics)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    segments=st.integers(1, 9),
    paths=st.integers(0, 5),
    mics=st.integers(1, 8),
    samples=st.integers(1, 512),
    seed=st.integers(0, 2**16),
)
def test_it_is_what_the_twin_gives(segments, paths, mics, samples, seed):
    phase_turns, gain = drawn(segments + 1 + 2 * MARGIN, paths, mics, seed)
    found = run(phase_turns, gain, samples)
    wanted = phasor_sum(phase_turns, gain, samples, MARGIN)
    assert np.abs(found - wanted).max(initial=0) < max(paths, 1) * 2e-5


def test_a_swinging_foot_is_followed_to_minus_70_db():
    # 0.65 m of swing at 1.25 Hz, two ways, at 45 kHz: 4.5 m/s at most, in points 120 a second.
    points = np.arange(-MARGIN, 60 + MARGIN + 1) / 120
    at = np.arange(60 * 40) / 4800

    def turns(t_s):
        return 1234.5 + 2 * 0.575 * np.sin(2 * np.pi * 1.25 * t_s) * 45_000 / 343

    gain = np.ones((len(points), 1, 1), np.float32)
    found = run(np.ascontiguousarray(turns(points)[:, None, None]), gain, 40)[0]
    assert 20 * np.log10(np.abs(found - np.exp(2j * np.pi * turns(at))).max()) < -70


def test_a_cut_at_a_point_changes_no_bit():
    phase_turns, gain = drawn(21, 3, 4, 1)
    whole = run(phase_turns, gain, 17)
    segments = 21 - 1 - 2 * MARGIN
    for cut in (1, 7, 15):
        left = run(phase_turns[: cut + 1 + 2 * MARGIN].copy(), gain[: cut + 1 + 2 * MARGIN].copy(), 17)
        right = run(phase_turns[cut:].copy(), gain[cut:].copy(), 17)
        np.testing.assert_array_equal(np.concatenate([left, right], axis=1), whole)
    assert whole.shape[1] == segments * 17


def test_it_adds_to_what_is_there():
    phase_turns, gain = drawn(8, 2, 2, 3)
    once = run(phase_turns, gain, 5)
    out = once.copy()
    _core.PhasorSum(mics=2, segment_samples=5).process_into(phase_turns, 1.0, gain, np.ones(2, np.uint8), out)
    np.testing.assert_allclose(out, 2 * once, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mics": 0, "segment_samples": 4}, "mics: wanted 1 to 8, got 0"),
        ({"mics": 9, "segment_samples": 4}, "mics: wanted 1 to 8, got 9"),
        ({"mics": 1, "segment_samples": 0}, "segment_samples: wanted 1 to 512, got 0"),
        ({"mics": 1, "segment_samples": 513}, "segment_samples: wanted 1 to 512, got 513"),
    ],
)
def test_a_specification_out_of_range_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        _core.PhasorSum(**arguments)


def test_wrong_shapes_are_refused():
    core = _core.PhasorSum(mics=2, segment_samples=5)
    phase_turns, gain = drawn(8, 2, 2, 3)
    out, chosen = np.zeros((2, 15), np.complex64), np.ones(2, np.uint8)
    with pytest.raises(ValueError, match="at least 6 points, got 5"):
        core.process_into(phase_turns[:5].copy(), 1.0, gain[:5].copy(), chosen, out)
    with pytest.raises(ValueError, match="gain"):
        core.process_into(phase_turns, 1.0, gain[:7].copy(), chosen, out)
    with pytest.raises(ValueError, match="out"):
        core.process_into(phase_turns, 1.0, gain, chosen, out[:, :14].copy())
    with pytest.raises(TypeError, match="way"):
        core.process_into(phase_turns.astype(np.float32), 1.0, gain, chosen, out)
    with pytest.raises(ValueError, match="chosen"):
        core.process_into(phase_turns, 1.0, gain, np.ones(3, np.uint8), out)
