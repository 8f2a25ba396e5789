"""Scoring against hand-made lists of events, slow twins and other people's statistics."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from appliance.evaluation import scoring
from appliance.evaluation.scoring import MISS_S, Found, false_alarms, find, logit, motions_at, overlap_s, spans
from appliance.presence.motion import START_SCORE, MotionTracker
from appliance.types import MotionClass, Score

HOP_S = 64 / 2400
spans_lists = st.lists(st.integers(0, 400), unique=True, max_size=12).map(
    lambda edges: [(a / 2, b / 2) for a, b in zip(*[iter(sorted(edges))] * 2, strict=False)]
)


def tracked(t_s, scores, end_s):
    """What the tracker itself tells."""
    tracker, found = MotionTracker(), []
    for at_s, score in zip(t_s, scores, strict=True):
        for event in tracker.process(Score({MotionClass.MAJOR: score}, None, at_s, "test")):
            if type(event).__name__ == "MotionStarted":
                found.append((at_s, end_s))
            elif type(event).__name__ == "MotionStopped":
                found[-1] = (found[-1][0], at_s)
    return found


@given(st.lists(st.sampled_from([0.0, 0.01, 0.1, 0.149, 0.15, 0.3, 0.499, 0.5, 0.7, 1.0]), min_size=1, max_size=120))
def test_at_its_own_threshold_the_sweep_tells_what_the_tracker_tells(scores):
    t_s = 3.0 + HOP_S * np.arange(len(scores))
    swept = motions_at(t_s, np.array(scores), threshold=0.0, end_s=99.0)
    assert swept == tracked(t_s.tolist(), scores, 99.0)


@given(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=80), st.floats(-6.0, 6.0))
def test_another_threshold_is_the_same_as_other_scores(scores, threshold):
    t_s = HOP_S * np.arange(len(scores))
    odds = logit(np.array(scores)) - threshold
    # away from the edges, where rounding decides
    if np.abs(odds).min() > 1e-6 and np.abs(odds - logit(0.15)).min() > 1e-6:
        shifted = (1.0 / (1.0 + np.exp(-odds))).tolist()
        assert motions_at(t_s, np.array(scores), threshold=threshold, end_s=9.0) == tracked(t_s.tolist(), shifted, 9.0)


def test_where_nothing_was_scored_for_long_motion_has_ended():
    t_s = np.array([0.0, 0.1, 5.0, 5.1])
    assert motions_at(t_s, np.ones(4), threshold=0.0, end_s=6.0) == [(0.0, 5.0), (5.0, 6.0)]
    assert motions_at(np.zeros(0), np.zeros(0), threshold=0.0, end_s=6.0) == []


def test_log_odds_of_certainty_are_finite():
    assert float(logit(START_SCORE)) == 0.0
    assert np.isfinite(logit(np.array([0.0, 1.0]))).all()


@pytest.mark.parametrize(
    ("motions", "count"),
    [
        ([], 0),
        ([(10.0, 11.0)], 1),
        ([(10.0, 11.0), (12.0, 12.5)], 2),
        ([(10.0, 10.0)], 1),
        ([(10.0, 69.9)], 1),
        ([(10.0, 70.0)], 2),
        ([(0.0, 1000.0)], 2 + 9),  # both stretches, and the whole minutes within them
        ([(-5.0, 3.0)], 1),
        ([(105.0, 195.0)], 0),  # while somebody was there
        ([(105.0, 201.0)], 1),
        ([(700.0, 800.0)], 0),
    ],
)
def test_false_alarms_by_hand(motions, count):
    assert false_alarms(motions, [(0.0, 100.0), (200.0, 700.0)]) == count


@given(spans_lists, spans_lists)
def test_less_motion_never_gives_more_false_alarm_time(motions, empty):
    for cut in range(len(motions)):
        fewer = motions[:cut] + motions[cut + 1 :]
        assert false_alarms(fewer, empty) <= false_alarms(motions, empty)
        assert overlap_s(fewer, empty) <= overlap_s(motions, empty) + 1e-9


@given(spans_lists, spans_lists)
def test_overlap_is_that_of_a_dense_grid(some, others):
    t_s = np.arange(0.25, 200.0, 0.5)
    both = sum(any(a <= t < b for a, b in some) and any(a <= t < b for a, b in others) for t in t_s.tolist())
    assert overlap_s(some, others) == pytest.approx(0.5 * both)


EVENTS = [(10.0, 12.0), (20.0, 22.0), (30.0, 32.0)]


def test_events_by_hand_alone():
    motions = [(10.3, 12.5), (19.0, 20.5), (32.4, 33.0)]
    found = find(motions, EVENTS, alone=True)
    assert [one.latency_s for one in found] == pytest.approx([0.3, 0.0, 2.4])
    assert not any(one.masked for one in found)


def test_events_by_hand_beside_a_nuisance():
    motions = [(9.0, 13.0), (19.0, 20.5), (21.0, 23.0), (32.6, 40.0)]
    masked, late, missed = find(motions, EVENTS, alone=False)
    assert masked == Found(MISS_S, masked=True)
    assert late == Found(1.0)
    assert missed == Found(MISS_S)


@given(spans_lists, st.booleans())
def test_more_motion_misses_no_more_when_alone(motions, alone):
    found = find(motions, EVENTS, alone=alone)
    for one in found:
        assert one.latency_s >= 0.0
        assert not (one.masked and one.latency_s < MISS_S)
    if alone:
        more = find(sorted([*motions, (10.1, 10.2)]), EVENTS, alone=True)
        assert sum(one.latency_s < MISS_S for one in more) >= sum(one.latency_s < MISS_S for one in found)


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.0, 0.15, 0.35]))
def test_spans_are_those_of_a_slow_walk(flags, join_s):
    t_s = 0.1 * np.arange(len(flags))
    slow = []
    for at_s, flag in zip(t_s.tolist(), flags, strict=True):
        if not flag:
            continue
        if slow and at_s - slow[-1][1] < max(join_s, 0.1001):
            slow[-1] = (slow[-1][0], at_s)
        else:
            slow.append((at_s, at_s))
    assert spans(t_s, np.array(flags, bool), join_s=join_s) == slow


@pytest.mark.parametrize("count", [0, 1, 2, 5, 17, 120, 900])
def test_poisson_bounds_are_garwood_s(count):
    low, high = scoring.poisson_bounds(count)
    assert low == pytest.approx(stats.chi2.ppf(0.05, 2 * count) / 2.0 if count else 0.0, rel=1e-6)
    assert high == pytest.approx(stats.chi2.ppf(0.95, 2 * count + 2) / 2.0, rel=1e-6)


def test_none_is_at_most_three():
    assert scoring.poisson_bounds(0)[1] == pytest.approx(3.0, abs=0.005)


@given(st.integers(1, 400).flatmap(lambda tries: st.tuples(st.integers(0, tries), st.just(tries))))
@settings(max_examples=50)
def test_share_bounds_are_wilson_s(hits_tries):
    hits, tries = hits_tries
    theirs = stats.binomtest(hits, tries).proportion_ci(method="wilson")
    assert scoring.share_bounds(hits, tries) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_nothing_tried_is_nothing_known():
    assert scoring.share_bounds(0, 0) == (0.0, 1.0)


@given(
    st.lists(st.one_of(st.floats(0.0, 9.0), st.just(math.inf)), min_size=1, max_size=60), st.sampled_from([50, 95, 99])
)
def test_a_percentile_is_a_latency_that_so_many_do_not_exceed(latencies_s, percent):
    at_s = scoring.percentile_s(latencies_s, percent)
    assert at_s in latencies_s
    assert sum(one <= at_s for one in latencies_s) >= percent / 100.0 * len(latencies_s)
    assert sum(one < at_s for one in latencies_s) < percent / 100.0 * len(latencies_s)


def test_misses_are_infinitely_late():
    assert scoring.percentile_s([0.1] * 94 + [MISS_S] * 6, 50) == 0.1
    assert scoring.percentile_s([0.1] * 94 + [MISS_S] * 6, 95) == MISS_S
    assert math.isnan(scoring.percentile_s([], 50))
