"""The pipeline as the configuration wants it, with the threshold detector or a model."""

from collections.abc import Callable
from pathlib import Path

from appliance.classify.model import Network
from appliance.classify.standby import StandbyDetector
from appliance.config.schema import Config
from appliance.errors import ModelError
from appliance.features.doppler import Doppler
from appliance.pipeline import Pipeline
from appliance.ports import Detector
from appliance.sources import Source, wanted_emission


def make_pipeline(config: Config, source: Source) -> Pipeline:
    """The pipeline for a source, as the configuration wants it."""
    return Pipeline(
        rate_hz=source.audio.rate_hz,
        mics=source.audio.mics,
        emission=wanted_emission(config, source),
        hold_s=config.sensing.hold_s,
        false_alarms_per_day=config.sensing.false_alarms_per_day,
        make_detector=None if config.sensing.model is None else _model_detector(config.sensing.model, config),
        tweeter_distance_m=config.audio.tweeter_distance_m,
    )


def load_network(path: Path) -> Network:
    """The model in a file, with the manifest beside it.

    Raises:
        ModelError: one of them cannot be read, or the model cannot be used.
    """
    manifest = path.with_suffix(".json")
    try:
        return Network(manifest.read_bytes(), path.read_bytes(), name=path.name)
    except OSError as error:
        raise ModelError(
            f"{error.filename}: {error.strerror}; install the model, or set sensing.model: null"
        ) from error


def _model_detector(path: Path, config: Config) -> Callable[[Doppler], Detector]:
    network: Network | ModelError
    try:
        network = load_network(path)
    except ModelError as error:
        network = error
    return lambda doppler: StandbyDetector(
        doppler=doppler, network=network, false_alarms_per_day=config.sensing.false_alarms_per_day
    )
