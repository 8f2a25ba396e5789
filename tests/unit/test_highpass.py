"""The high-pass: its response, its independence of the split, its delay and its refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.dsp.highpass import HighPass, highpass_taps


@pytest.mark.parametrize("rate_hz", [96_000, 192_000])
def test_response_stops_speech_and_passes_the_carriers(rate_hz):
    taps = highpass_taps(rate_hz=rate_hz)
    response_db = 20 * np.log10(np.abs(np.fft.rfft(taps, 1 << 16)) + 1e-12)
    frequency_hz = np.fft.rfftfreq(1 << 16, 1 / rate_hz)
    assert response_db[frequency_hz <= 20_000].max() < -80
    assert np.abs(response_db[frequency_hz >= 28_000]).max() < 0.5


def test_taps_are_linear_phase():
    taps = highpass_taps(rate_hz=192_000)
    assert len(taps) % 2 == 1
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)


@given(cuts=st.lists(st.integers(0, 9000), max_size=8), channels=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_any_split_gives_the_same_output(cuts, channels):
    samples = np.random.default_rng(1).normal(size=(9000, channels))
    whole = HighPass(rate_hz=192_000, channels=channels).process(samples)
    split = HighPass(rate_hz=192_000, channels=channels)
    pieces = [split.process(piece) for piece in np.split(samples, sorted(cuts))]
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-12)


def test_equals_direct_convolution_with_the_stated_delay():
    samples = np.random.default_rng(2).normal(size=(5000, 2))
    highpass = HighPass(rate_hz=192_000, channels=2)
    taps = highpass_taps(rate_hz=192_000)
    expected = np.stack([np.convolve(samples[:, c], taps)[:5000] for c in range(2)], axis=1)
    np.testing.assert_allclose(highpass.process(samples), expected, atol=1e-12)
    assert highpass.delay_frames == len(taps) // 2


def test_reset_forgets():
    samples = np.random.default_rng(3).normal(size=(1000, 1))
    highpass = HighPass(rate_hz=96_000, channels=1)
    first = highpass.process(samples)
    highpass.reset()
    np.testing.assert_array_equal(highpass.process(samples), first)


def test_refuses_other_channels_and_impossible_bands():
    with pytest.raises(ValueError, match="wanted"):
        HighPass(rate_hz=192_000, channels=2).process(np.zeros((10, 3)))
    with pytest.raises(ValueError, match="do not fit"):
        highpass_taps(rate_hz=48_000)
