"""From the pipeline's events to states and messages: the place where wall-clock time is attached."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from appliance.events import DeviceLost, Event, PresenceChanged, StreamHealth
from appliance.outputs.health import HealthMonitor
from appliance.outputs.outbox import OutputCounts
from appliance.outputs.payloads import (
    UNKNOWN_MOTION,
    EventMessage,
    Message,
    PresenceState,
    event_message,
    motion_state,
    presence_state,
)
from appliance.types import Presence


class Sink(Protocol):
    """Where messages go: the broker, or a list in a test."""

    def publish_state(self, name: str, state: Message) -> None:
        """Take the new value of a retained topic of `payloads.TOPICS`."""

    def publish_event(self, event: EventMessage) -> None:
        """Take an event."""

    def counts(self) -> OutputCounts:
        """What waits and what was lost."""


class EventPublisher:
    """Publishes what follows from each event. Safe to call from any one thread at a time.

    Args:
        sink: takes the messages.
        clock: wall-clock time, with its zone; a virtual run brings its own.
        monitor: keeps the appliance's health.
        no_occupancy_since: after so many seconds of a vacant room presence is published again and tells the number.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Callable[[], datetime],
        monitor: HealthMonitor,
        no_occupancy_since: Sequence[int] = (),
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._monitor = monitor
        self._no_occupancy_since = sorted(set(no_occupancy_since))
        self._vacant: tuple[float, PresenceState] | None = None
        self._vacant_told = 0

    def start(self) -> None:
        """Say that nothing is known yet, because the broker still holds what a former run knew."""
        unknown = PresenceState(presence=Presence.UNKNOWN, since=self._clock(), confidence=0.0, cause="started")
        self._sink.publish_state("presence", unknown)
        self._sink.publish_state("motion", UNKNOWN_MOTION)
        self.publish_health()

    def handle(self, event: Event) -> None:
        """Publish the states that an event changes, then the event."""
        at = self._clock()
        if isinstance(event, PresenceChanged):
            presence = presence_state(event, at)
            self._vacant = (event.t_s, presence) if event.presence is Presence.VACANT else None
            self._vacant_told = 0
            self._sink.publish_state("presence", presence)
        motion = motion_state(event)
        if motion is not None:
            self._sink.publish_state("motion", motion)
        if isinstance(event, StreamHealth | DeviceLost):
            self._monitor.observe(event)
            self.publish_health()
        message = event_message(event, at)
        if message is not None:
            self._sink.publish_event(message)

    def advance(self, t_s: float) -> None:
        """The stream has come to this time: tell for how long nobody has been there."""
        if self._vacant is None:
            return
        since_s, presence = self._vacant
        for after_s in self._no_occupancy_since[self._vacant_told :]:
            if t_s - since_s < after_s:
                break
            self._vacant_told += 1
            self._sink.publish_state("presence", presence.model_copy(update={"no_occupancy_since": after_s}))

    def publish_health(self) -> None:
        """Publish the health of now; to be called each minute or so, and done here when faults change."""
        self._sink.publish_state("health", self._monitor.state(self._clock(), self._sink.counts()))
