"""The C behind carrier, clutter, Doppler and detector: what its slow twins say, and what bad input gets."""

import threading

import numpy as np
import pytest
from reference import baseband as slow
from reference.cfar import Cfar
from reference.doppler import doppler_power

from appliance.dsp import _core

RATE_HZ = 2400.0
WINDOW, HOP = 256, 64
BANDS = [(3, 9), (10, 11), (20, 52)]


def noise(*shape, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)


def spectra(carriers, mics, hop=HOP):
    return _core.DopplerSpectra(carriers=carriers, mics=mics, window_samples=WINDOW, hop_samples=hop)


def cfar(rows, **about):
    settings = {"bins": 64, "bands": BANDS, "looks": 4, "looks_shape": [4.0, 2.0, 9.0], "looks_independent": 2.5}
    return _core.CfarDetector(rows=rows, **(settings | about))


@pytest.mark.parametrize(("carriers", "mics"), [(1, 1), (1, 4), (3, 5), (4, 8)])
def test_the_tone_is_judged_as_the_slow_twin_judges_it(carriers, mics):
    quick, twin = _core.CarrierWatch(), slow.CarrierWatch()
    rng = np.random.default_rng(3)
    level = np.empty(carriers * mics, np.float32)
    states = []
    for number in range(800):
        tone = (0.3, 0.3, 0.0, 1.0)[number // 200] * (1 + 0.3j)
        block = 0.02 * noise(carriers, mics, rng.integers(1, 60), seed=number) + np.complex64(tone)
        if number == 150:
            block[..., block.shape[2] // 2 :] *= 0.02
        states.append(quick.process(block, RATE_HZ))
        assert states[-1] == twin.process(block, RATE_HZ), number
        quick.level_into(level)
        np.testing.assert_allclose(level, twin.level_dbfs(), atol=1e-3)
    assert set(states) == {0, 1, 2}


@pytest.mark.parametrize(("carriers", "mics"), [(1, 1), (1, 4), (4, 8)])
def test_clutter_is_what_the_slow_twin_takes_away(carriers, mics):
    quick, twin = _core.ClutterCanceller(time_constant_s=0.2), slow.ClutterCanceller(0.2)
    rng = np.random.default_rng(2)
    for number in range(200):
        block = noise(carriers, mics, rng.integers(1, 60), seed=number) + np.complex64(3 - 2j)
        moving = np.empty_like(block)
        frozen = number % 50 > 30
        quick.process_into(block, RATE_HZ, frozen, moving)
        np.testing.assert_allclose(moving, twin.process(block, RATE_HZ, frozen=frozen), atol=1e-5)


@pytest.mark.parametrize(("carriers", "mics", "hop"), [(1, 1, 64), (1, 4, 64), (1, 8, 64), (3, 5, 64), (4, 8, 64)])
def test_spectra_are_what_the_slow_twin_gives(carriers, mics, hop):
    iq = noise(carriers, mics, 600)
    core = spectra(carriers, mics, hop)
    power_dbfs = np.empty((core.output_spectra(600), carriers, mics, WINDOW), np.float32)
    core.process_into(iq, power_dbfs)
    wanted_db = 10 * np.log10(np.maximum(doppler_power(iq), 1e-20))
    loud = wanted_db > wanted_db.max() - 60
    np.testing.assert_allclose(power_dbfs[loud], wanted_db[loud], atol=2e-3)


@pytest.mark.parametrize("hop", [1, 7, 255, 256])
def test_spectra_come_each_hop_whatever_the_hop(hop):
    core, iq = spectra(1, 2, hop), noise(1, 2, 1_500)
    power = np.empty((core.output_spectra(1_500), 1, 2, WINDOW), np.float32)
    assert len(power) == 1 + (1_500 - WINDOW) // hop
    core.process_into(iq, power)
    last = spectra(1, 2, hop)
    start = (len(power) - 1) * hop
    alone = np.empty((1, 1, 2, WINDOW), np.float32)
    last.process_into(np.ascontiguousarray(iq[..., start : start + WINDOW]), alone)
    np.testing.assert_array_equal(power[-1], alone[0])


@pytest.mark.parametrize("power_dbfs", [-200.0, -137.3, -0.001, 0.0, 12.0, 300.0])
def test_levels_are_true_to_a_hundredth_of_a_decibel(power_dbfs):
    core = spectra(1, 1)
    out = np.empty((1, 1, 1, WINDOW), np.float32)
    core.process_into(np.full((1, 1, WINDOW), 10 ** (power_dbfs / 20), np.complex64), out)
    assert out.max() == pytest.approx(power_dbfs, abs=0.01)


@pytest.mark.parametrize("rows", [(1, 1), (1, 4), (2, 3)])
def test_bands_are_judged_as_the_slow_twin_judges_them(rows):
    rng = np.random.default_rng(4)
    quick = cfar(rows[0] * rows[1])
    twin = Cfar(bands=BANDS, looks=4, looks_shape=[4.0, 2.0, 9.0], looks_independent=2.5)
    floor = rng.uniform(1e-12, 1e-10, (*rows, 3))
    quick.begin(floor)
    twin.begin(floor)
    for number in range(300):
        power_dbfs = (-110 + 5 * rng.standard_normal((*rows, 64)) + 20 * (number % 40 > 35)).astype(np.float32)
        band_power = np.empty((*rows, 3))
        quick.band_power_into(power_dbfs, band_power)
        np.testing.assert_allclose(band_power, twin.band_power(power_dbfs), rtol=1e-5)
        assert quick.judge(power_dbfs) == pytest.approx(twin.judge(power_dbfs), rel=1e-4, abs=1e-4)
        values = np.empty((3, 3))
        quick.clearer_into(values)
        np.testing.assert_allclose(values, twin.clearer(), rtol=1e-4, atol=1e-4)
        for one in (quick, twin):
            one.creep(0.01, 1.001) if number % 3 else one.follow(0.01, 0.02)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_poisons_nothing_for_ever(bad):
    spoilt, well = 0.1 + noise(1, 4, 24) * 1e-5, 0.1 + noise(1, 4, 24, seed=2) * 1e-5
    spoilt[0, 2, 7] = bad
    watch, clutter, doppler = _core.CarrierWatch(), _core.ClutterCanceller(time_constant_s=2.0), spectra(1, 4)
    moving, power = np.empty_like(well), np.empty((1, 1, 4, WINDOW), np.float32)
    assert watch.process(well, RATE_HZ) == 0
    assert watch.process(spoilt, RATE_HZ) == 1
    assert watch.process(well, RATE_HZ) == 0
    for block in (well, spoilt, well):
        clutter.process_into(block, RATE_HZ, False, moving)
    assert np.isfinite(moving).all()
    doppler.process_into(spoilt, power[:0])
    doppler.process_into(noise(1, 4, WINDOW - 24), power)
    assert np.isnan(power[0, 0, 2]).any(), "a window with it is no number either"
    assert np.isfinite(power[0, 0, [0, 1, 3]]).all()
    doppler.process_into(noise(1, 4, HOP), power)
    assert np.isfinite(power).all()


def test_a_spectrum_that_is_no_number_is_not_judged():
    core, quiet = cfar(1), np.full((1, 1, 64), -100, np.float32)
    core.begin(np.full((1, 1, 3), 1e-9))
    wanted = core.judge(quiet)
    for bad in (np.nan, np.inf, -np.inf, 1e30):
        spoilt = quiet.copy()
        spoilt[..., 30] = bad
        assert np.isnan(core.judge(spoilt))
    assert cfar(1, looks=1).judge(quiet) != wanted, "without a floor everything stands out"


def test_traces_of_a_signal_fade_to_nothing():
    watch, clutter = _core.CarrierWatch(), _core.ClutterCanceller(time_constant_s=0.01)
    loud, silent = np.ones((1, 1, 240), np.complex64), np.zeros((1, 1, 240), np.complex64)
    moving = np.empty_like(loud)
    for block in (loud, *[silent] * 400):
        watch.process(block, RATE_HZ)
        clutter.process_into(block, RATE_HZ, False, moving)
    assert not moving.any()
    power = np.empty((1, 1, 1, WINDOW), np.float32)
    spectra(1, 1).process_into(np.full((1, 1, WINDOW), 1e-42, np.complex64), power)
    assert power.max() == pytest.approx(-200)


BLOCK = noise(1, 4, 24)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: _core.CarrierWatch().process(BLOCK.real, RATE_HZ), TypeError, "wanted complex64"),
        (lambda: _core.CarrierWatch().process(BLOCK[0], RATE_HZ), ValueError, "number of dimensions"),
        (lambda: _core.CarrierWatch().process(BLOCK[..., :0], RATE_HZ), ValueError, "1 or more"),
        (lambda: _core.CarrierWatch().process(BLOCK[..., ::2], RATE_HZ), ValueError, "not C-contiguous"),
        (lambda: _core.CarrierWatch().process(noise(5, 1, 2), RATE_HZ), ValueError, r"got \[5, 1, 2\]"),
        (lambda: _core.CarrierWatch().process(BLOCK, np.nan), ValueError, "rate_hz"),
        (
            lambda: _core.CarrierWatch().level_into(np.empty(4, np.float32)),
            ValueError,
            r"wanted writable float32 \[0\]",
        ),
        (lambda: _core.ClutterCanceller(time_constant_s=0), ValueError, "time_constant_s"),
        (
            lambda: _core.ClutterCanceller(time_constant_s=1).process_into(BLOCK, RATE_HZ, False, BLOCK[..., :3]),
            ValueError,
            r"moving: .* \[1, 4, 24\]",
        ),
        (lambda: spectra(0, 1), ValueError, "carriers: wanted 1 to 4, got 0"),
        (lambda: spectra(1, 9), ValueError, "mics: wanted 1 to 8, got 9"),
        (lambda: spectra(1, 1, 0), ValueError, "hop_samples"),
        (lambda: spectra(1, 1, 257), ValueError, "hop_samples"),
        (
            lambda: _core.DopplerSpectra(carriers=1, mics=1, window_samples=100, hop_samples=1),
            ValueError,
            "power of two",
        ),
        (lambda: spectra(1, 4).process_into(BLOCK, np.empty((1, 1, 4, 256), np.float32)), ValueError, "power_dbfs"),
        (lambda: spectra(1, 2).process_into(BLOCK, np.empty((0, 1, 2, 256), np.float32)), ValueError, "iq"),
        (lambda: spectra(1, 2).output_spectra(-1), ValueError, "samples"),
        (lambda: spectra(1, 2).output_spectra("one"), TypeError, "int"),
        (lambda: cfar(0), ValueError, "rows"),
        (lambda: cfar(1, bands=[(0, 65)], looks_shape=[1.0]), ValueError, "bands"),
        (lambda: cfar(1, bands=[(5, 5)], looks_shape=[1.0]), ValueError, "bands"),
        (lambda: cfar(1, looks_shape=[1.0]), ValueError, "a shape for each"),
        (lambda: cfar(1, looks_shape=[1.0, np.nan, 1.0]), ValueError, "looks_shape"),
        (lambda: cfar(1, bands=7), TypeError, "len"),
        (lambda: cfar(1, looks_independent=0.0), ValueError, "looks_independent"),
        (lambda: cfar(1).judge(np.zeros((1, 2, 64), np.float32)), ValueError, "wanted 1 rows"),
        (lambda: cfar(1).judge(np.zeros((1, 1, 64))), TypeError, "wanted float32"),
        (lambda: cfar(1).begin(np.zeros((1, 1, 3))), ValueError, "above 0"),
        (lambda: cfar(1).follow(2.0, 0.0), ValueError, "share"),
        (lambda: _core.faults_of(np.zeros((4, 2)), 1), TypeError, "wanted int32"),
        (lambda: _core.faults_of(np.zeros((4, 2), np.int32), -1), ValueError, "tail_frames"),
    ],
)
def test_wrong_arguments_are_refused_in_words(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_two_threads_get_an_exception_or_the_right_answer():
    core, iq = spectra(4, 8), noise(4, 8, 30_000)
    refused, done = [], []

    def work():
        for _ in range(20):
            try:
                power = np.empty((core.output_spectra(30_000), 4, 8, WINDOW), np.float32)
                core.process_into(iq, power)
                done.append(power.shape)
            except (RuntimeError, ValueError) as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(refused) == 40
    assert done
    assert all("another thread" in text or "power_dbfs" in text for text in refused)
