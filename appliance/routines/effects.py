"""What the engine gives back: what is to be done outside, and what it has to say about its decisions."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.routines.outcome import Outcome
from appliance.routines.template import shown

MAX_WORDS = 1000


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on both clocks: `elapsed_s` never jumps, `wall` has its time zone and may be anything."""

    elapsed_s: float
    wall: datetime

    @property
    def utc(self) -> datetime:
        """The wall clock in UTC, where differences are elapsed time; within a zone they are what the hands show."""
        return self.wall.astimezone(UTC)

    def on_elapsed(self, elapsed_s: float) -> "Instant":
        """The moment at another elapsed time, if the wall clock ran evenly."""
        utc = self.utc + timedelta(seconds=elapsed_s - self.elapsed_s)
        return Instant(elapsed_s, utc.astimezone(self.wall.tzinfo))


# What is to be done outside: an action with its values in it.


@dataclass(frozen=True, slots=True)
class Publish:
    """An MQTT message."""

    topic: str
    payload: bytes
    retain: bool
    qos: int


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request; `body` is JSON. With `wants_answer` its JSON answer is given back to the engine."""

    url: str
    method: str
    body: bytes | None
    timeout_s: float
    wants_answer: bool


@dataclass(frozen=True, slots=True)
class Start:
    """A program of the allow list, with the values of its arguments by name."""

    command: str
    values: Mapping[str, str]
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Play:
    """A file or stream, to its end."""

    media: str
    level_db: float


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """The end of whatever is played."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Text to speak."""

    text: str
    language: str
    level_db: float


@dataclass(frozen=True, slots=True)
class SwitchEmission:
    """Whether the tweeter plays."""

    on: bool


Effect = Publish | Request | Start | Play | StopPlaying | Announce | SwitchEmission


# What the engine gives back


def line(words: str) -> str:
    """What is logged is one line; topics and expressions of the file may hold line breaks."""
    return words if words.isprintable() else shown(words, MAX_WORDS)


@dataclass(frozen=True, slots=True)
class Note:
    """One decision: which routine, what became of it, and why in words; `by_hand` where somebody started it."""

    routine_id: str
    outcome: Outcome
    words: str
    at: Instant
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Triggers of one cause that came while conditions did not hold; the words are made for whoever reads them."""

    cause: str
    at: Instant
    routines: list[tuple[str, Callable[[], str]]]
    """Each routine's id, and its why."""
    by_hand: bool = False

    def notes(self) -> Iterator[Note]:
        """One decision for each routine, in their order."""
        for routine_id, why in self.routines:
            yield Note(routine_id, Outcome.CONDITION, line(f"{why()} ({self.cause})"), self.at, self.by_hand)


@dataclass(frozen=True, slots=True)
class Perform:
    """The effect of a run's action; the run goes on when the engine is told that it is `finished`."""

    run: int
    routine_id: str
    name: str
    effect: Effect
    at: Instant


@dataclass(frozen=True, slots=True)
class Cancel:
    """Whatever this run performs is to end; nothing is to be told about it any more."""

    run: int
    routine_id: str


Output = Note | Refused | Perform | Cancel
