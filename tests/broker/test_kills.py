"""A broker that is killed again and again, and a storm of nonsense on the command topics."""

import json
import os
import random
import threading
import time

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from support.mosquitto import wait_until

from appliance.outputs.payloads import MotionState

ROOT = "pipistrelle/attic"


@pytest.mark.slow
def test_no_state_is_wrong_and_no_event_lost_or_doubled_however_often_the_broker_dies(
    broker, gate, make_output, subscribe, counted
):
    """`PIPISTRELLE_BROKER_KILLS=100` for the whole of it. The gate lets the listener be back first: what reaches a
    broker that nobody listens to is no loss of ours."""
    random_ = random.Random(3)
    output, live = make_output(gate), subscribe()
    output.start()
    wait_until(lambda: output.connected, "our connection")
    stop, made = threading.Event(), [0]

    def numbers():
        return [json.loads(payload)["t_s"] for payload in live.on(f"{ROOT}/event")]

    def speak():
        while not stop.wait(0.07):
            output.publish_event(counted())
            made[0] += 1
            output.publish_state(
                "motion", MotionState(motion=True, kind=None, radial_mps=None, score=made[0] % 1000 / 1000)
            )

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        for number in range(int(os.environ.get("PIPISTRELLE_BROKER_KILLS", "10"))):
            time.sleep(random_.uniform(0.0, 0.3))  # not a wait: the instant of the kill is what is tried
            broker.kill()
            gate.shut()
            broker.start()
            live.wait(lambda number=number: live.connections == number + 2, "the listener's return")
            gate.open()
            wait_until(lambda: output.connected, "our return")
            # What a broker without a memory acknowledged but has not handed on dies with it, and nobody can help that.
            live.wait(lambda: numbers() and numbers()[-1] >= made[0] - 2, "the backlog handed on")
    finally:
        stop.set()
        speaker.join()
    last = made[0] - 1

    live.wait(lambda: last in numbers(), "the last event")
    told = numbers()
    dropped = output.counts().events_dropped + output.counts().events_expired
    lost = sorted(set(range(made[0])) - set(told))
    doubled = len(told) - len(set(told))
    print(f"{made[0]} events, {len(lost)} lost, {doubled} doubled, {dropped} dropped by us")
    assert dropped == 0
    assert lost == []
    assert doubled == 0
    late = subscribe()
    late.wait_for(f"{ROOT}/motion", json.dumps(made[0] % 1000 / 1000).encode())
    assert live.on(f"{ROOT}/motion")[-1] == late.on(f"{ROOT}/motion")[-1]


def test_a_storm_of_nonsense_leaves_all_well(broker, make_output, subscribe, caplog):
    random_, commands = random.Random(4), []
    output = make_output(broker, on_command=lambda *command: commands.append(command))
    output.start()
    wait_until(lambda: output.connected, "our connection")
    live = subscribe()
    sender = Client(CallbackAPIVersion.VERSION2)
    sender.max_queued_messages_set(0)
    sender.connect(broker.host, broker.port)
    sender.loop_start()
    for _ in range(3000):
        name = random_.choice(["hold_s", "emission", "mode", "sensitivity", "x", "é", "a b", "$SYS"])
        last = sender.publish(f"{ROOT}/set/{name}", random_.randbytes(random_.randrange(600)), qos=1)
    last.wait_for_publish(20.0)
    sender.disconnect()
    sender.loop_stop()

    def heard():
        live.publish(f"{ROOT}/set/hold_s", b"77")  # again and again, for the broker's queue to us may be full
        return ("hold_s", 77.0) in commands

    wait_until(heard, "a good command behind all that")
    assert output.connected
    assert output.counts().callback_errors == 0
    assert "Traceback" not in caplog.text
