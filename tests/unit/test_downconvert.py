"""The wrapper around the C down-converter: time, gaps, refusals."""

import numpy as np
import pytest

from appliance.dsp.downconvert import DownConverter
from appliance.types import PcmBlock

RATE_HZ = 192_000


def sine_pcm(frequency_hz, frames, *, mics=2, amplitude=0.5, phase=0.3, first_frame=0, rate_hz=RATE_HZ):
    n = first_frame + np.arange(frames)
    wave = amplitude * np.cos(2 * np.pi * (frequency_hz / rate_hz * n % 1.0) + phase)
    return np.repeat(np.rint(wave * 2**31).clip(-(2**31), 2**31 - 1).astype(np.int32)[:, None], mics, axis=1)


def test_a_sine_at_the_carrier_gives_its_amplitude_and_phase():
    converter = DownConverter(rate_hz=RATE_HZ, mics=2, carriers_hz=[40_000.0])
    iq = converter.process(PcmBlock(sine_pcm(40_000.0, 19_200), 0, RATE_HZ)).iq
    assert iq.shape == (1, 2, 240)
    assert iq.dtype == np.complex64
    settled = iq[:, :, 45:]
    np.testing.assert_allclose(20 * np.log10(np.abs(settled) / 0.5), 0, atol=0.1)
    np.testing.assert_allclose(np.angle(settled), 0.3, atol=1e-4)


def test_first_frame_counts_pcm_frames_and_rates_are_told():
    converter = DownConverter(rate_hz=RATE_HZ, mics=2, carriers_hz=[40_000.0, 45_000.0])
    block = converter.process(PcmBlock(sine_pcm(40_000.0, 100), 0, RATE_HZ))
    assert (block.first_frame, block.rate_hz, block.carriers_hz) == (79, 2400.0, (40_000.0, 45_000.0))
    assert converter.process(PcmBlock(sine_pcm(40_000.0, 200), 100, RATE_HZ)).first_frame == 159
    assert converter.process(PcmBlock(sine_pcm(40_000.0, 0), 300, RATE_HZ)).iq.shape == (2, 2, 0)
    assert converter.group_delay_s == pytest.approx(1754 / RATE_HZ)


def test_phase_goes_on_over_lost_frames_and_the_filters_start_anew():
    carrier_hz = 40_123.4
    converter = DownConverter(rate_hz=RATE_HZ, mics=1, carriers_hz=[carrier_hz])
    before = converter.process(PcmBlock(sine_pcm(carrier_hz, 8_000, mics=1), 0, RATE_HZ)).iq
    after_gap = PcmBlock(sine_pcm(carrier_hz, 8_000, mics=1, first_frame=11_003), 11_003, RATE_HZ, 3_003)
    after = converter.process(after_gap)
    assert after.first_frame == 11_003 + 79
    assert abs(after.iq[0, 0, 0]) < 0.01
    assert np.angle(after.iq[0, 0, -1]) == pytest.approx(np.angle(before[0, 0, -1]), abs=1e-4)


def test_phase_does_not_drift_in_a_year():
    carrier_hz, year = 40_000.0, 365 * 86_400 * RATE_HZ
    converter = DownConverter(rate_hz=RATE_HZ, mics=1, carriers_hz=[carrier_hz])
    # The carrier has a whole number of periods in 24 frames, so the sine is exact at any frame number.
    block = PcmBlock(sine_pcm(carrier_hz, 8_000, mics=1, first_frame=year % 24), year, RATE_HZ)
    assert np.angle(converter.process(block).iq[0, 0, -1]) == pytest.approx(0.3, abs=1e-4)


@pytest.mark.parametrize(
    ("rate_hz", "mics", "carriers_hz"),
    [
        (48_000, 4, [40_000.0]),
        (192_000, 0, [40_000.0]),
        (192_000, 9, [40_000.0]),
        (192_000, 4, []),
        (192_000, 4, [40_000.0] * 5),
        (192_000, 4, [29_999.0]),
        (192_000, 4, [90_001.0]),
        (192_000, 4, [float("nan")]),
        (96_000, 4, [45_001.0]),
        (384_000, 4, [180_001.0]),
    ],
)
def test_what_is_out_of_range_is_refused(rate_hz, mics, carriers_hz):
    with pytest.raises(ValueError, match="wanted"):
        DownConverter(rate_hz=rate_hz, mics=mics, carriers_hz=carriers_hz)


def test_a_block_of_another_stream_is_refused():
    converter = DownConverter(rate_hz=RATE_HZ, mics=2, carriers_hz=[40_000.0])
    with pytest.raises(ValueError, match=r"wanted samples .*2.*got .*3"):
        converter.process(PcmBlock(sine_pcm(40_000.0, 10, mics=3), 0, RATE_HZ))
    with pytest.raises(ValueError, match="wanted a rate of 192000 Hz, got 96000"):
        converter.process(PcmBlock(sine_pcm(40_000.0, 10), 0, 96_000))
