"""Takes up what the owner wrote on the card: all of it or nothing, wherever the power goes.

The owner's files lie in a folder that has a number; `current` points to the one that counts. A new one is made beside
it, brought to the disk, and then `current` is turned in one step. Only then is the card's file wiped, so that a start
that was cut off does the same again.
"""

import logging
import os
import re
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from appliance.card.plan import CONFIG, FileText, Link, Plan, plan
from appliance.card.schema import CardFile
from appliance.config.load import all_at_once, load_config, located, read_document, wrong_top
from appliance.errors import ApplianceError, ConfigError, Problem

_log = logging.getLogger(__name__)

FILE_NAMES = ("pipistrelle.yaml", "pipistrelle.yml", "pipistrelle.yaml.txt", "pipistrelle.yml.txt")
"""What editors make of the first."""

ERRORS_NAME = "pipistrelle-errors.txt"
_OLD_NAME = "pipistrelle.old"
_CURRENT = "current"


class CardError(ApplianceError):
    """The card or the data partition cannot be written to."""


def read_card_file(path: Path) -> CardFile:
    """The owner's file, checked.

    Raises:
        ConfigError: it cannot be used; holds every problem.
    """
    document = read_document(path)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        raise wrong_top(path, document, "a mapping of keys")
    problems = list(document.problems)
    try:
        card = CardFile.model_validate(data)
    except ValidationError as error:
        problems += located(error, document)
    if problems:
        raise all_at_once(path, problems)
    return card


def apply_card(card: Path, owner: Path) -> bool:
    """Take up the file on the card, if there is one that says something.

    Args:
        card: the first partition, where it can be written to.
        owner: where the owner's files are kept.

    Returns:
        whether something was taken up.

    Raises:
        ConfigError: the file has faults; nothing was changed, and they stand on the card.
        CardError: something cannot be written.
    """
    errors = card / ERRORS_NAME
    try:
        _wipe(card / _OLD_NAME)
        path = next((path for name in FILE_NAMES if _says_something(path := card / name)), None)
        if path is None:
            return False
        try:
            wanted = read_card_file(path)
            _take_up(wanted, owner)
        except ConfigError as error:
            write_whole(errors, errors_text(error), mode=0o644)
            raise
        _put_away(path, card)
        errors.unlink(missing_ok=True)
        _sync(card)
    except OSError as error:
        raise CardError(f"{error.filename or card}: cannot be written: {error.strerror}") from error
    return True


def errors_text(error: ConfigError) -> str:
    """What the owner finds on the card: each fault by its line, for any editor of text."""
    name = Path(error.path).name
    lines = [f"line {fault.line}, column {fault.column}: {fault.key}: {fault.message}" for fault in error.problems]
    text = "\n".join([f"{name} was not used. Please correct it and start again:", "", *lines, ""])
    return text.replace("\n", "\r\n")


def _says_something(path: Path) -> bool:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return False
    return any(line.strip() and not line.lstrip().startswith(b"#") for line in lines)


def _take_up(wanted: CardFile, owner: Path) -> None:
    """Raises ConfigError where the configuration that comes of it cannot be used."""
    owner.mkdir(parents=True, exist_ok=True)
    current = owner / _CURRENT
    config = current / CONFIG
    changes = plan(wanted, config_text=config.read_text(encoding="utf-8") if config.exists() else "")
    new = owner / str(_next_number(owner))
    shutil.rmtree(new, ignore_errors=True)
    try:
        if current.exists():
            shutil.copytree(current, new, symlinks=True)
        else:
            new.mkdir()
        _carry_out(changes, new)
        if (new / CONFIG).exists():
            _check_config(new / CONFIG)
        _sync_tree(new)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    turned = owner / f"{_CURRENT}.new"
    turned.unlink(missing_ok=True)
    turned.symlink_to(new.name)
    turned.replace(current)
    _sync(owner)
    for old in owner.iterdir():
        if old.is_dir() and not old.is_symlink() and old != new:
            shutil.rmtree(old, ignore_errors=True)


def _next_number(owner: Path) -> int:
    return max((int(path.name) for path in owner.iterdir() if re.fullmatch("[0-9]+", path.name)), default=0) + 1


def _check_config(path: Path) -> None:
    """A configuration that its owner broke by hand is no fault of the card's file, but must be told."""
    try:
        load_config(path)
    except ConfigError as error:
        problems = [
            Problem(1, 1, "file", f"appliance.yaml on the device, line {p.line}: {p.key}: {p.message}")
            for p in error.problems
        ]
        raise ConfigError(FILE_NAMES[0], problems) from error


def _carry_out(changes: Plan, directory: Path) -> None:
    for name, change in changes.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        match change:
            case FileText(text=text, secret=secret):
                write_whole(path, text, mode=0o600 if secret else 0o644)
            case Link(target=target):
                path.symlink_to(target)


def _put_away(path: Path, card: Path) -> None:
    """An empty form takes the file's place, and what it held is overwritten where it lies."""
    path.replace(card / _OLD_NAME)
    _sync(card)
    form = files("appliance.card").joinpath(FILE_NAMES[0]).read_text(encoding="utf-8")
    write_whole(card / FILE_NAMES[0], form.replace("\n", "\r\n"), mode=0o644)
    _wipe(card / _OLD_NAME)


def _wipe(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.write(b"\n" * path.stat().st_size)
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    _sync(path.parent)


def write_whole(path: Path, text: str, *, mode: int) -> None:
    """A whole file or none: under another name first, and on the disk before it has its own."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    """Bring names to the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_tree(top: Path) -> None:
    for path in _files_and_folders(top):
        _sync(path)


def _files_and_folders(top: Path) -> Iterator[Path]:
    yield top
    for path in top.rglob("*"):
        if not path.is_symlink():
            yield path
