"""Thresholds: which empty rooms count, and how high pets push them."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the corpus is Parquet: pip install 'pipistrelle[train]'")

from models.training import choose
from models.training.corpus import CorpusError, Rows

HOP_S, HOPS = 0.0267, 2000


def corpus(*clips):
    """Clips of kinds, log odds of their loudest moments, and whether somebody is there."""
    log_odds = np.full((len(clips), HOPS), -3.0)
    distance_m = np.full((len(clips), HOPS), np.nan, np.float32)
    for number, (_, peaks, occupied) in enumerate(clips):
        for at, peak in enumerate(peaks):
            log_odds[number, 100 + 50 * at : 110 + 50 * at] = peak
        if occupied:
            distance_m[number] = 2.0
    rows = Rows(
        values=np.zeros((log_odds.size, 1), np.float16),
        label=np.zeros(log_odds.size, np.int8),
        radial_mps=np.full(log_odds.size, np.nan, np.float32),
        distance_m=distance_m.reshape(-1),
        settled=np.ones(log_odds.size, bool),
        t_s=np.tile(np.arange(HOPS, dtype=np.float32) * HOP_S, len(clips)),
        start=np.arange(len(clips)) * HOPS,
        about=[{"kinds": list(kinds)} for kinds, _, _ in clips],
    )
    return choose.Judged(rows, log_odds.reshape(-1), pets=False)


HEARD = corpus(
    ((), (2.1,), False),
    (("fan", "music"), (3.1, 3.1), False),
    (("curtain",), (9.1,) * 5, False),
    (("fan", "curtain"), (9.1,), False),
    (("dog", "fan"), (6.1,) * 30, False),
    (("cat",), (5.1,) * 4, False),
    (("dog", "curtain"), (9.1,) * 30, False),
    (("walk",), (20.0,), True),
)
HOURS = 1.0 / 3600.0 * HOP_S * (HOPS - 1)


def at(counts, threshold):
    return counts[np.flatnonzero(threshold == choose._GRID)[0]]


def test_a_rate_is_that_of_rooms_in_which_all_is_stationary():
    counts, hours = choose.alarms(HEARD, beside=choose.STATIONARY)
    assert hours == pytest.approx(2 * HOURS, rel=1e-4)
    assert [at(counts, each) for each in (2.0, 3.0, 4.0)] == [3, 2, 0]


def test_pets_count_where_they_are_asked_for():
    counts, hours = choose.alarms(HEARD, beside=choose.STATIONARY, pets=True)
    assert hours == pytest.approx(2 * HOURS, rel=1e-4)
    assert [at(counts, each) for each in (5.0, 6.0, 7.0)] == [34, 30, 0]


def test_the_threshold_with_pets_lets_a_tenth_of_their_visits_pass():
    lowest, hours = choose.lowest_with_pets(HEARD)
    assert hours == pytest.approx(2 * HOURS, rel=1e-4)
    assert lowest == 6.25, "30 in under two minutes is more than 28 an hour"


def test_the_run_in_of_a_clip_does_not_count():
    started = corpus((("fan",), (2.1, 2.1, 2.1, 2.1), False), (("ceiling_fan",), (9.1,) * 5, False))
    counts, hours = choose.alarms(started, beside=choose.STATIONARY, run_in_s=5.0)
    assert hours == pytest.approx(HOURS - 5.0 / 3600.0, rel=1e-3)
    assert at(counts, 2.0) == 2, "those at 2.7 and 4.0 s do not, those at 5.3 and 6.7 s do"


def test_more_alarms_than_there_can_be_are_those_of_the_threshold_of_most():
    counts = np.where(choose._GRID < 1.0, 10.0, np.floor(2000.0 * np.exp(-2.0 * (choose._GRID - 1.0))))
    table = choose.thresholds(counts, hours=24.0)
    assert table[0]["log_odds"] == pytest.approx(1.0 + np.log(2.0) / 2.0, abs=0.26)


def test_thresholds_are_those_of_stationary_rooms_and_no_lower_than_pets_allow():
    alone, hours = choose.thresholds_in(HEARD)
    raised, _ = choose.thresholds_in(HEARD, lowest=6.25)
    assert hours == pytest.approx(2 * (HOURS - 30.0 / 3600.0), rel=1e-2)
    assert alone[0]["log_odds"] < 6.25, "what dogs and curtains do is not counted"
    assert [each["log_odds"] for each in raised] == [max(each["log_odds"], 6.25) for each in alone]


def test_thresholds_want_a_stationary_room():
    with pytest.raises(CorpusError, match=r"--corpus still"):
        choose.thresholds_in(corpus((("curtain",), (9.1,), False)))


def test_what_each_thing_does_is_told_for_rooms_that_hold_it_alone():
    found = choose.beside_each(HEARD, 5.0)
    assert {kind: one["alarms"] for kind, one in found.items()} == {"quiet": 0, "curtain": 5, "cat": 4}
    assert found["cat"]["hours"] == pytest.approx(HOURS, abs=1e-3)
