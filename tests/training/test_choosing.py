"""What is mined: the choice alone, of points whose truth the test knows and the choice does not."""

import numpy as np
import pytest

from appliance.features.evidence import FEATURES
from models.training.mine import LOOK_HOPS, WINDOW_HOPS, choose, peak_of, sound_of, window_start

CHANNELS = 8


def taught(random, count=300):
    """Two kinds of what is known: a dense one, and a loud one that spreads ten times as far."""
    quiet = random.normal(size=(count, CHANNELS))
    loud = 30.0 + 10.0 * random.normal(size=(count, CHANNELS))
    return np.concatenate([quiet, loud]).astype(np.float32)


def strangers(random, middles, each):
    return np.concatenate([middle + 0.3 * random.normal(size=(each, CHANNELS)) for middle in middles])


def scene(seed, *, each=6):
    """Candidates, mostly of known kinds, then `each` of three that are not; the first index of the latter."""
    random = np.random.default_rng(seed)
    known = taught(random)
    middles = [np.eye(CHANNELS)[axis] * 120.0 - 30.0 for axis in (0, 2, 5)]
    usual = taught(np.random.default_rng(seed + 1000), 150)
    return np.concatenate([usual, strangers(random, middles, each)]).astype(np.float32), known, len(usual)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_like_nothing_known_comes_first_and_each_kind_once(seed):
    sounds, known, first = scene(seed)
    choice = choose(sounds, np.ones(len(sounds)), known, count=3)
    assert (choice.index >= first).all()
    assert {int(each - first) // 6 for each in choice.index} == {0, 1, 2}, "not three of one kind"
    assert (np.diff(choice.novelty) <= 0.0).all()


def test_what_is_loud_is_not_new():
    sounds, known, first = scene(1)
    choice = choose(sounds, np.ones(len(sounds)), known, count=10**6)
    loud = np.flatnonzero(sounds[:first].mean(axis=1) > 15.0)
    assert len(set(loud) & set(choice.index.tolist())) < 0.2 * len(loud)


def test_what_is_not_told_is_not_looked_at():
    sounds, known, first = scene(2)
    log_odds = np.where(np.arange(len(sounds)) < first + 6, 1.0, -1.0)
    choice = choose(sounds, log_odds, known, count=4)
    assert (choice.index < first + 6).all()
    assert len(choose(sounds, np.full(len(sounds), -1.0), known, count=4).index) == 0


def test_nothing_is_taken_where_everything_is_known():
    _, known, _ = scene(3)
    assert len(choose(known, np.ones(len(known)), known, count=10).index) == 0


def test_what_was_learned_is_not_new_any_more():
    sounds, known, first = scene(4)
    taken = choose(sounds, np.ones(len(sounds)), known, count=3).index
    known = np.concatenate([known, np.repeat(sounds[first:], 3, axis=0)])
    again = choose(sounds, np.ones(len(sounds)), known, count=10**6).index
    assert not set(taken) & set(again)


def test_too_few_that_are_known_say_nothing():
    sounds = np.arange(60.0, dtype=np.float32).reshape(30, 2)
    with pytest.raises(ValueError, match="5 windows are known, wanted more than 5"):
        choose(sounds, np.ones(30), sounds[:5], count=1)


def window(random, *, period_hops=None, band=3):
    """Noise in all values; in one band something that comes and goes."""
    values = random.normal(size=(WINDOW_HOPS, FEATURES)).astype(np.float16)
    if period_hops:
        values[:, band] = 2.0 * np.sin(2.0 * np.pi * np.arange(WINDOW_HOPS) / period_hops)
    return values


def test_how_a_window_sounds_tells_how_a_band_goes_on():
    random = np.random.default_rng(5)
    known = np.array([sound_of(window(random)) for _ in range(60)])
    plain = [sound_of(window(random)) for _ in range(10)]
    odd = [sound_of(window(random, period_hops=period)) for period in (8, 38, 150)]
    choice = choose(np.array([*plain, *odd]), np.ones(13), known, count=3)
    assert set(choice.index.tolist()) == {10, 11, 12}
    lags = sound_of(window(random, period_hops=38))[4 * FEATURES :].reshape(4, -1)
    assert lags[:, 3] == pytest.approx([1.0, 0.8, -1.0, 1.0], abs=0.06), "0.03, 0.1, 0.5 and 2 s later"
    assert np.abs(lags[:, 4:]).max() < 0.25


def test_the_second_that_is_most_like_motion():
    log_odds = np.full(1000, -3.0)
    log_odds[:50] = 9.0
    log_odds[600 : 600 + LOOK_HOPS] = 2.0
    log_odds[300] = 20.0
    settled = np.arange(1000) >= 60
    assert peak_of(log_odds, settled) == (600, pytest.approx(2.0)), (
        "a click of one hop is no second, nor is what begins"
    )
    assert peak_of(log_odds[:90], settled[:90]) is None
    assert peak_of(log_odds, np.zeros(1000, bool)) is None


@pytest.mark.parametrize("peak", [0, 100, 279, 300, 1100, 2243 - LOOK_HOPS])
def test_a_window_holds_its_second_and_stays_in_its_clip(peak):
    start = window_start(peak, 2243)
    assert 0 <= start <= peak
    assert peak + LOOK_HOPS <= start + WINDOW_HOPS <= 2243
    assert window_start(0, LOOK_HOPS) == 0, "a clip that is shorter is its window"
