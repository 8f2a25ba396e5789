"""Updates of the whole system, as the service sees them: what the updater tells, and the wish that it installs one.

The service may not write the system. The updater (`appliance/card/update.py`), which may, keeps a file that is read
here; the wish is another file, for which systemd waits (`systemd/pipistrelle-update.path`).
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from appliance.outputs.commands import CommandRejected
from appliance.outputs.payloads import Message, UpdateState
from appliance.starts import runtime_directory

_log = logging.getLogger(__name__)

TOLD = Path("/run/pipistrelle-update/told.json")
WANTED = "update-wanted"
_MAX_BYTES = 4096


class Told(Message):
    """The updater's file: how things stand, and why the last try failed."""

    state: UpdateState
    error: str | None = None


class Updates:
    """Reads what the updater tells, and leaves the wish to install.

    Args:
        told: the updater's file.
        wanted: where the wish is left.
    """

    def __init__(self, *, told: Path, wanted: Path) -> None:
        self._told, self._wanted = told, wanted
        self._raw = b""

    def look(self) -> Told | None:
        """What the updater tells, if it is something new."""
        try:
            with self._told.open("rb") as file:
                raw = file.read(_MAX_BYTES)
            if raw == self._raw:
                return None
            self._raw = raw
            return Told.model_validate_json(raw)
        except OSError:
            return None
        except ValidationError as error:
            _log.warning("%s: cannot be understood: %s", self._told, error)
            return None

    def install(self) -> None:
        """Have the newest version installed; the updater says what becomes of it.

        Raises:
            CommandRejected: the wish cannot be left.
        """
        try:
            self._wanted.touch()
        except OSError as error:
            raise CommandRejected(f"{self._wanted}: cannot be written: {error.strerror}") from error


def updates_of(environ: Mapping[str, str]) -> Updates | None:
    """The updater's side of this service; None where no updater is told to the service, as outside the image."""
    told, directory = environ.get("PIPISTRELLE_UPDATES"), runtime_directory(environ)
    return Updates(told=Path(told), wanted=directory / WANTED) if told and directory else None
