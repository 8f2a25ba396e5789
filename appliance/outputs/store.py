"""What waits for the broker, on disk: a power cut then loses only what is younger than two seconds.

Only events lie here. States are made anew at each start, because what a former run believed of the room is not known
to hold; and motion would write to the card many times a second. While the broker takes what it is given, nothing is
written at all.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.outputs.database import DamagedError, Database
from appliance.outputs.outbox import Outgoing

MAX_FILE_BYTES = 4 << 20
"""Twice what the outbox holds at most; beyond it SQLite itself refuses."""

_PAGE_BYTES = 1024
"""A commit of one event then writes 4 kB to the log, not 16."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE events (number INTEGER PRIMARY KEY, topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL,
    qos INTEGER NOT NULL, expires_s REAL NOT NULL);
CREATE TABLE moment (boot_id TEXT NOT NULL, wall_s REAL NOT NULL, monotonic_s REAL NOT NULL);
"""
_CLOCK_SET_S = 1_700_000_000.0
"""November 2023. A clock that shows less was never set, and its differences mean nothing."""


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
        self._monotonic_s, self._wall_s = monotonic_s, wall_s
        self._database = Database(
            path,
            schema=_SCHEMA,
            version=_VERSION,
            settings=(
                f"page_size = {_PAGE_BYTES}",
                "journal_mode = WAL",
                "synchronous = FULL",
                "wal_autocheckpoint = 256",
                f"journal_size_limit = {256 * _PAGE_BYTES}",
                f"max_page_count = {MAX_FILE_BYTES // _PAGE_BYTES}",
            ),
            loss="what waits for the broker would not survive a restart",
            monotonic_s=monotonic_s,
        )
        self._stored: set[int] = set()

    @property
    def failed(self) -> bool:
        """Whether what waits is not on the disk, because it fails."""
        return self._database.failed

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged file was put when this one was opened."""
        return self._database.set_aside

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
        self._database.check()
        database = self._database.open()
        moment = database.execute("SELECT boot_id, wall_s, monotonic_s FROM moment").fetchone()
        rows = database.execute(
            "SELECT number, topic, payload, retain, qos, expires_s FROM events ORDER BY number"
        ).fetchall()
        if rows and not _is_moment(moment):
            raise DamagedError("it does not say when it was written")
        shift_s = self._shift_s(*moment) if rows else 0.0
        events = []
        for number, topic, payload, retain, qos, expires_s in rows:
            if not isinstance(topic, str) or not isinstance(payload, bytes) or not isinstance(expires_s, float):
                raise DamagedError("an event in it is none")
            if qos not in (1, 2):
                raise DamagedError("an event in it has no quality of service")
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
        if self._database.retry_in_s:
            return
        try:
            database = self._database.open()
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
            self._database.failed = True  # what waits is not on the disk, whatever becomes of the file
            return
        self._stored = set(wanted)
        self._database.works()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _give_up(self, error: sqlite3.Error) -> None:
        if self._database.give_up(error):
            self._stored = set()


def _is_moment(moment: object) -> bool:
    return isinstance(moment, tuple) and isinstance(moment[0], str) and all(isinstance(s, float) for s in moment[1:])


def _boot_id() -> str:
    """A name that Linux draws at each boot."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
