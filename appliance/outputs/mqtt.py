"""What the appliance says over MQTT and what it can be told: topics, discovery, commands."""

import json
import random
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from appliance.errors import BrokerSettingsError, PublishRejected
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.commands import CommandRejected, Value, parse_command
from appliance.outputs.connection import Connection, OnMessage
from appliance.outputs.discovery import discovery_message
from appliance.outputs.outbox import Outgoing, OutputCounts
from appliance.outputs.payloads import (
    TOPICS,
    ErrorMessage,
    EventMessage,
    Message,
    RoutineMessage,
    Status,
    check_filter,
    check_topic,
    encode,
)
from appliance.outputs.store import EventStore

EVENT_LIFETIME_S = 3600.0
RAW_LIFETIME_S = 30.0
"""A routine's message is meant for now: a lamp switched an hour late is worse than one not switched."""

MAX_RAW_BYTES = 65_536
"""A broker may end the connection on a larger packet, and would do so again at each try."""

_BIRTH_JITTER_S = 1.0


class MqttOutput:
    """Publishes states and events and takes commands, for as long as it is open and whatever the broker does.

    Args:
        settings: the broker's, and who we are to it.
        node: this device's name, letters, digits, `_` and `-`; every topic is below `base/node/`.
        base: first part of our topics.
        discovery_prefix: Home Assistant's; None for a home without it.
        version: of this software.
        memory: file in which events that wait survive a restart; None to keep nothing.
        no_occupancy_since: whether presence tells for how long nobody has been there.
        updates: whether the system can be updated by a command.
        clock: wall-clock time for messages made here.
        on_command: called in the network thread with a command's name and value; must not block. It may raise
            `CommandRejected` to have its words sent back.
        captures: whether captures are kept of what is judged wrongly.

    Raises:
        OutputError: node, base or prefix cannot be used.
    """

    def __init__(
        self,
        *,
        settings: BrokerSettings,
        node: str,
        base: str,
        discovery_prefix: str | None,
        version: str,
        memory: Path | None,
        no_occupancy_since: bool,
        captures: bool,
        updates: bool,
        clock: Callable[[], datetime],
        on_command: Callable[[str, Value], None],
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", node):
            raise BrokerSettingsError(f"node {node!r}: wants 1 to 64 letters, digits, _ or -")
        for topic in filter(None, (base, discovery_prefix)):
            check_topic(topic)
        self._root = f"{base}/{node}"
        self._clock, self._on_command = clock, on_command
        status = f"{self._root}/status"
        store = EventStore(memory) if memory else None
        self._connection = Connection(
            settings=settings,
            client_id=f"{base.replace('/', '-')}-{node}",
            will=Outgoing(status, encode(Status.OFFLINE), retain=True, qos=1, expires_s=None),
            store=store,
        )
        if store and store.set_aside:
            self.publish_error(f"{memory}: was damaged, what waited is lost; the old file is {store.set_aside}")
        if discovery_prefix:
            topic, payload = discovery_message(
                node=node,
                base=base,
                prefix=discovery_prefix,
                version=version,
                no_occupancy_since=no_occupancy_since,
                captures=captures,
                updates=updates,
            )
            self._connection.put_state(topic, json.dumps(payload).encode())
            self._connection.subscribe(f"{discovery_prefix}/status", self._home_assistant_said)
        self._connection.put_state(status, encode(Status.ONLINE))
        self._connection.subscribe(f"{self._root}/set/+", self._commanded)

    # From any thread

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection was not seen to end."""
        return self._connection.connected

    def counts(self) -> OutputCounts:
        """What waits, and what was lost since the start."""
        return self._connection.counts()

    def start(self) -> None:
        """Begin to connect, and go on trying; returns at once, whether or not the broker is there."""
        self._connection.start()

    def subscribe(self, topic_filter: str, on_message: OnMessage) -> Callable[[], None]:
        """Have what comes on the topics of a filter handed to `on_message`, now and after each reconnection.

        Returns:
            ends this subscription; may be called twice.

        Raises:
            PublishRejected: no broker accepts the filter.
        """
        check_filter(topic_filter)
        return self._connection.subscribe(topic_filter, on_message)

    def publish_state(self, name: str, state: Message) -> None:
        """Publish a retained state; while the broker is away the last value of each topic is kept.

        Args:
            name: a retained topic of `TOPICS`.
            state: of that topic's model.

        Raises:
            PublishRejected: name and model do not belong together.
        """
        topic = TOPICS.get(name)
        if topic is None or not topic.retained or not isinstance(state, topic.models):
            raise PublishRejected(f"{name!r} is no retained topic of {type(state).__name__}")
        self._connection.put_state(f"{self._root}/{name}", encode(state))

    def publish_event(self, event: EventMessage) -> None:
        """Publish an event once; while the broker is away the newest 256 are kept, for at most an hour."""
        self._connection.put_event(f"{self._root}/event", encode(event), EVENT_LIFETIME_S)

    def publish_routine(self, message: RoutineMessage) -> None:
        """Tell what became of a routine that was started by a command; meant for whoever waits for it."""
        self._connection.put_event(f"{self._root}/routine", encode(message), RAW_LIFETIME_S)

    def refuse_command(self, name: str, words: str) -> None:
        """Tell on `error` that a command could not be obeyed."""
        self.publish_error(words, topic=f"{self._root}/set/{name}")

    def publish_error(self, words: str, *, topic: str | None = None) -> None:
        """Tell on `error` what went wrong: with a message on `topic`, or with none."""
        error = ErrorMessage(at=self._clock(), topic=topic, message=words)
        self._connection.put_event(f"{self._root}/error", encode(error), EVENT_LIFETIME_S)

    def publish_raw(self, topic: str, payload: bytes, *, retain: bool, qos: int) -> None:
        """Publish any payload on any topic, as routines do; while the broker is away it is kept for 30 s.

        Raises:
            PublishRejected: the topic, payload or quality of service is none a broker accepts.
        """
        check_topic(topic)
        if qos not in (0, 1, 2):
            raise PublishRejected(f"topic {topic!r}: quality of service is 0, 1 or 2, not {qos}")
        if len(payload) > MAX_RAW_BYTES:
            raise PublishRejected(f"topic {topic!r}: payload has {len(payload)} bytes, at most {MAX_RAW_BYTES}")
        self._connection.put_event(topic, payload, RAW_LIFETIME_S, retain=retain, qos=qos)

    def close(self) -> None:
        """Send what waits and say offline, for at most 2 s; may be called twice."""
        self._connection.close(f"{self._root}/status", encode(Status.OFFLINE))

    # The network thread

    def _home_assistant_said(self, _topic: str, payload: bytes, retained: bool) -> None:
        # A retained birth message comes just behind our own announcement and asks for nothing new.
        if payload == b"online" and not retained:
            self._connection.announce_in(random.uniform(0.0, _BIRTH_JITTER_S))  # noqa: S311

    def _commanded(self, topic: str, payload: bytes, retained: bool) -> None:
        try:
            self._run_command(topic.removeprefix(f"{self._root}/set/"), payload, retained=retained)
        except CommandRejected as rejected:
            self.publish_error(str(rejected), topic=topic)
        except Exception:
            self.publish_error("the command failed; the appliance's log says why", topic=topic)
            raise

    def _run_command(self, name: str, payload: bytes, *, retained: bool) -> None:
        if retained:
            raise CommandRejected("a retained command would be obeyed again at each start; publish it without retain")
        self._on_command(name, parse_command(name, payload))
