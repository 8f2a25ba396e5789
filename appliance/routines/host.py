"""Runs the engine among the living: its clock, its effects as tasks, its file, its pending timers."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from appliance.errors import ApplianceError, RoutineError
from appliance.events import Event
from appliance.fields import did_you_mean
from appliance.routines.actions import ActionRunner
from appliance.routines.effects import Cancel, Instant, Note, Output, Perform, Refused
from appliance.routines.engine import Engine
from appliance.routines.facts import MAX_PAYLOAD_BYTES
from appliance.routines.outcome import Outcome
from appliance.routines.schema import Routine
from appliance.routines.snapshot import restore, take
from appliance.routines.store import PendingFile, WriteBudget
from appliance.routines.sun import SunTimes

_log = logging.getLogger(__name__)

_LAST_ACTIONS_S = 5.0
_SAVE_S = 2.0
_SAID = {Outcome.FIRED, Outcome.DROPPED, Outcome.COOLDOWN}


class RoutineHost:
    """The routines of a running service; everything is called in the event loop's thread.

    Args:
        load: reads and checks the file.
        file: its path, to see that it changed; None where there is none.
        runner: carries out effects.
        now: the moment on both clocks.
        on_error: gets one line for each failure.
        on_note: gets what becomes of routines that were started by hand.
        listen: is told which MQTT topics are wanted.
        sun: of the device's place.
        pending: where timers outlive the process; None to forget them.

    Raises:
        ConfigError: the file cannot be used.
    """

    def __init__(
        self,
        *,
        load: Callable[[], Sequence[Routine]],
        file: Path | None,
        runner: ActionRunner,
        now: Callable[[], Instant],
        on_error: Callable[[str], None],
        on_note: Callable[[Note], None],
        listen: Callable[[frozenset[str]], None],
        sun: SunTimes | None,
        pending: PendingFile | None,
    ) -> None:
        self._load, self._file = load, file
        self._runner, self._now, self._on_error, self._listen = runner, now, on_error, listen
        self._on_note = on_note
        self._pending, self._budget = pending, WriteBudget()
        self._seen = _state_of(file)
        self._engine = Engine(load(), sun=sun)
        self._acting: dict[int, tuple[str, asyncio.Task[None]]] = {}
        self._saved: object = None
        self._saved_s = 0.0

    # What the service tells

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Take up what was pending, and begin; effects run as tasks of the group."""
        self._tasks = tasks
        at = self._now()
        saved = self._pending.load() if self._pending else None
        if saved is not None:
            for words in restore(self._engine, saved, at):
                _log.warning("%s", words)
        self._listen(self._engine.topics)
        self._obey(self._engine.start(at))
        self._saved = self._what_is_pending(at)

    def handle(self, event: Event) -> None:
        """An event of the pipeline."""
        self._obey(self._engine.handle(event, self._caught_up()))

    def message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """An MQTT message of a topic that was asked for."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            self._on_error(
                f"routines: a message of {len(payload)} bytes on {topic} is passed over; {MAX_PAYLOAD_BYTES} at most"
            )
            return
        self._obey(self._engine.message(topic, payload, self._caught_up(), retained=retained))

    def begin(self, routine_id: str) -> None:
        """Start a routine by hand; conditions, cooldown and mode decide as though its trigger had come.

        Raises:
            RoutineError: there is none of this name.
        """
        known = self._engine.runs.rules
        if routine_id not in known:
            raise RoutineError(f"routine {routine_id}: not known here{did_you_mean(routine_id, known)}")
        self._obey(self._engine.begin(routine_id, self._caught_up(), cause="by hand"))

    def advance(self) -> None:
        """Time went on: what is due is done, and what is pending is written now and then."""
        at = self._caught_up()
        if self._pending and at.elapsed_s - self._saved_s >= _SAVE_S:
            self._saved_s = at.elapsed_s
            if self._what_is_pending(at) != self._saved and self._budget.allows(at.elapsed_s):
                self._save(at)

    def wait_s(self) -> float | None:
        """How long nothing has to be done, for a caller that has no reason of its own to `advance`; None for ever."""
        at = self._now()
        deadline_s = self._engine.next_deadline_s()
        waits = [] if deadline_s is None else [deadline_s - at.elapsed_s]
        if self._pending and self._what_is_pending(at) != self._saved:
            waits.append(_SAVE_S)
        return min(waits, default=None)

    def look_at_file(self) -> None:
        """Reload where the file changed since it was read."""
        if self._file is not None and _state_of(self._file) != self._seen:
            self.reload()

    def reload(self) -> None:
        """Read the file again; with any fault in it the routines of before stay."""
        self._seen = _state_of(self._file)
        try:
            routines = self._load()
        except ApplianceError as error:
            for line in str(error).splitlines():
                self._on_error(f"routines are not reloaded: {line}")
            return
        self._obey(self._engine.reload(routines, self._caught_up()))
        self._listen(self._engine.topics)
        _log.info("routines reloaded: %d", len(routines))

    async def finish(self) -> None:
        """Let what has begun come to its end, but not for long: whoever ends us waits. Pending timers are written."""
        tasks = {task: routine for routine, task in self._acting.values()}
        if tasks:
            _, unfinished = await asyncio.wait(tasks, timeout=_LAST_ACTIONS_S)
            for task in unfinished:
                self._on_error(f"routine {tasks[task]}: cut off, because the service ends")
                task.cancel()
        at = self._now()
        if self._pending and self._what_is_pending(at) != self._saved:
            self._save(at)

    # What the engine wants

    def _caught_up(self) -> Instant:
        """Now, with all that fell due before."""
        at = self._now()
        for moment in self._engine.moments_until(at):
            self._obey(self._engine.advance(moment))
        return at

    def _obey(self, outputs: Iterable[Output]) -> None:
        """Outputs in the order in which they were given: what is cancelled was begun before."""
        waiting = deque(outputs)
        while waiting:
            match waiting.popleft():
                case Note() as note:
                    self._say(note)
                case Refused() as refused:
                    if refused.by_hand or _log.isEnabledFor(logging.DEBUG):
                        for note in refused.notes():
                            self._say(note)
                case Cancel(run=run):
                    if run in self._acting:
                        self._acting.pop(run)[1].cancel()
                case Perform() as perform:
                    waiting.extend(self._begin(perform))

    def _begin(self, perform: Perform) -> list[Output]:
        """Do an effect at once, and what follows from it; or begin what takes time."""
        try:
            if self._runner.at_once(perform.effect):
                return self._engine.finished(perform.run, perform.at)
        except RoutineError as error:
            return self._engine.finished(perform.run, perform.at, error=str(error))
        task = self._tasks.create_task(self._perform(perform))
        self._acting[perform.run] = perform.routine_id, task
        return []

    async def _perform(self, perform: Perform) -> None:
        answer: Any = None
        error: str | None = None
        try:
            answer = await self._runner.perform(perform.effect)
        except RoutineError as failed:
            error = str(failed)
        self._acting.pop(perform.run, None)
        self._obey(self._engine.finished(perform.run, self._caught_up(), answer=answer, error=error))

    def _say(self, note: Note) -> None:
        if note.by_hand:
            self._on_note(note)
        if note.outcome is Outcome.FAILED:
            self._on_error(note.words)
        elif note.outcome in _SAID:
            _log.info("routine %s: %s: %s", note.routine_id, note.outcome.value, note.words)
        else:
            _log.debug("routine %s: %s %s", note.routine_id, note.outcome.value, note.words)

    # What outlives us

    def _what_is_pending(self, at: Instant) -> object:
        """Changes when the file has to be written anew: with what is pending, and when the wall clock was set."""
        engine = self._engine
        runs = [(run.number, run.wake_s) for run in engine.runs.waiting()]
        rules = [
            (rule.routine.id, rule.cooldown_until_s, len(rule.queue))
            for rule in engine.runs.rules.values()
            if rule.cooldown_until_s is not None or rule.queue
        ]
        stays = [stay[:3] for stay in (*engine.stays, *engine.held)]
        clock = round((at.utc.timestamp() - at.elapsed_s) / 10.0) if stays or runs or rules else 0
        return engine.held_presence or engine.facts.presence, stays, runs, rules, clock, dict(engine.facts.values)

    def _save(self, at: Instant) -> None:
        assert self._pending is not None
        self._saved = self._what_is_pending(at)
        try:
            self._budget.spend(self._pending.save(take(self._engine, at)))
        except OSError as error:
            self._on_error(f"routines: {self._pending.path} cannot be written: {error.strerror}")


def local_zone() -> tzinfo:
    """The computer's zone with all its changes to summer time, which a fixed offset does not know."""
    try:
        name = os.environ.get("TZ", "").removeprefix(":")
        if name:
            return ZoneInfo(name)
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return UTC


def _state_of(file: Path | None) -> tuple[int, ...] | None:
    """What changes when a file is written; None where there is none."""
    if file is None:
        return None
    try:
        state = file.stat()
    except (OSError, ValueError):
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
