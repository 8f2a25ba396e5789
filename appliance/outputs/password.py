"""The broker's password comes from a file, never from the configuration or the command line."""

import os
import stat
from pathlib import Path

from appliance.errors import BrokerSettingsError


def read_password(path: Path) -> str:
    """The password in a file of its owner's only; one newline at its end does not count.

    Raises:
        BrokerSettingsError: the file is missing, empty, no text, or can be read by its group or others.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except OSError as error:
        raise BrokerSettingsError(f"{path}: cannot be read: {error.strerror}") from error
    # systemd's credentials are readable by their service alone, but their access list shows as the group's bits.
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if mode & 0o077 and not (credentials and path.parent == Path(credentials)):
        raise BrokerSettingsError(
            f"{path}: others than its owner can read this password (mode {mode:03o}); chmod 600 {path}"
        )
    try:
        password = content.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise BrokerSettingsError(f"{path}: is no text; write the password as UTF-8") from None
    if not password:
        raise BrokerSettingsError(f"{path}: holds no password")
    return password
