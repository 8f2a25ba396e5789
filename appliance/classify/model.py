"""The detector that a small network makes: the same scores as the threshold detector, from what was learned.

The network sees `features.evidence` of each hop and keeps a state from hop to hop. Motion is what it and the threshold
detector both hold for motion: the one knows what a person sounds like, the other how much this room varies by itself.
Where the one hears again and again what the other holds for nobody, something sways or turns, and the network has to be
the surer of people the more of the time that goes on.
"""

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.classify.manifest import PET, Manifest, read_manifest
from appliance.classify.tflite import load_interpreter
from appliance.classify.threshold import ThresholdDetector
from appliance.errors import ModelError
from appliance.features.doppler import Doppler
from appliance.features.evidence import FEATURE_VERSION, FEATURES, Evidence
from appliance.presence.motion import START_SCORE
from appliance.types import DopplerFrame, MotionClass, RangeFrame, Score

SOURCE = "model"

_MOTION = (MotionClass.MAJOR, MotionClass.MINOR)
_TINY = 1e-300
"""What is too small for a float to tell from nothing has log odds of some hundreds."""

_LENIENCE = 30.0
"""The network may be wrong so many times as often as is wanted, because the threshold detector keeps what is wanted."""

_RESTLESS_S = 300.0
_RESTLESS_LOG_ODDS = 40.0
_RESTLESS_AT_MOST = 6.0
"""The network has to be surer by so much log odds for each unit of the share of time in which something moves that it
holds for nobody, mean over so long; and by no more. That share is 0.1 to 0.4 beside curtains and fans that turn, 0.02
where somebody moves an arm now and then, 0 beside what sounds alike."""

_WORTH_TELLING = 0.05
"""Probability of motion from which a score has a cause and a direction."""

_ONE_SIDED = 1.0
"""Log odds of approach against recession from which a direction is told."""


class Network:
    """A model that is ready to run, and the state that it keeps from hop to hop.

    Args:
        manifest: JSON text of the manifest.
        model: what it describes.
        name: of the model, for messages.

    Raises:
        ModelError: they do not belong together, were made for other features, or the runtime refuses the model.
    """

    def __init__(self, manifest: bytes, model: bytes, *, name: str) -> None:
        self.manifest: Manifest = read_manifest(manifest, name=f"{name}'s manifest")
        found = hashlib.sha256(model).hexdigest()
        if found != self.manifest.sha256:
            raise ModelError(
                f"{name}: its SHA-256 is {found[:12]}..., the manifest says {self.manifest.sha256[:12]}...; "
                "install the model anew"
            )
        if (self.manifest.feature_version, self.manifest.features) != (FEATURE_VERSION, FEATURES):
            raise ModelError(
                f"{name}: was made for {self.manifest.features} features of version {self.manifest.feature_version}, "
                f"this software has {FEATURES} of version {FEATURE_VERSION}; install the model of this release"
            )
        interpreter = load_interpreter(model)
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        self._run = interpreter.invoke
        self._features = _tensor(interpreter, inputs, self.manifest.features, f"{name}: features")
        self._state = _tensor(interpreter, inputs, self.manifest.state, f"{name}: state")
        self._outputs = _tensor(interpreter, outputs, self.manifest.outputs, f"{name}: outputs")
        self._next_state = _tensor(interpreter, outputs, self.manifest.state, f"{name}: next state")
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._state()[:] = 0.0

    def step(self, features: NDArray[np.float32]) -> list[float]:
        """Outputs for the values of one hop, [features].

        Raises:
            ModelError: the runtime failed, or gave what is no number.
        """
        # nothing may hold on to a tensor while the runtime runs
        self._features()[0] = features
        try:
            self._run()
        except RuntimeError as error:
            raise ModelError(f"the model runtime failed: {' '.join(str(error).split())}") from error
        self._state()[:] = self._next_state()
        outputs: list[float] = self._outputs()[0].tolist()
        if not math.isfinite(sum(outputs)):
            raise ModelError("the model gave values that are no numbers")
        return outputs


def _tensor(interpreter: Any, details: list[dict[str, Any]], size: int, name: str) -> Any:
    """What gives the tensor of shape [1, size], float32, each time that it is called."""
    fitting = [each for each in details if tuple(each["shape"]) == (1, size) and each["dtype"] is np.float32]
    if len(fitting) != 1 or len(details) != 2:
        shapes = ", ".join(f"{np.dtype(each['dtype']).name} {each['shape'].tolist()}" for each in details)
        raise ModelError(f"{name}: wanted one tensor float32 [1, {size}] beside another one, found {shapes}")
    return interpreter.tensor(fitting[0]["index"])


class ModelDetector:
    """Turns Doppler frames into scores; gives None until it and the threshold detector know the quiet room.

    Args:
        doppler: the stage whose frames are judged.
        network: the model; used by this detector alone.
        false_alarms_per_day: how often a stationary empty room may be called moving.
        pets: whether to judge as the model's manifest wants it in homes with pets.

    Raises:
        ModelError: the manifest does not know how to judge there.
    """

    failure: ModelError | None = None

    def __init__(self, *, doppler: Doppler, network: Network, false_alarms_per_day: float, pets: bool = False) -> None:
        if pets and not network.manifest.thresholds_with_pets:
            raise ModelError(
                f"{network.manifest.name}: has no operating point for homes with pets; set sensing.pets: false, or "
                "install a model that has one"
            )
        self._evidence = Evidence(doppler=doppler)
        self._gate = ThresholdDetector(doppler=doppler, false_alarms_per_day=false_alarms_per_day)
        self._network = network
        self._restless_share = doppler.hop_s / _RESTLESS_S
        self._pets = pets
        self._classes = network.manifest.classes
        self.tune(false_alarms_per_day=false_alarms_per_day)
        self.reset()

    def tune(self, *, false_alarms_per_day: float) -> None:
        """Judge from now on so that an empty room is called moving so often; what is known of it stays."""
        self._gate.tune(false_alarms_per_day=false_alarms_per_day)
        rate = _LENIENCE * false_alarms_per_day
        self._threshold = self._network.manifest.log_odds(rate, pets=self._pets)
        self._threshold_of_anybody = self._network.manifest.log_odds(rate)

    def reset(self) -> None:
        """Forget the room."""
        self._evidence.reset()
        self._gate.reset()
        self._network.reset()
        self._restless = 0.0

    def process(self, frame: DopplerFrame) -> Score | None:
        """The score of one frame; None while the floor is being learned, and of what is not a number.

        Raises:
            ModelError: the model cannot run.
        """
        values, moved = self._evidence.process(frame), self._gate.process(frame)
        if values is None:
            return None
        outputs = self._network.step(values)
        if moved is None or not self._evidence.is_settled:
            return None
        return self._score(frame.t_s, outputs, moved.motion)

    def process_ranges(self, frame: RangeFrame) -> None:
        """Hear the echoes of a pulse."""
        self._evidence.process_ranges(frame)

    def _score(self, t_s: float, outputs: list[float], moved: float) -> Score:
        """The score of a hop: outputs of the network, and the threshold detector's probability of motion."""
        count = len(self._classes)
        highest = max(outputs[:count])
        told = {kind: math.exp(each - highest) for kind, each in zip(self._classes, outputs, strict=False)}
        self._watch_restlessness(told, moved)
        weight = {kind: told[kind] for kind in MotionClass}
        weight[MotionClass.NUISANCE if self._pets else MotionClass.MAJOR] += told.get(PET, 0.0)
        moving = sum(weight[kind] for kind in _MOTION)
        still = sum(each for kind, each in weight.items() if kind not in _MOTION)
        surer = min(_RESTLESS_LOG_ODDS * self._restless, _RESTLESS_AT_MOST)
        log_odds = min(_log_odds(moving, still) - self._threshold - surer, _log_odds(moved, 1.0 - moved))
        motion = 1.0 / (1.0 + math.exp(min(-log_odds, 500.0)))
        rest = 1.0 / (1.0 + math.exp(min(log_odds, 500.0)))
        probabilities = {
            kind: each / max(moving, _TINY) * motion if kind in _MOTION else each / max(still, _TINY) * rest
            for kind, each in weight.items()
        }
        if motion < _WORTH_TELLING:
            return Score(probabilities, None, t_s, SOURCE)
        approach, radial_mps = outputs[count:]
        likeliest = sorted(probabilities, key=lambda kind: -probabilities[kind])[:2]
        cause = ", ".join(f"{kind} {100.0 * probabilities[kind]:.0f} %" for kind in likeliest)
        told_mps = math.copysign(radial_mps, approach) if abs(approach) >= _ONE_SIDED else None
        return Score(probabilities, told_mps, t_s, SOURCE, cause)

    def _watch_restlessness(self, told: dict[MotionClass | str, float], moved: float) -> None:
        """Follow how much of the time something moves that is nobody, man or beast."""
        goes_about = sum(told.get(kind, 0.0) for kind in (*_MOTION, PET))
        is_anybody = _log_odds(goes_about, sum(told.values()) - goes_about) >= self._threshold_of_anybody
        nobody = moved >= START_SCORE and not is_anybody
        self._restless += self._restless_share * (nobody - self._restless)


def _log_odds(share: float, other: float) -> float:
    return math.log(max(share, _TINY)) - math.log(max(other, _TINY))
