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
INTERVAL_S = float(os.environ.get("PIPISTRELLE_EVENTS_EVERY_S", "0.05"))


class Speaker(threading.Thread):
    """Publishes numbered events and a state without end; never more at once than we promise to keep."""

    def __init__(self, output, counted):
        super().__init__()
        self._output, self._counted = output, counted
        self.made = 0
        self.quiet = threading.Lock()
        self._end = threading.Event()

    def run(self):
        while not self._end.wait(INTERVAL_S):
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


class Known:
    """Events of which our client has read the acknowledgement, and those that it told again all the same."""

    def __init__(self, output, tap):
        self._client, self._tap, self._acknowledged = output._connection._client, tap, set()
        self._on_publish, self._publish = self._client.on_publish, self._client.publish
        self.told_again = []

    def acknowledged(self, client, userdata, mid, *more):
        self._acknowledged.add(next(each.payload for each in reversed(self._tap.said) if each.mid == mid))
        self._on_publish(client, userdata, mid, *more)

    def publish(self, topic, payload, *more):
        if topic == f"{ROOT}/event" and payload in self._acknowledged:
            self.told_again.append(payload)
        return self._publish(topic, payload, *more)


def note_acknowledgements(output, tap):
    known = Known(output, tap)
    output._connection._client.on_publish = known.acknowledged
    output._connection._client.publish = known.publish
    return known


def number_of(payload):
    return int(json.loads(payload)["t_s"])


@pytest.mark.slow
@pytest.mark.parametrize("persistent", [False, True], ids=["forgetful", "persistent"])
def test_no_state_is_wrong_and_no_event_lost_or_doubled_however_often_the_broker_dies(
    persistent, tmp_path, make_output, counted, capsys
):
    """`PIPISTRELLE_BROKER_KILLS=100` for the whole of it, at any instant, with what waits on its way or not.

    What the broker was told is read from the wire: every event must come to be acknowledged, and none is told again
    that was. What a broker acknowledged and did not hand on or write down dies with it, and nobody can help that; what
    it handed on and did not acknowledge, it hands on twice. Both are counted. `PIPISTRELLE_EVENTS_EVERY_S` sets the
    pace of events.
    """
    random_ = random.Random(3)
    kills, wrong = int(os.environ.get("PIPISTRELLE_BROKER_KILLS", "10")), 0
    tap = Tap()
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(PrivateBroker(tmp_path / "broker", persistent=persistent))
        gate = stack.enter_context(Gate(broker, tap))
        live = stack.enter_context(contextlib.closing(Subscriber(broker, session="listener" if persistent else None)))
        output = make_output(gate)
        known = note_acknowledgements(output, tap)
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

    events = [said for said in tap.said if said.topic == f"{ROOT}/event"]
    acknowledged = {number_of(said.payload) for said in events if said.acknowledged}
    sent = [number_of(said.payload) for said in events if not said.acknowledged]
    untold = set(range(speaker.made)) - acknowledged
    lost = set(range(speaker.made)) - set(heard)
    with capsys.disabled():
        print(
            f"\n{kills} kills, {speaker.made} events: {wrong} states wrong, {len(untold)} never acknowledged, "
            f"{len(sent) - len(set(sent))} told again; at the listener {len(lost)} missing, "
            f"{len(heard) - len(set(heard))} twice"
        )
    assert counts.events_dropped == counts.events_expired == counts.callback_errors == 0
    assert wrong == 0
    assert untold == set()
    assert known.told_again == []
    assert lost <= acknowledged


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
