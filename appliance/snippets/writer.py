"""The thread that writes snippets: never waited for, bounded in bytes a day, and harmless where the disk is.

A memory card wears out by writing. What is in doubt leaves half of what may be written to what a person asks for, so
that no fan takes their word away.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from appliance.errors import SourceError
from appliance.snippets.folder import SnippetFolder
from appliance.snippets.snippet import Reason, Snippet, encode

_log = logging.getLogger(__name__)

DAY_BYTES = 20_000_000
"""That are written at most in any 24 hours: a quarter saved up at once, the rest as the day goes on."""

_BURST_BYTES = DAY_BYTES // 4
_WAITING = 2
"""Snippets in memory that wait for the disk; a third one is left out."""

_CLOSE_S = 5.0


class WearLimit:
    """Bytes that may be written, so that no 24 hours get more than `DAY_BYTES`, but for one snippet.

    Args:
        spent_bytes: in the last day, by a former run.
        monotonic_s: seconds that never jump.
    """

    def __init__(self, spent_bytes: int, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._left_bytes = float(min(_BURST_BYTES, DAY_BYTES - spent_bytes))
        self._at_s = monotonic_s()

    def allows(self, why: Reason) -> bool:
        """Whether a snippet may be written; one that a person asked for while anything is left."""
        return self._grown_bytes() > (0.0 if why is Reason.WRONG else _BURST_BYTES / 2.0)

    def spend(self, count_bytes: int) -> None:
        """These bytes were written."""
        self._left_bytes = self._grown_bytes() - count_bytes
        self._at_s = self._monotonic_s()

    def _grown_bytes(self) -> float:
        rate_bytes_per_s = (DAY_BYTES - _BURST_BYTES) / 86_400.0
        return min(float(_BURST_BYTES), self._left_bytes + (self._monotonic_s() - self._at_s) * rate_bytes_per_s)


class SnippetWriter:
    """Takes snippets from the audio thread and writes them in one of its own.

    Args:
        folder: where to.
        max_bytes: of all files together.
        on_error: told once of what goes wrong, until it goes well again or otherwise wrong.
        monotonic_s: seconds that never jump.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        on_error: Callable[[str], None],
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = SnippetFolder(folder)
        self._max_bytes = max_bytes
        self._on_error = on_error
        self._monotonic_s = monotonic_s
        self._told = ""
        self._waiting: queue.Queue[Snippet | None] = queue.Queue(_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_all, name="captures", daemon=True)
        self._thread.start()

    def put(self, snippet: Snippet) -> None:
        """Have a snippet written; returns at once. Where two wait already it is left out."""
        try:
            self._waiting.put_nowait(snippet)
        except queue.Full:
            self._tell("the disk is too slow; a capture was left out")

    def close(self) -> None:
        """Write what waits, for some seconds at most, and end the thread; may be called twice."""
        self._closing.set()
        with suppress(queue.Full):  # then the thread looks behind each snippet whether it shall end
            self._waiting.put_nowait(None)
        self._thread.join(_CLOSE_S)

    # The writing thread

    def _write_all(self) -> None:
        self._folder.sweep()
        limit = WearLimit(self._spent_bytes(), self._monotonic_s)
        while not (self._closing.is_set() and self._waiting.empty()):
            snippet = self._waiting.get()
            if snippet is not None:
                self._write(snippet, limit)

    def _spent_bytes(self) -> int:
        """In the last day, by the files' own times: a restart saves up nothing."""
        try:
            kept = self._folder.kept()
        except SourceError:
            return 0
        day_ago_s = time.time() - 86_400.0
        return sum(each.bytes for each in kept if each.at.timestamp() > day_ago_s)

    def _write(self, snippet: Snippet, limit: WearLimit) -> None:
        why = snippet.facts.why
        if not limit.allows(why):
            _log.info("captures: the day's %d bytes are spent; one (%s) is left out", DAY_BYTES, why)
            return
        content = encode(snippet)
        try:
            path = self._folder.write(content, max_bytes=self._max_bytes)
        except (OSError, SourceError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._tell(f"{self._folder.path}: a capture cannot be written: {reason}")
            return
        limit.spend(len(content))
        self._told = ""
        _log.info("captures: kept %s (%s, %.1f s, %d bytes)", path.name, why, snippet.duration_s, len(content))

    def _tell(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._on_error(f"captures: {words}; sensing goes on")
