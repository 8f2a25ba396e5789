"""The folder in which a device keeps its snippets: numbered files, bounded in bytes, the oldest deleted first."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from appliance.errors import SourceError
from appliance.snippets.snippet import HEAD_BYTES, MAX_FILE_BYTES, SUFFIX, Facts, Snippet, decode, decode_facts

FOLDER_NAME = "captures"

_NAME = re.compile(rf"(\d{{8}}){re.escape(SUFFIX)}")
_PARTIAL = ".new"


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of the folder; `at` is when it was kept."""

    number: int
    path: Path
    bytes: int
    at: datetime


class SnippetFolder:
    """Snippets by number, which counts up as long as any is there. One process writes, others may read and delete.

    Args:
        path: of the folder, made with the first snippet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def kept(self) -> list[Kept]:
        """What is there, the oldest first; nothing where there is no folder.

        Raises:
            SourceError: the folder cannot be read.
        """
        try:
            with os.scandir(self.path) as entries:
                return sorted(_kept_of(entries), key=lambda kept: kept.number)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read: {error.strerror}") from error

    def one(self, number: int) -> Kept:
        """The file of that number.

        Raises:
            SourceError: there is none.
        """
        kept = next((each for each in self.kept() if each.number == number), None)
        if kept is None:
            raise SourceError(
                f"{self.path}: there is no capture {number}; `pipistrelle captures list` shows those there"
            )
        return kept

    def write(self, content: bytes, *, max_bytes: int) -> Path:
        """Keep a file's content, on the disk when this returns; whole or not at all, and the oldest make room for it.

        Raises:
            OSError: it cannot be written; what was there before is there.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        kept = self.kept()
        surplus = sum(each.bytes for each in kept) + len(content) - max_bytes
        if len(content) > max_bytes:
            raise OSError(0, f"a snippet of {len(content)} bytes is larger than all that may be kept")
        number = kept[-1].number + 1 if kept else 1
        path = self.path / f"{number:08d}{SUFFIX}"
        replace_whole(path, lambda new: new.write_bytes(content))
        for each in kept:
            if surplus <= 0:
                break
            each.path.unlink(missing_ok=True)
            surplus -= each.bytes
        return path

    def sweep(self) -> None:
        """Take away what a process that was killed had begun to write."""
        with suppress(OSError):
            for path in self.path.glob(f"*{SUFFIX}{_PARTIAL}"):
                path.unlink(missing_ok=True)

    def delete(self, kept: Kept) -> None:
        """Delete a file; it may be gone already.

        Raises:
            SourceError: it cannot be deleted.
        """
        try:
            kept.path.unlink(missing_ok=True)
        except OSError as error:
            raise SourceError(f"{kept.path}: cannot be deleted: {error.strerror}") from error


def read_snippet(path: Path) -> Snippet:
    """The snippet in a file.

    Raises:
        SourceError: it cannot be read or used.
    """
    return decode(read_bytes(path), name=str(path))


def read_facts(path: Path) -> tuple[Facts, float]:
    """What the file's header says, and its seconds of sound; its values are not looked at.

    Raises:
        SourceError: it cannot be read, or its header cannot be used.
    """
    return decode_facts(read_bytes(path, HEAD_BYTES), name=str(path))


def read_bytes(path: Path, at_most: int = MAX_FILE_BYTES + 1) -> bytes:
    """The beginning of a file.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(at_most)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error


def replace_whole(path: Path, write: Callable[[Path], object], *, at: datetime | None = None) -> None:
    """Have a file written whole or not at all; it is on the disk when this returns.

    Args:
        path: of the file.
        write: writes into the file that is given to it.
        at: the time that the file shall show; None for now.

    Raises:
        OSError: it cannot be written; what was there before is there.
    """
    new = path.with_name(path.name + _PARTIAL)
    try:
        new.touch(mode=0o600)
        write(new)
        with new.open("rb") as file:
            os.fsync(file.fileno())
        if at is not None:
            os.utime(new, (at.timestamp(), at.timestamp()))
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _kept_of(entries: Iterator[os.DirEntry[str]]) -> Iterator[Kept]:
    for entry in entries:
        found = _NAME.fullmatch(entry.name)
        if found is None:
            continue
        with suppress(FileNotFoundError):  # another process has just deleted it
            status = entry.stat(follow_symlinks=False)
            yield Kept(int(found[1]), Path(entry.path), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
