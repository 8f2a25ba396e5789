"""Wall-clock time of what is being delivered: the computer's own, or the stream's."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time of what is being delivered."""

    def now(self) -> datetime:
        """The time, with its zone."""

    def elapsed_s(self) -> float:
        """Time that no setting of the clock moves."""

    def follow(self, t_s: float) -> None:
        """The stream has come to this time."""


class WallClock:
    """The computer's own."""

    def now(self) -> datetime:
        """The time in UTC."""
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        """The computer's monotonic clock."""
        return time.monotonic()

    def follow(self, t_s: float) -> None:
        """A stream that runs in real time does not move the clock."""


class StreamClock:
    """A clock that the stream drives, for a stream that runs faster than time."""

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self._t_s = 0.0

    def now(self) -> datetime:
        """When the stream's time would be, had it begun with this clock."""
        return self._started + timedelta(seconds=self._t_s)

    def elapsed_s(self) -> float:
        """The stream's time."""
        return self._t_s

    def follow(self, t_s: float) -> None:
        """Move on."""
        self._t_s = t_s
