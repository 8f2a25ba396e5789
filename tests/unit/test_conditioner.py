"""A sound is brought to the playback's rate, and nothing of it comes where the tones are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sounds import sine

from appliance.hardware.conditioner import MUSIC_BAND_HZ, Conditioner

FULL_SCALE = 2.0**31
RATES_HZ = [8_000, 11_025, 22_050, 32_000, 40_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 384_000]


def conditioned(samples, source_rate_hz, *, rate_hz=192_000, channels=2, peak=0.5, pieces=None):
    conditioner = Conditioner(
        source_rate_hz=source_rate_hz,
        source_channels=samples.shape[1],
        rate_hz=rate_hz,
        channels=channels,
        peak=peak,
    )
    ends = [] if pieces is None else list(np.cumsum(pieces)[np.cumsum(pieces) < len(samples)])
    parts = np.split(samples, ends)
    out = [conditioner.process(part) for part in parts[:-1]]
    return np.concatenate([*out, conditioner.process(parts[-1], last=True)])


def noise(frames, channels=2):
    return np.random.default_rng(7).uniform(-1.0, 1.0, (frames, channels)).astype(np.float32)


def power_db(wave, rate_hz, *, above_hz):
    """Of what lies at or above `above_hz`, beside all of it."""
    power = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    at_hz = np.fft.rfftfreq(len(wave), 1.0 / rate_hz)
    return 10.0 * np.log10(power[at_hz >= above_hz].sum() / power.sum())


@pytest.mark.parametrize("rate_hz", [192_000, 96_000])
@pytest.mark.parametrize("source_rate_hz", RATES_HZ)
def test_nothing_lies_at_or_above_20_khz_and_no_peak_above_what_is_allowed(source_rate_hz, rate_hz):
    out = conditioned(4.0 * noise(source_rate_hz), source_rate_hz, rate_hz=rate_hz)
    assert out.dtype == np.int32
    assert abs(len(out) - rate_hz) <= 2
    assert 0.45 * FULL_SCALE < np.abs(out.astype(np.float64)).max() <= 0.5 * FULL_SCALE
    assert power_db(out[:, 0], rate_hz, above_hz=MUSIC_BAND_HZ) < -110.0
    assert power_db(out[:, 0], rate_hz, above_hz=31_000.0) < -125.0


@pytest.mark.parametrize("source_rate_hz", [96_000, 192_000, 384_000])
def test_ultrasound_in_a_file_is_not_played(source_rate_hz):
    out = conditioned(sine(40_000.0, rate_hz=source_rate_hz, amplitude=1.0), source_rate_hz)
    assert np.abs(out.astype(np.float64)).max() < 1e-4 * FULL_SCALE


@pytest.mark.parametrize("source_rate_hz", RATES_HZ)
def test_a_note_keeps_its_pitch_and_level(source_rate_hz):
    out = conditioned(sine(1_000.0, rate_hz=source_rate_hz, channels=2), source_rate_hz)[20_000:-20_000, 1] / FULL_SCALE
    t_s = np.arange(len(out)) / 192_000
    amplitude = 2.0 * np.abs(np.mean(out * np.exp(-2j * np.pi * 1_000.0 * t_s)))
    assert amplitude == pytest.approx(0.25, rel=0.005)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(RATES_HZ), st.integers(1, 12_000), st.lists(st.integers(1, 3_000), max_size=12), st.integers(1, 8)
)
def test_any_split_gives_the_same(source_rate_hz, frames, pieces, source_channels):
    samples = 2.0 * noise(frames, source_channels)
    whole = conditioned(samples, source_rate_hz)
    assert np.array_equal(conditioned(samples, source_rate_hz, pieces=pieces), whole)


@pytest.mark.parametrize("source_channels", range(1, 9))
@pytest.mark.parametrize("channels", [1, 2])
def test_any_number_of_channels_is_heard_without_an_overload(source_channels, channels):
    samples = sine(channels=source_channels, amplitude=1.0)
    out = conditioned(samples, 48_000, channels=channels)
    assert out.shape == (192_000, channels)
    assert 0.3 * FULL_SCALE < np.abs(out.astype(np.float64)).max() <= 0.5 * FULL_SCALE


def test_left_is_left_and_a_surround_centre_is_both():
    left = np.zeros((48_000, 2), np.float32)
    left[:, :1] = sine()
    out = conditioned(left, 48_000)
    assert np.abs(out[:, 1]).max() == 0
    assert np.abs(out[:, 0]).max() > 0.2 * FULL_SCALE
    centre = np.zeros((48_000, 6), np.float32)
    centre[:, 2:3] = sine()
    out = conditioned(centre, 48_000)
    assert np.array_equal(out[:, 0], out[:, 1])
    bass = np.zeros((48_000, 6), np.float32)
    bass[:, 3:4] = sine(40.0)
    assert np.abs(conditioned(bass, 48_000)).max() == 0


def test_it_begins_and_ends_softly():
    out = conditioned(np.full((4_800, 1), 0.9, np.float32), 48_000, channels=1)[:, 0] / FULL_SCALE
    assert abs(out[0]) < 1e-3
    assert abs(out[-1]) < 1e-3
    assert np.abs(np.diff(out)).max() < 0.002


@pytest.mark.parametrize("frames", [1, 2, 50])
def test_a_sound_of_hardly_any_length_is_no_fault(frames):
    assert len(conditioned(sine(rate_hz=8_000)[:frames], 8_000)) == pytest.approx(frames * 24, abs=1)


def test_absurd_values_stay_below_full_scale():
    samples = np.full((4_800, 1), 3e38, np.float32)
    samples[::2] *= -1
    assert np.abs(conditioned(samples, 48_000).astype(np.float64)).max() <= 0.5 * FULL_SCALE
