"""What waits for the broker, on disk: a power cut then loses only what is younger than two seconds.

Only events lie here. States are made anew at each start, because what a former run believed of the room is not known
to hold; and motion would write to the card many times a second. While the broker takes what it is given, nothing is
written at all.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from appliance.outputs.outbox import Outgoing

_log = logging.getLogger(__name__)

MAX_FILE_BYTES = 4 << 20
"""Twice what the outbox holds at most; beyond it SQLite itself refuses."""

_PAGE_BYTES = 1024
"""A commit of one event then writes 4 kB to the log, not 16."""

_VERSION = 1
_SCHEMA = f"""
BEGIN;
CREATE TABLE events (number INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL,
    qos INTEGER NOT NULL, expires_s REAL NOT NULL);
CREATE TABLE moment (boot_id TEXT NOT NULL, wall_s REAL NOT NULL, monotonic_s REAL NOT NULL);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_RETRY_S = 60.0
_CLOCK_SET_S = 1_700_000_000.0
"""November 2023. A clock that shows less was never set, and its differences mean nothing."""


class _Damaged(sqlite3.DatabaseError):
    """Readable to SQLite, but not what we wrote."""


class EventStore:
    """A file with the events that wait; every method but the first may be called from one other thread.

    A disk that is full, read-only or gone stops nothing: `failed` tells it, and each `save` after a minute tries again.

    Args:
        path: of the SQLite file; its directory is there.
        monotonic_s: the clock of `Outgoing.expires_s`, which begins anew at each boot.
        wall_s: seconds since 1970, to guess how long the power was off.
    """

    def __init__(
        self, path: Path, *, monotonic_s: Callable[[], float] = time.monotonic, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._monotonic_s, self._wall_s = monotonic_s, wall_s
        self._database: sqlite3.Connection | None = None
        self._stored: set[int] = set()
        self._retry_at_s = float("-inf")
        self.failed = False
        self.set_aside: Path | None = None
        """Where a damaged file was put when this one was opened."""

    @property
    def empty(self) -> bool:
        """Whether the file holds no event."""
        return not self._stored

    def load(self) -> list[Outgoing]:
        """The events of a former run in their order, with what is left of their time; none if they cannot be read."""
        try:
            return self._load()
        except sqlite3.Error as error:
            self._give_up(error)
        return []

    def _load(self) -> list[Outgoing]:
        database = self._open()
        if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _Damaged("its pages contradict each other")
        moment = database.execute("SELECT boot_id, wall_s, monotonic_s FROM moment").fetchone()
        rows = database.execute(
            "SELECT number, topic, payload, retain, qos, expires_s FROM events ORDER BY number"
        ).fetchall()
        if rows and not _is_moment(moment):
            raise _Damaged("it does not say when it was written")
        shift_s = self._shift_s(*moment) if rows else 0.0
        events = []
        for number, topic, payload, retain, qos, expires_s in rows:
            if not isinstance(topic, str) or not isinstance(payload, bytes) or not isinstance(expires_s, float):
                raise _Damaged("an event in it is none")
            if qos not in (1, 2):
                raise _Damaged("an event in it has no quality of service")
            events.append(Outgoing(topic, payload, bool(retain), qos, expires_s + shift_s, number))
        self._stored = {event.number for event in events}
        return events

    def _shift_s(self, boot_id: str, wall_s: float, monotonic_s: float) -> float:
        """What to add to a time of the monotonic clock as it was when the file was written."""
        if boot_id == _boot_id():
            return 0.0
        off_s = self._wall_s() - wall_s if wall_s > _CLOCK_SET_S else 0.0
        return self._monotonic_s() - monotonic_s - max(off_s, 0.0)

    def save(self, events: Sequence[Outgoing]) -> None:
        """Make the file hold these events and no others; writes only what changed, and waits until the disk has it."""
        wanted = {event.number: event for event in events}
        gone = self._stored - set(wanted)
        new = [event for number, event in wanted.items() if number not in self._stored]
        if not gone and not new and not self.failed:
            return
        if self._monotonic_s() < self._retry_at_s:
            return
        try:
            database = self._open()
            with database:
                database.execute("BEGIN")
                database.executemany("DELETE FROM events WHERE number = ?", [(number,) for number in gone])
                database.executemany(
                    "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)",
                    [(each.number, each.topic, each.payload, each.retain, each.qos, each.expires_s) for each in new],
                )
                database.execute("DELETE FROM moment")
                database.execute(
                    "INSERT INTO moment VALUES (?, ?, ?)", (_boot_id(), self._wall_s(), self._monotonic_s())
                )
        except sqlite3.Error as error:
            self._give_up(error)
            self.failed = True  # what waits is not on the disk, whatever becomes of the file
            return
        self._stored = set(wanted)
        if self.failed:
            self.failed = False
            _log.info("%s: can be written again", self._path)

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _open(self) -> sqlite3.Connection:
        if self._database is not None:
            return self._database
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA wal_autocheckpoint = 256")
            database.execute(f"PRAGMA journal_size_limit = {256 * _PAGE_BYTES}")
            database.execute(f"PRAGMA max_page_count = {MAX_FILE_BYTES // _PAGE_BYTES}")
            _prepare(database)
        except BaseException:
            database.close()
            raise
        self._path.chmod(0o600)
        self._database = database
        return database

    def _give_up(self, error: sqlite3.Error) -> None:
        """A disk that fails is tried again later; a file that fails is put aside."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            self._put_aside(error)
        else:
            self._fail(error)

    def _fail(self, error: sqlite3.Error) -> None:
        """Run on without the file; after a minute it is opened anew."""
        self._retry_at_s = self._monotonic_s() + _RETRY_S
        self.close()
        if not self.failed:
            self.failed = True
            _log.error(
                "%s: cannot be used (%s); what waits for the broker would not survive a restart. "
                "Free some space or make it writable",
                self._path,
                error,
            )

    def _put_aside(self, error: sqlite3.Error) -> None:
        self.close()
        self._stored = set()
        aside = self._path.with_name(self._path.name + ".damaged")
        try:
            self._path.replace(aside)
            for end in ("-wal", "-shm"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
        except OSError as fault:
            self._fail(sqlite3.OperationalError(f"{error}, and it cannot be renamed: {fault.strerror}"))
            return
        self.set_aside = aside
        _log.error("%s: is damaged (%s); begun anew, the old one is %s", self._path, error, aside)


def _prepare(database: sqlite3.Connection) -> None:
    """Make the tables in a new file, and refuse one that somebody else made."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version == 0 and not database.execute("SELECT * FROM sqlite_schema").fetchall():
        database.executescript(_SCHEMA)
    elif version != _VERSION:
        raise _Damaged(f"it is of version {version}, not {_VERSION}")


def _is_moment(moment: object) -> bool:
    return isinstance(moment, tuple) and isinstance(moment[0], str) and all(isinstance(s, float) for s in moment[1:])


def _boot_id() -> str:
    """A name that Linux draws at each boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
