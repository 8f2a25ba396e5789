"""The short-time spectrum: levels, leakage, and what its neighbours have in common."""

import numpy as np
import pytest

from appliance.dsp.spectrum import Spectrum

WINDOW = 256
MIDDLE = WINDOW // 2


def line(bins, *, amplitude=1.0):
    """A complex tone `bins` lines above the carrier."""
    return (amplitude * np.exp(2j * np.pi * bins * np.arange(WINDOW) / WINDOW + 0.7j)).astype(np.complex64)


def noise(*shape):
    rng = np.random.default_rng(1)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64) / np.sqrt(2)


@pytest.mark.parametrize("bins", [-128, -100, -1, 0, 1, 57, 127])
def test_a_tone_reads_its_power_in_its_own_bin(bins):
    power = Spectrum(window_samples=WINDOW).power(line(bins, amplitude=0.25))
    assert power.dtype == np.float32
    assert power.argmax() == MIDDLE + bins
    assert power.max() == pytest.approx(0.25**2, rel=1e-4)


def test_a_tone_between_two_bins_reads_the_same_in_both_and_little_less():
    power_db = 10 * np.log10(Spectrum(window_samples=WINDOW).power(line(10.5)))
    assert power_db[MIDDLE + 10] == pytest.approx(power_db[MIDDLE + 11], abs=0.01)
    assert -1.2 < power_db.max() < -1.0


@pytest.mark.parametrize("offset_bins", [0.0, 0.1, 0.25, 0.5])
def test_a_static_line_leaks_less_than_55_db_from_the_fourth_bin_on(offset_bins):
    power_db = 10 * np.log10(Spectrum(window_samples=WINDOW).power(line(offset_bins)) + 1e-20)
    distance = np.abs(np.arange(WINDOW) - MIDDLE - offset_bins)
    assert power_db[distance >= 4].max() < -55
    assert power_db[distance < 1].max() > -2


def test_channels_are_transformed_each_for_itself():
    samples = np.stack([line(3), line(-7, amplitude=0.5)]).reshape(2, 1, WINDOW)
    power = Spectrum(window_samples=WINDOW).power(samples)
    assert power.shape == (2, 1, WINDOW)
    assert power.argmax(axis=-1).ravel().tolist() == [MIDDLE + 3, MIDDLE - 7]


def correlation(first, second):
    return np.corrcoef(first.ravel(), second.ravel())[0, 1]


@pytest.mark.parametrize("bins", [0, 1, 2, 3, 5])
def test_neighbouring_lines_of_noise_correlate_as_is_said(bins):
    spectrum = Spectrum(window_samples=WINDOW)
    power = spectrum.power(noise(4_000, WINDOW))
    measured = correlation(power[:, : WINDOW - bins], power[:, bins:])
    assert spectrum.bin_correlation(bins) == pytest.approx(measured, abs=0.01)


@pytest.mark.parametrize("hop", [0, 32, 64, 128, 192, 256, 300])
def test_neighbouring_windows_of_noise_correlate_as_is_said(hop):
    spectrum = Spectrum(window_samples=WINDOW)
    samples = noise(4_000, WINDOW + hop)
    measured = correlation(spectrum.power(samples[:, :WINDOW]), spectrum.power(samples[:, hop:]))
    assert spectrum.hop_correlation(hop) == pytest.approx(measured, abs=0.01)
