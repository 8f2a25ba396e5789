"""What is pending, on disk: written whole or not at all, and not too often for an SD card."""

import json
import logging
import os
from pathlib import Path

from pydantic import ValidationError

from appliance.routines.snapshot import Snapshot

_log = logging.getLogger(__name__)

MAX_FILE_BYTES = 4_000_000
_PAGE_BYTES = 4096


class PendingFile:
    """The file in which pending timers outlive the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Snapshot | None:
        """What was saved last; None where nothing was. A damaged file is said and set aside, never an end."""
        try:
            with self.path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES)  # what is cut off is no JSON any more
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.error("%s cannot be read: %s; pending timers are lost", self.path, error.strerror)
            return None
        try:
            return Snapshot.model_validate(json.loads(raw))
        except (ValueError, RecursionError, ValidationError) as error:
            aside = self.path.with_suffix(".damaged")
            words = str(error).splitlines()[0]
            _log.error("%s is damaged (%s); pending timers are lost, the file is kept as %s", self.path, words, aside)
            try:
                self.path.replace(aside)
            except OSError as failed:
                _log.error("%s cannot be renamed: %s", self.path, failed.strerror)
            return None

    def save(self, snapshot: Snapshot) -> int:
        """Write it so that a power cut leaves the old file or the new one; returns the bytes that it cost the card.

        Raises:
            OSError: it cannot be written.
        """
        raw = snapshot.model_dump_json().encode()
        beside = self.path.with_suffix(".new")
        with beside.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        # The file's pages, and one for its folder.
        return -(-len(raw) // _PAGE_BYTES) * _PAGE_BYTES + _PAGE_BYTES


class WriteBudget:
    """Lets a burst of writes pass and bounds their sum over a day.

    Args:
        bytes_per_day: what is written in the long run.
        burst_bytes: what may be written at once.
    """

    def __init__(self, *, bytes_per_day: float = 4e6, burst_bytes: float = 500_000.0) -> None:
        self._rate = bytes_per_day / 86_400.0
        self._burst = burst_bytes
        self._left = burst_bytes
        self._at_s = 0.0

    def allows(self, now_s: float) -> bool:
        """Whether there is anything left to write with at this elapsed time."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) * self._rate)
        self._at_s = now_s
        return self._left > 0.0

    def spend(self, written_bytes: int) -> None:
        """So much was written."""
        self._left -= written_bytes
