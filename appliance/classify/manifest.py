"""What a model's manifest says: what it was made for, where its thresholds lie, and which bytes it belongs to."""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from appliance.errors import ModelError
from appliance.types import MotionClass

FORMAT = 1

PET = "pet"
"""Among a model's classes: a body that goes about as a person does, and may be a pet. Where pets live it is a nuisance,
elsewhere it is somebody."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model's manifest.

    `classes` are those of the first outputs, in order: each `MotionClass`, and perhaps `PET`. `thresholds` are pairs of
    false alarms a day and the log odds of motion from which they are that rare, the most frequent first.
    `thresholds_with_pets` are the same where pets live, or empty where nobody knows.
    """

    name: str
    sha256: str
    feature_version: int
    features: int
    state: int
    classes: tuple[str, ...]
    thresholds: tuple[tuple[float, float], ...]
    thresholds_with_pets: tuple[tuple[float, float], ...] = ()

    @property
    def outputs(self) -> int:
        """Values that the model gives: logits of the classes, log odds of approach, radial velocity in m/s."""
        return len(self.classes) + 2

    def log_odds(self, false_alarms_per_day: float, *, pets: bool = False) -> float:
        """Log odds of motion from which false alarms are that rare; beyond the ends those of the nearest known rate.

        With `pets`, in a home with pets; `thresholds_with_pets` must not be empty.
        """
        wanted = math.log(false_alarms_per_day)
        table = self.thresholds_with_pets if pets else self.thresholds
        known = [(math.log(rate), odds) for rate, odds in table]
        if wanted >= known[0][0]:
            return known[0][1]
        for (often, low), (rarely, high) in pairwise(known):
            if wanted >= rarely:
                return low + (high - low) * (often - wanted) / (often - rarely)
        return known[-1][1]


def read_manifest(text: bytes, *, name: str) -> Manifest:
    """The manifest in a JSON text; `name` is what messages call it.

    Raises:
        ModelError: it is damaged, of another format, or says what cannot be.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{name}: is not JSON: {error}; install the model anew") from error
    try:
        if said["format"] != FORMAT:
            raise ModelError(f"{name}: wanted format {FORMAT}, found {said['format']}; install the model anew")
        manifest = Manifest(
            name=_of(str, said["name"]),
            sha256=_of(str, said["sha256"]),
            feature_version=_of(int, said["feature_version"]),
            features=_of(int, said["features"]),
            state=_of(int, said["state"]),
            classes=tuple(each if each == PET else MotionClass(each) for each in said["classes"]),
            thresholds=_thresholds(said["thresholds"]),
            thresholds_with_pets=_thresholds(said.get("thresholds_with_pets", [])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}: {type(error).__name__}: {error}; install the model anew") from error
    _check(manifest, name)
    return manifest


def _of(kind: type[_T], value: Any) -> _T:
    if not isinstance(value, kind):
        raise TypeError(f"wanted {kind.__name__}, found {value!r}")
    return value


def _thresholds(said: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(each["false_alarms_per_day"]), float(each["log_odds"])) for each in said)


def _check(manifest: Manifest, name: str) -> None:
    _check_thresholds(manifest.thresholds, f"{name}: thresholds")
    if manifest.thresholds_with_pets:
        _check_thresholds(manifest.thresholds_with_pets, f"{name}: thresholds_with_pets")
    if set(manifest.classes) - {PET} != set(MotionClass) or len(set(manifest.classes)) != len(manifest.classes):
        raise ModelError(f"{name}: classes: wanted each of {', '.join(MotionClass)} once; install the model anew")


def _check_thresholds(thresholds: tuple[tuple[float, float], ...], name: str) -> None:
    rates = [rate for rate, _ in thresholds]
    odds = [each for _, each in thresholds]
    if not rates or not all(math.isfinite(each) for each in rates + odds) or min(rates) <= 0.0:
        raise ModelError(f"{name}: wanted rates above 0 and log odds; install the model anew")
    falls = all(before > behind for before, behind in pairwise(rates))
    if not falls or any(before > behind for before, behind in pairwise(odds)):
        raise ModelError(f"{name}: wanted falling rates with rising log odds; install the model anew")
