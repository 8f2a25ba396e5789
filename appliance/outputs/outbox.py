"""What waits for the broker, bounded: the last value of each state, and a ring of events that grow stale.

No thread, no lock and no clock in here; the caller brings all three. Monotonic seconds throughout.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

MAX_EVENTS = 256


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way; `expires_s` is None for a state, which is replaced but never grows stale."""

    topic: str
    payload: bytes
    retain: bool
    qos: int
    expires_s: float | None


@dataclass(frozen=True, slots=True)
class OutputCounts:
    """Events waiting now, and what was lost since the start: pushed out of the ring, or too old to be sent."""

    events_waiting: int
    events_dropped: int
    events_expired: int
    callback_errors: int


class Outbox:
    """States and events that wait. States go first, in the order in which their topics first appeared."""

    def __init__(self) -> None:
        self._states: dict[str, Outgoing] = {}
        self._due: dict[str, None] = {}
        self._events: deque[Outgoing] = deque()
        self.events_dropped = 0
        self.events_expired = 0

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
        self._events.append(event)
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
        self._bound()

    def take(self, now_s: float) -> Outgoing | None:
        """The next message to send, None where nothing waits; events past their time are counted and forgotten."""
        if self._due:
            topic = next(iter(self._due))
            del self._due[topic]
            return self._states[topic]
        while self._events:
            event = self._events.popleft()
            if event.expires_s is None or event.expires_s > now_s:
                return event
            self.events_expired += 1
        return None

    def _bound(self) -> None:
        while len(self._events) > MAX_EVENTS:
            self._events.popleft()
            self.events_dropped += 1
