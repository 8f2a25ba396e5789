"""Somebody else's side of the broker: what a subscriber sees. The demonstration uses it to show real messages."""

from collections.abc import Callable, Sequence

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class Subscriber:
    """Subscribes to topics of a broker that is there; `on_message` runs in the network thread."""

    def __init__(
        self, *, host: str, port: int, topics: Sequence[str], on_message: Callable[[str, bytes], None]
    ) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)

        def connected(
            client: Client, _userdata: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: Properties | None
        ) -> None:
            client.subscribe([(topic, 1) for topic in topics])

        def received(_client: Client, _userdata: object, message: MQTTMessage) -> None:
            on_message(message.topic, bytes(message.payload))

        self._client.on_connect = connected
        self._client.on_message = received
        self._client.connect(host, port)
        self._client.loop_start()

    def close(self) -> None:
        """Say goodbye and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()
