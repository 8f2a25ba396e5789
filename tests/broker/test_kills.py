"""A broker that is killed again and again, and a storm of nonsense on the command topics."""

import contextlib
import json
import os
import random
import threading
import time

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from support.gate import Gate
from support.mosquitto import Subscriber, wait_until
from support.tap import Tap

from appliance.cli.broker import PrivateBroker
from appliance.outputs.outbox import MAX_EVENTS
from appliance.outputs.payloads import MotionState, encode

ROOT = "pipistrelle/attic"


class Speaker(threading.Thread):
    """Publishes numbered events and a state without end; never more at once than we promise to keep."""

    def __init__(self, output, counted):
        super().__init__()
        self._output, self._counted = output, counted
        self.made = 0
        self.quiet = threading.Lock()
        self._end = threading.Event()

    def run(self):
        while not self._end.wait(0.05):
            with self.quiet:
                if self._output.counts().events_waiting < MAX_EVENTS // 2:
                    self._output.publish_event(self._counted())
                    self.made += 1
                    self._output.publish_state("motion", self.state)

    @property
    def state(self):
        return MotionState(motion=True, kind=None, radial_mps=None, score=self.made % 1000 / 1000)

    def end(self):
        self._end.set()
        self.join()


def number_of(payload):
    return int(json.loads(payload)["t_s"])


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True], ids=["forgetful", "persistent"])
def test_no_state_is_wrong_and_no_event_lost_or_doubled_however_often_the_broker_dies(
    persistent, tmp_path, make_output, counted, capsys
):
    """`PIPISTRELLE_BROKER_KILLS=100` for the whole of it, at any instant, with what waits on its way or not.

    What the broker was told is read from the wire: an event that it acknowledged must not be told again, one that it
    did not must. What a broker without a memory acknowledged and did not hand on dies with it, and nobody can help
    that; one with a memory hands on everything to a listener for whom it keeps a session.
    """
    random_ = random.Random(3)
    kills, wrong = int(os.environ.get("PIPISTRELLE_BROKER_KILLS", "10")), 0
    tap = Tap()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(PrivateBroker(tmp_path / "broker", persistent=persistent))
        gate = stack.enter_context(Gate(broker, tap))
        live = stack.enter_context(contextlib.closing(Subscriber(broker, session="listener" if persistent else None)))
        output = make_output(gate)
        output.start()
        wait_until(lambda: output.connected, "our connection")
        speaker = Speaker(output, counted)
        speaker.start()
        stack.callback(speaker.end)
        for number in range(kills):
            time.sleep(random_.uniform(0.0, 0.3))  # not a wait: the instant of the kill is what is tried
            broker.kill()
            if not persistent:
                # The gate lets the listener be back first: nobody else hears what this broker is told.
                gate.shut()
            broker.start()
            live.wait(lambda number=number: live.connections >= number + 2, "the listener's return")
            gate.open()
            wait_until(lambda: output.connected, "our return")
            if number % 2:
                continue  # the next one dies while all this is being told
            with speaker.quiet:
                wanted = encode(speaker.state)
                try:
                    live.wait(lambda wanted=wanted: live.last.get(f"{ROOT}/motion") == wanted, "the state")
                except AssertionError:
                    wrong += 1
        speaker.end()
        live.wait(lambda: number_of(live.last[f"{ROOT}/event"]) == speaker.made - 1, "the last event")
        wait_until(output._connection._quiet, "all to be acknowledged")
        counts = output.counts()
        heard = [number_of(payload) for payload in live.on(f"{ROOT}/event")]

    acknowledged, untold, told_again, sent = set(), set(range(speaker.made)), 0, 0
    for said in tap.said:
        if said.topic == f"{ROOT}/event":
            number = number_of(said.payload)
            told_again += not said.acknowledged and number in acknowledged
            sent += not said.acknowledged
            if said.acknowledged:
                acknowledged.add(number)
                untold.discard(number)
    lost = sorted(set(range(speaker.made)) - set(heard))
    with capsys.disabled():
        print(
            f"\n{kills} kills, {speaker.made} events: {wrong} states wrong, {len(untold)} never acknowledged, "
            f"{told_again} told again behind their acknowledgement, {sent - speaker.made} sent again without one; "
            f"at the listener {len(lost)} missing, {len(heard) - len(set(heard))} twice"
        )
    assert counts.events_dropped == counts.events_expired == counts.callback_errors == 0
    assert wrong == 0
    assert untold == set()
    assert told_again == 0
    assert set(lost) <= acknowledged
    if persistent:
        assert lost == []


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
