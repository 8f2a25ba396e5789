"""The replica: what it does to the pulse, and what it does to everything else."""

import numpy as np
import pytest

from appliance.dsp.chirp import chirp_pulse
from appliance.dsp.matched_filter import band_of, design_replica
from appliance.types import Chirps

RATES_HZ = (192_000, 96_000)
CHIRPS = [
    Chirps(34_000.0, 44_000.0, 0.005, 0.001, 20.0, 75.0),
    Chirps(34_000.0, 43_000.0, 0.005, 0.002, 20.0, 75.0),
    Chirps(44_000.0, 34_000.0, 0.02, 0.002, 20.0, 75.0),
    Chirps(34_000.0, 44_000.0, 0.04, 0.002, 25.0, 75.0),
    Chirps(34_000.0, 39_000.0, 0.01, 0.001, 25.0, 75.0),
    Chirps(34_000.0, 45_000.0, 0.005, 0.001, 20.0, 75.0),
]


def compressed(chirps, rate_hz):
    """Pulse through filters and replica, sixteen points a sample at 12 kHz, its peak in the middle."""
    pulse = chirp_pulse(chirps, rate_hz=rate_hz)
    replica = design_replica(chirps, rate_hz=rate_hz)
    band = band_of(pulse, rate_hz=rate_hz, centre_hz=replica.centre_hz, lead_samples=replica.lead_samples)
    spectrum = np.fft.fft(band, 4096) * np.conj(np.fft.fft(replica.samples, 4096))
    finer = np.zeros(65_536, complex)
    finer[:2048], finer[-2048:] = spectrum[:2048], spectrum[-2048:]
    return np.roll(np.fft.ifft(finer) * 16, 32_768), replica, band


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("chirps", CHIRPS)
def test_pulse_has_a_peak_of_one_and_low_side_lobes(chirps, rate_hz):
    response, _, _ = compressed(chirps, rate_hz)
    assert response.argmax() == 32_768
    assert response[32_768] == pytest.approx(1.0, abs=1e-4)
    level_db = 20 * np.log10(np.abs(response) + 1e-12)
    way_s = np.abs(np.arange(65_536) - 32_768) / (16 * 12_000)
    width_hz = min(abs(chirps.stop_hz - chirps.start_hz), 10_000.0)
    assert level_db[way_s > 2.0 / width_hz].max() < -30
    assert level_db[way_s * 343 / 2 > 0.5].max() < -74


@pytest.mark.parametrize("chirps", CHIRPS)
def test_noise_is_at_most_2_6_db_more_than_behind_a_matched_filter(chirps):
    response, replica, band = compressed(chirps, 192_000)
    matched = np.sum(np.abs(band) ** 2)
    ours = np.abs(response[32_768]) ** 2 / np.sum(np.abs(replica.samples) ** 2)
    assert -2.6 < 10 * np.log10(ours / matched) < 0.01


@pytest.mark.parametrize("tone_hz", [45_000.0, 30_000.0, 48_000.0, 60_000.0, 20_000.0, 10_000.0, 1_000.0, 50.0])
@pytest.mark.parametrize("chirps", [CHIRPS[1], CHIRPS[3]])
def test_tones_beside_the_chirps_are_60_db_down(chirps, tone_hz):
    replica = design_replica(chirps, rate_hz=192_000)
    tone = np.sin(2 * np.pi * tone_hz / 192_000 * np.arange(40_000) + 0.7)
    # `band_of` measures at half amplitude whatever it is given.
    band = band_of(tone, rate_hz=192_000, centre_hz=replica.centre_hz, lead_samples=0)[200:-200]
    assert 20 * np.log10(np.abs(np.convolve(band, np.conj(replica.samples[::-1]), "valid")).max()) < -68
