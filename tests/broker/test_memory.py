"""What waits for the broker survives the end of the process."""

import json
import os
import signal
import subprocess
import sys
import time

from support.mosquitto import wait_until

from appliance.outputs.store import EventStore

ROOT = "pipistrelle/attic"

CLIENT = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.mqtt import MqttOutput
from appliance.outputs.payloads import MotionStoppedMessage
output = MqttOutput(settings=BrokerSettings(sys.argv[1], int(sys.argv[2])), node="attic", base="pipistrelle",
    discovery_prefix="homeassistant", version="1", memory=Path(sys.argv[3]),
    no_occupancy_since=False, captures=False, updates=False,
    clock=lambda: datetime.now(UTC), on_command=lambda name, value: None)
output.start()
for number in range(1000):
    output.publish_event(MotionStoppedMessage(at=datetime.now(UTC), t_s=number, cause="", score=0.1, radial_mps=None))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.01)
"""


def numbers(subscriber):
    return [json.loads(payload)["t_s"] for payload in subscriber.on(f"{ROOT}/event")]


def test_killed_while_the_broker_is_away_all_but_the_last_two_seconds_survive(broker, make_output, subscribe, tmp_path):
    memory = tmp_path / "events.sqlite"
    broker.kill()
    with subprocess.Popen(
        [sys.executable, "-c", CLIENT, broker.host, str(broker.port), memory], stdout=subprocess.PIPE, text=True
    ) as client:
        told = [client.stdout.readline().split() for _ in range(400)]
        os.kill(client.pid, signal.SIGKILL)
        killed_s = time.monotonic()
    older = [int(number) for number, at_s in told if killed_s - float(at_s) > 2.0]
    assert older
    broker.start()
    live = subscribe()
    output = make_output(broker, memory=memory)
    kept = output.counts().events_waiting
    output.start()
    live.wait(lambda: len(numbers(live)) == kept, "what was kept")
    told = numbers(live)
    assert told == list(range(int(told[0]), int(told[0]) + kept))
    assert told[-1] >= older[-1]
    assert kept == min(256, told[-1] + 1)
    # And what was delivered is not told again by the next run.
    wait_until(lambda: output._connection._store.empty, "the disk to know")
    output.close()
    assert EventStore(memory).load() == []


def test_an_orderly_end_keeps_what_could_not_be_sent(broker, make_output, subscribe, counted, tmp_path):
    memory = tmp_path / "events.sqlite"
    broker.kill()
    output = make_output(broker, memory=memory)
    output.start()
    output.publish_event(counted())
    output.publish_raw("home/lamp/set", b"ON", retain=False, qos=0)
    output.close()
    broker.start()
    live = subscribe()
    output = make_output(broker, memory=memory)
    output.start()
    live.wait(lambda: live.on(f"{ROOT}/event"), "the event")
    assert live.on("home/lamp/set") == []


def test_nothing_is_written_while_the_broker_listens(broker, make_output, subscribe, counted, tmp_path, monkeypatch):
    monkeypatch.setattr("appliance.outputs.connection._KEEP_S", 0.2)
    (tmp_path / "kept").mkdir()
    output = make_output(broker, memory=tmp_path / "kept" / "events.sqlite", node="cellar")
    output.start()
    wait_until(lambda: output.connected, "our connection")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}
    saves = []
    save = output._connection._store.save
    monkeypatch.setattr(output._connection._store, "save", lambda events: saves.append(events) or save(events))
    live = subscribe()
    for number in range(1, 6):
        output.publish_event(counted())
        live.wait(lambda number=number: len(live.on("pipistrelle/cellar/event")) == number, "the event")
    wait_until(lambda: saves, "a look at what waits")
    assert not any(saves)
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").iterdir()}


def test_a_damaged_file_is_told_on_error(broker, make_output, subscribe, tmp_path):
    memory = tmp_path / "events.sqlite"
    memory.write_bytes(b"nonsense" * 1000)
    live = subscribe()
    output = make_output(broker, memory=memory)
    output.start()
    live.wait_for(f"{ROOT}/error", b"was damaged")
    assert not output.counts().storage_failed


def test_a_disk_that_fails_stops_nothing(broker, make_output, subscribe, counted, tmp_path):
    output = make_output(broker, memory=tmp_path / "here" / "is" / "nothing")
    live = subscribe()
    output.start()
    output.publish_event(counted())
    live.wait(lambda: live.on(f"{ROOT}/event"), "the event")
    assert output.counts().storage_failed
