"""What stands for routines where the configuration names no file of them."""

import asyncio
import logging

from appliance.errors import RoutineError
from appliance.events import Event

_log = logging.getLogger(__name__)


class NoRoutines:
    """Does nothing at every occasion at which a `RoutineHost` would look after its routines."""

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Nothing begins."""

    def handle(self, event: Event) -> None:
        """Nothing waits for events."""

    def message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """Nothing waits for messages."""

    def begin(self, routine_id: str) -> None:
        """Nothing can be started.

        Raises:
            RoutineError: always.
        """
        raise RoutineError(f"routine {routine_id}: not known here")

    def advance(self) -> None:
        """Nothing is due."""

    def wait_s(self) -> float | None:
        """Nothing has to be done for ever."""
        return None

    def look_at_file(self) -> None:
        """No file can change."""

    def reload(self) -> None:
        """Nothing can be read again: which file it is, is asked at the start alone."""
        _log.info("there are no routines: the configuration that was read at the start names no file")

    async def finish(self) -> None:
        """Nothing goes on."""
