"""What an independent subscriber sees on the wire."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter
from support import wire
from support.mosquitto import wait_until

from appliance.errors import OutputError, PublishRejected
from appliance.events import (
    DeviceLost,
    EmissionChanged,
    MotionStarted,
    MotionStopped,
    MotionUpdated,
    PresenceChanged,
    StreamHealth,
)
from appliance.outputs.health import HealthMonitor, Notifier
from appliance.outputs.payloads import EVENT_TYPES, TOPICS, UNKNOWN_MOTION, EventMessage, MotionState, RoutineMessage
from appliance.outputs.publisher import EventPublisher
from appliance.routines.outcome import Outcome
from appliance.types import Emission, MotionClass, Presence, Tones

ROOT = "pipistrelle/attic"
CONFIG = "homeassistant/device/pipistrelle_attic/config"
EVENTS = [
    EmissionChanged(0.1, Emission(tones=Tones((33_000.0,), 64.0)), "start"),
    MotionStarted(1.0, MotionClass.MINOR, 0.8, 0.314159, "score"),
    PresenceChanged(1.0, Presence.OCCUPIED, Presence.UNKNOWN, 0.8, "motion"),
    MotionUpdated(1.5, MotionClass.MAJOR, 0.9, -1.25, "kind"),
    MotionStopped(3.0, 0.05, None, "quiet"),
    PresenceChanged(33.0, Presence.VACANT, Presence.OCCUPIED, 0.95, "hold time over"),
    StreamHealth(40.0, ("frames_lost",), 960, "overrun"),
    DeviceLost(50.0, "hw:1", "unplugged"),
]


SAID_BY_OTHERS = {"settings", "update"}
"""By the controls, and on the SD-card image by its updates."""


def test_every_message_is_of_its_model_and_has_its_flags(broker, output, subscribe):
    live = subscribe()
    monitor = HealthMonitor(notifier=Notifier({}), version="1.2.3", monotonic_s=time.monotonic)
    publisher = EventPublisher(output, lambda: datetime.now(UTC), monitor)
    publisher.start()
    for event in EVENTS:
        publisher.handle(event)
    output.publish_routine(RoutineMessage(at=datetime.now(UTC), routine="light", outcome=Outcome.DONE, message="done"))
    live.publish(f"{ROOT}/set/emission", b"maybe")
    live.wait(lambda: live.on(f"{ROOT}/routine"), "the routine's outcome")
    live.wait(lambda: len(live.on(f"{ROOT}/event")) == len(EVENTS) - 1, "all events")
    live.wait(lambda: live.on(f"{ROOT}/error"), "the error")

    late = subscribe()
    late.wait(lambda: len(late.messages) >= 5, "the retained messages")
    by_topic = {message.topic: message for message in late.messages}
    assert set(by_topic) == {
        CONFIG,
        *(f"{ROOT}/{topic.name}" for topic in TOPICS.values() if topic.retained and topic.name not in SAID_BY_OTHERS),
    }
    assert all(message.retain for message in late.messages)

    ours = [
        each for each in [*live.messages, *late.messages] if each.topic.startswith(ROOT) and "/set/" not in each.topic
    ]
    seen = {wire.check("attic", message) for message in ours}
    assert seen == set(TOPICS) - SAID_BY_OTHERS

    for message in [*live.messages, *late.messages]:
        name = message.topic.removeprefix(f"{ROOT}/")
        assert message.qos == 1
        if name == "status":
            assert message.payload == b"online"
        elif name == "event":
            TypeAdapter(EventMessage).validate_json(message.payload)
        elif name in TOPICS:
            TOPICS[name].models[0].model_validate_json(message.payload)
    assert {json.loads(payload)["type"] for payload in live.on(f"{ROOT}/event")} == set(EVENT_TYPES)
    assert json.loads(by_topic[f"{ROOT}/presence"].payload)["presence"] == "vacant"
    assert json.loads(by_topic[f"{ROOT}/motion"].payload)["motion"] is False
    assert json.loads(by_topic[f"{ROOT}/health"].payload)["faults"] == ["frames_lost", "device_lost"]
    assert json.loads(by_topic[CONFIG].payload)["dev"]["sw"] == "1.2.3"


def test_close_says_offline_after_all_else(output, subscribe, counted):
    live = subscribe()
    for _ in range(50):
        output.publish_event(counted())
    output.close()
    live.wait_for(f"{ROOT}/status", b"offline")
    assert [json.loads(payload)["t_s"] for payload in live.on(f"{ROOT}/event")] == list(range(50))
    assert live.messages[-1].topic == f"{ROOT}/status"
    late = subscribe()
    late.wait_for(f"{ROOT}/status", b"offline")
    assert not output.connected
    output.close()


CLIENT = """
import sys, time
from datetime import UTC, datetime
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.mqtt import MqttOutput
output = MqttOutput(settings=BrokerSettings(sys.argv[1], int(sys.argv[2])), node="attic", base="pipistrelle",
    discovery_prefix="homeassistant", version="1", memory=None,
    no_occupancy_since=False, captures=False, updates=False,
    clock=lambda: datetime.now(UTC), on_command=lambda name, value: None)
output.start()
time.sleep(60)
"""


def test_last_will_after_kill_9(broker, subscribe):
    live = subscribe()
    process = subprocess.Popen([sys.executable, "-c", CLIENT, broker.host, str(broker.port)])
    try:
        live.wait_for(f"{ROOT}/status", b"online")
        os.kill(process.pid, signal.SIGKILL)
        live.wait_for(f"{ROOT}/status", b"offline")
    finally:
        process.kill()
        process.wait()
    late = subscribe()
    late.wait_for(f"{ROOT}/status", b"offline")


def test_a_message_does_not_wait_for_the_acknowledgement_of_the_one_before(output):
    assert output._connection._client.socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_states_need_their_topic(output):
    with pytest.raises(PublishRejected):
        output.publish_state("presence", UNKNOWN_MOTION)
    with pytest.raises(PublishRejected):
        output.publish_state("event", UNKNOWN_MOTION)
    with pytest.raises(PublishRejected):
        output.publish_state("nonsense", UNKNOWN_MOTION)


def test_raw_messages_of_routines(output, subscribe):
    live = subscribe()
    output.publish_raw("home/lamp/set", b"ON", retain=False, qos=0)
    output.publish_raw("home/mode", b"away", retain=True, qos=2)
    live.wait_for("home/lamp/set", b"ON")
    live.wait_for("home/mode", b"away")
    late = subscribe()
    late.wait_for("home/mode", b"away")
    assert late.on("home/lamp/set") == []


@pytest.mark.parametrize(
    ("topic", "payload", "qos"),
    [("a/#", b"", 0), ("+", b"", 0), ("", b"", 0), ("$SYS/a", b"", 0), ("a", b"", 3), ("a", b"x" * 65_537, 0)],
)
def test_raw_messages_no_broker_would_take(output, topic, payload, qos):
    with pytest.raises(PublishRejected):
        output.publish_raw(topic, payload, retain=False, qos=qos)


@pytest.mark.parametrize(
    "wrong",
    [{"node": "a/b"}, {"node": ""}, {"node": "+"}, {"base": "x/#"}, {"base": "$SYS"}, {"discovery_prefix": "+"}],
)
def test_names_that_cannot_be_used(broker, make_output, wrong):
    with pytest.raises(OutputError):
        make_output(broker, **wrong)


def test_discovery_goes_out_before_the_first_state(broker, make_output, subscribe):
    live = subscribe()
    output = make_output(broker)
    output.publish_state("motion", MotionState(motion=True, kind=None, radial_mps=0.5, score=1.0))
    output.start()
    wait_until(lambda: len(live.messages) >= 3, "three messages")
    assert [message.topic for message in live.messages] == [CONFIG, f"{ROOT}/status", f"{ROOT}/motion"]
