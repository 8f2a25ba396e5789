"""The pipeline as the configuration wants it, with the threshold detector or a model.

What only a model or kept snippets need is imported where they are wanted: 2 % of what a start takes.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.classify.threshold import ThresholdDetector
from appliance.config.schema import SHIPPED_MODEL, Config
from appliance.errors import ModelError
from appliance.features.doppler import Doppler
from appliance.pipeline import Pipeline
from appliance.ports import Detector
from appliance.sources import Source, wanted_emission

if TYPE_CHECKING:
    from appliance.classify.model import Network
    from appliance.classify.second import SecondOpinion
    from appliance.classify.standby import StandbyDetector
    from appliance.snippets.snippet import Snippet
    from appliance.snippets.writer import SnippetWriter

_SHIPPED = tuple(
    folder / f"{SHIPPED_MODEL}.tflite"
    for folder in (
        Path(__file__).parents[1] / "models",
        Path("/usr/share/pipistrelle"),
        Path(sys.prefix) / "share/pipistrelle",
    )
)
"""Where a checkout, the SD-card image and an installed package have it."""


def make_pipeline(config: Config, source: Source, *, put: "Callable[[Snippet], None] | None" = None) -> Pipeline:
    """The pipeline for a source, as the configuration wants it; `put` takes the snippets that it keeps."""
    sensing = config.sensing
    network = _wanted_network(config)
    stages: dict[str, Any] = {
        "rate_hz": source.audio.rate_hz,
        "mics": source.audio.mics,
        "emission": wanted_emission(config, source),
        "hold_s": sensing.hold_s,
        "false_alarms_per_day": sensing.false_alarms_per_day,
        "tweeter_distance_m": config.audio.tweeter_distance_m,
        "make_detector": None if network is None else _model_detector(network, config, second=put is not None),
    }
    if put is None:
        return Pipeline(**stages)
    from appliance.classify.model import Network
    from appliance.snippets.keeper import Keeping, KeepingPipeline

    keeping = Keeping(
        before_s=config.captures.before_s,
        after_s=config.captures.after_s,
        least_doubt=config.captures.doubt,
        put=put,
        model_sha256=network.manifest.sha256 if isinstance(network, Network) else None,
        pets=sensing.pets,
    )
    return KeepingPipeline(keeping=keeping, **stages)


def make_snippet_writer(config: Config, directory: Path, on_error: Callable[[str], None]) -> "SnippetWriter | None":
    """What writes the snippets that the configuration wants kept; None where it wants none.

    Args:
        config: whose `captures` are looked at.
        directory: the service's state folder.
        on_error: told of what goes wrong.
    """
    if not config.captures.on:
        return None
    from appliance.snippets.writer import SnippetWriter

    return SnippetWriter(
        captures_folder(config, directory), max_bytes=config.captures.max_mb * 1_000_000, on_error=on_error
    )


def captures_folder(config: Config, directory: Path) -> Path:
    """Where the configuration wants snippets to be; `directory` is the service's state folder."""
    from appliance.snippets.folder import FOLDER_NAME

    return config.captures.directory or directory / FOLDER_NAME


def model_file(path: Path) -> Path:
    """A model's file; `SHIPPED_MODEL` names the one that came with the software."""
    if path != Path(SHIPPED_MODEL):
        return path
    return next((each for each in _SHIPPED if each.exists()), _SHIPPED[-1])


def load_network(path: Path) -> "Network":
    """The model in a file, with the manifest beside it.

    Raises:
        ModelError: one of them cannot be read, or the model cannot be used.
    """
    from appliance.classify.model import Network

    path = model_file(path)
    manifest = path.with_suffix(".json")
    try:
        return Network(manifest.read_bytes(), path.read_bytes(), name=path.name)
    except OSError as error:
        raise ModelError(
            f"{error.filename}: {error.strerror}; install the model, or set sensing.model: null"
        ) from error


def detector_maker(config: Config) -> Callable[[Doppler], Detector] | None:
    """What `Pipeline` takes as `make_detector` where the configuration names a model; else None."""
    network = _wanted_network(config)
    return None if network is None else _model_detector(network, config, second=False)


def _wanted_network(config: Config) -> "Network | ModelError | None":
    """The model that the configuration names, or why it cannot be used; None where it names none."""
    if config.sensing.model is None:
        return None
    try:
        return load_network(config.sensing.model)
    except ModelError as error:
        return error


def _model_detector(
    network: "Network | ModelError", config: Config, *, second: bool
) -> "Callable[[Doppler], StandbyDetector | SecondOpinion]":
    """What makes the detector; with `second` the threshold detector is heard beside the model."""
    from appliance.classify.second import SecondOpinion
    from appliance.classify.standby import StandbyDetector

    rate = config.sensing.false_alarms_per_day

    def make(doppler: Doppler) -> StandbyDetector | SecondOpinion:
        first = StandbyDetector(doppler=doppler, network=network, false_alarms_per_day=rate, pets=config.sensing.pets)
        if not second:
            return first
        return SecondOpinion(first, ThresholdDetector(doppler=doppler, false_alarms_per_day=rate))

    return make
