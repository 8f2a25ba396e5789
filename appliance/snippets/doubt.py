"""Which moments are worth learning from, as far as scores tell: the measure that a device keeps snippets by."""

import math

import numpy as np
from numpy.typing import NDArray

from appliance.events import MotionStarted, MotionStopped
from appliance.presence.motion import START_SCORE, MotionTracker
from appliance.snippets.snippet import Reason
from appliance.types import Score

_NEAR_S = 0.4
"""A score that is near the threshold for so long, again and again; one that crosses it, as somebody begins to walk, is
not."""

_FORGET = 0.25
"""Of the time away from the threshold that is taken off."""

_DISAGREE_S = 1.0
_BRIEF_S = 1.2
"""Motion that is over so soon, the time included in which it is released."""

_ALONE_S = 3.0
"""Before and behind it, or it is a step of somebody who goes on."""

_SECOND_SCORES = 37

_LONGEST_HOP_S = 0.1
"""What lies between two scores that are farther apart was not judged."""


def doubt(motion: float) -> float:
    """How near a score's probability of motion is to the threshold: 1 at it, 0 for what is sure."""
    return 1.0 - abs(motion - START_SCORE) / max(START_SCORE, 1.0 - START_SCORE)


def highest_doubt(motion: NDArray[np.float64]) -> float:
    """Of scores that follow one another, [scores]: the mean doubt of the second in which it is highest; 0 of none."""
    if not len(motion):
        return 0.0
    looks = min(_SECOND_SCORES, len(motion))
    sums = np.cumsum(np.concatenate([[0.0], [doubt(each) for each in motion.tolist()]]))
    return min(1.0, float((sums[looks:] - sums[:-looks]).max()) / looks)


class DoubtWatch:
    """Says of scores, one after the other, when a moment was doubtful, and why.

    Args:
        least_doubt: of a score that counts as near the threshold, 0 to 1.
    """

    def __init__(self, *, least_doubt: float) -> None:
        self._least_doubt = least_doubt
        self.reset()

    def reset(self) -> None:
        """What comes does not follow what was."""
        self._t_s = math.inf
        self._near_s = self._disagree_s = 0.0
        self._motion = MotionTracker()
        self._began_s = self._ended_s = -math.inf
        self._brief_s: float | None = None

    def process(self, score: Score, other: float) -> Reason | None:
        """Why the moment of this score is worth keeping; `other` is motion as another detector sees it, or NaN."""
        hop_s = min(max(score.t_s - self._t_s, 0.0), _LONGEST_HOP_S)
        self._t_s = score.t_s
        near = doubt(score.motion) >= self._least_doubt
        self._near_s = max(0.0, self._near_s + (hop_s if near else -_FORGET * hop_s))
        differs = not math.isnan(other) and (other >= START_SCORE) != (score.motion >= START_SCORE)
        self._disagree_s = max(0.0, self._disagree_s + (hop_s if differs else -hop_s))
        if self._was_brief(score):
            return Reason.BRIEF
        if self._disagree_s >= _DISAGREE_S:
            self._disagree_s = 0.0
            return Reason.DISAGREEMENT
        if self._near_s >= _NEAR_S:
            self._near_s = 0.0
            return Reason.NEAR_THRESHOLD
        return None

    def _was_brief(self, score: Score) -> bool:
        """Whether motion came and went, and nothing moved before or behind it."""
        for event in self._motion.process(score):
            if isinstance(event, MotionStarted):
                self._brief_s = None
                self._began_s, self._alone = event.t_s, event.t_s - self._ended_s >= _ALONE_S
            elif isinstance(event, MotionStopped):
                self._ended_s = event.t_s
                if self._alone and event.t_s - self._began_s <= _BRIEF_S:
                    self._brief_s = event.t_s
        if self._brief_s is None or score.t_s - self._brief_s < _ALONE_S:
            return False
        self._brief_s = None
        return True
