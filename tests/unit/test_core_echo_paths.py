"""Delays and gains of echoes against their twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.echo_paths import echo_paths

from appliance.dsp import _core


def drawn(times, points, mics, seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-3, 3, (times, points, 3))
    strength = rng.uniform(0, 1, (times, points)).astype(np.float32)
    array = rng.uniform(-0.03, 0.03, (mics, 3))
    scale, offset = rng.uniform(0.9, 1.1, (times, mics)) / 343, rng.uniform(-1e-5, 1e-5, (times, mics))
    return places, strength, rng.uniform(-0.1, 0.1, 3), array, scale, offset


@settings(max_examples=40, deadline=None)
@given(
    times=st.integers(0, 6),
    points=st.integers(0, 6),
    mics=st.integers(1, 8),
    absorption=st.floats(0, 0.5),
    seed=st.integers(0, 2**16),
)
def test_they_are_what_the_twin_gives(times, points, mics, absorption, seed):
    scene = drawn(times, points, mics, seed)
    delay, gain = np.full((times, points, mics), np.nan), np.full((times, points, mics), np.nan, np.float32)
    _core.EchoPaths(mics=mics, nearest_m=0.2).process_into(*scene, absorption, delay, gain)
    wanted_delay, wanted_gain = echo_paths(*scene, absorption, 0.2)
    np.testing.assert_allclose(delay, wanted_delay, rtol=1e-12)
    np.testing.assert_allclose(gain, wanted_gain, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mics": 0, "nearest_m": 0.2}, "mics: wanted 1 to 8, got 0"),
        ({"mics": 4, "nearest_m": 0.0}, "nearest_m: wanted above 0"),
        ({"mics": 4, "nearest_m": float("nan")}, "nearest_m: wanted above 0"),
    ],
)
def test_a_specification_out_of_range_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        _core.EchoPaths(**arguments)


@pytest.mark.parametrize("wrong", range(6))
def test_each_shape_is_checked(wrong):
    scene = list(drawn(3, 2, 4, 1))
    scene[wrong] = np.ascontiguousarray(scene[wrong][..., :-1])
    core = _core.EchoPaths(mics=4, nearest_m=0.2)
    with pytest.raises(ValueError, match="wanted"):
        core.process_into(*scene, 0.1, np.zeros((3, 2, 4)), np.zeros((3, 2, 4), np.float32))
