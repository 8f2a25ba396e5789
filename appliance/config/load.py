"""Files of the owner in, checked models out; every fault of a file at once, with its line and column."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from appliance.config.schema import Config
from appliance.config.yaml12 import Document, Mark, Place, dotted, parse
from appliance.errors import ConfigError, Problem
from appliance.fields import MISSING_KEY, UNKNOWN_KEY

if TYPE_CHECKING:
    from appliance.routines.schema import Routine

CONFIG_PATH = Path("/etc/pipistrelle/appliance.yaml")
MAX_FILE_BYTES = 1_000_000


def load_config(path: Path | None) -> Config:
    """The configuration of a file, or the defaults where there is none (`None`) or it is empty.

    Relative paths in it are taken from the file's own directory.

    Raises:
        ConfigError: the file cannot be read or used; holds every problem.
    """
    if path is None:
        return Config()
    document = read_document(path)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise wrong_top(path, document, "a mapping of keys")
    context = {"directory": path.parent}
    problems = list(document.problems)
    try:
        config = Config.model_validate(data, context=context)
    except ValidationError as error:
        problems += located(error, document)
        problems += _between_keys(data, error, document)
    if problems:
        raise all_at_once(path, problems)
    return config


def load_routines(
    path: Path,
    *,
    commands: Mapping[str, Sequence[str]] | None,
    place_known: bool = True,
    can_play: bool = False,
) -> tuple["Routine", ...]:
    """The routines of a file; none where it is empty.

    Args:
        path: of the file.
        commands: the configuration's allow list; with None, where that could not be read, commands are not checked.
        place_known: whether the configuration tells the device's position, which the sun's times need.
        can_play: whether there is a player for sounds and speech.

    Raises:
        ConfigError: the file cannot be read or used; holds every problem.
    """
    return routines_in(read_document(path), path, commands=commands, place_known=place_known, can_play=can_play)


def routines_in(
    document: Document, path: Path, *, commands: Mapping[str, Sequence[str]] | None, place_known: bool, can_play: bool
) -> tuple["Routine", ...]:
    """The routines of a document that was read from `path`; as `load_routines`.

    Raises:
        ConfigError: they cannot be used; holds every problem.
    """
    # the models of all that routines can do are much to load for a device that has none
    from appliance.routines.checks import faults_between
    from appliance.routines.schema import Routine

    data = [] if document.data is None else document.data
    if not isinstance(data, list):
        raise wrong_top(path, document, "a list of routines")
    problems = document.problems + _repeated_ids(data, document)
    routines = {}
    for index, found in enumerate(data):
        try:
            routines[index] = Routine.model_validate(found, context={"commands": commands, "can_play": can_play})
        except ValidationError as error:
            problems += located(error, document, within=(index,), name=_name_of(index, found))
    for place, message in faults_between(routines, data=data, commands=commands, place_known=place_known):
        mark = document.values.get(_place_in_file(place[1:], document, place[:1]), Mark(1, 1))
        index = int(place[0])
        problems.append(Problem(mark.line, mark.column, dotted((_name_of(index, data[index]), *place[1:])), message))
    if problems:
        raise all_at_once(path, problems)
    return tuple(routines.values())


def load_routines_of(config: Config) -> tuple["Routine", ...]:
    """The routines that a configuration names, checked against it; none where it names no file.

    Raises:
        ConfigError: the file cannot be read or used; holds every problem.
    """
    settings = config.routines
    if settings.file is None:
        return ()
    known = settings.position is not None
    return load_routines(
        settings.file,
        commands=settings.commands,
        place_known=known,
        can_play=bool(config.audio.music_outputs),
    )


def _name_of(index: int, found: Any) -> str:
    known = isinstance(found, dict) and isinstance(found.get("id"), str) and found["id"]
    return known or f"routines[{index}]"


def _repeated_ids(data: list[Any], document: Document) -> list[Problem]:
    """The marks of ids that an earlier routine has: MQTT topics and errors would name two routines alike."""
    first: dict[str, Mark] = {}
    problems = []
    for index, found in enumerate(data):
        name = found.get("id") if isinstance(found, dict) else None
        if not isinstance(name, str):
            continue
        mark = document.values[index, "id"]
        if name in first:
            message = f"is used twice; the first is on line {first[name].line}"
            problems.append(Problem(mark.line, mark.column, dotted((name, "id")), message))
        first.setdefault(name, mark)
    return problems


def _between_keys(data: dict[str, Any], error: ValidationError, document: Document) -> list[Problem]:
    """Faults between keys, which are only looked for when each key is right: without the wrong ones, look again."""
    wrong = {tuple(fault["loc"][:2]) for fault in error.errors()}
    right = {
        section: {key: value for key, value in keys.items() if (section, key) not in wrong}
        for section, keys in data.items()
        if isinstance(keys, dict) and (section,) not in wrong
    }
    try:
        Config.model_validate(right)
    except ValidationError as between:
        return located(between, document)
    return []


def read_document(path: Path) -> Document:
    """The file as plain values with their places.

    Raises:
        ConfigError: it cannot be read, is no UTF-8 text or no YAML.
    """
    return parse(read_text(path), path=str(path))


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: it cannot be read, is too large or no UTF-8 text.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(str(path), [Problem(1, 1, "file", f"cannot be read: {reason}")]) from error
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(str(path), [Problem(1, 1, "file", f"is larger than {MAX_FILE_BYTES} bytes")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8-sig")
        mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise ConfigError(str(path), [Problem(mark.line, mark.column, "file", "is not UTF-8 text")]) from error
    return text


def located(error: ValidationError, document: Document, *, within: Place = (), name: str = "") -> list[Problem]:
    """A model's refusals with the places of their keys; `within` is where in the file the model stands."""
    problems = []
    for fault in error.errors(include_url=False):
        place = _place_in_file(fault["loc"], document, within)
        marks = document.keys if fault["type"] == UNKNOWN_KEY else document.values
        mark = marks.get(place, Mark(1, 1))
        if fault["type"] == MISSING_KEY:
            # The parent's line is where the owner will write the key.
            mark = document.keys.get(place) or document.values.get(place, Mark(1, 1))
            place = (*place, str(fault["loc"][-1]))
        key = dotted(place) if not name else dotted((name, *place[len(within) :]))
        problems.append(Problem(mark.line, mark.column, key, fault["msg"]))
    return problems


def _place_in_file(loc: Place, document: Document, within: Place) -> Place:
    """The steps of pydantic's way that exist in the file: not a missing key, nor its mark for a fault of a key."""
    place = within
    for step in loc:
        if (*place, step) in document.values:
            place = (*place, step)
    return place


def wrong_top(path: Path, document: Document, wanted: str) -> ConfigError:
    """The error of a file whose first level is something else."""
    found = (
        "a mapping" if isinstance(document.data, dict) else "a list" if isinstance(document.data, list) else "one value"
    )
    mark = document.values[()]
    return ConfigError(str(path), [Problem(mark.line, mark.column, "file", f"must be {wanted}, not {found}")])


def all_at_once(path: Path, problems: Collection[Problem]) -> ConfigError:
    """One error with all problems of a file, in their order."""
    return ConfigError(str(path), sorted(problems, key=lambda problem: (problem.line, problem.column)))
