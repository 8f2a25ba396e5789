"""A tone by way of moving points, against its twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.echo_tones import echo_tones

from appliance.dsp import _core

MARGIN = _core.ECHO_MARGIN
STEPS, STEP_HZ = 41, 60.0


def drawn(segments, paths, mics, seed, *, steps=STEPS):
    """Points that go to and fro in 5 m, as their arguments."""
    rng = np.random.default_rng(seed)
    points, scatterers, legs = segments + 1 + 2 * MARGIN, 3, 2
    t_s = np.arange(points)[:, None, None] / 80
    far, hz, phase = rng.uniform(0, 0.4, (scatterers, 3)), rng.uniform(0, 1, (scatterers, 3)), rng.uniform(0, 6, 3)
    places = rng.uniform(0.5, 3, (scatterers, 3)) + far * np.sin(2 * np.pi * hz * t_s + phase)
    strength = rng.uniform(0, 1, (points, scatterers)).astype(np.float32)
    scatterer, leg, weight = (
        rng.integers(0, scatterers, paths).astype(np.int32),
        rng.integers(0, legs, paths).astype(np.int32),
        rng.uniform(-1, 1, paths).astype(np.float32),
    )
    source, array = rng.uniform(-0.1, 0.1, (legs, 3)), rng.uniform(-0.03, 0.03, (legs, mics, 3))
    scale = rng.uniform(0.99, 1.01, (legs, mics)) / 343 + np.zeros((points, legs, mics))
    offset = rng.uniform(-1e-5, 1e-5, mics) + np.zeros((points, mics))
    response = rng.uniform(0.5, 1, (mics, steps)).astype(np.float32)
    echoes = [places, strength, scatterer, leg, weight, source, array, scale, offset]
    return [*echoes, 0.15, 40_000.0, 80.0, response, STEP_HZ]


def run(arguments, segment_samples):
    points, mics = arguments[8].shape
    out = np.zeros((mics, (points - 1 - 2 * MARGIN) * segment_samples), np.complex64)
    core = _core.EchoTones(mics=mics, segment_samples=segment_samples, nearest_m=0.2)
    core.process_into(*arguments, out)
    return out


@settings(max_examples=40, deadline=None)
@given(
    segments=st.integers(1, 70),
    paths=st.integers(0, 5),
    mics=st.integers(1, 8),
    samples=st.integers(1, 40),
    seed=st.integers(0, 2**16),
)
def test_it_is_what_the_twin_gives(segments, paths, mics, samples, seed):
    arguments = drawn(segments, paths, mics, seed)
    wanted = echo_tones(*arguments, segment_samples=samples, nearest_m=0.2, margin=MARGIN)
    assert np.abs(run(arguments, samples) - wanted).max() < 1e-5 * max(paths, 1)


def test_what_shifts_beyond_the_response_is_not_heard():
    arguments = drawn(20, 4, 2, 3)
    narrow = [*arguments[:12], np.ones((2, 3), np.float32), 1e-3]
    assert np.abs(run(arguments, 8)).max() > 1e-3
    assert not run(narrow, 8).any()


def test_a_cut_at_a_point_changes_no_bit():
    arguments = drawn(150, 3, 4, 1)
    whole = run(arguments, 17)
    for cut in (1, 7, 64, 140):
        parts = []
        for some in (slice(0, cut + 1 + 2 * MARGIN), slice(cut, None)):
            part = list(arguments)
            for each in (0, 1, 7, 8):
                part[each] = np.ascontiguousarray(arguments[each][some])
            parts.append(run(part, 17))
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_it_adds_to_what_is_there_and_silence_costs_nothing():
    arguments = drawn(9, 2, 2, 3)
    once = run(arguments, 5)
    out = once.copy()
    core = _core.EchoTones(mics=2, segment_samples=5, nearest_m=0.2)
    core.process_into(*arguments, out)
    np.testing.assert_allclose(out, 2 * once, atol=1e-6)
    arguments[1][:] = 0
    core.process_into(*arguments, out)
    np.testing.assert_allclose(out, 2 * once, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mics": 0}, "mics: wanted 1 to 8, got 0"),
        ({"segment_samples": 513}, "segment_samples: wanted 1 to 512, got 513"),
        ({"nearest_m": 0.0}, "nearest_m: wanted above 0"),
        ({"nearest_m": float("nan")}, "nearest_m: wanted above 0"),
    ],
)
def test_a_specification_out_of_range_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        _core.EchoTones(**({"mics": 2, "segment_samples": 5, "nearest_m": 0.2} | wrong))


@pytest.mark.parametrize("wrong", [0, 1, 3, 4, 5, 6, 7, 8, 12])
def test_each_shape_is_checked(wrong):
    arguments = drawn(9, 2, 2, 3)
    arguments[wrong] = np.ascontiguousarray(arguments[wrong][:-1])
    core = _core.EchoTones(mics=2, segment_samples=5, nearest_m=0.2)
    with pytest.raises(ValueError, match="wanted"):
        core.process_into(*arguments, np.zeros((2, 45), np.complex64))


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (2, np.array([0, 3], np.int32), "scatterer: wanted 0 to 2, got 3"),
        (2, np.array([-1, 0], np.int32), "scatterer: wanted 0 to 2, got -1"),
        (3, np.array([0, 2], np.int32), "leg: wanted 0 to 1, got 2"),
        (12, np.ones((2, 1), np.float32), "2 to 100000 steps, got 1"),
        (12, np.ones((2, 100_001), np.float32), "2 to 100000 steps, got 100001"),
        (11, 0.0, "points_hz, step_hz: wanted above 0"),
        (13, float("nan"), "points_hz, step_hz: wanted above 0"),
    ],
)
def test_values_out_of_range_are_refused(at, value, words):
    arguments = drawn(9, 2, 2, 3)
    arguments[at] = value
    with pytest.raises(ValueError, match=words):
        run(arguments, 5)
