"""How often the service failed of late: counted before anything else is done, so that no way of ending escapes it.

After five starts in a row that came to nothing the service runs in safe mode, without what may have ended it and can be
done without. The count lies in memory (systemd's RuntimeDirectory): it wears out no card, and a reboot forgets it.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

_log = logging.getLogger(__name__)

FAILED_MAX = 5
SETTLED_S = 120.0
"""A start that has run for so long did not fail, whatever comes."""

SAFE_MODE_S = 3600.0
"""What ended the service may be over; so often it is tried again without safe mode."""

RUNTIME_DIRECTORY = Path("/run/pipistrelle")
_SAFE_MODE_FILE = "safe-mode"
_COUNT_FILE = "starts.json"
_NO_WORDS = "ended without a word: killed, crashed or hung"


def runtime_directory(environ: Mapping[str, str]) -> Path | None:
    """Where systemd lets the service keep what a reboot may forget; None where it does not run under systemd."""
    first = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None


def safe_mode_reason(directory: Path) -> str:
    """Why the service that uses this directory is in safe mode, in lines; empty where it is not."""
    try:
        return (directory / _SAFE_MODE_FILE).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class Starts:
    """The starts of this boot that came to nothing, the newest last.

    A file that cannot be read or written counts nothing and stops nothing.

    Args:
        directory: where they are kept; None to count nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._ends: list[str] = []

    def begin(self) -> str:
        """Count this start as one that comes to nothing, until it is known better.

        Returns:
            why to run in safe mode, in lines; empty for a start as usual.
        """
        earlier = self._load()
        self._ends = [*earlier, _NO_WORDS]
        self._save()
        if len(earlier) < FAILED_MAX:
            self._mark("")
            return ""
        newest = dict.fromkeys(reversed(earlier))
        reason = "\n".join((f"the last {FAILED_MAX} starts came to nothing:", *newest))
        self._mark(reason)
        return reason

    def failed(self, why: str) -> None:
        """This start comes to nothing, and this is why."""
        self._ends[-1] = why
        self._save()

    def excused(self) -> None:
        """This start comes to nothing, but safe mode would not change that."""
        del self._ends[-1]
        self._save()

    def succeeded(self) -> None:
        """All is well: the next start is one as usual."""
        self._ends = []
        self._save()

    def _load(self) -> list[str]:
        if self._directory is None:
            return []
        try:
            ends = json.loads((self._directory / _COUNT_FILE).read_bytes())
        except (OSError, ValueError, RecursionError):
            return []
        return [str(end) for end in ends] if isinstance(ends, list) else []

    def _save(self) -> None:
        if self._directory is None:
            return
        path = self._directory / _COUNT_FILE
        new = path.with_suffix(".new")
        try:
            new.write_text(json.dumps(self._ends[-FAILED_MAX:]))
            new.replace(path)
        except OSError as error:
            _log.warning("%s: cannot be written (%s); starts are not counted", path, error.strerror)

    def _mark(self, reason: str) -> None:
        """Show everybody who looks, `pipistrelle doctor` and systemd's conditions, whether this is safe mode."""
        if self._directory is None:
            return
        path = self._directory / _SAFE_MODE_FILE
        try:
            if reason:
                path.write_text(reason + "\n", encoding="utf-8")
                path.chmod(0o644)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s: cannot be written: %s", path, error.strerror)
