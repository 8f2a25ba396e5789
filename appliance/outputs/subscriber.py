"""Somebody else's side of the broker: what a subscriber sees. The demonstration shows it, and the list of units."""

import uuid
from collections.abc import Callable, Sequence

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from appliance.errors import BrokerUnavailable
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.client import BrokerClient, absence, probe


class Subscriber:
    """Subscribes to topics of a broker that is there, again at each reconnection.

    Args:
        settings: the broker's.
        topics: filters.
        on_message: gets topic, payload and whether it was retained, in the network thread.
        qos: 0 for thousands of retained messages; of those of quality 1 Mosquitto drops all beyond its queue of 1000.

    Raises:
        BrokerUnavailable: the broker does not answer or refuses us.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        topics: Sequence[str],
        on_message: Callable[[str, bytes, bool], None],
        qos: int = 1,
    ) -> None:
        name = f"pipistrelle-look-{uuid.uuid4().hex[:12]}"
        probe(settings, client_id=name)  # it says in plain words what is wrong
        self._client = BrokerClient(settings, client_id=name)
        self._client.reconnect_delay_set(1, 2)

        def connected(
            client: Client, _userdata: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: Properties | None
        ) -> None:
            client.subscribe([(topic, qos) for topic in topics])

        def received(_client: Client, _userdata: object, message: MQTTMessage) -> None:
            on_message(message.topic, bytes(message.payload), message.retain)

        self._client.on_connect = connected
        self._client.on_message = received
        try:
            self._client.connect(settings.host, settings.port)
        except OSError as error:
            raise BrokerUnavailable(absence(settings, self._client.failure)) from error
        self._client.loop_start()

    @property
    def connected(self) -> bool:
        """Whether the broker was heard of late."""
        return self._client.is_connected()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message at least once, now or when the broker is back."""
        self._client.publish(topic, payload, qos=1)

    def close(self) -> None:
        """Say goodbye and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()
