"""Several units on one broker: the list of them, and a thousand at once."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time

import pytest
from support.mosquitto import wait_until
from support.service import ROOT, environment

from appliance.cli.broker import PrivateBroker
from appliance.cli.main import main
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.subscriber import Subscriber


@contextlib.contextmanager
def units(broker, first, count, events=1, interval_s=0.1):
    """A process of simulated units that are online."""
    arguments = [broker.host, broker.port, first, count, events, interval_s]
    with subprocess.Popen(
        [sys.executable, "-m", "support.units", *map(str, arguments)],
        cwd=ROOT / "tests",
        env=environment() | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def snapshot(capsys, config, *nodes):
    code = main(["fleet", "status", "--json", "--config", str(config), *(["--expect", *nodes] if nodes else [])])
    return code, {unit["node"]: unit for unit in json.loads(capsys.readouterr().out)}


def test_units_that_live_one_that_was_killed_and_one_that_never_was(broker, capsys, tmp_path):
    config = tmp_path / "appliance.yaml"
    config.write_text(f"mqtt:\n  port: {broker.port}\n")
    with units(broker, 0, 2) as living, units(broker, 2, 1) as dying:
        for each in (living, dying):
            go(each)
            assert each.stdout.readline().startswith("done")
        code, listed = snapshot(capsys, config, "unit-0000", "unit-0002")
        assert code == 0
        dying.kill()
        wait_until(lambda: snapshot(capsys, config)[1]["unit-0002"]["availability"] == "offline", "the last will")
        code, listed = snapshot(capsys, config, "unit-0000", "cellar")
    assert code == 1
    assert list(listed) == ["cellar", "unit-0000", "unit-0001", "unit-0002"]
    assert [unit["availability"] for unit in listed.values()] == ["never seen", "online", "online", "offline"]
    assert listed["cellar"]["last_seen"] is None
    attic = listed["unit-0000"]
    assert attic["last_seen"]
    assert (attic["presence"], attic["motion"], attic["health"], attic["version"]) == ("vacant", False, "ok", "1")


def test_the_live_list_follows(broker, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    config = tmp_path / "appliance.yaml"
    config.write_text(f"mqtt:\n  port: {broker.port}\n")
    with units(broker, 7, 1):
        assert main(["fleet", "status", "--for", "1", "--config", str(config)]) == 0
    shown = capsys.readouterr().out
    assert "1 units, 1 online" in shown
    assert "unit-0007" in shown
    assert "vacant" in shown


def test_a_broker_that_is_not_there_is_told(capsys, tmp_path):
    config = tmp_path / "appliance.yaml"
    config.write_text("mqtt:\n  port: 1\n")
    assert main(["fleet", "status", "--json", "--config", str(config)]) == 1
    assert "does not answer" in capsys.readouterr().err


PATTERNS = """\
user overseer
topic read pipistrelle/#
pattern readwrite pipistrelle/%u/#
pattern write homeassistant/device/%u/config
pattern read homeassistant/status
"""


def test_a_unit_may_speak_for_itself_alone(tmp_path, make_output, capsys):
    """The access list of the README, and the overseer's password from the same file as a service's."""
    users = {"attic": "a", "cellar": "c", "overseer": "o"}
    with PrivateBroker(tmp_path / "broker", users=users, acl=PATTERNS) as broker:
        settings = BrokerSettings(broker.host, broker.port, user="attic", password="a")
        honest = make_output(broker, settings=settings)
        impostor = make_output(broker, settings=settings, node="cellar")
        for output in (honest, impostor):
            output.start()
        wait_until(lambda: honest.connected and impostor.connected, "both connections")
        secret = tmp_path / "password"
        secret.write_text("o\n")
        secret.chmod(0o600)
        config = tmp_path / "appliance.yaml"
        config.write_text(f"mqtt:\n  port: {broker.port}\n  username: overseer\n  password_file: {secret}\n")
        wait_until(lambda: "attic" in snapshot(capsys, config)[1], "the honest unit")
        assert list(snapshot(capsys, config)[1]) == ["attic"]


@pytest.mark.slow
def test_a_thousand_units_lose_nothing(broker, capsys, tmp_path):
    """`PIPISTRELLE_UNITS=1000` connections, each an event and a motion state every 5 s: 400 messages a second."""
    count, events, interval_s = int(os.environ.get("PIPISTRELLE_UNITS", "1000")), 5, 5.0
    latencies_ms, seen, lock = [], [], threading.Lock()

    def heard(topic, payload, _retained):
        now_ns = time.monotonic_ns()
        number, sent_ns = json.loads(payload)["cause"].split()
        with lock:
            latencies_ms.append((now_ns - int(sent_ns)) / 1e6)
            seen.append((topic, int(number)))

    with contextlib.ExitStack() as stack:
        halves = [
            stack.enter_context(units(broker, first, count // 2, events, interval_s)) for first in (0, count // 2)
        ]
        listener = Subscriber(
            BrokerSettings(broker.host, broker.port), topics=["pipistrelle/+/event"], on_message=heard
        )
        stack.callback(listener.close)
        wait_until(lambda: listener.connected, "the listener")
        for each in halves:
            go(each)
        for each in halves:
            assert each.stdout.readline().startswith("done")
        total = count // 2 * 2 * events
        wait_until(lambda: len(seen) >= total, f"{total} events, not {len(seen)}", 60.0)
        config = tmp_path / "appliance.yaml"
        config.write_text(f"mqtt:\n  port: {broker.port}\n")
        _, listed = snapshot(capsys, config)
    steps = statistics.quantiles(latencies_ms, n=100)
    with capsys.disabled():
        print(f"\n{count} units, {total} events, median {steps[49]:.1f} ms, p99 {steps[98]:.1f} ms")
    assert len(seen) == len(set(seen)) == total
    assert sum(unit["availability"] == "online" for unit in listed.values()) == count
    assert sum(unit["health"] == "ok" and unit["presence"] == "vacant" for unit in listed.values()) == count
