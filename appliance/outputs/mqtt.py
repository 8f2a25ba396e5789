"""The way to the broker, and the only file that knows paho.

Three threads meet here. Any thread puts messages into the outbox; one thread of our own sends them; paho's network
thread calls back. One rule keeps them apart: nobody calls paho while holding `_changed`, because paho calls back
under a lock of its own that publishing takes too.

Delivery is at least once. paho's own queue is emptied at each connection, because it would send an old state behind
a new one; the outbox knows what is unacknowledged and sends it again.
"""

import functools
import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from appliance.errors import BrokerSettingsError, PublishRejected
from appliance.outputs.discovery import discovery_message
from appliance.outputs.outbox import Outbox, Outgoing, OutputCounts
from appliance.outputs.payloads import (
    TOPICS,
    CommandRejected,
    ErrorMessage,
    EventMessage,
    Message,
    Status,
    check_topic,
    encode,
    parse_command,
)

_log = logging.getLogger(__name__)

KEEPALIVE_S = 7
"""A dead link brings the last will after one and a half of it, and Mosquitto looks only every 5 s: 16 s at most."""

EVENT_LIFETIME_S = 3600.0
RAW_LIFETIME_S = 30.0
"""A routine's message is meant for now: a lamp switched an hour late is worse than one not switched."""

MAX_RAW_BYTES = 65_536
"""A broker may end the connection on a larger packet, and would do so again at each try."""

_MIN_RETRY_S = 1
_MAX_RETRY_S = 30
_UNACKNOWLEDGED_MAX = 20
_BIRTH_JITTER_S = 1.0
_CLOSE_S = 2.0


class MqttOutput:
    """Publishes states and events and takes commands, for as long as it is open and whatever the broker does.

    Args:
        host, port: the broker's.
        node: this device's name, letters, digits, `_` and `-`; every topic is below `base/node/`.
        base: first part of our topics.
        discovery_prefix: Home Assistant's; None for a home without it.
        version: of this software.
        user, password: None for a broker that asks for none.
        clock: wall-clock time for messages made here.
        on_command: called in the network thread with a command's name and value; must not block. It may raise
            `CommandRejected` to have its words sent back.

    Raises:
        BrokerSettingsError: host, port, node, base or prefix cannot be used.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        node: str,
        base: str,
        discovery_prefix: str | None,
        version: str,
        user: str | None,
        password: str | None,
        clock: Callable[[], datetime],
        on_command: Callable[[str, float | bool], None],
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", node):
            raise BrokerSettingsError(f"node {node!r}: wants 1 to 64 letters, digits, _ or -")
        for topic in filter(None, (base, discovery_prefix)):
            check_topic(topic)
        try:
            # paho's thread would die of a name that cannot be encoded.
            encodable = bool(host.encode("idna"))
        except UnicodeError:
            encodable = False
        if not encodable or not 0 < port < 65_536:
            raise BrokerSettingsError(f"broker {host!r}:{port}: is no host and port; correct mqtt.host and mqtt.port")
        self._host, self._port, self._user = host, port, user
        self._root = f"{base}/{node}"
        self._birth_topic = f"{discovery_prefix}/status" if discovery_prefix else None
        self._subscriptions = tuple(filter(None, (f"{self._root}/set/+", self._birth_topic)))
        self._clock, self._on_command = clock, on_command

        self._changed = threading.Condition()  # guards all below
        self._outbox = Outbox()
        self._online = False
        self._connection = 0  # counts connections
        self._announce_at_s: float | None = None
        self._in_hand = False  # the sender holds a message that is not yet in `_in_flight`
        self._in_flight: dict[int, Outgoing] = {}
        self._early: dict[int, ReasonCode] = {}  # acknowledged before the sender could note them
        self._finished = False
        self._callback_errors = 0

        self._complaint = ""  # the network thread's own
        self._refused: set[str] = set()

        self._sender = threading.Thread(target=self._send_loop, name="mqtt-send", daemon=True)
        # A name that stays the same makes the broker replace a half-open connection at once, last will first. With a
        # new name each time that will would come a keepalive later and leave us offline for all to see.
        self._client = self._make_client(f"{base.replace('/', '-')}-{node}", user, password)
        if discovery_prefix:
            topic, payload = discovery_message(node=node, base=base, prefix=discovery_prefix, version=version)
            self._outbox.put_state(topic, json.dumps(payload).encode())
        self._outbox.put_state(f"{self._root}/status", encode(Status.ONLINE))

    def _make_client(self, client_id: str, user: str | None, password: str | None) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            client.username_pw_set(user, password)
        client.will_set(f"{self._root}/status", encode(Status.OFFLINE), qos=1, retain=True)
        client.reconnect_delay_set(_MIN_RETRY_S, _MAX_RETRY_S)
        client.max_inflight_messages_set(_UNACKNOWLEDGED_MAX)
        client.on_connect = self._guarded(self._connected)
        client.on_connect_fail = self._guarded(self._connect_failed)
        client.on_disconnect = self._guarded(self._disconnected)
        client.on_publish = self._guarded(self._acknowledged)
        client.on_subscribe = self._guarded(self._subscribed)
        client.on_message = self._guarded(self._received)
        return client

    def _guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(callback)
        def run(*args: Any) -> None:
            try:
                callback(*args)
            except Exception:  # noqa: BLE001 -- paho's thread would die of it and go on looking connected
                with self._changed:
                    self._callback_errors += 1
                _log.exception("a fault while handling the broker's message")

        return run

    # From any thread

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection was not seen to end."""
        with self._changed:
            return self._online

    def counts(self) -> OutputCounts:
        """What waits, and what was lost since the start."""
        with self._changed:
            return OutputCounts(
                events_waiting=self._outbox.events_waiting,
                events_dropped=self._outbox.events_dropped,
                events_expired=self._outbox.events_expired,
                callback_errors=self._callback_errors,
            )

    def start(self) -> None:
        """Begin to connect, and go on trying; returns at once, whether or not the broker is there."""
        self._client.connect_async(self._host, self._port, keepalive=KEEPALIVE_S, clean_start=True)
        self._client.loop_start()
        self._sender.start()

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
        with self._changed:
            self._outbox.put_state(f"{self._root}/{name}", encode(state))
            self._changed.notify_all()

    def publish_event(self, event: EventMessage) -> None:
        """Publish an event once; while the broker is away the newest 256 are kept, for at most an hour."""
        self._put_event(f"{self._root}/event", encode(event), EVENT_LIFETIME_S)

    def publish_error(self, words: str, *, topic: str | None = None) -> None:
        """Tell on `error` what went wrong: with a message on `topic`, or with none."""
        error = ErrorMessage(at=self._clock(), topic=topic, message=words)
        self._put_event(f"{self._root}/error", encode(error), EVENT_LIFETIME_S)

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
        self._put_event(topic, payload, RAW_LIFETIME_S, retain=retain, qos=qos)

    def _put_event(self, topic: str, payload: bytes, lifetime_s: float, *, retain: bool = False, qos: int = 1) -> None:
        event = Outgoing(topic, payload, retain=retain, qos=qos, expires_s=time.monotonic() + lifetime_s)
        with self._changed:
            self._outbox.put_event(event)
            self._changed.notify_all()

    def close(self) -> None:
        """Say offline, send what waits for at most 2 s, and end both threads; may be called twice."""
        deadline_s = time.monotonic() + _CLOSE_S
        with self._changed:
            if self._finished:
                return
            self._changed.wait_for(self._quiet, deadline_s - time.monotonic())
            self._outbox.put_state(f"{self._root}/status", encode(Status.OFFLINE))
            self._changed.notify_all()
            self._changed.wait_for(self._quiet, deadline_s - time.monotonic())
            self._finished = True
            self._changed.notify_all()
        if not self._sender.is_alive():
            return
        self._sender.join(_CLOSE_S)
        self._client.disconnect()
        # Waits for the network thread, which may hang in a name look-up: a thread of its own bounds the wait.
        stopper = threading.Thread(target=self._client.loop_stop, name="mqtt-stop", daemon=True)
        stopper.start()
        stopper.join(_CLOSE_S)

    def _quiet(self) -> bool:
        """Whether there is nothing left that the broker could be given."""
        return not self._online or (self._outbox.idle and not self._in_hand and not self._in_flight)

    # The sending thread

    def _send_loop(self) -> None:
        while (taken := self._next()) is not None:
            self._guarded(self._send)(*taken)

    def _next(self) -> tuple[Outgoing, int] | None:
        """Wait for a message that may go out now; with the connection it is meant for. None at the end."""
        with self._changed:
            self._in_hand = False
            while not self._finished:
                wait_s = None
                if self._online and len(self._in_flight) < _UNACKNOWLEDGED_MAX:
                    now_s = time.monotonic()
                    if self._announce_at_s is not None:
                        wait_s = self._announce_at_s - now_s
                        if wait_s <= 0:
                            self._announce_at_s = wait_s = None
                            self._outbox.announce()
                    message = self._outbox.take(now_s)
                    if message is not None:
                        self._in_hand = True
                        return message, self._connection
                    self._changed.notify_all()
                self._changed.wait(wait_s)
            return None

    def _send(self, message: Outgoing, connection: int) -> None:
        sent = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        with self._changed:
            if connection != self._connection:
                # Connected anew meanwhile: whether the message went out before or was dropped is not known.
                self._outbox.give_back([message])
                return
            reason = self._early.pop(sent.mid, None)
            if reason is None:
                self._in_flight[sent.mid] = message
        if reason is not None:
            self._log_refusal(f"publish {message.topic}", reason)

    def _log_refusal(self, what: str, reason: ReasonCode) -> None:
        if reason.is_failure and what not in self._refused:
            self._refused.add(what)
            _log.error("broker %s does not let us %s: %s; allow it in its access list", self._where, what, reason)

    # The network thread

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    def _complain(self, complaint: str, line: str) -> None:
        """Log a line when the kind of complaint is a new one, so that hours of retries give one line."""
        if complaint != self._complaint:
            self._complaint = complaint
            _log.error("%s", line)

    def _connected(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties
    ) -> None:
        if reason.is_failure:
            who = "a client without user" if self._user is None else f"user {self._user!r}"
            self._complain(
                str(reason),
                f"broker {self._where} refuses {who}: {reason}; check the user, the password file and "
                f"the broker's access list. Trying again every {_MIN_RETRY_S} to {_MAX_RETRY_S} s",
            )
            return
        self._complaint = ""
        _log.info("connected to broker %s", self._where)
        client.drop_out_messages()
        # Before our status goes out, so that whoever sees us online can be sure that we listen.
        client.subscribe([(topic, 1) for topic in self._subscriptions])
        with self._changed:
            self._connection += 1
            self._outbox.give_back(self._in_flight.values())
            self._in_flight.clear()
            self._early.clear()
            self._outbox.announce()
            self._announce_at_s = None
            self._online = True
            self._changed.notify_all()

    def _connect_failed(self, _client: Client, _userdata: object) -> None:
        self._complain(
            "away",
            f"broker {self._where} does not answer; check host and port and whether it runs. "
            f"Trying again every {_MIN_RETRY_S} to {_MAX_RETRY_S} s",
        )

    def _disconnected(
        self, client: Client, userdata: object, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties
    ) -> None:
        with self._changed:
            was_online, self._online = self._online, False
            finished = self._finished
            self._changed.notify_all()
        if finished:
            return
        if was_online:
            self._complain(
                "away",
                f"broker {self._where} is gone: {reason}; events are kept. "
                f"Trying again every {_MIN_RETRY_S} to {_MAX_RETRY_S} s",
            )
        elif not self._complaint:
            # Something took the connection and ended it without an answer.
            self._connect_failed(client, userdata)

    def _acknowledged(
        self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        with self._changed:
            message = self._in_flight.pop(mid, None)
            if message is None:
                self._early[mid] = reason
            self._changed.notify_all()
        if message is not None:
            self._log_refusal(f"publish {message.topic}", reason)

    def _subscribed(
        self, _client: Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        for topic, reason in zip(self._subscriptions, reasons, strict=True):
            self._log_refusal(f"subscribe to {topic}", reason)

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if message.topic == self._birth_topic:
            # A retained birth message comes just behind our own announcement and asks for nothing new.
            if message.payload == b"online" and not message.retain:
                with self._changed:
                    self._announce_at_s = time.monotonic() + random.uniform(0.0, _BIRTH_JITTER_S)  # noqa: S311
                    self._changed.notify_all()
            return
        try:
            self._run_command(message)
        except CommandRejected as rejected:
            self.publish_error(str(rejected), topic=message.topic)
        except Exception:
            self.publish_error("the command failed; the appliance's log says why", topic=message.topic)
            raise

    def _run_command(self, message: MQTTMessage) -> None:
        if message.retain:
            raise CommandRejected("a retained command would be obeyed again at each start; publish it without retain")
        name = message.topic.removeprefix(f"{self._root}/set/")
        self._on_command(name, parse_command(name, bytes(message.payload)))
