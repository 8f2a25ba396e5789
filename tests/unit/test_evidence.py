"""What the model sees: its slow twin, that the unit does not show, and what bad input gets."""

import numpy as np
import pytest
from reference.evidence import Evidence as Twin

from appliance.dsp import _core
from appliance.dsp.spectrum import independent
from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES, Doppler
from appliance.features.evidence import BANDS, TONE_FEATURES, Evidence
from appliance.types import BasebandBlock, DopplerFrame

RATE_HZ = 2400.0
CARRIER_DBFS = -30.0
BANDS_OF_TWIN = [(2, 9), (10, 12), (52, 54), (55, 62)]
SHAPE = [2.7, 1.2, 1.2, 2.7]


def core(carriers=1, mics=1, **about):
    settings = {"bins": 64, "bands": BANDS_OF_TWIN, "shape": SHAPE, "hop_s": 0.03}
    return _core.Evidence(carriers=carriers, mics=mics, **(settings | about))


def doppler(carriers=1, mics=4):
    carriers_hz = tuple(40_000.0 + 1_500.0 * number for number in range(carriers))
    return Doppler(carriers_hz=carriers_hz, mics=mics, rate_hz=RATE_HZ, pcm_rate_hz=192_000)


def seen(stage, evidence, iq, *, carrier_dbfs=CARRIER_DBFS):
    """All values of baseband [carriers, mics, samples]."""
    level = np.full(iq.shape[:2], carrier_dbfs, np.float32)
    block = BasebandBlock(np.ascontiguousarray(iq, np.complex64), 79, RATE_HZ, (40_000.0,) * iq.shape[0])
    return np.array([evidence.process(frame) for frame in stage.process(block, carrier_dbfs=level)])


def noise(carriers, mics, seconds, *, seed=1, rms=1e-4):
    rng = np.random.default_rng(seed)
    shape = (carriers, mics, round(seconds * RATE_HZ))
    return rms * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


@pytest.mark.parametrize(("carriers", "mics"), [(1, 1), (1, 4), (4, 8)])
def test_values_are_what_the_slow_twin_sees(carriers, mics):
    rng = np.random.default_rng(4)
    quick, twin = core(carriers, mics), Twin(bands=BANDS_OF_TWIN, shape=SHAPE, hop_s=0.03)
    values = np.empty(quick.values, np.float32)
    for number in range(300):
        power_dbfs = -110 + 5 * rng.standard_normal((carriers, mics, 64)) + 20 * (number % 40 > 35)
        carrier_dbfs = rng.uniform(-50, -20, (carriers, mics))
        if number % 7 == 0:
            carrier_dbfs[0, 0] = -np.inf
        power_dbfs, carrier_dbfs = power_dbfs.astype(np.float32), carrier_dbfs.astype(np.float32)
        assert quick.process_into(power_dbfs, carrier_dbfs, values)
        wanted = twin.process(power_dbfs.reshape(-1, 64), carrier_dbfs.reshape(-1))
        np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("carriers", "mics"), [(1, 1), (1, 2), (1, 8), (4, 1), (4, 8)])
def test_an_empty_room_looks_alike_whatever_the_number_of_rows(carriers, mics):
    stage = doppler(carriers, mics)
    values = seen(stage, Evidence(doppler=stage), noise(carriers, mics, 60.0))[200:, : 2 * BANDS]
    deviates = np.sinh(values)
    assert abs(deviates.mean()) < 0.35, "the floor is what the noise is, on the average"
    assert 0.7 < deviates.std() < 1.5


def test_level_of_the_card_does_not_show():
    values = []
    for gain in (1.0, 0.01):
        stage = doppler()
        iq = noise(1, 4, 5.0) * gain
        values.append(seen(stage, Evidence(doppler=stage), iq, carrier_dbfs=CARRIER_DBFS + 20 * np.log10(gain)))
    np.testing.assert_allclose(values[0], values[1], atol=2e-3)


def test_direction_and_speed_are_where_they_should_be():
    stage = doppler()
    iq = noise(1, 4, 10.0)
    t_s = np.arange(iq.shape[2]) / RATE_HZ
    iq += np.where(t_s > 8.0, 2e-3, 0.0) * np.exp(2j * np.pi * 280.0 * t_s)
    last = seen(stage, Evidence(doppler=stage), iq)[-1]
    highest = int(last[: 2 * BANDS].argmax())
    assert highest == BANDS + 9, "280 Hz lies in bins 22 to 29 of the side that comes towards the array"
    towards, away = last[TONE_FEATURES - 4], last[TONE_FEATURES - 3]
    assert towards - away > 1.0, "more than 20 dB"


def test_a_fan_becomes_the_floor_and_is_still_told():
    stage = doppler()
    evidence = Evidence(doppler=stage)
    quiet = seen(stage, evidence, noise(1, 4, 5.0))[-1]
    after = seen(stage, evidence, noise(1, 4, 90.0, seed=2, rms=1e-3))
    assert after[5, :BANDS].min() > 2.0
    assert np.abs(after[-100:, : 2 * BANDS]).mean() < 1.0
    floor = slice(2 * BANDS, 3 * BANDS)
    np.testing.assert_allclose(after[-1, floor] - quiet[floor], 1.0, atol=0.25)


def test_one_loud_microphone_is_uneven():
    stage = doppler()
    evidence = Evidence(doppler=stage)
    seen(stage, evidence, noise(1, 4, 5.0))
    tapped = noise(1, 4, 1.0, seed=3)
    tapped[0, 2] *= 100.0
    assert seen(stage, evidence, tapped)[-1][-2] == pytest.approx(1.0, abs=0.01)


def test_it_says_when_the_room_is_known():
    stage = doppler(mics=1)
    evidence = Evidence(doppler=stage)
    seen(stage, evidence, noise(1, 1, 1.0))
    assert not evidence.is_settled
    seen(stage, evidence, noise(1, 1, 1.0, seed=2))
    assert evidence.is_settled
    evidence.reset()
    assert not evidence.is_settled


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_number_changes_nothing(bad):
    stage = doppler()
    spoilt, well = Evidence(doppler=stage), Evidence(doppler=stage)
    rng = np.random.default_rng(1)
    for number in range(50):
        power = (-100 + 5 * rng.standard_normal((1, 4, WINDOW_SAMPLES))).astype(np.float32)
        frame = DopplerFrame(power, stage.velocity_mps, np.full((1, 4), CARRIER_DBFS, np.float32), 0.0)
        if number == 20:
            broken = power.copy()
            broken[0, 1, 140] = bad
            assert spoilt.process(DopplerFrame(broken, stage.velocity_mps, frame.carrier_dbfs, 0.0)) is None
        np.testing.assert_array_equal(spoilt.process(frame), well.process(frame))


def test_silence_and_a_carrier_that_is_not_there_give_numbers():
    evidence = core(mics=2)
    values = np.empty(evidence.values, np.float32)
    silent, gone = np.full((1, 2, 64), -200, np.float32), np.full((1, 2), -np.inf, np.float32)
    for level in (silent, silent + 190, silent):
        assert evidence.process_into(level, gone, values)
        assert np.isfinite(values).all()
        assert np.abs(values).max() <= 10


@pytest.mark.parametrize(
    "about",
    [
        {"mics": 0}, {"mics": 9}, {"carriers": 5}, {"bins": 0}, {"bins": 60}, {"hop_s": 0}, {"hop_s": np.nan},
        {"hop_s": 1.0}, {"shape": [0.4, 1, 1, 1]}, {"shape": [np.nan, 1, 1, 1]}, {"shape": SHAPE[:3]},
        {"bands": BANDS_OF_TWIN[:3], "shape": SHAPE[:3]},
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(about):
    with pytest.raises(ValueError, match="wanted"):
        core(**about)


def test_buffers_of_another_shape_are_refused():
    evidence = core(mics=2)
    power, level, values = (
        np.zeros((1, 2, 64), np.float32),
        np.zeros((1, 2), np.float32),
        np.zeros(evidence.values, np.float32),
    )
    for bad in ((power[:, :1], level, values), (power, level[:, :1], values), (power, level, values[1:])):
        with pytest.raises(ValueError, match="wanted"):
            evidence.process_into(*(np.ascontiguousarray(each) for each in bad))
    with pytest.raises(TypeError, match="float32"):
        evidence.process_into(power.astype(float), level, values)


def test_the_bands_lie_within_the_spectrum():
    assert TONE_FEATURES == 43
    assert independent(1, doppler().spectrum.bin_correlation) == pytest.approx(1.0)
    assert HOP_SAMPLES < WINDOW_SAMPLES
