"""The chirps: their waveform and spectrum, and how they are added to a stream."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import chirp as twin

from appliance.config.schema import MIN_CHIRP_DISTANCE_HZ
from appliance.dsp import _core
from appliance.dsp.chirp import (
    HIGHEST_CHIRP_HZ,
    LOWEST_CHIRP_HZ,
    MAX_PULSE_FADE_S,
    MAX_PULSE_S,
    MAX_PULSES_HZ,
    MIN_PULSE_FADE_S,
    MIN_PULSE_S,
    MIN_PULSES_HZ,
    MIN_SWEEP_HZ,
    ChirpSynthesiser,
    chirp_pulse,
    first_pulse_from,
    period_frames,
    pulse_start_frame,
)
from appliance.physics import MIN_CARRIER_HZ
from appliance.types import Chirps

RATE_HZ = 192_000
SHORT = Chirps(34_000.0, 43_000.0, pulse_s=0.005, fade_s=0.002, pulses_hz=20.0, level_db_spl=70.0)
WIDEST = (LOWEST_CHIRP_HZ, HIGHEST_CHIRP_HZ)
LOWEST = (LOWEST_CHIRP_HZ, LOWEST_CHIRP_HZ + MIN_SWEEP_HZ)
HIGHEST = (HIGHEST_CHIRP_HZ - MIN_SWEEP_HZ, HIGHEST_CHIRP_HZ)


def any_chirps():
    def chirps(low_hz, sweep_hz, pulse_s, fade_s, falls):
        high_hz = min(low_hz + sweep_hz, HIGHEST_CHIRP_HZ)
        start_hz, stop_hz = (high_hz, low_hz) if falls else (low_hz, high_hz)
        return Chirps(start_hz, stop_hz, pulse_s=pulse_s, fade_s=fade_s, pulses_hz=20.0, level_db_spl=70.0)

    return st.builds(
        chirps,
        st.floats(LOWEST_CHIRP_HZ, HIGHEST_CHIRP_HZ - MIN_SWEEP_HZ),
        st.floats(MIN_SWEEP_HZ, HIGHEST_CHIRP_HZ - LOWEST_CHIRP_HZ),
        st.floats(MIN_PULSE_S, MAX_PULSE_S),
        st.floats(MIN_PULSE_FADE_S, MAX_PULSE_FADE_S),
        st.booleans(),
    )


def synthesiser(chirps=SHORT, max_amplitude=0.25, outputs=1, rate_hz=RATE_HZ):
    return ChirpSynthesiser(chirps, rate_hz=rate_hz, outputs=outputs, max_amplitude=max_amplitude)


def spectrum(wave, rate_hz=RATE_HZ):
    """Share of the energy in each line, and the lines' frequencies."""
    energy = np.abs(np.fft.rfft(wave, 1 << 16)) ** 2
    return energy / energy.sum(), np.fft.rfftfreq(1 << 16, 1 / rate_hz)


def db(share):
    return 10 * np.log10(share.sum())


@settings(max_examples=60, deadline=None)
@given(chirps=any_chirps(), rate_hz=st.sampled_from([192_000, 96_000]))
def test_the_waveform_is_the_twin_s(chirps, rate_hz):
    expected = twin.pulse(rate_hz, chirps.start_hz, chirps.stop_hz, chirps.pulse_s, chirps.fade_s)
    np.testing.assert_allclose(chirp_pulse(chirps, rate_hz=rate_hz), expected, atol=1e-7)


def keeps_its_band(chirps, rate_hz=RATE_HZ):
    share, frequency_hz = spectrum(chirp_pulse(chirps, rate_hz=rate_hz), rate_hz)
    assert db(share[frequency_hz < 20_000]) <= -100
    assert db(share[frequency_hz < MIN_CARRIER_HZ]) <= -60
    assert db(share[frequency_hz > 48_000]) <= -60


@pytest.mark.parametrize("band_hz", [WIDEST, LOWEST, HIGHEST])
@pytest.mark.parametrize("falls", [False, True])
@pytest.mark.parametrize("fade_s", [MIN_PULSE_FADE_S, MAX_PULSE_FADE_S])
@pytest.mark.parametrize("pulse_s", [MIN_PULSE_S, 0.00512, 0.007, 0.01, 0.02, MAX_PULSE_S])
def test_at_every_corner_a_pulse_keeps_its_band(band_hz, falls, fade_s, pulse_s):
    start_hz, stop_hz = reversed(band_hz) if falls else band_hz
    keeps_its_band(replace(SHORT, start_hz=start_hz, stop_hz=stop_hz, fade_s=fade_s, pulse_s=pulse_s))


@settings(max_examples=150, deadline=None)
@given(chirps=any_chirps())
def test_anywhere_between_the_corners_too(chirps):
    keeps_its_band(chirps)


@pytest.mark.parametrize("pulse_s", [MIN_PULSE_S, 0.01, MAX_PULSE_S])
@pytest.mark.parametrize(("fade_s", "leak_db"), [(MIN_PULSE_FADE_S, -45), (MAX_PULSE_FADE_S, -56)])
@pytest.mark.parametrize("band_hz", [WIDEST, LOWEST, HIGHEST])
def test_a_tone_at_the_least_distance_hears_little(pulse_s, fade_s, leak_db, band_hz):
    chirps = replace(SHORT, start_hz=band_hz[0], stop_hz=band_hz[1], pulse_s=pulse_s, fade_s=fade_s)
    share, frequency_hz = spectrum(chirp_pulse(chirps, rate_hz=RATE_HZ))
    for tone_hz in (band_hz[0] - MIN_CHIRP_DISTANCE_HZ, band_hz[1] + MIN_CHIRP_DISTANCE_HZ):
        assert db(share[np.abs(frequency_hz - tone_hz) < 1_100]) < leak_db


def test_pulses_begin_at_whole_periods_of_the_stream():
    assert period_frames(SHORT, rate_hz=RATE_HZ) == 9_600
    odd = replace(SHORT, pulses_hz=13.0)
    assert period_frames(odd, rate_hz=RATE_HZ) == 14_769  # 14769.23
    assert [pulse_start_frame(odd, pulse, rate_hz=RATE_HZ) for pulse in (0, 1, 1000)] == [0, 14_769, 14_769_000]


@given(pulses_hz=st.floats(MIN_PULSES_HZ, MAX_PULSES_HZ), frame=st.integers(0, 10**12))
def test_the_first_pulse_from_a_frame_on_is_the_nearest(pulses_hz, frame):
    chirps = replace(SHORT, pulses_hz=pulses_hz)
    pulse = first_pulse_from(chirps, frame, rate_hz=RATE_HZ)
    before, start = (pulse_start_frame(chirps, index, rate_hz=RATE_HZ) for index in (pulse - 1, pulse))
    assert before < frame <= start


def test_the_longest_pulse_ends_before_the_next_one_begins():
    longest = replace(SHORT, pulse_s=MAX_PULSE_S, pulses_hz=MAX_PULSES_HZ)
    for rate_hz in (192_000, 96_000):
        assert len(chirp_pulse(longest, rate_hz=rate_hz)) <= period_frames(longest, rate_hz=rate_hz)


def test_every_pulse_is_the_same_to_the_last_bit():
    source = synthesiser()
    pulses = []
    for gap in (0, 7, 1_000):
        samples = np.zeros((gap + 960, 1), np.int32)
        source.process_into(samples[:gap])
        source.begin(0.2)
        source.process_into(samples[gap:])
        assert source.frames_left == 0
        assert not samples[:gap].any()
        pulses.append(samples[gap:])
    np.testing.assert_array_equal(pulses[1], pulses[0])
    np.testing.assert_array_equal(pulses[2], pulses[0])


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 1_500), max_size=8),
    outputs=st.integers(1, 8),
    amplitude=st.floats(0, 1),
    max_amplitude=st.floats(1e-3, 1.0),
    seed=st.integers(0, 99),
)
def test_any_cut_gives_the_same_bits_and_what_the_twin_gives(cuts, outputs, amplitude, max_amplitude, seed):
    stream = np.random.default_rng(seed).integers(-(2**31), 2**31, (1_500, outputs), np.int32, endpoint=False)
    whole, cut = stream.copy(), stream.copy()
    for samples, edges in ((whole, [0, 1_500]), (cut, [0, *sorted(cuts), 1_500])):
        source = synthesiser(max_amplitude=max_amplitude, outputs=outputs)
        source.begin(amplitude)
        for start, stop in itertools.pairwise(edges):
            source.process_into(samples[start:stop])
    np.testing.assert_array_equal(cut, whole)
    pulse = chirp_pulse(SHORT, rate_hz=RATE_HZ).astype(np.float64)
    # 24 bits of a float at most from the twin.
    np.testing.assert_allclose(whole, twin.add(stream, pulse, [0], amplitude, max_amplitude), rtol=0, atol=260)


@settings(max_examples=60, deadline=None)
@given(max_amplitude=st.floats(1e-6, 1.0), amplitude=st.floats(0, allow_infinity=False), seed=st.integers(0, 99))
def test_no_sample_it_touches_leaves_above_the_limit(max_amplitude, amplitude, seed):
    source = synthesiser(max_amplitude=max_amplitude, outputs=2)
    samples = np.random.default_rng(seed).choice([-(2**31), -1, 0, 1, 2**31 - 1], (960, 2)).astype(np.int32)
    source.begin(amplitude)
    source.process_into(samples)
    assert np.abs(samples.astype(np.int64)).max() <= max_amplitude * 2**31


def test_reset_is_silence_at_once():
    source = synthesiser()
    source.begin(0.2)
    source.process_into(np.zeros((100, 1), np.int32))
    source.reset()
    samples = np.zeros((1_000, 1), np.int32)
    source.process_into(samples)
    assert not samples.any()
    source.begin(0.2)
    assert source.frames_left == 960


@pytest.mark.parametrize("amplitude", [-0.1, float("nan"), float("inf")])
def test_an_amplitude_out_of_range_begins_nothing(amplitude):
    source = synthesiser()
    with pytest.raises(ValueError, match="amplitude: wanted 0 or more"):
        source.begin(amplitude)
    assert source.frames_left == 0


def test_a_pulse_is_not_begun_within_another():
    source = synthesiser()
    source.begin(0.1)
    source.process_into(np.zeros((959, 1), np.int32))
    with pytest.raises(ValueError, match="behind the last pulse, which has 1 frames left"):
        source.begin(0.1)
    source.process_into(np.zeros((1, 1), np.int32))
    source.begin(0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"start_hz": 33_999.9},
        {"stop_hz": 46_000.1},
        {"start_hz": float("nan")},
        {"stop_hz": 38_999.9},
        {"pulse_s": 0.0049},
        {"pulse_s": 0.0401},
        {"pulse_s": float("inf")},
        {"fade_s": 0.00099},
        {"fade_s": 0.00201},
    ],
)
def test_a_chirp_that_is_out_of_range_is_refused(change):
    with pytest.raises(ValueError, match="wanted"):
        chirp_pulse(replace(SHORT, **change), rate_hz=RATE_HZ)


@pytest.mark.parametrize("change", [{"rate_hz": 48_000}, {"outputs": 0}, {"outputs": 9}, {"max_amplitude": 0.0}])
def test_a_stream_that_is_out_of_range_is_refused(change):
    with pytest.raises(ValueError, match="wanted"):
        synthesiser(**change)


def test_a_buffer_that_does_not_fit_is_named():
    core = _core.ChirpSynthesiser(
        rate_hz=RATE_HZ, outputs=2, max_amplitude=0.1, start_hz=34e3, stop_hz=43e3, pulse_s=0.005, fade_s=0.001
    )
    with pytest.raises(ValueError, match=r"samples: wrong shape.*\[any, 2\].*\[10, 1\]"):
        core.process_into(np.zeros((10, 1), np.int32))
    with pytest.raises(TypeError, match="samples: wrong type"):
        core.process_into(np.zeros((10, 2), np.float32))
    with pytest.raises(ValueError, match="pulse: wrong shape"):
        core.pulse_into(np.zeros(959, np.float32))
