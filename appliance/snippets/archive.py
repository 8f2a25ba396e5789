"""An export: snippets of one home in one file, a tar archive whose first member says what is in it.

It holds no name, no place and no time: members are called by a digest of their sound.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from appliance import __version__
from appliance.errors import SourceError
from appliance.snippets.folder import Kept, read_bytes, replace_whole
from appliance.snippets.snippet import MAX_FILE_BYTES, SUFFIX, Snippet, decode, version_words

EXPORT_FORMAT = 1
"""Counts up with each change of what an archive holds, beside the format of its snippets."""

_MANIFEST = "manifest.json"
_MAX_MANIFEST_BYTES = 8 << 20
_MOST = 100_000


class _Member(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    file: Annotated[str, Field(pattern=rf"^[0-9a-f]{{16}}{SUFFIX}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    snippets: Annotated[tuple[_Member, ...], Field(max_length=_MOST)]


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into an archive: how many, and what was left out and why."""

    count: int
    left_out: tuple[str, ...]


def write_archive(path: Path, kept: Sequence[Kept]) -> Exported:
    """Write an archive whole or not at all. Damaged files and copies of one sound are left out.

    Raises:
        SourceError: there is nothing to export, or the file cannot be written.
    """
    members: dict[str, tuple[Kept, str]] = {}
    left_out = []
    for each in kept:
        try:
            content = read_bytes(each.path)
            name = decode(content, name=str(each.path)).identity + SUFFIX
        except SourceError as error:
            left_out.append(str(error))
            continue
        if name in members:
            left_out.append(f"{each.path}: the same sound as {members[name][0].path.name}")
            continue
        members[name] = (each, hashlib.sha256(content).hexdigest())
    if not members:
        raise SourceError(f"{path}: there is nothing to export" + "".join(f"; {words}" for words in left_out))
    try:
        replace_whole(path, lambda new: _write(new, members))
    except OSError as error:
        raise SourceError(f"{error.filename or path}: {error.strerror or error}; nothing was exported") from error
    return Exported(len(members), tuple(left_out))


def _write(path: Path, members: dict[str, tuple[Kept, str]]) -> None:
    manifest = {
        "format": EXPORT_FORMAT,
        "software": __version__,
        "snippets": [{"file": name, "sha256": digest} for name, (_, digest) in members.items()],
    }
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, _MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
        for name, (kept, _) in members.items():
            _add(archive, name, kept.path.read_bytes())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """A member that tells neither whose it is nor when it was made."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def read_archive(path: Path) -> Iterator[Snippet | SourceError]:
    """Each snippet of an archive, or what is wrong with it. Of one that is cut off, all that is whole comes first.

    Raises:
        SourceError: it is no archive, of another version, or cut off before it says what is in it.
    """
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115  closed below, behind the last snippet
    except (OSError, tarfile.TarError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no export, or truncated"
        raise SourceError(f"{path}: cannot be read: {reason}") from error
    with archive:
        missing = {said.file: said.sha256 for said in _manifest(archive, path).snippets}
        while (member := _next(archive)) is not None:
            digest = missing.pop(member.name, None)
            name = f"{path}: {member.name.encode('unicode_escape').decode()[:80]}"
            if digest is None:
                yield SourceError(f"{name}: is not in the manifest; it is left out")
                continue
            yield _one(archive, member, digest, name)
    for name in missing:
        yield SourceError(f"{path}: {name}: is not there: the archive is truncated or damaged; export it anew")


def _manifest(archive: tarfile.TarFile, path: Path) -> _Manifest:
    said: Any = None
    member = _next(archive)
    if member is not None and member.name == _MANIFEST:
        with suppress(ValueError, RecursionError, SourceError):
            said = json.loads(_content(archive, member, _MANIFEST, _MAX_MANIFEST_BYTES))
    if not isinstance(said, dict):
        raise SourceError(f"{path}: is no export: it begins with no {_MANIFEST} that can be read; export it anew")
    version = said.get("format")
    if version != EXPORT_FORMAT or isinstance(version, bool):
        raise SourceError(f"{path}: {version_words(version, EXPORT_FORMAT)}")
    try:
        return _Manifest.model_validate_json(json.dumps(said))
    except ValidationError as error:
        raise SourceError(f"{path}: {_MANIFEST} is damaged; export it anew") from error


def _next(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
    """The next member; None at the end, and where the rest cannot be read."""
    try:
        return archive.next()
    except (OSError, tarfile.TarError):
        return None


def _one(archive: tarfile.TarFile, member: tarfile.TarInfo, digest: str, name: str) -> Snippet | SourceError:
    try:
        content = _content(archive, member, name, MAX_FILE_BYTES)
        snippet = decode(content, name=name)
    except SourceError as error:
        return error
    if hashlib.sha256(content).hexdigest() != digest:
        return SourceError(f"{name}: damaged: it is not the one that the manifest names; export it anew")
    return snippet


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, name: str, at_most: int) -> bytes:
    if not member.isreg() or member.size > at_most:
        raise SourceError(f"{name}: damaged: it is no file of at most {at_most} bytes")
    try:
        file = archive.extractfile(member)
        return b"" if file is None else file.read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SourceError(f"{name}: truncated: {error}; export it anew") from error
