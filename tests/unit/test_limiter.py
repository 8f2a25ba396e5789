"""The look-ahead limiter: never above full scale, nothing heard in the ultrasound, what fits is left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.hardware.limiter import Limiter

RATE_HZ = 192_000


def limited(samples, pieces=None):
    limiter = Limiter(samples.shape[1])
    ends = [] if pieces is None else list(np.cumsum(pieces)[np.cumsum(pieces) < len(samples)])
    parts = np.split(samples, ends)
    out = [limiter.process(part) for part in parts[:-1]]
    return np.concatenate([*out, limiter.process(parts[-1], last=True)])


def noise(frames, channels=2, seed=3):
    return np.random.default_rng(seed).standard_normal((frames, channels)).astype(np.float32)


def test_what_fits_passes_to_the_last_bit():
    samples = np.clip(0.3 * noise(5_000), -0.999, 0.999)
    assert np.array_equal(limited(samples), samples)


@pytest.mark.parametrize("frames", [1, 63, 64, 65, 3_071, 3_072, 20_001])
@pytest.mark.parametrize("loudness", [1.0, 4.0, 16.0])
def test_nothing_exceeds_full_scale_and_nothing_is_lost(frames, loudness):
    out = limited(loudness * noise(frames))
    assert out.shape == (frames, 2)
    assert np.abs(out).max() <= 1.0


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 4_000), max_size=20), st.integers(1, 30_000))
def test_any_split_gives_the_same(pieces, frames):
    samples = 2.0 * noise(frames)
    assert np.array_equal(limited(samples, pieces), limited(samples))


def test_a_peak_is_turned_down_from_16_ms_around_it_and_both_channels_alike():
    samples = np.full((30_000, 2), 0.5, np.float32)
    samples[15_000, 0] = 4.0
    out = limited(samples)
    gain = out[:, 1] / samples[:, 1]
    assert np.array_equal(
        np.flatnonzero(gain < 1.0), np.arange(np.argmax(gain < 1), 30_000 - np.argmax(gain[::-1] < 1))
    )
    assert np.abs(np.flatnonzero(gain < 0.999)[[0, -1]] - 15_000).max() < 0.017 * RATE_HZ
    assert out[15_000, 0] == pytest.approx(1.0, abs=0.001)
    assert np.abs(np.diff(gain)).max() < 0.001, "no step"


def test_a_loud_low_note_leaves_the_ultrasound_alone():
    t_s = np.arange(RATE_HZ) / RATE_HZ
    note = np.float32((1.0 + np.sin(2 * np.pi * 3.0 * t_s)) * np.sin(2 * np.pi * 15_000.0 * t_s))[:, None]
    out = limited(note)
    power = np.abs(np.fft.rfft(out[:, 0] * np.blackman(len(out)))) ** 2
    assert np.abs(out).max() > 0.95
    assert 10 * np.log10(power[31_000:].sum() / power.sum()) < -110.0
