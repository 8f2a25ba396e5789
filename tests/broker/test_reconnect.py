"""The broker is away, comes back, refuses us or asks again."""

import json
import os
import signal
import socket
import time

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from support.mosquitto import wait_until

from appliance.cli.broker import PrivateBroker
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.outbox import MAX_EVENTS
from appliance.outputs.payloads import UNKNOWN_MOTION, MotionState

ROOT = "pipistrelle/attic"
CONFIG = "homeassistant/device/pipistrelle_attic/config"


def moving(score=1.0):
    return MotionState(motion=True, kind=None, radial_mps=None, score=score)


def numbers(subscriber):
    return [json.loads(payload)["t_s"] for payload in subscriber.on(f"{ROOT}/event")]


def lines(caplog, words):
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


@pytest.fixture
def gated(gate, make_output):
    output = make_output(gate)
    output.start()
    wait_until(lambda: output.connected, "our connection")
    return output


def test_broker_killed_and_started_again_knows_all_and_gets_each_event_once(
    broker, gate, gated, subscribe, counted, caplog
):
    live = subscribe()
    gated.publish_state("motion", moving())
    live.wait_for(f"{ROOT}/motion", b"true")
    gate.shut()
    broker.kill()
    wait_until(lambda: not gated.connected, "the loss seen")
    for score in range(1000):
        gated.publish_state("motion", moving(score / 1000))
    for _ in range(100):
        gated.publish_event(counted())
    broker.start()
    live.wait(lambda: live.connections == 2, "the subscriber's return")
    assert live.on(f"{ROOT}/event") == []
    seen = len(live.messages)
    gate.open()
    live.wait(lambda: len(numbers(live)) == 100, "all events")
    gated.publish_event(last := counted())
    live.wait(lambda: last.t_s in numbers(live), "one event more")
    assert numbers(live) == list(range(101))
    states = {message.topic: message.payload for message in live.messages[seen:] if "event" not in message.topic}
    assert states[f"{ROOT}/motion"] == b'{"motion":true,"kind":null,"radial_mps":null,"score":0.999}'
    assert states[f"{ROOT}/status"] == b"online"
    assert b"cmps" in states[CONFIG]
    assert len(live.messages) - seen == len(states) + 101
    assert gated.counts().events_dropped == 0
    assert len(lines(caplog, "is gone")) == 1
    assert len(lines(caplog, "does not answer")) == 0
    assert len(lines(caplog, "connected to broker")) == 1


def test_broker_away_at_start(broker, gate, make_output, subscribe, counted, caplog):
    live = subscribe()
    gate.shut()
    output = make_output(gate)
    output.start()
    for _ in range(MAX_EVENTS + 44):
        output.publish_event(counted())
    wait_until(lambda: lines(caplog, "does not answer"), "the complaint")
    assert output.counts().events_waiting == MAX_EVENTS
    assert output.counts().events_dropped == 44
    gate.open()
    live.wait(lambda: len(numbers(live)) == MAX_EVENTS, "the events kept")
    assert numbers(live) == list(range(44, MAX_EVENTS + 44))
    assert live.on(f"{ROOT}/status") == [b"online"]
    assert len(lines(caplog, "connected to broker")) == 1


def test_no_broker_at_all_is_said_once(tmp_path, make_output, caplog):
    broker = PrivateBroker(tmp_path)
    broker.start()
    broker.kill()
    output = make_output(broker)
    tries = []
    output._connection._client.on_pre_connect = lambda *_: tries.append(1)
    output.start()
    wait_until(lambda: len(tries) == 2, "two tries")
    said = lines(caplog, "does not answer")
    assert len(said) == 1
    assert f"{broker.host}:{broker.port}" in said[0]
    with broker:
        wait_until(lambda: output.connected, "our connection")
        output.close()


def test_home_assistants_birth_brings_all_again(output, subscribe):
    live = subscribe()
    output.publish_state("motion", UNKNOWN_MOTION)
    live.wait_for(f"{ROOT}/motion", b"null")
    live.publish("homeassistant/status", b"online")
    for topic in (CONFIG, f"{ROOT}/status", f"{ROOT}/motion"):
        live.wait(lambda topic=topic: len(live.on(topic)) == 2, f"{topic} again")
    live.publish("homeassistant/status", b"offline")


def test_wrong_password_is_said_once_and_not_what_it_was(tmp_path, make_output, caplog):
    with PrivateBroker(tmp_path, users={"bat": "right"}) as broker:
        output = make_output(broker, settings=BrokerSettings(broker.host, broker.port, "bat", "wrong"))
        output.start()
        wait_until(lambda: broker.log.read_text().count("not authorised") >= 2, "two tries")
        wait_until(lambda: lines(caplog, "refuses"), "the complaint")
        said = lines(caplog, "refuses")
        assert len(said) == 1
        assert f"{broker.host}:{broker.port}" in said[0]
        assert "'bat'" in said[0]
        assert "password file" in said[0]
        assert "wrong" not in caplog.text
        assert not output.connected


def test_right_password(tmp_path, make_output):
    with PrivateBroker(tmp_path, users={"bat": "right"}) as broker:
        output = make_output(broker, settings=BrokerSettings(broker.host, broker.port, "bat", "right"))
        output.start()
        wait_until(lambda: output.connected, "our connection")


def test_a_topic_the_broker_forbids_is_said_once(tmp_path, make_output, counted, caplog):
    acl = "user bat\ntopic readwrite homeassistant/#\ntopic readwrite pipistrelle/attic/status\n"
    with PrivateBroker(tmp_path, users={"bat": "right"}, acl=acl) as broker:
        output = make_output(broker, settings=BrokerSettings(broker.host, broker.port, "bat", "right"))
        output.start()
        for _ in range(3):
            output.publish_event(counted())
        wait_until(lambda: lines(caplog, "does not let us publish"), "the refusal")
        output.close()
        assert len(lines(caplog, "does not let us publish")) == 1
        assert f"{ROOT}/event" in lines(caplog, "does not let us publish")[0]


def test_events_nobody_acknowledged_are_sent_again(broker, gate, gated, subscribe, counted):
    live = subscribe()
    gate.stall()
    for _ in range(60):
        gated.publish_event(counted())
    wait_until(lambda: len(gated._connection._in_flight) == 20, "as many on their way as may be unacknowledged")
    gated._connection._client.socket().shutdown(socket.SHUT_RDWR)
    gate.open()
    live.wait(lambda: len(numbers(live)) == 60, "all events")
    assert numbers(live) == list(range(60))


@pytest.mark.slow
def test_a_link_that_dies_in_silence(gate, gated, subscribe, counted, capsys):
    live = subscribe()
    live.wait_for(f"{ROOT}/status", b"online")
    gate.stall()
    began_s = time.monotonic()
    for _ in range(10):
        gated.publish_event(counted())
    live.wait_for(f"{ROOT}/status", b"offline")
    will_s = time.monotonic() - began_s
    wait_until(lambda: not gated.connected, "the loss seen")
    with capsys.disabled():
        print(f"\nhalf-open: last will after {will_s:.1f} s, seen by us within {time.monotonic() - began_s:.1f} s")
    assert will_s <= 16.0
    gate.open()
    live.wait_for(f"{ROOT}/status", b"online")
    live.wait(lambda: len(numbers(live)) == 10, "all events")
    assert numbers(live) == list(range(10))


@pytest.mark.slow
def test_a_broker_that_stands_still_is_left_and_told_all_when_it_goes_on(broker, output, subscribe, counted, capsys):
    live = subscribe()
    output.publish_event(counted())
    live.wait(lambda: numbers(live) == [0], "an event")
    os.kill(broker._process.pid, signal.SIGSTOP)
    began_s = time.monotonic()
    try:
        for _ in range(10):
            output.publish_event(counted())
        wait_until(lambda: not output.connected, "the loss seen")
        seen_s = time.monotonic() - began_s
    finally:
        os.kill(broker._process.pid, signal.SIGCONT)
    with capsys.disabled():
        print(f"\na broker that stands still is left after {seen_s:.1f} s")
    assert seen_s <= 16.0
    live.wait(lambda: set(numbers(live)) == set(range(11)), "all events")


def test_raw_messages_grow_stale(broker, output, subscribe, monkeypatch):
    live = subscribe()
    broker.kill()
    wait_until(lambda: not output.connected, "the loss seen")
    monkeypatch.setattr("appliance.outputs.mqtt.RAW_LIFETIME_S", 0.0)
    output.publish_raw("home/lamp/set", b"ON", retain=False, qos=1)
    broker.start()
    wait_until(lambda: output.counts().events_expired == 1, "the message forgotten")
    live.wait(lambda: live.connections == 2, "the subscriber's return")
    assert live.on("home/lamp/set") == []


def test_close_is_bounded_where_nobody_answers(tmp_path, make_output, counted):
    broker = PrivateBroker(tmp_path)
    broker.start()
    broker.kill()
    output = make_output(broker)
    output.start()
    output.publish_event(counted())
    began_s = time.monotonic()
    output.close()
    assert time.monotonic() - began_s < 6.0


@pytest.mark.parametrize("times", [3])
def test_restart_after_restart(broker, output, times):
    for _ in range(times):
        broker.restart()
        wait_until(lambda: not output.connected, "the loss seen")
        wait_until(lambda: output.connected, "our return")
    assert output.counts().callback_errors == 0


def test_a_refused_subscription_is_said(make_output, broker, caplog):
    connection = make_output(broker)._connection
    connection._asked[1] = f"{ROOT}/set/+"
    refused = ReasonCode(PacketTypes.SUBACK, "Not authorized")
    connection._client.on_subscribe(connection._client, None, 1, [refused], None)
    assert len(lines(caplog, f"does not let us subscribe to {ROOT}/set/+")) == 1
