"""A detector that judges, and a second one that is asked beside it: where they differ there is something to learn."""

from appliance.errors import ModelError
from appliance.ports import Detector
from appliance.types import DopplerFrame, RangeFrame, Score


class SecondOpinion:
    """Gives the first detector's scores and remembers what the second said of the same frames.

    Args:
        first: whose word counts.
        second: who is heard.
    """

    def __init__(self, first: Detector, second: Detector) -> None:
        self._first, self._second = first, second
        self._said: dict[float, float] = {}
        self.failure: ModelError | None = first.failure
        """Why the first is not the one that was wanted; None while it is."""

    def process(self, frame: DopplerFrame) -> Score | None:
        """The first detector's score."""
        other = self._second.process(frame)
        if other is not None:
            self._said[frame.t_s] = other.motion
        score = self._first.process(frame)
        self.failure = self._first.failure
        return score

    def process_ranges(self, frame: RangeFrame) -> None:
        """Both hear the echoes of a pulse."""
        self._first.process_ranges(frame)
        self._second.process_ranges(frame)

    def said(self) -> dict[float, float]:
        """Probability of motion by stream time, as the second detector saw it since this was asked last."""
        said, self._said = self._said, {}
        return said

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Both judge from now on so that a stationary empty room is called moving so often."""
        self._first.tune(false_alarms_per_day=false_alarms_per_day)
        self._second.tune(false_alarms_per_day=false_alarms_per_day)

    def reset(self) -> None:
        """Both forget the room."""
        self._first.reset()
        self._second.reset()
