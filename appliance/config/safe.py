"""The configuration of safe mode: what the service needs to be found and to be safe, and defaults for all else.

A file that cannot be read does not even name the broker that should hear of it. So a copy of the last configuration
that ran for a while is kept, and asked for what the file itself does not tell.
"""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from appliance.config.load import read_document, read_text
from appliance.config.schema import AudioConfig, Config, EmissionConfig
from appliance.errors import ConfigError

_log = logging.getLogger(__name__)

COPY_NAME = "appliance-that-ran.yaml"
_KEPT = ("node", "audio", "emission", "mqtt")


def safe_config(path: Path | None, copy: Path | None) -> Config:
    """Node, card and broker as the owner wants them, a default tone, and no routines.

    Each of the sections is taken from `path`, or where it has faults there from `copy`, or is that of the defaults. The
    tweeter plays no louder than the owner's `emission` says and is silent where that says so, or where neither file
    tells of the card: how loud a tone would be is then not known.

    Args:
        path: the configuration file; None where there is none.
        copy: what `keep_copy` has kept, relative paths in it as in `path`; None where nothing is kept.
    """
    if path is None:
        return Config()
    found = [_sections(file, path.parent) for file in (path, copy) if file is not None]
    node, audio, emission, mqtt = (_first(name, found) for name in _KEPT)
    return Config(
        node=Config().node if node is None else node,
        audio=audio or AudioConfig(),
        emission=_quiet(emission or EmissionConfig(), card_known=audio is not None),
        mqtt=mqtt or Config().mqtt,
    )


def keep_copy(path: Path | None, copy: Path) -> None:
    """Keep a configuration that has run for a while; nothing is written where it is kept already."""
    if path is None:
        return
    with suppress(ConfigError):
        text = read_text(path)
        try:
            if copy.exists() and copy.read_text(encoding="utf-8") == text:
                return
            new = copy.with_name(copy.name + ".new")
            with new.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(copy)
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("%s: cannot be written: %s", copy, error)


def _sections(file: Path, directory: Path) -> dict[str, Any]:
    """The sections of a file that have no fault within themselves, and the defaults of those it leaves out."""
    try:
        data = read_document(file).data
    except ConfigError:
        return {}
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return {}
    sound = {}
    for name in _KEPT:
        part = {name: data[name]} if name in data else {}
        with suppress(ValidationError):
            sound[name] = getattr(Config.model_validate(part, context={"directory": directory}), name)
    return sound


def _first(name: str, found: Sequence[dict[str, Any]]) -> Any:
    return next((sections[name] for sections in found if name in sections), None)


def _quiet(wanted: EmissionConfig, *, card_known: bool) -> EmissionConfig:
    """A default tone for the same tweeter."""
    default = EmissionConfig()
    return EmissionConfig(on=wanted.on and card_known, level_db_spl=min(wanted.level_db_spl, default.level_db_spl))
