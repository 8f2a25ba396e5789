"""Which moments are in doubt."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.snippets.doubt import DoubtWatch, doubt, highest_doubt
from appliance.snippets.snippet import Reason
from appliance.types import MotionClass, Score

HOP_S = 0.0267


def reasons(motions, *, others=None, least_doubt=0.4):
    watch = DoubtWatch(least_doubt=least_doubt)
    found = []
    for number, motion in enumerate(motions):
        score = Score({MotionClass.MAJOR: motion, MotionClass.NOTHING: 1.0 - motion}, None, number * HOP_S, "threshold")
        reason = watch.process(score, math.nan if others is None else others[number])
        if reason:
            found.append((round(number * HOP_S, 1), reason))
    return found


def some(seconds, motion):
    return [motion] * round(seconds / HOP_S)


def test_doubt_is_one_at_the_threshold_and_none_where_all_is_sure():
    assert doubt(0.5) == 1.0
    assert doubt(0.0) == doubt(1.0) == 0.0
    assert doubt(0.3) == pytest.approx(doubt(0.7)) == pytest.approx(0.6)


@given(st.lists(st.floats(0, 1), max_size=200))
def test_highest_doubt_is_that_of_a_second(motions):
    found = highest_doubt(np.array(motions))
    slow = [np.mean([doubt(m) for m in motions[at : at + 37]]) for at in range(max(1, len(motions) - 36)) if motions]
    assert found == pytest.approx(max(slow, default=0.0), abs=1e-9)
    assert 0.0 <= found <= 1.0


def test_quiet_and_long_motion_are_in_no_doubt():
    assert reasons(some(10, 0.01) + some(10, 0.99) + some(10, 0.01)) == []


def test_a_score_that_crosses_the_threshold_is_in_no_doubt():
    assert reasons(some(5, 0.01) + list(np.linspace(0.01, 0.99, 20)) + some(5, 0.99) + some(5, 0.01)) == []


def test_a_score_that_lingers_near_the_threshold_is():
    (first, *_) = reasons(some(5, 0.01) + some(3, 0.45) + some(5, 0.01))
    assert first == (pytest.approx(5.4, abs=0.1), Reason.NEAR_THRESHOLD)


def test_how_near_is_near_can_be_set():
    motions = some(5, 0.01) + some(3, 0.1)
    assert reasons(motions, least_doubt=0.4) == []
    assert reasons(motions, least_doubt=0.1)
    assert reasons(some(5, 0.45), least_doubt=1.0) == []


def test_motion_that_is_soon_over_and_alone_is():
    ((t_s, reason),) = reasons(some(5, 0.01) + some(0.5, 0.99) + some(8, 0.01))
    assert reason is Reason.BRIEF
    assert t_s == pytest.approx(5.5 + 0.2 + 3.0, abs=0.1)


def test_steps_of_somebody_who_goes_on_are_not():
    assert reasons(some(5, 0.01) + (some(0.5, 0.99) + some(1.5, 0.01)) * 5 + some(0.1, 0.01)) == []


def test_two_detectors_that_differ_for_a_second_are():
    assert reasons(some(3, 0.01) + some(3, 0.99), others=some(6, 0.01))[0][1] is Reason.DISAGREEMENT
    assert reasons(some(6, 0.99), others=some(6, 0.99)) == []
    assert reasons(some(6, 0.99), others=some(6, math.nan)) == []


def test_a_gap_is_no_lingering():
    watch = DoubtWatch(least_doubt=0.4)
    for t_s in (0.0, 100.0, 200.0, 300.0):
        assert watch.process(Score({MotionClass.MAJOR: 0.45}, None, t_s, "x"), math.nan) is None
