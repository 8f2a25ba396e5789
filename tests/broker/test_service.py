"""The whole service with a real broker: what it says on the wire, and what it does while nobody listens."""

import asyncio
import csv
import http.server
import importlib.util
import json
import signal
import socket
import sys
import threading
import time
from datetime import datetime

import numpy as np
import pytest
from pydantic import TypeAdapter
from support import wire
from support.mosquitto import wait_until
from support.service import ServiceProcess, environment, pipistrelle

from appliance.app import Service
from appliance.cli.broker import PrivateBroker
from appliance.clock import WallClock
from appliance.config.schema import Config
from appliance.hardware.paced import Paced
from appliance.hardware.room import VirtualRoom
from appliance.outputs.payloads import TOPICS, ErrorMessage, EventMessage, rfc3339
from appliance.simulation.scenes import empty
from appliance.sources import Source

ROOT = "pipistrelle/den"
APPEND = "import sys; open(sys.argv[1], 'a').write('x')"


@pytest.fixture
def write_config(tmp_path):
    """Writes appliance.yaml and routines.yaml for a broker; gives the path of the first."""

    def write(broker, *, hold_s=5, routines=(), commands=None, **mqtt):
        config = {
            "node": "den",
            "sensing": {"hold_s": hold_s},
            "mqtt": {"host": broker.host, "port": broker.port} | mqtt,
            "routines": {"file": "routines.yaml", "commands": commands or {}},
        }
        # JSON is YAML.
        (tmp_path / "appliance.yaml").write_text(json.dumps(config))
        (tmp_path / "routines.yaml").write_text(json.dumps(list(routines)))
        return tmp_path / "appliance.yaml"

    return write


@pytest.fixture
def serve(tmp_path):
    """Starts the service as a user does."""
    started = []

    def start(config, source):
        started.append(ServiceProcess(tmp_path, "--config", config, "--source", source).__enter__())
        return started[-1]

    yield start
    for service in started:
        service.__exit__()


def routine(name, trigger, *actions):
    return {"id": name, "triggers": [trigger], "actions": list(actions)}


def command(name, **more):
    return {"action": "command", "command": name} | more


def append_to(path):
    """An argument list that makes a file one byte longer."""
    return [sys.executable, "-c", APPEND, str(path)]


def states(subscriber, name):
    """The payloads of a topic of ours, as plain objects."""
    return [json.loads(payload) for payload in subscriber.on(f"{ROOT}/{name}")]


def events(subscriber):
    return [TypeAdapter(EventMessage).validate_json(payload) for payload in subscriber.on(f"{ROOT}/event")]


def assert_all_is_of_its_model(subscriber):
    """Every message below our root: its place in the AsyncAPI document, its model, and times in UTC."""
    seen = set()
    for message in subscriber.messages:
        if not message.topic.startswith(f"{ROOT}/") or message.topic.startswith(f"{ROOT}/set/"):
            continue
        name = wire.check("den", message)
        if name == "event":
            TypeAdapter(EventMessage).validate_json(message.payload)
        elif name != "status":
            TOPICS[name].models[0].model_validate_json(message.payload)
        if message.payload.startswith(b"{"):
            content = json.loads(message.payload)
            for key in {"at", "since"} & set(content):
                assert content[key].endswith("Z")
                assert datetime.fromisoformat(content[key]).utcoffset().total_seconds() == 0
        seen.add(name)
    return seen


def test_a_visit_while_the_broker_is_killed_and_started_again(broker, subscribe, write_config, serve, tmp_path):
    moved = tmp_path / "moved"
    config = write_config(
        broker,
        routines=[
            routine("note", {"trigger": "motion"}, command("note")),
            routine(
                "light",
                {"trigger": "presence", "to": "occupied"},
                {"action": "mqtt.publish", "topic": "home/light/set", "payload": "ON"},
            ),
        ],
        commands={"note": append_to(moved)},
    )
    live = subscribe()
    service = serve(config, "room:visit")
    live.wait_for(f"{ROOT}/presence", b'"occupied"')
    live.wait_for("home/light/set", b"ON")
    wait_until(lambda: moved.exists() and moved.read_text(), "the routine with a broker")
    broker.kill()
    service.wait_for_line("is gone")
    noted = len(moved.read_text())
    # The visitor sits, and moves again: the routine's program runs although there is no broker.
    wait_until(lambda: moved.exists() and len(moved.read_text()) > noted, "the routine without a broker", 40.0)
    broker.start()
    live.wait(lambda: live.connections == 2, "the subscriber's return")
    service.wait_for_line("connected to broker")
    live.wait_for(f"{ROOT}/presence", b'"occupied"')
    live.wait_for(f"{ROOT}/status", b"online")
    told = wait_until(lambda: [event for event in events(live) if event.type == "motion_started"][noted:], "it told")
    assert told[0].t_s > 9.0
    # In the order in which they happened. A broker that dies between handing on and acknowledging gets what it had last
    # again, and nothing else; test_kills.py counts that.
    times_s = [(event.t_s, event.type) for event in events(live)]
    told_first = list(dict.fromkeys(times_s))
    assert told_first == sorted(told_first, key=lambda told: told[0])
    assert len(times_s) - len(told_first) <= 1
    assert len(service.lines("is gone")) == 1
    assert set(live.on("home/light/set")) == {b"ON"}

    assert service.stop(signal.SIGTERM) == 0
    live.wait_for(f"{ROOT}/status", b"offline")
    assert assert_all_is_of_its_model(live) == {"status", "presence", "motion", "settings", "event", "health"}
    assert "Traceback" not in service.log


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers everything with 500."""

    def do_POST(self):
        self.send_error(500)

    def log_message(self, *_):
        pass


@pytest.fixture
def refusing_server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret-token"
        server.shutdown()
        thread.join()


def test_actions_that_fail_are_logged_and_told_on_error(broker, subscribe, write_config, serve, refusing_server):
    vacant = {"trigger": "presence", "to": "vacant"}
    config = write_config(
        broker,
        routines=[
            routine("tell", vacant, {"action": "webhook", "url": refusing_server}),
            routine("fail", vacant, command("fail"), command("never")),
            routine("missing", vacant, command("missing")),
        ],
        commands={
            "fail": [sys.executable, "-c", "raise SystemExit(3)"],
            "missing": ["/nowhere/program"],
            "never": ["/nowhere/never"],
        },
    )
    live = subscribe()
    service = serve(config, "room:empty")
    live.wait(lambda: len(live.on(f"{ROOT}/error")) == 3, "three errors")
    errors = [ErrorMessage.model_validate_json(payload) for payload in live.on(f"{ROOT}/error")]
    assert {error.topic for error in errors} == {None}
    words = sorted(error.message for error in errors)
    assert "routine fail: action 1 (command): fail ended with exit code 3" in words
    assert "routine missing: action 1 (command): missing cannot be started: No such file or directory" in words
    assert words[-1].startswith("routine tell: action 1 (webhook): 127.0.0.1:")
    assert "answered 500" in words[-1]
    assert "secret-token" not in service.log + "".join(words)
    for line in words:
        assert len(service.lines(line)) == 1
    assert live.on(f"{ROOT}/status") == [b"online"]
    assert service.stop() == 0


@pytest.fixture
def hanging_server():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/secret-token"


def test_each_fault_is_told_once_with_its_routine_and_hurts_no_other(
    broker, subscribe, write_config, serve, hanging_server
):
    def heard(topic):
        return {"trigger": "mqtt", "topic": f"home/{topic}"}

    tell = {"action": "mqtt.publish", "topic": "home/told", "payload": "{trigger.payload}"}
    wrong_type = routine("warm", heard("warm"), tell)
    wrong_type["conditions"] = [{"condition": "expression", "expression": "trigger.payload > 25"}]
    never_came = routine("sky", heard("go"), tell | {"payload": "{sky}"})
    never_came["variables"] = {"sky": {"topic": "home/weather"}}
    config = write_config(
        broker,
        routines=[
            routine("hangs", heard("go"), {"action": "webhook", "url": hanging_server, "timeout_s": 0.5}, tell),
            routine("endless", heard("go"), command("endless", timeout_s=0.5), tell),
            routine("option", heard("binary"), command("say", values={"text": "{trigger.payload}"})),
            never_came,
            wrong_type,
            routine("good", heard("good"), tell),
        ],
        commands={"endless": [sys.executable, "-c", "import time; time.sleep(3600)"], "say": ["true", "{text}"]},
    )
    live = subscribe()
    service = serve(config, "room:empty")
    service.wait_for_line("connected to broker")
    wait_until(lambda: live.publish("home/good", b"before") or b"before" in live.on("home/told"), "the first answer")
    for topic, payload in {
        "go": b"x",
        "warm": b"like a summer's day",
        "binary": b"a\0b\xff",
        "good": b"x" * 70_000,
    }.items():
        live.publish(f"home/{topic}", payload)
    wanted = {
        "routine hangs: action 1 (webhook): not done within 0.5 s",
        "routine endless: action 1 (command): not done within 0.5 s",
        "routine option: action 1 (command): the value text holds a NUL character",
        "routine sky: action 1 (mqtt.publish): the value sky is missing: home/weather has sent no message yet",
        (
            "routine warm: a condition cannot be judged: the expression cannot be evaluated: "
            "'>' not supported between instances of 'str' and 'int'"
        ),
        "routines: a message of 70000 bytes on home/good is passed over; 65536 at most",
    }
    live.wait(lambda: len(live.on(f"{ROOT}/error")) >= len(wanted), "all errors")
    live.publish("home/good", b"behind")
    live.wait_for("home/told", b"behind")
    words = [error["message"] for error in states(live, "error")]
    assert sorted(words) == sorted(wanted)
    assert all(len(service.lines(line)) == 1 for line in wanted)
    assert set(live.on("home/told")) == {b"before", b"behind"}
    assert service.process.poll() is None
    assert service.stop() == 0


def test_a_program_that_goes_on_does_not_hold_up_the_end(broker, subscribe, write_config, serve, tmp_path):
    begun = tmp_path / "begun"
    sleeping = [sys.executable, "-c", f"open({str(begun)!r}, 'w'); import time; time.sleep(3600)"]
    config = write_config(
        broker,
        routines=[routine("sleep", {"trigger": "presence", "to": "vacant"}, command("sleep", timeout_s=3600))],
        commands={"sleep": sleeping},
    )
    live = subscribe()
    service = serve(config, "room:empty")
    wait_until(begun.exists, "the program")
    assert service.stop() == 0
    live.wait_for(f"{ROOT}/status", b"offline")
    assert b"routine sleep: cut off" in live.on(f"{ROOT}/error")[-1]


class Heard:
    """A room that keeps the loudest sample of each block played in it."""

    def __init__(self, room):
        self._room = room
        self.name, self.rate_hz, self.mics, self.outputs = room.name, room.rate_hz, room.mics, room.outputs
        self.peaks = []
        self.read, self.suspend, self.close = room.read, room.suspend, room.close

    def write(self, samples):
        self.peaks.append(int(np.abs(samples).max()))
        self._room.write(samples)


def test_commands_do_what_they_say(broker, subscribe, tmp_path):
    live = subscribe()
    room = Heard(VirtualRoom(empty(), mics=1))
    routines = tmp_path / "routines.yaml"
    routines.write_text(
        "- {id: by_hand, triggers: [{trigger: mqtt, topic: never}], actions: [{action: set_value, name: a, value: 1}]}"
    )
    mqtt = {"host": broker.host, "port": broker.port}
    config = Config.model_validate({"node": "den", "mqtt": mqtt, "routines": {"file": str(routines)}})
    service = Service(config, clock=WallClock())

    def command_it():
        live.wait_for(f"{ROOT}/status", b"online")
        live.publish(f"{ROOT}/set/hold_s", b"5")
        live.wait_for(f"{ROOT}/presence", b'"vacant"')
        assert states(live, "presence")[-1]["cause"] == "no motion for 5 s"
        live.wait(lambda: states(live, "motion")[-1]["motion"] is False, "motion to be known")

        live.publish(f"{ROOT}/set/emission", b"off")
        live.wait_for(f"{ROOT}/presence", b'"unknown"')
        assert states(live, "presence")[-1]["cause"] == "emission off"
        wait_until(lambda: not any(room.peaks[-5:]), "silence in the room")
        wait_until(lambda: states(live, "motion")[-1]["motion"] is None, "motion unknown")
        wait_until(lambda: service.resting, "the source to rest")
        quiet_blocks = len(room.peaks)
        live.publish(f"{ROOT}/set/hold_s", b"6")
        live.publish(f"{ROOT}/set/hold_s", b"5")
        live.publish(f"{ROOT}/set/light", b"off")
        live.wait_for(f"{ROOT}/error", b"unknown command")
        assert service.resting, "commands are obeyed without a sound"
        assert len(room.peaks) == quiet_blocks
        assert states(live, "presence")[-1]["presence"] == "unknown"
        assert states(live, "health")[-1]["faults"] == []

        live.publish(f"{ROOT}/set/emission", b"on")
        wait_until(lambda: room.peaks[-1] > 0.9 * max(room.peaks), "the tone")
        live.wait_for(f"{ROOT}/presence", b'"vacant"')
        assert [event.on for event in events(live) if event.type == "emission_changed"] == [False, True]

        live.publish(f"{ROOT}/set/light", b"on")
        live.wait_for(f"{ROOT}/error", b"unknown command")
        assert states(live, "error")[-1]["topic"] == f"{ROOT}/set/light"

        live.publish(f"{ROOT}/set/routine", b"by_hand")
        live.wait_for(f"{ROOT}/routine", b'"done"')

    async def run():
        script = asyncio.create_task(asyncio.to_thread(command_it))
        script.add_done_callback(lambda _: service.stop())
        await service.run(Source(Paced(room), (40_000.0,)))
        await script

    asyncio.run(run())
    live.wait_for(f"{ROOT}/status", b"offline")
    assert not any(room.peaks[-10:])
    assert assert_all_is_of_its_model(live) == set(TOPICS) - {"update"}


def test_a_broker_that_is_down_at_start_is_told_all_when_it_comes(broker, subscribe, write_config, serve):
    broker.kill()
    service = serve(write_config(broker), "room:empty")
    service.wait_for_line("does not answer")
    broker.start()
    live = subscribe()
    live.wait_for(f"{ROOT}/status", b"online")
    live.wait_for(f"{ROOT}/presence", b'"vacant"')
    live.wait(lambda: live.on("homeassistant/device/pipistrelle_den/config"), "the discovery")
    assert len(service.lines("does not answer")) == 1
    assert service.stop() == 0
    assert_all_is_of_its_model(live)


def test_a_wrong_password_is_said_once_and_routines_go_on(tmp_path, write_config, serve):
    with PrivateBroker(tmp_path / "locked", users={"bat": "right"}) as broker:
        password = tmp_path / "password"
        password.write_text("wrong-guess\n")
        password.chmod(0o600)
        noted = tmp_path / "noted"
        config = write_config(
            broker,
            username="bat",
            password_file=str(password),
            routines=[routine("note", {"trigger": "presence", "to": "vacant"}, command("note"))],
            commands={"note": append_to(noted)},
        )
        service = serve(config, "room:empty")
        wait_until(lambda: broker.log.read_text().count("not authorised") >= 2, "two tries")
        wait_until(noted.exists, "the routine without a broker")
        said = service.lines("refuses user 'bat'")
        assert len(said) == 1
        assert "password file" in said[0]
        assert "wrong-guess" not in service.log
        assert service.stop() == 0


def test_killed_and_started_again_nothing_of_before_stands(broker, subscribe, write_config, serve):
    config = write_config(broker)
    live = subscribe()
    service = serve(config, "room:empty")
    live.wait_for(f"{ROOT}/health", b'"faults":[]')
    service.send(signal.SIGKILL)
    live.wait_for(f"{ROOT}/status", b"offline")
    seen = len(states(live, "presence"))
    again = serve(config, "room:empty")
    live.wait_for(f"{ROOT}/status", b"online")
    live.wait(lambda: len(live.on(f"{ROOT}/presence")) > seen, "presence anew")
    first = states(live, "presence")[seen]
    assert (first["presence"], first["cause"]) == ("unknown", "started")
    assert again.stop(signal.SIGINT) == 0
    live.wait_for(f"{ROOT}/status", b"offline")


@pytest.mark.slow
def test_a_process_that_was_stopped_for_a_while_goes_on(broker, subscribe, write_config, serve):
    live = subscribe()
    service = serve(write_config(broker), "room:empty")
    live.wait_for(f"{ROOT}/presence", b'"vacant"')
    service.send(signal.SIGSTOP)
    time.sleep(3.0)  # not a wait for anything: this is what is tried
    service.send(signal.SIGCONT)
    live.publish(f"{ROOT}/set/emission", b"off")
    live.wait_for(f"{ROOT}/presence", b'"unknown"')
    live.publish(f"{ROOT}/set/emission", b"on")
    live.wait_for(f"{ROOT}/presence", b'"vacant"')
    # Whether frames were lost depends on the computer; nobody moved, and nobody is said to have.
    assert {event.type for event in events(live)} <= {"presence_changed", "emission_changed", "stream_health"}
    assert live.on(f"{ROOT}/status") == [b"online"]
    assert service.stop(signal.SIGINT) == 0
    assert_all_is_of_its_model(live)


def test_routines_hear_messages_and_announce_what_was_retained(broker, subscribe, write_config, serve):
    live = subscribe()
    live.publish("home/weather", b'{"sky": "cloudy"}', retain=True)
    rule = routine(
        "tell",
        {"trigger": "mqtt", "topic": "home/ask"},
        {"action": "mqtt.publish", "topic": "home/told", "payload": "{trigger.payload}: {sky}"},
    ) | {"variables": {"sky": {"topic": "home/weather", "value": "sky"}}}
    config = write_config(broker, routines=[rule])
    service = serve(config, "room:empty")
    service.wait_for_line("connected to broker")
    wait_until(lambda: live.publish("home/ask", b"now") or live.on("home/told"), "an answer")
    assert live.on("home/told")[0] == b"now: cloudy"
    # Another file, by SIGHUP; then one with a fault, which changes nothing.
    changed = rule | {"triggers": [{"trigger": "mqtt", "topic": "home/again"}]}
    write_config(broker, routines=[changed])
    service.send(signal.SIGHUP)
    service.wait_for_line("routines reloaded: 1")
    live.publish("home/ask", b"old")
    wait_until(lambda: live.publish("home/again", b"new") or b"new: cloudy" in live.on("home/told"), "the new one")
    assert b"old: cloudy" not in live.on("home/told")
    write_config(broker, routines=[changed | {"mode": "sngle"}])
    live.wait_for(f"{ROOT}/error", b"did you mean single?")
    wait_until(lambda: live.publish("home/again", b"still") or b"still: cloudy" in live.on("home/told"), "the old one")
    assert service.stop() == 0


def test_a_wait_outlives_a_kill(broker, subscribe, write_config, tmp_path):
    (tmp_path / "state").mkdir()
    rule = routine(
        "later",
        {"trigger": "mqtt", "topic": "home/ask"},
        {"action": "delay", "for": 12},
        {"action": "mqtt.publish", "topic": "home/told", "payload": "later"},
    )
    config = write_config(broker, routines=[rule])
    live = subscribe()
    env = environment(STATE_DIRECTORY=str(tmp_path / "state"))
    pending = tmp_path / "state" / "routines.json"
    with ServiceProcess(tmp_path, "--config", config, "--source", "room:empty", env=env) as service:
        service.wait_for_line("connected to broker")
        wait_until(
            lambda: live.publish("home/ask", b"") or (pending.exists() and b"later" in pending.read_bytes()), "the file"
        )
        service.send(signal.SIGKILL)
    asked_s = time.monotonic()
    with ServiceProcess(tmp_path, "--config", config, "--source", "room:empty", env=env) as service:
        wait_until(lambda: live.on("home/told"), "what was to be done later", 30)
        assert time.monotonic() - asked_s < 30
        assert service.stop() == 0
    assert live.on("home/told") == [b"later"]


def exported(state, kind, path):
    """What `pipistrelle history --export` writes of a state directory."""
    env = environment(STATE_DIRECTORY=str(state))
    made = pipistrelle("history", "--hours", "1", "--export", kind, "--output", path, env=env)
    assert (made.returncode, made.stderr) == (0, "")
    return path


@pytest.mark.slow
def test_history_shows_and_exports_what_the_service_told(broker, subscribe, write_config, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    env = environment(STATE_DIRECTORY=str(state), TZ="UTC")
    live = subscribe()
    with ServiceProcess(tmp_path, "--config", write_config(broker), "--source", "room:visit", env=env) as service:
        both = {"motion_started", "motion_stopped"}
        wait_until(lambda: both <= {event.type for event in events(live)}, "a motion and its end", 60.0)
        assert service.stop() == 0
    live.wait_for(f"{ROOT}/status", b"offline")

    shown = pipistrelle("history", "--hours", "1", env=env)
    assert shown.returncode == 0
    assert "occupied" in shown.stdout
    assert "motion started" in shown.stdout

    lines = [json.loads(line) for line in exported(state, "jsonl", tmp_path / "out.jsonl").read_text().splitlines()]
    told = [json.loads(payload) for payload in live.on(f"{ROOT}/event")]
    assert [line for line in lines if line["topic"] == "event"] == [
        {"at": event.pop("at"), "topic": "event"} | event for event in told
    ]
    assert [line["presence"] for line in lines if line["topic"] == "presence"] == [
        each["presence"] for each in states(live, "presence")
    ]
    rows = list(csv.DictReader(exported(state, "csv", tmp_path / "out.csv").open()))
    assert [(row["at"], row["topic"], row["cause"]) for row in rows] == [
        (line["at"], line["topic"], line.get("cause", "")) for line in lines
    ]
    if importlib.util.find_spec("pyarrow"):
        from pyarrow import parquet

        table = parquet.read_table(exported(state, "parquet", tmp_path / "out.parquet")).to_pylist()
        assert [(rfc3339(row["at"]), row["topic"], row["cause"] or "") for row in table] == [
            (row["at"], row["topic"], row["cause"]) for row in rows
        ]
