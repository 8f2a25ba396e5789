"""Routines under a virtual clock: what would happen, when, and why not. Pure."""

import enum
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from appliance.events import (
    DeviceLost,
    Event,
    MotionStarted,
    MotionStopped,
    MotionUpdated,
    PresenceChanged,
    StreamHealth,
)
from appliance.routines.effects import Effect, Instant, Note, Output, Perform, Refused, Request
from appliance.routines.engine import Engine
from appliance.routines.explain import effect_words
from appliance.routines.outcome import Outcome
from appliance.routines.schema import Routine
from appliance.routines.sun import SunTimes
from appliance.routines.template import as_text, shown

RUN_ON_S = 86_400.0
"""How long behind the last event pending timers are followed."""


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A message comes."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """From now on, requests to `url` are answered so."""

    url: str
    json: Any


@dataclass(frozen=True, slots=True)
class ByHand:
    """Somebody starts a routine."""

    routine_id: str


@dataclass(frozen=True, slots=True)
class End:
    """The simulation ends, whatever is pending."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens at a time, in s from the start."""

    t_s: float
    what: Event | MqttMessage | Answer | ByHand | End


class Kind(enum.Enum):
    """What a line tells."""

    EVENT = "event"
    FIRED = "fired"
    EFFECT = "effect"
    STEP = "step"
    NOT = "not"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story."""

    at: Instant
    kind: Kind
    routine_id: str
    words: str
    effect: Effect | None = None


KINDS = {
    Outcome.FIRED: Kind.FIRED,
    Outcome.CONDITION: Kind.NOT,
    Outcome.COOLDOWN: Kind.NOT,
    Outcome.DROPPED: Kind.NOT,
    Outcome.FAILED: Kind.FAILED,
}
"""The kinds of the engine's notes; all others are steps."""


def simulate(
    routines: Sequence[Routine], happenings: Iterable[Happening], *, start: datetime, sun: SunTimes | None
) -> Iterator[Told]:
    """The story of what would happen; each effect is taken to succeed at once.

    Behind the last event it goes on until no timer is pending, for a day at most; with an `End`, until that.

    Args:
        routines: as loaded.
        happenings: in the order of their times.
        start: wall-clock time at second 0, with its zone.
        sun: of the place.
    """
    return _Simulation(routines, start, sun).run(happenings)


class _Simulation:
    def __init__(self, routines: Sequence[Routine], start: datetime, sun: SunTimes | None) -> None:
        self._engine = Engine(routines, sun=sun)
        self._began = Instant(0.0, start)
        self._answers: dict[str, Any] = {}

    def run(self, happenings: Iterable[Happening]) -> Iterator[Told]:
        engine = self._engine
        yield from self._tell(engine.start(self._began))
        t_s = 0.0
        for happening in happenings:
            t_s = happening.t_s
            at = self._began.on_elapsed(t_s)
            for moment in engine.moments_until(at):
                yield from self._tell(engine.advance(moment))
            if isinstance(happening.what, End):
                return
            yield Told(at, Kind.EVENT, "", words_of(happening.what))
            yield from self._tell(self._happen(happening.what, at))
        yield from self._run_on(t_s + RUN_ON_S)

    def _happen(self, what: Event | MqttMessage | Answer | ByHand, at: Instant) -> list[Output]:
        match what:
            case MqttMessage():
                return self._engine.message(what.topic, what.payload, at, retained=what.retained)
            case Answer():
                self._answers[what.url] = what.json
                return []
            case ByHand():
                return self._engine.begin(what.routine_id, at, cause="by hand")
            case _:
                return self._engine.handle(what, at)

    def _run_on(self, until_s: float) -> Iterator[Told]:
        """Go on while a timer is pending."""
        engine = self._engine
        while engine.stays or engine.runs.next_wake_s() is not None:
            deadline_s = engine.next_deadline_s()
            if deadline_s is None or deadline_s > until_s:
                return
            yield from self._tell(engine.advance(self._began.on_elapsed(deadline_s)))

    def _tell(self, outputs: Iterable[Output]) -> Iterator[Told]:
        waiting = deque(outputs)
        while waiting:
            output = waiting.popleft()
            match output:
                case Refused():
                    waiting.extendleft(reversed([*output.notes()]))
                case Note() if output.outcome is not Outcome.DONE:
                    kind = KINDS.get(output.outcome, Kind.STEP)
                    words = output.words.removeprefix(f"routine {output.routine_id}: ")
                    if kind is Kind.STEP:
                        words = f"{output.outcome.value}: {words}"
                    yield Told(output.at, kind, output.routine_id, words)
                case Perform():
                    words = effect_words(output.effect)
                    yield Told(output.at, Kind.EFFECT, output.routine_id, words, output.effect)
                    waiting.extend(self._finish(output))

    def _finish(self, perform: Perform) -> list[Output]:
        effect = perform.effect
        answer, error = None, None
        if isinstance(effect, Request) and effect.wants_answer:
            answer = self._answers.get(effect.url)
            if answer is None:
                error = f'no answer is given; write {{"type": "answer", "url": "{effect.url}", "json": ...}}'
        return self._engine.finished(perform.run, perform.at, answer=answer, error=error)


def words_of(what: Event | MqttMessage | Answer | ByHand | End) -> str:
    """An event in a few words."""
    match what:
        case MqttMessage():
            kind = "retained message" if what.retained else "message"
            return f"{kind} {shown(what.payload.decode('utf-8', 'replace'))} on {what.topic}"
        case Answer():
            return f"{what.url} answers {shown(as_text(what.json))} from now on"
        case ByHand():
            return f"{what.routine_id} is started by hand"
        case PresenceChanged():
            return f"presence {what.presence}"
        case MotionStarted() | MotionUpdated():
            way = ""
            if what.radial_mps is not None:
                way = f", {abs(what.radial_mps):.2g} m/s {'towards' if what.radial_mps > 0 else 'away'}"
            return f"motion {'starts' if isinstance(what, MotionStarted) else 'is'} {what.kind}{way}"
        case MotionStopped():
            return "motion stops"
        case StreamHealth():
            return f"faults: {', '.join(what.faults) or 'none'}"
        case DeviceLost():
            return "the device is lost"
        case _:
            return ""
