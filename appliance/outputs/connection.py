"""The way to the broker and back: delivers what the outbox holds, and hands out what was subscribed to.

Four threads meet here. Any thread puts messages into the outbox; one thread of our own sends them and one writes to
disk what waits longer; paho's network thread calls back. One rule keeps them apart: nobody calls paho while holding
`_changed`, because paho calls back under a lock of its own that publishing takes too.

Delivery is at least once. paho's own queue is emptied at each connection, because it would send an old state behind
a new one; the outbox knows what is unacknowledged and sends it again.
"""

import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import (
    MQTT_CLEAN_START_FIRST_ONLY,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTMessage,
    topic_matches_sub,
)
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from appliance.outputs.broker import BrokerSettings
from appliance.outputs.client import BrokerClient, absence, refusal
from appliance.outputs.outbox import Outbox, Outgoing, OutputCounts
from appliance.outputs.store import EventStore

_log = logging.getLogger(__name__)

KEEPALIVE_S = 7
"""A dead link brings the last will after one and a half of it, and Mosquitto looks only every 5 s: 16 s at most."""

_MIN_RETRY_S = 1
_MAX_RETRY_S = 2
"""Home Assistant comes back to a broker in 10 s or so, and shall find all there; a refused connection costs nothing."""
_UNACKNOWLEDGED_MAX = 20
_CLOSE_S = 2.0
_KEEP_S = 1.5
"""Older events are on the disk; with half a second for the disk itself, a power cut takes what is younger than 2 s."""

_KEEP_AGAIN_S = 60.0

OnMessage = Callable[[str, bytes, bool], None]
"""Gets topic, payload and whether the message was retained, in the network thread; must not block."""


class Connection:
    """Connected to a broker for as long as it is open and whatever the broker does.

    Args:
        settings: the broker's.
        client_id: one that stays the same makes the broker replace a half-open connection at once, last will first.
            With a new one each time that will would come a keepalive later and leave us offline for all to see.
        will: what the broker says when we are gone without a word.
        store: keeps the events that wait over a restart; None where nothing is kept.
    """

    def __init__(self, *, settings: BrokerSettings, client_id: str, will: Outgoing, store: EventStore | None) -> None:
        self._settings = settings
        self._store = store
        lock = threading.Lock()  # guards all below
        self._changed = threading.Condition(lock)
        self._to_keep = threading.Condition(lock)  # apart, so that what is sent at once wakes nobody else
        self._keep_asked = False
        self._outbox = Outbox(store.load() if store else ())
        self._subscriptions: dict[str, list[OnMessage]] = {}
        self._filters: dict[int, str] = {}  # by subscription identifier
        self._identifiers = itertools.count(1)  # none twice: what is on its way to an old one reaches no new one
        self._online = False
        self._connection = 0  # counts connections
        self._announce_at_s: float | None = None
        self._in_hand: Outgoing | None = None  # the sender holds it, it is not yet in `_in_flight`
        self._in_flight: dict[int, Outgoing] = {}
        self._early: dict[int, ReasonCode] = {}  # acknowledged before the sender could note them
        self._asked: dict[int, str] = {}  # subscriptions that wait for their acknowledgement
        self._finished = False
        self._callback_errors = 0

        self._complaint = ""  # the network thread's own
        self._refused: set[str] = set()

        self._sender = threading.Thread(target=self._send_loop, name="mqtt-send", daemon=True)
        self._keeper = threading.Thread(target=self._keep_loop, name="mqtt-keep", daemon=True) if store else None
        self._client = self._make_client(client_id, will)

    def _make_client(self, client_id: str, will: Outgoing) -> BrokerClient:
        client = BrokerClient(self._settings, client_id=client_id)
        client.will_set(will.topic, will.payload, qos=will.qos, retain=will.retain)
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
                storage_failed=self._store is not None and self._store.failed,
            )

    def start(self) -> None:
        """Begin to connect, and go on trying; returns at once, whether or not the broker is there."""
        five = self._settings.protocol == 5
        self._client.connect_async(
            self._settings.host,
            self._settings.port,
            keepalive=KEEPALIVE_S,
            clean_start=True if five else MQTT_CLEAN_START_FIRST_ONLY,
        )
        self._client.loop_start()
        self._sender.start()
        if self._keeper:
            self._keeper.start()

    def put_state(self, topic: str, payload: bytes) -> None:
        """Publish a retained value; while the broker is away the last one of each topic is kept."""
        with self._changed:
            self._outbox.put_state(topic, payload)
            self._changed.notify_all()

    def put_event(self, topic: str, payload: bytes, lifetime_s: float, *, retain: bool = False, qos: int = 1) -> None:
        """Publish once; while the broker is away the newest are kept, each for `lifetime_s`."""
        event = Outgoing(topic, payload, retain=retain, qos=qos, expires_s=time.monotonic() + lifetime_s)
        with self._changed:
            self._outbox.put_event(event)
            self._changed.notify_all()
            self._ask_to_keep()

    def announce_in(self, delay_s: float) -> None:
        """Publish every retained value again, `delay_s` from now."""
        with self._changed:
            self._announce_at_s = time.monotonic() + delay_s
            self._changed.notify_all()

    def subscribe(self, topic_filter: str, on_message: OnMessage) -> Callable[[], None]:
        """Have what comes on the topics of a filter handed to `on_message`, now and after each reconnection.

        A fault in `on_message` is logged and counted, and hinders nobody else.

        Returns:
            ends this subscription; may be called twice.
        """
        with self._changed:
            first = topic_filter not in self._subscriptions
            self._subscriptions.setdefault(topic_filter, []).append(on_message)
            if first:
                self._filters[next(self._identifiers)] = topic_filter
            online = self._online
        if online:
            self._ask_for([topic_filter])

        def unsubscribe() -> None:
            with self._changed:
                listeners = self._subscriptions.get(topic_filter, [])
                if on_message not in listeners:
                    return
                listeners.remove(on_message)
                if listeners:
                    return
                del self._subscriptions[topic_filter]
                self._filters = {key: value for key, value in self._filters.items() if value != topic_filter}
                online = self._online
            if online:
                self._client.unsubscribe(topic_filter)

        return unsubscribe

    def close(self, last_topic: str, last_payload: bytes) -> None:
        """Send what waits, then a last retained value, for at most 2 s; end both threads. May be called twice."""
        deadline_s = time.monotonic() + _CLOSE_S
        with self._changed:
            if self._finished:
                return
            self._changed.wait_for(self._quiet, deadline_s - time.monotonic())
            self._outbox.put_state(last_topic, last_payload)
            self._changed.notify_all()
            self._changed.wait_for(self._quiet, deadline_s - time.monotonic())
            self._finished = True
            self._changed.notify_all()
            self._to_keep.notify_all()
        if not self._sender.is_alive():
            return
        self._sender.join(_CLOSE_S)
        if self._keeper:
            self._keeper.join(_CLOSE_S)
        self._client.disconnect()
        # Waits for the network thread, which may hang in a name look-up: a thread of its own bounds the wait.
        stopper = threading.Thread(target=self._client.loop_stop, name="mqtt-stop", daemon=True)
        stopper.start()
        stopper.join(_CLOSE_S)

    def _quiet(self) -> bool:
        """Whether there is nothing left that the broker could be given."""
        return not self._online or (self._outbox.idle and self._in_hand is None and not self._in_flight)

    # The sending thread

    def _send_loop(self) -> None:
        while (taken := self._next()) is not None:
            self._guarded(self._send)(*taken)

    def _next(self) -> tuple[Outgoing, int] | None:
        """Wait for a message that may go out now; with the connection it is meant for. None at the end."""
        with self._changed:
            self._in_hand = None
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
                        self._in_hand = message
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

    # The keeping thread

    def _ask_to_keep(self) -> None:
        if self._store is not None and not self._keep_asked:
            self._keep_asked = True
            self._to_keep.notify_all()

    def _waiting(self) -> list[Outgoing]:
        """Events the broker has not acknowledged, the oldest first; one sent without acknowledgement is none."""
        messages = [*self._in_flight.values(), *([self._in_hand] if self._in_hand else []), *self._outbox.events]
        waiting = {message.number: message for message in messages if message.number and message.qos}
        return [waiting[number] for number in sorted(waiting)]

    def _keep_loop(self) -> None:
        assert self._store is not None
        finished = False
        while not finished:
            with self._changed:
                retry_s = _KEEP_AGAIN_S if self._store.failed else None
                self._to_keep.wait_for(lambda: self._keep_asked or self._finished, retry_s)
                if self._waiting() and not self._finished:
                    # Most events are acknowledged before this is over, and never written.
                    self._to_keep.wait(_KEEP_S)
                self._keep_asked = False
                finished, waiting = self._finished, self._waiting()
            self._guarded(self._store.save)(waiting)
        self._store.close()

    def _log_refusal(self, what: str, reason: ReasonCode) -> None:
        if reason.is_failure and what not in self._refused:
            self._refused.add(what)
            _log.error("broker %s does not let us %s: %s; allow it in its access list", self._settings, what, reason)

    # The network thread

    def _complain(self, complaint: str, line: str) -> None:
        """Log a line when the kind of complaint is a new one, so that hours of retries give one line."""
        if complaint != self._complaint:
            self._complaint = complaint
            _log.error("%s. Trying again every %d to %d s", line, _MIN_RETRY_S, _MAX_RETRY_S)

    def _connected(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties
    ) -> None:
        if reason.is_failure:
            self._complain(str(reason), refusal(self._settings, reason))
            return
        self._complaint = ""
        _log.info("connected to broker %s", self._settings)
        client.drop_out_messages()
        # Before our status goes out, so that whoever sees us online can be sure that we listen.
        asked: set[str] = set()
        with self._changed:
            self._asked.clear()
        while wanted := self._online_unless_wanted(asked):
            self._ask_for(wanted)
            asked.update(wanted)

    def _online_unless_wanted(self, asked: set[str]) -> list[str]:
        """Filters that came while the others were asked for; with none left we are online, in the same moment."""
        with self._changed:
            wanted = [topic_filter for topic_filter in self._subscriptions if topic_filter not in asked]
            if not wanted:
                self._connection += 1
                self._outbox.give_back(self._in_flight.values())
                self._in_flight.clear()
                self._early.clear()
                self._outbox.announce()
                self._announce_at_s = None
                self._online = True
                self._changed.notify_all()
            return wanted

    def _ask_for(self, topic_filters: list[str]) -> None:
        """Subscribe, each with an identifier of its own, because brokers send one copy for each filter that matches."""
        with self._changed:
            identifiers = {topic_filter: number for number, topic_filter in self._filters.items()}
        for topic_filter in topic_filters:
            if topic_filter not in identifiers:
                continue  # its subscription ended meanwhile
            properties = None
            if self._settings.protocol == 5:
                properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
                properties.SubscriptionIdentifier = identifiers[topic_filter]
            _, mid = self._client.subscribe(topic_filter, 1, properties=properties)
            if mid is not None:
                with self._changed:
                    self._asked[mid] = topic_filter

    def _connect_failed(self, _client: Client, _userdata: object) -> None:
        words = absence(self._settings, self._client.failure)
        # Once gone it may fail in many ways until it is back; only a fault of trust is news then.
        self._complain("away" if "does not answer" in words else words, words)

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
            self._complain("away", f"broker {self._settings} is gone: {reason}; events are kept")
        elif not self._complaint or self._client.failure:
            # Something took the connection and ended it without an answer, or TLS failed behind the handshake.
            self._connect_failed(client, userdata)

    def _acknowledged(
        self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        with self._changed:
            message = self._in_flight.pop(mid, None)
            if message is None:
                self._early[mid] = reason
            self._changed.notify_all()
            if not self._waiting():
                self._ask_to_keep()  # or a restart now would send again what the broker has
        if message is not None:
            self._log_refusal(f"publish {message.topic}", reason)

    def _subscribed(
        self, _client: Client, _userdata: object, mid: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        with self._changed:
            topic_filter = self._asked.pop(mid, "a topic")
        for reason in reasons:
            self._log_refusal(f"subscribe to {topic_filter}", reason)

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        with self._changed:
            if self._settings.protocol == 5:
                numbers = getattr(message.properties, "SubscriptionIdentifier", ())
                filters = [self._filters[number] for number in numbers if number in self._filters]
            else:
                filters = [each for each in self._subscriptions if topic_matches_sub(each, message.topic)]
            listeners = [listener for topic_filter in filters for listener in self._subscriptions[topic_filter]]
        for listener in listeners:
            self._guarded(listener)(message.topic, bytes(message.payload), message.retain)
