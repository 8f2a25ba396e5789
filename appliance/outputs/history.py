"""What happened here: events, states and health in a bounded file, with the wall-clock time they came at.

A card wears out by writing, so a day has a budget of bytes. What comes is gathered for 1.5 s and committed at once;
where the budget is spent, commits wait until it has grown again, and what waits too long makes room for what is newer.
What a commit costs is counted, not guessed: the log's growth, the pages that leave it, and a block of its index.
"""

import json
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from appliance.outputs.database import DamagedError, Database
from appliance.outputs.outbox import OutputCounts
from appliance.outputs.payloads import EventMessage, HealthState, Message, MotionState, PresenceState, encode
from appliance.outputs.publisher import Sink

_log = logging.getLogger(__name__)

FILE_NAME = "history.sqlite"
MAX_FILE_BYTES = 32 << 20
"""About a month of a home where something happens each half minute."""

KEPT_S = 31 * 86_400.0
DAY_BYTES = 20_000_000
HEARTBEAT_S = 600.0
"""Health that stays the same is written this often: without it a quiet night and a service that was off look alike."""

_PAGE_BYTES = 1024
_FRAME_BYTES = _PAGE_BYTES + 24
_INDEX_BYTES = 4096
"""SQLite keeps the log's index in a mapped file: the kernel writes at least one block of it for a commit."""

_LOG_BYTES = 256 * _FRAME_BYTES
_LARGEST_COMMIT_BYTES = 2 * _LOG_BYTES
_BURST_BYTES = 4_000_000
_ENOUGH_BYTES = 16_384
_ROW_COST_BYTES = 2048
"""What a row of a former run is taken to have cost."""

_GATHER_S = 1.5
"""With half a second for the file itself, whatever is older than 2 s is in it."""

_WAITING_MAX = 512
_VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA = """
CREATE TABLE entries (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, topic TEXT NOT NULL, payload TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A state or event of `topic` (event, presence, motion, health) as it was published `at`."""

    at: datetime
    topic: str
    payload: dict[str, Any]


class WriteBudget:
    """Bytes that may be written, so that no 24 hours get more than a day's.

    Args:
        spent_bytes: in the last day, by a former run.
        monotonic_s: seconds that never jump.
    """

    def __init__(self, spent_bytes: int, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        # What was saved up and what grows in a day are a day's together; the last commit may overdraw.
        self._rate_bytes_per_s = (DAY_BYTES - _BURST_BYTES - _LARGEST_COMMIT_BYTES) / 86_400.0
        self._left_bytes = float(max(0, min(_BURST_BYTES, DAY_BYTES - spent_bytes)))
        self._at_s = monotonic_s()

    def spend(self, count_bytes: int) -> None:
        """These bytes were written."""
        self._left_bytes = self._grown_bytes() - count_bytes
        self._at_s = self._monotonic_s()

    @property
    def enough_in_s(self) -> float:
        """How long until a commit may be made, in s."""
        return max(0.0, (_ENOUGH_BYTES - self._grown_bytes()) / self._rate_bytes_per_s)

    def _grown_bytes(self) -> float:
        grown_bytes = self._left_bytes + (self._monotonic_s() - self._at_s) * self._rate_bytes_per_s
        return min(float(_BURST_BYTES), grown_bytes)


class HistoryFile:
    """The file and its bounds; used by one thread.

    A disk that is full, read-only or gone stops nothing: `failed` tells it, and `wait_s` when to try again.

    Args:
        path: of the SQLite file; its directory is there.
        monotonic_s: seconds that never jump.
        wall_s: seconds since 1970.
    """

    def __init__(
        self, path: Path, *, monotonic_s: Callable[[], float] = time.monotonic, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._monotonic_s, self._wall_s = monotonic_s, wall_s
        self._log = path.with_name(path.name + "-wal")
        self._database = Database(
            path,
            schema=_SCHEMA,
            version=_VERSION,
            settings=(
                f"page_size = {_PAGE_BYTES}",
                "journal_mode = WAL",
                "synchronous = NORMAL",
                "wal_autocheckpoint = 0",
                "cache_size = -256",
                "busy_timeout = 200",  # a reader in the middle keeps the log from being emptied; it can wait
                f"max_page_count = {MAX_FILE_BYTES // _PAGE_BYTES}",
            ),
            loss="history is not kept",
            monotonic_s=monotonic_s,
        )
        self._budget: WriteBudget | None = None
        self._began = (0.0, 0)
        self._empty_at_bytes = _LOG_BYTES
        self.written_bytes = 0
        """Since the start, as counted for the budget."""

    @property
    def failed(self) -> bool:
        """Whether history is not kept, because the disk fails."""
        return self._database.failed

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged file was put."""
        return self._database.set_aside

    @property
    def wait_s(self) -> float:
        """How long the next commit shall wait, in s: a disk failed, or the day's bytes are spent."""
        return max(self._database.retry_in_s, self._budget.enough_in_s if self._budget else 0.0)

    def open(self) -> None:
        """Look whether the file can be used, and how much was written of late. `append` does so too where needed."""
        try:
            self._opened()
        except sqlite3.Error as error:
            self._database.give_up(error)

    def append(self, entries: Sequence[tuple[int, str, str]]) -> bool:
        """Write entries of ms since 1970, topic and payload, and make room for them; whether that was done."""
        try:
            connection = self._opened()
            before_bytes = self._log_bytes()
            with connection:
                connection.execute("BEGIN")
                self._make_room(connection, len(entries))
                connection.executemany("INSERT INTO entries (at_ms, topic, payload) VALUES (?, ?, ?)", entries)
            self._spend(self._log_bytes() - before_bytes + _INDEX_BYTES)
            if self._log_bytes() > self._empty_at_bytes:
                self._empty_log(connection)
        except sqlite3.Error as error:
            self._database.give_up(error)
            return False
        self._database.works()
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _opened(self) -> sqlite3.Connection:
        connection = self._database.open()
        if self._budget is None:
            self._database.check()
            first, last, newest_ms = connection.execute(
                "SELECT coalesce(min(number), 0), coalesce(max(number), 0),"
                " (SELECT at_ms FROM entries ORDER BY number DESC LIMIT 1) FROM entries"
            ).fetchone()
            of_late = range(max(first, last - DAY_BYTES // _ROW_COST_BYTES), last + 1)
            (rows,) = connection.execute(
                "SELECT count(*) FROM entries WHERE number >= ? AND at_ms > ?",
                (of_late.start, int((self._wall_s() - 86_400.0) * 1000)),
            ).fetchone()
            if not isinstance(newest_ms, int | None):
                raise DamagedError("an entry in it has no time")
            # Age counts from what was written last, on the clock that never jumps: a wrong date shall delete nothing.
            self._began = (self._monotonic_s(), newest_ms or int(self._wall_s() * 1000))
            self._budget = WriteBudget(rows * _ROW_COST_BYTES, self._monotonic_s)
        return connection

    def _make_room(self, connection: sqlite3.Connection, count: int) -> None:
        """Delete what is too old or too much: little more at a time than what comes, so that no commit is large."""
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        # A quarter more than the largest batch, in pages of which a row may fill several.
        full = (pages - free_pages) * _PAGE_BYTES > MAX_FILE_BYTES * 3 // 4
        (oldest,) = connection.execute("SELECT coalesce(min(number), 0) FROM entries").fetchone()
        began_s, newest_ms = self._began
        limit_ms = newest_ms + int((self._monotonic_s() - began_s - KEPT_S) * 1000)
        connection.execute(
            "DELETE FROM entries WHERE number < ? AND (? OR at_ms < ?)", (oldest + 2 * count + 2, full, limit_ms)
        )

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        """Move what the log holds into the file; each page once, however often it stands in the log."""
        pages = self._pages_in_log()
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._spend(pages * _PAGE_BYTES + _INDEX_BYTES)
        self._empty_at_bytes = _LOG_BYTES + (self._log_bytes() if busy else 0)

    def _pages_in_log(self) -> int:
        """Different pages by the log's frame headers (SQLite, 'WAL File Format')."""
        try:
            log = self._log.read_bytes()
        except OSError:
            return 0
        return len({log[at : at + 4] for at in range(32, len(log), _FRAME_BYTES)})

    def _log_bytes(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def _spend(self, count_bytes: int) -> None:
        assert self._budget is not None
        self.written_bytes += count_bytes
        self._budget.spend(count_bytes)


class History:
    """Writes down what passes through to the broker. Messages come from one thread, `counts` from any.

    Args:
        path: of the SQLite file; its directory is there.
        sink: the broker's, which gets everything first; None without a broker.
        clock: wall-clock time, with its zone.
    """

    def __init__(self, path: Path, *, sink: Sink | None, clock: Callable[[], datetime]) -> None:
        self._sink = sink
        self._clock = clock
        self._file = HistoryFile(path)
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, str, str]] = deque(maxlen=_WAITING_MAX)
        self._left_out = 0
        self._finished = False
        self._told: dict[str, object] = {}
        self._beat_s = float("-inf")
        self._writer = threading.Thread(target=self._write_loop, name="history", daemon=True)
        self._writer.start()

    def publish_state(self, name: str, state: Message) -> None:
        """Hand a state on, and write it down where it says something new."""
        if self._sink:
            self._sink.publish_state(name, state)
        if self._is_news(name, state):
            self._write(name, state)

    def publish_event(self, event: EventMessage) -> None:
        """Hand an event on and write it down."""
        if self._sink:
            self._sink.publish_event(event)
        self._write("event", event)

    def counts(self) -> OutputCounts:
        """The broker's, and whether history cannot be kept."""
        counts = self._sink.counts() if self._sink else OutputCounts(0, 0, 0, 0)
        return replace(counts, storage_failed=counts.storage_failed or self._file.failed)

    def close(self) -> None:
        """Write what waits and end the thread; may be called twice."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()
        self._writer.join(2.0)

    def _is_news(self, name: str, state: Message) -> bool:
        """Velocities change several times a second and health's counters each minute; their states do not."""
        match state:
            case PresenceState():
                told: object = (state.presence, state.since)
            case MotionState():
                told = (state.motion, state.kind)
            case HealthState():
                told = (state.state, state.faults, state.version)
                now_s = time.monotonic()
                if now_s - self._beat_s >= HEARTBEAT_S:
                    self._told.pop(name, None)
                    self._beat_s = now_s
            case _:
                told = state
        if self._told.get(name) == told:
            return False
        self._told[name] = told
        return True

    def _write(self, topic: str, message: Message) -> None:
        # What tells its own time is found under it again.
        at: datetime = getattr(message, "at", None) or self._clock()
        entry = ((at - _EPOCH) // timedelta(milliseconds=1), topic, encode(message).decode())
        with self._changed:
            self._left_out += len(self._waiting) == _WAITING_MAX
            self._waiting.append(entry)
            self._changed.notify_all()

    # The writing thread

    def _write_loop(self) -> None:
        finished = False
        self._file.open()
        while not finished:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._finished)
                self._changed.wait_for(lambda: self._finished, max(_GATHER_S, self._file.wait_s))
                finished = self._finished
                entries = list(self._waiting)
                self._waiting.clear()
                left_out, self._left_out = self._left_out, 0
            if left_out and not self._file.failed:
                _log.warning("history: %d entries left out, because the day's %d bytes are spent", left_out, DAY_BYTES)
            if entries and not self._file.append(entries):
                with self._changed:
                    newer = list(self._waiting)
                    self._waiting.clear()
                    self._waiting.extend(entries + newer)
        self._file.close()


def read_history(path: Path, since: datetime, until: datetime) -> Iterator[Entry]:
    """What a file holds of a span of time, in the order in which it came; the service may go on writing.

    Raises:
        sqlite3.Error: it cannot be read, is damaged or of another version.
    """
    # A file whose service is gone may lie where nothing can be written; then nobody else writes it either.
    alone = "" if path.with_name(path.name + "-wal").exists() else "&immutable=1"
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro{alone}", uri=True)
    try:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            raise DamagedError(f"it is of version {version}, not {_VERSION}")
        for at_ms, topic, payload in database.execute(
            "SELECT at_ms, topic, payload FROM entries WHERE at_ms >= ? AND at_ms < ? ORDER BY number",
            (round(since.timestamp() * 1000), round(until.timestamp() * 1000)),
        ):
            try:
                yield Entry(datetime.fromtimestamp(at_ms / 1000, UTC), topic, json.loads(payload))
            except (ValueError, TypeError, OverflowError) as error:
                raise DamagedError("an entry in it is none") from error
    finally:
        database.close()
