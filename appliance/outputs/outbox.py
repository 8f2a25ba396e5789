"""What waits for the broker, bounded: the last value of each state, and a ring of events that grow stale.

No thread, no lock and no clock in here; the caller brings all three. Monotonic seconds throughout.
"""

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

MAX_EVENTS = 256
MAX_EVENT_BYTES = 2 << 20
"""Routines may send 64 kB at once; 256 such would be 16 MB."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way; `expires_s` is None for a state, which is replaced but never grows stale.

    An event's `number` is its place in the order in which events came; 0 where it has none yet.
    """

    topic: str
    payload: bytes
    retain: bool
    qos: int
    expires_s: float | None
    number: int = 0

    @property
    def size_bytes(self) -> int:
        """Of what is kept."""
        return len(self.topic) + len(self.payload)


@dataclass(frozen=True, slots=True)
class OutputCounts:
    """Events waiting now, what was lost since the start (pushed out of the ring, or too old), and faults."""

    events_waiting: int
    events_dropped: int
    events_expired: int
    callback_errors: int
    storage_failed: bool = False


class Outbox:
    """States and events that wait. States go first, in the order in which their topics first appeared.

    Args:
        restored: events that a former run left, in their order and with their numbers.
    """

    def __init__(self, restored: Sequence[Outgoing] = ()) -> None:
        self._states: dict[str, Outgoing] = {}
        self._due: dict[str, None] = {}
        self._events = deque(restored)
        self._events_bytes = sum(event.size_bytes for event in restored)
        self._numbers = itertools.count(1 + max((event.number for event in restored), default=0))
        self.events_dropped = 0
        self.events_expired = 0
        self._bound()

    @property
    def events(self) -> tuple[Outgoing, ...]:
        """What stands in the ring, the oldest first."""
        return tuple(self._events)

    @property
    def events_waiting(self) -> int:
        """How many events stand in the ring."""
        return len(self._events)

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return not self._due and not self._events

    def put_state(self, topic: str, payload: bytes) -> None:
        """Take the new value of a retained topic; an older one that still waits is replaced."""
        self._states[topic] = Outgoing(topic, payload, retain=True, qos=1, expires_s=None)
        self._due[topic] = None

    def put_event(self, event: Outgoing) -> None:
        """Take an event behind the others; the oldest makes room and is counted."""
        self._events.append(replace(event, number=next(self._numbers)))
        self._events_bytes += event.size_bytes
        self._bound()

    def announce(self) -> None:
        """Let every state known go out again."""
        self._due = dict.fromkeys(self._states)

    def give_back(self, messages: Iterable[Outgoing]) -> None:
        """Put unacknowledged events back in front, in their order.

        States need it not, `announce` covers them; at quality of service 0 nobody wants a second copy.
        """
        again = [message for message in messages if message.expires_s is not None and message.qos > 0]
        self._events.extendleft(reversed(again))
        self._events_bytes += sum(event.size_bytes for event in again)
        self._bound()

    def take(self, now_s: float) -> Outgoing | None:
        """The next message to send, None where nothing waits; events past their time are counted and forgotten."""
        if self._due:
            topic = next(iter(self._due))
            del self._due[topic]
            return self._states[topic]
        while self._events:
            event = self._pop()
            if event.expires_s is None or event.expires_s > now_s:
                return event
            self.events_expired += 1
        return None

    def _bound(self) -> None:
        while len(self._events) > MAX_EVENTS or self._events_bytes > MAX_EVENT_BYTES:
            self._pop()
            self.events_dropped += 1

    def _pop(self) -> Outgoing:
        event = self._events.popleft()
        self._events_bytes -= event.size_bytes
        return event
