"""An independent look at a broker: what is on the wire, in order, with its flags."""

import threading
import time
from dataclasses import dataclass

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

DEADLINE_S = 20.0


def wait_until(condition, what, deadline_s=DEADLINE_S):
    """Poll until the condition holds; its value. Fails with `what` after the deadline."""
    end_s = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end_s, f"not within {deadline_s} s: {what}"
        time.sleep(0.005)
    return value


@dataclass(frozen=True)
class Received:
    topic: str
    payload: bytes
    retain: bool
    qos: int


class Subscriber:
    """Subscribes to everything at QoS 2, so that what comes shows the QoS it was published with.

    With a session's name the broker keeps for it what comes while it is away. `last` has each topic's newest payload.
    """

    def __init__(self, broker, user=None, password=None, session=None):
        self.messages: list[Received] = []
        self.connections = 0
        self._changed = threading.Condition()
        self.last: dict[str, bytes] = {}
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=session or "", protocol=MQTTProtocolVersion.MQTTv5)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", 2)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        kept = Properties(PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 3600 if session else 0
        self._client.connect_async(broker.host, broker.port, keepalive=10, clean_start=session is None, properties=kept)
        self._client.loop_start()
        self.wait(lambda: self.connections, "the subscriber's connection")

    def _subscribed(self, *_):
        with self._changed:
            self.connections += 1
            self._changed.notify_all()

    def _received(self, _client, _userdata, message):
        with self._changed:
            self.messages.append(Received(message.topic, message.payload, message.retain, message.qos))
            self.last[message.topic] = message.payload
            self._changed.notify_all()

    def wait(self, condition, what):
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE_S), f"not within {DEADLINE_S} s: {what}"

    def on(self, topic):
        """Payloads seen on a topic, in order."""
        with self._changed:
            return [message.payload for message in self.messages if message.topic == topic]

    def wait_for(self, topic, payload):
        """Wait until the newest payload of a topic contains these bytes."""
        self.wait(lambda: (self.on(topic) or [b""])[-1].find(payload) >= 0, f"{payload!r} on {topic}")

    def publish(self, topic, payload, *, retain=False):
        """Publish and wait until the broker has it."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(DEADLINE_S)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
