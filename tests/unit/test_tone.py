"""The tone synthesiser: what is heard of it, and what never is."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.tone import BLOCK_FRAMES as TWIN_BLOCK_FRAMES
from reference.tone import tone

from appliance.dsp import _core
from appliance.dsp.tone import BLOCK_FRAMES, ToneSynthesiser
from appliance.physics import MIN_CARRIER_HZ

RATE_HZ = 192_000
FADE_S = 0.05
FADE_FRAMES = 9_600


def test_the_twin_has_the_same_blocks():
    assert TWIN_BLOCK_FRAMES == BLOCK_FRAMES


def synthesiser(max_amplitude=0.25, outputs=1, rate_hz=RATE_HZ):
    return ToneSynthesiser(rate_hz=rate_hz, outputs=outputs, max_amplitude=max_amplitude, fade_s=FADE_S)


def played(wishes, frames, **kwargs):
    """float64 [frames] of full scale; `wishes` are (frame, carriers_hz, amplitude)."""
    source, parts = synthesiser(**kwargs), []
    edges = [frame for frame, _, _ in wishes] + [frames]
    parts.append(source.process(edges[0]))
    for (_, carriers_hz, amplitude), (start, stop) in zip(wishes, itertools.pairwise(edges), strict=True):
        source.play(carriers_hz=carriers_hz, amplitude=amplitude)
        parts.append(source.process(stop - start))
    return np.concatenate(parts)[:, 0] / 2**31


WISHES = {
    "fade in and out": [(0, [40_000.0], 0.25), (20_000, [], 0.0)],
    "glide": [(0, [40_000.0], 0.25), (20_000, [32_000.0], 0.25), (40_000, [94_000.0], 0.25)],
    "more and fewer": [
        (0, [33_000.0], 0.25),
        (12_000, [40_000.0, 45_000.0, 60_000.0, 90_000.0], 0.2),
        (30_000, [50_000.0], 0.1),
    ],
    "return of a voice": [
        (0, [40_000.0, 50_000.0], 0.2),
        (12_000, [40_000.0], 0.2),
        (30_000, [40_000.0, 60_000.0], 0.2),
    ],
    "wishes in the middle of a fade": [
        (0, [40_000.0], 0.25),
        (3_000, [60_000.0, 35_000.0], 0.25),
        (7_000, [], 0.0),
        (9_000, [32_000.0], 0.25),
    ],
}


@pytest.mark.parametrize("name", ["fade in and out", "glide", "more and fewer", "return of a voice"])
def test_it_is_what_the_numpy_twin_gives(name):
    np.testing.assert_allclose(played(WISHES[name], 60_000), tone(RATE_HZ, 60_000, FADE_S, WISHES[name]), atol=1e-6)


def audible_db(wave, rate_hz=RATE_HZ):
    """Energy below 20 kHz against all of it."""
    energy = np.abs(np.fft.rfft(wave * np.blackman(len(wave)))) ** 2
    audible = np.fft.rfftfreq(len(wave), 1 / rate_hz) < 20_000
    return 10 * np.log10(energy[audible].sum() / energy.sum())


@pytest.mark.parametrize("rate_hz", [192_000, 96_000])
@pytest.mark.parametrize("name", WISHES)
def test_no_click_below_20_khz_is_above_minus_80_dbc(name, rate_hz):
    highest_hz = rate_hz / 2 - 1_100
    wishes = [
        (start + 5_000, [min(carrier_hz, highest_hz) for carrier_hz in carriers_hz], level)
        for start, carriers_hz, level in WISHES[name]
    ]
    assert audible_db(played(wishes, 70_000, rate_hz=rate_hz), rate_hz) < -80


@settings(max_examples=25, deadline=None)
@given(
    wishes=st.lists(
        st.tuples(st.integers(1, 12_000), st.lists(st.floats(32_000, 94_900), max_size=4), st.floats(0.001, 0.25)),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_is_asked_and_whenever_nothing_below_20_khz_is_heard(wishes):
    starts = 20_000 + np.cumsum([wait for wait, _, _ in wishes])
    timed = [(10_000, [40_000.0], 0.25)]
    timed += [(start, carriers_hz, level) for start, (_, carriers_hz, level) in zip(starts, wishes, strict=True)]
    # Silence at both ends, so that the window of the spectrum cuts nothing off.
    timed.append((starts[-1] + 15_000, [], 0.0))
    assert audible_db(played(timed, starts[-1] + 40_000)) < -80


@pytest.mark.parametrize("carriers_hz", [[40_000.0], [39_999.7, 45_123.4], [33_333.3, 40_000.1, 47_777.7, 90_000.9]])
@pytest.mark.parametrize("amplitude", [0.25, 0.0005])
def test_spurious_lines_are_below_minus_100_dbc(carriers_hz, amplitude):
    frames = 1 << 18
    wave = played([(0, carriers_hz, amplitude)], FADE_FRAMES + frames)[FADE_FRAMES:]
    lines = np.abs(np.fft.rfft(wave * np.blackman(frames))) / (0.42 * frames / 2)
    frequency_hz = np.fft.rfftfreq(frames, 1 / RATE_HZ)
    spurious = np.ones(len(lines), bool)
    for carrier_hz in carriers_hz:
        # A Blackman window's side lobes are below -125 dB from 40 lines on.
        spurious &= np.abs(frequency_hz - carrier_hz) > 40 * RATE_HZ / frames
    assert 20 * np.log10(lines[spurious].max() / (amplitude / len(carriers_hz))) < -100


def test_a_carrier_does_not_drift_in_a_minute():
    source = synthesiser()
    source.play(carriers_hz=[40_000.1], amplitude=0.25)
    source.process(FADE_FRAMES)
    for _ in range(60):
        second = source.process(RATE_HZ)[:, 0]
    n = FADE_FRAMES + 59 * RATE_HZ + np.arange(RATE_HZ)
    expected = 0.25 * np.sin(2 * np.pi * (n * 40_000.1 / RATE_HZ % 1.0))
    np.testing.assert_allclose(second / 2**31, expected, atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    wishes=st.lists(
        st.tuples(st.integers(0, 4_000), st.lists(st.floats(32_000, 94_900), max_size=4), st.floats(0, 2)), max_size=6
    )
)
def test_loudest_is_not_exceeded_until_something_else_is_asked(wishes):
    source = synthesiser()
    for frames, carriers_hz, amplitude in wishes:
        source.play(carriers_hz=carriers_hz, amplitude=amplitude)
        loudest = source.loudest
        assert np.abs(source.process(frames).astype(np.int64)).max(initial=0) <= loudest * (1 + 1e-6) * 2**31 + 1
        assert source.loudest <= loudest * (1 + 1e-12)


def test_settled_amplitude_is_the_sum_over_carriers():
    assert np.abs(played([(0, [40_000.0], 0.1)], 40_000)).max() == pytest.approx(0.1, rel=1e-3)
    wave = played([(0, [40_000.0, 50_000.0], 0.1)], 60_000)[FADE_FRAMES:]
    lines = np.abs(np.fft.rfft(wave[:38_400])) / 19_200
    assert lines[8_000] == pytest.approx(0.05, rel=1e-6)
    assert lines[10_000] == pytest.approx(0.05, rel=1e-6)


def test_above_the_limit_the_level_is_the_limit_and_no_harmonic_appears():
    wave = played([(0, [40_000.0], 1e300)], FADE_FRAMES + 38_400)[FADE_FRAMES:]
    lines = np.abs(np.fft.rfft(wave)) / 19_200
    assert lines[8_000] == pytest.approx(0.25, rel=1e-6)
    assert np.delete(lines, 8_000).max() < 1e-8


@settings(max_examples=60, deadline=None)
@given(
    max_amplitude=st.floats(1e-6, 1.0),
    wishes=st.lists(
        st.tuples(
            st.integers(0, 4_000),
            st.lists(st.floats(32_000, 94_900), max_size=4),
            st.floats(0, allow_infinity=False, allow_nan=False),
        ),
        max_size=6,
    ),
)
def test_no_sample_exceeds_the_limit_whatever_is_asked(max_amplitude, wishes):
    source = synthesiser(max_amplitude)
    for frames, carriers_hz, amplitude in wishes:
        source.play(carriers_hz=carriers_hz, amplitude=amplitude)
        assert np.abs(source.process(frames).astype(np.int64)).max(initial=0) <= max_amplitude * 2**31


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 12_000), max_size=10), outputs=st.integers(1, 8))
def test_any_cut_gives_the_same_bits_on_every_output(cuts, outputs):
    whole, pieces = synthesiser(outputs=outputs), synthesiser(outputs=outputs)
    for source in (whole, pieces):
        source.play(carriers_hz=[40_000.0, 47_123.4], amplitude=0.2)
    edges = [0, *sorted(cuts), 12_000]
    parts = [pieces.process(stop - start) for start, stop in itertools.pairwise(edges)]
    wanted = whole.process(12_000)
    np.testing.assert_array_equal(np.concatenate(parts), wanted)
    assert (wanted == wanted[:, :1]).all()


def test_settled_tells_when_a_transition_ends_and_the_same_wish_starts_none():
    source = synthesiser()
    assert source.settled
    source.play(carriers_hz=[40_000.0], amplitude=0.1)
    source.process(FADE_FRAMES - 1)
    assert not source.settled
    source.play(carriers_hz=[40_000.0], amplitude=0.1)
    source.process(1)
    assert source.settled
    source.play(carriers_hz=[40_000.0], amplitude=0.1)
    assert source.settled
    source.play(carriers_hz=[], amplitude=0.0)
    source.process(FADE_FRAMES)
    assert source.settled
    assert not source.process(1_000).any()


def test_reset_is_silence_at_once():
    source = synthesiser()
    source.play(carriers_hz=[40_000.0], amplitude=0.1)
    source.process(1_000)
    source.reset()
    assert source.settled
    assert not source.process(1_000).any()


@pytest.mark.parametrize(
    ("carriers_hz", "amplitude"),
    [
        ([31_999.9], 0.1),
        ([94_900.1], 0.1),
        ([0.0], 0.1),
        ([-40_000.0], 0.1),
        ([float("nan")], 0.1),
        ([float("inf")], 0.1),
        ([40_000.0, 20_000.0], 0.1),
        ([40_000.0] * 5, 0.1),
        ([40_000.0], -0.1),
        ([40_000.0], float("nan")),
        ([40_000.0], float("inf")),
        ([], float("nan")),
    ],
)
def test_a_wish_out_of_range_is_refused_and_changes_nothing(carriers_hz, amplitude):
    source, undisturbed = synthesiser(), synthesiser()
    for each in (source, undisturbed):
        each.play(carriers_hz=[40_000.0], amplitude=0.1)
    with pytest.raises(ValueError, match="wanted"):
        source.play(carriers_hz=carriers_hz, amplitude=amplitude)
    np.testing.assert_array_equal(source.process(12_000), undisturbed.process(12_000))


def test_at_96_khz_the_upper_end_follows_the_rate():
    source = synthesiser(rate_hz=96_000)
    source.play(carriers_hz=[46_900.0], amplitude=0.1)
    with pytest.raises(ValueError, match="32000 to 46900 at rate 96000, got 46901"):
        source.play(carriers_hz=[46_901.0], amplitude=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"rate_hz": 48_000},
        {"outputs": 0},
        {"outputs": 9},
        {"max_amplitude": 0.0},
        {"max_amplitude": 1.01},
        {"max_amplitude": float("nan")},
        {"fade_s": 0.049},
        {"fade_s": float("inf")},
    ],
)
def test_what_is_out_of_range_is_refused(change):
    with pytest.raises(ValueError, match="wanted"):
        ToneSynthesiser(**{"rate_hz": RATE_HZ, "outputs": 2, "max_amplitude": 0.1, "fade_s": FADE_S, **change})


def test_the_floor_of_emission_is_the_one_in_physics():
    assert _core.MIN_EMITTED_HZ == MIN_CARRIER_HZ


def test_a_buffer_that_does_not_fit_is_named():
    core = _core.ToneSynthesiser(rate_hz=RATE_HZ, outputs=2, max_amplitude=0.1, fade_s=FADE_S)
    with pytest.raises(ValueError, match=r"samples: wrong shape.*\[any, 2\].*\[10, 1\]"):
        core.process_into(np.zeros((10, 1), np.int32))
    with pytest.raises(TypeError, match="samples: wrong type"):
        core.process_into(np.zeros((10, 2), np.float32))


def test_a_second_thread_is_refused_while_the_first_is_inside():
    core = _core.ToneSynthesiser(rate_hz=RATE_HZ, outputs=1, max_amplitude=0.1, fade_s=FADE_S)
    core.play([40_000.0], 0.1)
    samples = np.empty((1_000_000, 1), np.int32)
    for _ in range(20):
        worker = threading.Thread(target=core.process_into, args=(samples,))
        worker.start()
        try:
            while worker.is_alive():
                core.play([40_000.0], 0.1)
        except RuntimeError as refusal:
            assert "another thread" in str(refusal)  # noqa: PT017 - it may take several tries to meet
            return
        finally:
            worker.join()
    pytest.fail("two threads never met inside the synthesiser")
