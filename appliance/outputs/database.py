"""A small SQLite file that may fail: a disk that does is tried again, a file that is damaged is put aside."""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger(__name__)

RETRY_S = 60.0


class DamagedError(sqlite3.DatabaseError):
    """Readable to SQLite, but not what we wrote."""


class Database:
    """Opened when first used; used by one thread at a time.

    Args:
        path: of the file; its directory is there.
        schema: statements that make the tables in a new file.
        version: of this schema; a file of another one counts as damaged.
        settings: of each connection, as `PRAGMA` takes them.
        loss: what the owner loses while the file cannot be used, for the log.
        monotonic_s: seconds that never jump.
    """

    def __init__(
        self,
        path: Path,
        *,
        schema: str,
        version: int,
        settings: Sequence[str],
        loss: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._schema, self._version = schema, version
        self._settings = tuple(settings)
        self._loss = loss
        self._monotonic_s = monotonic_s
        self._connection: sqlite3.Connection | None = None
        self._retry_at_s = float("-inf")
        self.failed = False
        self.set_aside: Path | None = None
        """Where a damaged file was put when this one was opened."""

    @property
    def retry_in_s(self) -> float:
        """How long to leave a disk alone that failed; 0 for one that did not."""
        return max(0.0, self._retry_at_s - self._monotonic_s())

    def open(self) -> sqlite3.Connection:
        """The connection; opened, and its tables made, where there is none.

        Raises:
            sqlite3.Error: the file cannot be used; `give_up` knows what then.
        """
        if self._connection is not None:
            return self._connection
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            for setting in self._settings:
                connection.execute(f"PRAGMA {setting}")
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self.path.chmod(0o600)
        self._connection = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables in a new file, and refuse one that somebody else made."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0 and not connection.execute("SELECT * FROM sqlite_schema").fetchall():
            connection.executescript(f"BEGIN; {self._schema} PRAGMA user_version = {self._version}; COMMIT;")
        elif version != self._version:
            raise DamagedError(f"it is of version {version}, not {self._version}")

    def check(self) -> None:
        """Look at all pages.

        Raises:
            sqlite3.Error: they contradict each other, or the file cannot be used.
        """
        if self.open().execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise DamagedError("its pages contradict each other")

    def works(self) -> None:
        """Something was written."""
        if self.failed:
            self.failed = False
            _log.info("%s: can be written again", self.path)

    def give_up(self, error: sqlite3.Error) -> bool:
        """A disk that fails is tried again later; a file that fails is put aside, and then this is true."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            return self._put_aside(error)
        self._fail(error)
        return False

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _fail(self, error: sqlite3.Error) -> None:
        """Run on without the file; after a minute it is opened anew."""
        self._retry_at_s = self._monotonic_s() + RETRY_S
        self.close()
        if not self.failed:
            self.failed = True
            _log.error("%s: cannot be used (%s); %s. Free some space or make it writable", self.path, error, self._loss)

    def _put_aside(self, error: sqlite3.Error) -> bool:
        self.close()
        aside = self.path.with_name(self.path.name + ".damaged")
        try:
            self.path.replace(aside)
            for end in ("-wal", "-shm"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
        except OSError as fault:
            self._fail(sqlite3.OperationalError(f"{error}, and it cannot be renamed: {fault.strerror}"))
            return False
        self.set_aside = aside
        _log.error("%s: is damaged (%s); begun anew, the old one is %s", self.path, error, aside)
        return True
