"""A model, and the threshold detector that takes over when it cannot run."""

from appliance.classify.model import ModelDetector, Network
from appliance.classify.threshold import ThresholdDetector
from appliance.errors import ModelError
from appliance.features.doppler import Doppler
from appliance.types import DopplerFrame, RangeFrame, Score


class StandbyDetector:
    """Judges by a model for as long as it can run, then by the threshold detector, for good.

    Args:
        doppler: the stage whose frames are judged.
        network: the model, or why there is none.
        false_alarms_per_day: how often an empty room may be called moving.
        pets: whether pets live here; the threshold detector makes no difference between them and people.
    """

    def __init__(
        self, *, doppler: Doppler, network: Network | ModelError, false_alarms_per_day: float, pets: bool = False
    ) -> None:
        self._doppler = doppler
        self._false_alarms_per_day = false_alarms_per_day
        self.failure: ModelError | None = None
        """Why the model does not run; None while it does."""
        self._detector: ModelDetector | ThresholdDetector
        if isinstance(network, ModelError):
            self._take_over(network)
            return
        try:
            self._detector = ModelDetector(
                doppler=doppler, network=network, false_alarms_per_day=false_alarms_per_day, pets=pets
            )
        except ModelError as error:
            self._take_over(error)

    def process(self, frame: DopplerFrame) -> Score | None:
        """The score of one frame; None while the room is being learned."""
        try:
            return self._detector.process(frame)
        except ModelError as error:
            self._take_over(error)
            return self._detector.process(frame)

    def process_ranges(self, frame: RangeFrame) -> None:
        """Hear the echoes of a pulse."""
        self._detector.process_ranges(frame)

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Judge from now on so that a stationary empty room is called moving so often."""
        self._false_alarms_per_day = false_alarms_per_day
        self._detector.tune(false_alarms_per_day=false_alarms_per_day)

    def reset(self) -> None:
        """Forget the room."""
        self._detector.reset()

    def _take_over(self, failure: ModelError) -> None:
        self.failure = failure
        self._detector = ThresholdDetector(doppler=self._doppler, false_alarms_per_day=self._false_alarms_per_day)
