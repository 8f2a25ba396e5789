"""The wanted emission as samples: tones and chirps at once, below the cap and without a click whatever is wanted."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.dsp.chirp import chirp_pulse, period_frames, pulse_start_frame
from appliance.dsp.tone import BLOCK_FRAMES
from appliance.emission.limit import amplitude_for, fit
from appliance.emission.player import EmissionPlayer
from appliance.physics import MAX_LEVEL_DB_SPL
from appliance.types import Chirps, Emission, Tones

RATE_HZ = 192_000
FULL_SCALE_DB_SPL = 90.0
CAP = amplitude_for(MAX_LEVEL_DB_SPL, full_scale_db_spl=FULL_SCALE_DB_SPL)
FADE_S = 0.05
FADE_FRAMES = 9_600

TONES = Tones((45_000.0,), level_db_spl=75.0)
CHIRPS = Chirps(34_000.0, 43_000.0, pulse_s=0.005, fade_s=0.002, pulses_hz=20.0, level_db_spl=70.0)
PERIOD_FRAMES = 9_600
PULSE_FRAMES = 960


def player(outputs=1):
    return EmissionPlayer(rate_hz=RATE_HZ, outputs=outputs, fade_s=FADE_S, full_scale_db_spl=FULL_SCALE_DB_SPL)


def played(wishes, frames, *, block_frames=480, first_frame=0):
    """int64 [frames] of what is played; `wishes` are (frame, emission), each a multiple of the block's length."""
    source, parts, at = player(), [], dict(wishes)
    for frame in range(0, frames, block_frames):
        if frame in at:
            source.follow(at[frame])
        parts.append(source.process(block_frames, first_frame=first_frame + frame))
    return np.concatenate(parts)[:, 0].astype(np.int64)


def amplitude(level_db_spl):
    return amplitude_for(level_db_spl, full_scale_db_spl=FULL_SCALE_DB_SPL)


def pulses_in(wave, first_frame=0):
    """Frames, counted by the stream, at which pulses begin in what holds nothing else."""
    sounding = np.abs(wave) > 0
    # A chirp crosses zero, but not for long; its first sample is 0.
    starts = [n - 1 for n in np.flatnonzero(sounding) if not sounding[max(0, n - 100) : n].any()]
    return [first_frame + int(start) for start in starts]


def test_chirps_alone_begin_at_whole_periods_and_are_the_pulse_the_receiver_knows():
    wave = played([(0, Emission(chirps=CHIRPS))], 30_000 // 480 * 480)
    expected = np.zeros(len(wave))
    pulse = chirp_pulse(CHIRPS, rate_hz=RATE_HZ)
    for index in range(4):
        start = pulse_start_frame(CHIRPS, index, rate_hz=RATE_HZ)
        expected[start : start + PULSE_FRAMES] = amplitude(70.0) * pulse[: len(expected[start:])]
    np.testing.assert_allclose(wave / 2**31, expected, atol=1e-7)


def test_pulses_keep_to_the_stream_s_count_when_frames_are_lost():
    source = player()
    source.follow(Emission(chirps=CHIRPS))
    before = source.process(PERIOD_FRAMES + 200, first_frame=5)
    # The count jumps within the second pulse; that one runs to its end, and the third keeps to the new count.
    after = source.process(30_000, first_frame=1_000_003)
    assert pulses_in(before[:, 0], 5) == [PERIOD_FRAMES]
    rest = PULSE_FRAMES - 205
    assert after[rest - 5 : rest, 0].any()
    assert not after[rest + 5 : rest + 200].any()
    assert pulses_in(after[rest + 5 :, 0], 1_000_003 + rest + 5) == [
        105 * PERIOD_FRAMES,
        106 * PERIOD_FRAMES,
        107 * PERIOD_FRAMES,
    ]


def test_a_tone_and_chirps_are_the_sum_of_both():
    frames = 4 * PERIOD_FRAMES
    both = played([(0, Emission(TONES, CHIRPS))], frames)
    alone = [played([(0, emission)], frames) for emission in (Emission(TONES), Emission(chirps=CHIRPS))]
    np.testing.assert_allclose(both[FADE_FRAMES:], (alone[0] + alone[1])[FADE_FRAMES:], atol=2)
    assert np.abs(both).max() / 2**31 == pytest.approx(amplitude(75.0) + amplitude(70.0), rel=2e-3)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 25_000), max_size=12), outputs=st.integers(1, 3))
def test_any_cut_gives_the_same_bits_on_every_output(cuts, outputs):
    whole, pieces = player(outputs), player(outputs)
    for source in (whole, pieces):
        source.follow(Emission(TONES, CHIRPS))
        source.process(1_000, first_frame=PERIOD_FRAMES - 500)
        source.follow(Emission(replace(TONES, level_db_spl=60.0), replace(CHIRPS, pulses_hz=25.0)))
    edges = [0, *sorted(cuts), 25_000]
    offset = PERIOD_FRAMES + 500
    parts = [pieces.process(stop - start, first_frame=offset + start) for start, stop in itertools.pairwise(edges)]
    wanted = whole.process(25_000, first_frame=offset)
    np.testing.assert_array_equal(np.concatenate(parts), wanted)
    assert (wanted == wanted[:, :1]).all()


EMISSIONS = st.builds(
    Emission,
    st.none() | st.builds(Tones, st.lists(st.floats(32_000, 90_000), max_size=4).map(tuple), st.floats()),
    st.none()
    | st.builds(
        Chirps,
        st.floats(34_000, 38_000),
        st.floats(43_000, 46_000),
        st.floats(0.005, 0.04),
        st.floats(0.001, 0.002),
        st.floats(10, 25),
        st.floats(),
    ),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(
    told=st.lists(st.tuples(EMISSIONS, st.integers(0, 6_000)), min_size=1, max_size=8),
    full_scale_db_spl=st.floats(60, 130),
    first_frame=st.integers(0, 10**9),
)
def test_no_sample_exceeds_the_cap_whatever_it_is_told_and_whenever(told, full_scale_db_spl, first_frame):
    source = EmissionPlayer(rate_hz=RATE_HZ, outputs=1, fade_s=FADE_S, full_scale_db_spl=full_scale_db_spl)
    cap = amplitude_for(MAX_LEVEL_DB_SPL, full_scale_db_spl=full_scale_db_spl)
    for emission, frames in told:
        source.follow(emission)
        samples = source.process(frames, first_frame=first_frame)
        assert np.abs(samples.astype(np.int64)).max(initial=0) <= cap * 2**31
        first_frame += frames


@pytest.mark.parametrize("level_db_spl", [1e300, float("inf"), float("nan")])
def test_a_pulse_at_the_cap_is_whole_and_not_clipped(level_db_spl):
    wave = played([(0, Emission(chirps=replace(CHIRPS, level_db_spl=level_db_spl)))], 960, block_frames=960)
    np.testing.assert_allclose(wave / 2**31, CAP * chirp_pulse(CHIRPS, rate_hz=RATE_HZ), atol=1e-7)


def test_what_does_not_fit_together_is_turned_down_alike():
    assert fit(0.1, 0.2, cap=0.5) == (0.1, 0.2)
    assert fit(0.3, 0.2, cap=0.25) == pytest.approx((0.15, 0.1))
    loud = Emission(replace(TONES, level_db_spl=80.0), replace(CHIRPS, level_db_spl=80.0))
    wave = played([(0, loud)], 4 * PERIOD_FRAMES) / 2**31
    between = wave[FADE_FRAMES + PULSE_FRAMES : 2 * PERIOD_FRAMES]
    assert np.abs(between).max() == pytest.approx(CAP / 2, rel=1e-3)
    assert np.abs(wave[FADE_FRAMES:]).max() == pytest.approx(CAP, rel=5e-3)


# In the first case the fade is over just when the next pulse is due, in the second a little later.
@pytest.mark.parametrize(("told_at", "first_pulse"), [(48_000, 6), (48_480, 7)])
def test_pulses_wait_until_louder_tones_have_faded_out(told_at, first_pulse):
    loud, chirps = Emission(replace(TONES, level_db_spl=80.0)), Emission(chirps=replace(CHIRPS, level_db_spl=80.0))
    wave = played([(0, loud), (told_at, chirps)], 96_000)
    quiet_from = -(-told_at // BLOCK_FRAMES) * BLOCK_FRAMES + FADE_FRAMES
    assert pulses_in(wave[quiet_from:], quiet_from) == [pulse * PERIOD_FRAMES for pulse in range(first_pulse, 10)]
    assert np.abs(wave).max() <= CAP * 2**31


def test_a_pulse_under_way_ends_before_a_wish_is_obeyed():
    source = player()
    source.follow(Emission(chirps=CHIRPS))
    begun = source.process(100, first_frame=0)
    assert not source.settled
    source.follow(Emission(chirps=CHIRPS, on=False))
    rest = source.process(2 * PERIOD_FRAMES, first_frame=100)
    pulse = np.concatenate([begun, rest[: PULSE_FRAMES - 100]])[:, 0] / 2**31
    np.testing.assert_allclose(pulse, amplitude(70.0) * chirp_pulse(CHIRPS, rate_hz=RATE_HZ), atol=1e-7)
    assert not rest[PULSE_FRAMES - 100 :].any()
    assert source.settled


def test_settled_waits_for_wish_fade_and_pulse():
    source = player()
    assert source.settled
    source.follow(Emission(TONES, CHIRPS))
    assert not source.settled
    source.process(FADE_FRAMES, first_frame=PULSE_FRAMES)
    assert source.settled
    source.process(PERIOD_FRAMES, first_frame=PULSE_FRAMES + FADE_FRAMES)
    assert source.settled
    source.follow(Emission(TONES, CHIRPS, on=False))
    source.process(FADE_FRAMES - 1, first_frame=PULSE_FRAMES + 2 * PERIOD_FRAMES)
    assert not source.settled


TRANSITIONS = {
    "tones to chirps and back": [(0, Emission(TONES)), (24_000, Emission(chirps=CHIRPS)), (72_000, Emission(TONES))],
    "chirps join and leave": [(0, Emission(TONES)), (24_000, Emission(TONES, CHIRPS)), (72_000, Emission(TONES))],
    "within pulses": [
        (0, Emission(TONES, CHIRPS)),
        (48_480, Emission(chirps=replace(CHIRPS, start_hz=46_000.0, stop_hz=34_000.0))),
        (57_600 + 480, Emission(Tones((33_000.0, 60_000.0), 80.0))),
        (86_400, Emission(replace(TONES, level_db_spl=60.0), replace(CHIRPS, fade_s=0.001, level_db_spl=79.0))),
        (96_480, Emission(on=False)),
    ],
    "long pulses back to back": [
        (0, Emission(chirps=replace(CHIRPS, pulse_s=0.04, pulses_hz=25.0, fade_s=0.001))),
        (48_480, Emission(TONES, replace(CHIRPS, pulse_s=0.02))),
    ],
}


@pytest.mark.parametrize("name", TRANSITIONS)
def test_no_transition_is_heard(name):
    wishes = TRANSITIONS[name]
    wave = played([*wishes, (120_000, Emission(on=False))], 144_000)
    assert not wave[-480:].any()
    energy = np.abs(np.fft.rfft(wave)) ** 2
    audible = np.fft.rfftfreq(len(wave), 1 / RATE_HZ) < 20_000
    assert 10 * np.log10(energy[audible].sum() / energy.sum()) < -80


def test_what_can_never_be_played_is_refused_and_what_plays_goes_on():
    source = player()
    source.follow(Emission(TONES))
    source.process(FADE_FRAMES, first_frame=0)
    for wrong in (Emission(Tones((20_000.0,), 60.0)), Emission(chirps=replace(CHIRPS, start_hz=20_000.0))):
        source.follow(wrong)
        with pytest.raises(ValueError, match="wanted"):
            source.process(480, first_frame=FADE_FRAMES)
    source.follow(Emission(TONES))
    assert np.abs(source.process(480, first_frame=FADE_FRAMES)).max() / 2**31 == pytest.approx(
        amplitude(75.0), rel=1e-3
    )


def test_the_period_is_that_of_the_receiver():
    assert period_frames(CHIRPS, rate_hz=RATE_HZ) == PERIOD_FRAMES


def test_tones_and_chirps_come_from_the_outputs_that_are_theirs():
    def all_outputs(tone_outputs, outputs):
        source = EmissionPlayer(
            rate_hz=RATE_HZ,
            outputs=outputs,
            fade_s=FADE_S,
            full_scale_db_spl=FULL_SCALE_DB_SPL,
            tone_outputs=tone_outputs,
        )
        source.follow(Emission(TONES, CHIRPS))
        return source.process(30_000, first_frame=0)

    alone = all_outputs(None, 1)
    spread = all_outputs((3, 1), 4)
    assert alone.any()
    assert np.array_equal(spread[:, [1, 3]], np.hstack((alone, alone)))
    assert not spread[:, [0, 2]].any()
    assert np.array_equal(all_outputs((0, 1), 2), all_outputs(None, 2))
