"""Secrets come from files of their owner's only or from systemd, never from the configuration or the command line."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from appliance.errors import BrokerSettingsError


def read_secret(path: Path) -> str:
    """The text in a file that only its owner can reach; one newline at its end does not count.

    Raises:
        BrokerSettingsError: the file is missing, empty, no text, or can be read by its group or others.
    """
    try:
        secret = _read_private(path).decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise BrokerSettingsError(f"{path}: is no text; write the secret as UTF-8") from None
    if not secret:
        raise BrokerSettingsError(f"{path}: is empty; it must hold a secret")
    return secret


def check_private(path: Path) -> None:
    """Refuse a file that others than its owner can reach.

    Raises:
        BrokerSettingsError: so it is, or it cannot be read.
    """
    _read_private(path)


def credential(name: str, environ: Mapping[str, str]) -> str | None:
    """What systemd passed to the service under a name (`LoadCredential=`, `SetCredentialEncrypted=`); None without.

    Raises:
        BrokerSettingsError: it is there, but empty or no text.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(directory) / name if directory else None
    return read_secret(path) if path and path.exists() else None


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except OSError as error:
        raise BrokerSettingsError(f"{path}: cannot be read: {error.strerror}") from error
    # systemd's credentials are readable by their service alone, but their access list shows as the group's bits.
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if mode & 0o077 and not (credentials and path.parent == Path(credentials)):
        raise BrokerSettingsError(f"{path}: others than its owner can reach it (mode {mode:03o}); chmod 600 {path}")
    return content
