import itertools
import logging
from datetime import UTC, datetime

import pytest
from support.gate import Gate
from support.mosquitto import Subscriber, wait_until

from appliance.cli.broker import PrivateBroker, find_mosquitto
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.mqtt import MqttOutput
from appliance.outputs.payloads import MotionStoppedMessage

NODE = "pipistrelle/attic"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "broker":
            item.add_marker(pytest.mark.broker)
            if find_mosquitto() is None:
                item.add_marker(pytest.mark.skip(reason="mosquitto is not installed"))


@pytest.fixture
def broker(tmp_path):
    with PrivateBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def gate(broker):
    """Stands between us and the broker, so that a subscriber can be there before we are back."""
    with Gate(broker) as gate:
        yield gate


@pytest.fixture
def subscribe(broker):
    opened = []

    def make(**more):
        opened.append(Subscriber(broker, **more))
        return opened[-1]

    yield make
    for subscriber in opened:
        subscriber.close()


@pytest.fixture
def make_output(caplog):
    caplog.set_level(logging.INFO, "appliance.outputs")
    opened = []

    def make(broker, **more):
        arguments = {
            "settings": BrokerSettings(broker.host, broker.port),
            "node": "attic",
            "base": "pipistrelle",
            "discovery_prefix": "homeassistant",
            "version": "1.2.3",
            "memory": None,
            "no_occupancy_since": False,
            "captures": False,
            "updates": False,
            "clock": lambda: datetime.now(UTC),
            "on_command": lambda _name, _value: None,
        }
        opened.append(MqttOutput(**arguments | more))
        return opened[-1]

    yield make
    for output in opened:
        output.close()


@pytest.fixture
def output(broker, make_output):
    output = make_output(broker)
    output.start()
    wait_until(lambda: output.connected, "our connection")
    return output


@pytest.fixture
def counted():
    """Events of one kind that can be told apart by their stream time."""
    numbers = itertools.count()
    return lambda: MotionStoppedMessage(
        at=datetime.now(UTC), t_s=float(next(numbers)), cause="test", score=0.1, radial_mps=None
    )
