"""From scores to the beginning and the end of motion, with hysteresis and a release time."""

from appliance.events import MotionStarted, MotionStopped, MotionUpdated
from appliance.types import MotionClass, Score

START_SCORE = 0.5
KEEP_SCORE = 0.15
"""Motion that has begun goes on while the score stays above this."""

RELEASE_S = 0.2
"""Motion ends when the score stayed below `KEEP_SCORE` this long: a walker's steps are closer together."""

UPDATE_S = 0.5

MotionEvent = MotionStarted | MotionUpdated | MotionStopped


class MotionTracker:
    """Follows scores and says when motion starts, changes and stops."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nobody moves; what was under way ended without an event."""
        self.moving = False
        self._kind = MotionClass.MINOR
        self._last_seen_s = 0.0
        self._last_said_s = 0.0

    def process(self, score: Score) -> list[MotionEvent]:
        """The events of one score; at most one."""
        if not self.moving:
            if score.motion < START_SCORE:
                return []
            self.moving = True
            self._seen(score)
            return [MotionStarted(score.t_s, self._kind, score.motion, score.radial_mps, score.cause)]
        if score.motion >= KEEP_SCORE:
            return self._go_on(score)
        if score.t_s - self._last_seen_s < RELEASE_S:
            return []
        self.moving = False
        return [MotionStopped(score.t_s, score.motion, score.radial_mps, f"still for {RELEASE_S:g} s")]

    def stop(self, *, t_s: float, cause: str) -> list[MotionEvent]:
        """End motion that can no longer be followed."""
        if not self.moving:
            return []
        self.reset()
        return [MotionStopped(t_s, 0.0, None, cause)]

    def _seen(self, score: Score) -> None:
        self._kind = _kind(score)
        self._last_seen_s = self._last_said_s = score.t_s

    def _go_on(self, score: Score) -> list[MotionEvent]:
        self._last_seen_s = score.t_s
        if _kind(score) is self._kind and score.t_s - self._last_said_s < UPDATE_S:
            return []
        self._seen(score)
        return [MotionUpdated(score.t_s, self._kind, score.motion, score.radial_mps, score.cause)]


def _kind(score: Score) -> MotionClass:
    major, minor = (score.probabilities.get(kind, 0.0) for kind in (MotionClass.MAJOR, MotionClass.MINOR))
    return MotionClass.MAJOR if major > minor else MotionClass.MINOR
