"""A real Home Assistant discovers the device, follows it, commands it, and is right again after whatever fails."""

import json
import signal
import statistics
import time
from datetime import UTC, datetime

import pytest
from support.home_assistant import HOW, HomeAssistant, find_hass
from support.mosquitto import wait_until
from support.service import ServiceProcess, environment

from appliance.cli.broker import PrivateBroker
from appliance.events import MotionStarted, MotionStopped, PresenceChanged
from appliance.outputs.health import HealthMonitor, Notifier
from appliance.outputs.publisher import EventPublisher
from appliance.types import MotionClass, Presence

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_hass() is None, reason=HOW)]

ENTITIES = {
    *(f"binary_sensor.{name}" for name in ("occupancy", "motion", "problem")),
    *(f"sensor.{name}" for name in ("radial_speed", "direction", "confidence", "no_occupancy_since")),
    *(f"sensor.{name}" for name in ("health", "lost_frames", "uptime")),
    *("number.hold_time", "number.sensitivity", "switch.emission", "select.mode", "button.restart", "event.event"),
}


class Home:
    """A broker without persistence, and Home Assistant at it."""

    def __init__(self, folder):
        self.broker = PrivateBroker(folder / "broker")
        self.broker.start()
        self.assistant = HomeAssistant(folder / "home", self.broker)

    def connections(self):
        """How often Home Assistant has come to the broker; its client has a random name."""
        lines = self.broker.log.read_text().splitlines()
        came = [line.rsplit(" as ", 1)[1] for line in lines if "New client connected" in line]
        return sum(not name.startswith(("pipistrelle", "probe", "auto-")) for name in came)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    try:
        with home.assistant:
            yield home
    finally:
        home.broker.stop()


@pytest.fixture
def serve(home, tmp_path):
    """The service of a node, with what it keeps in a directory of its own."""

    def start(node, source="room:visit"):
        mqtt = {"host": home.broker.host, "port": home.broker.port, "no_occupancy_since": [5]}
        config = tmp_path / f"{node}.yaml"
        config.write_text(json.dumps({"node": node, "sensing": {"hold_s": 5}, "mqtt": mqtt}))
        (tmp_path / "state").mkdir(exist_ok=True)
        env = environment(STATE_DIRECTORY=str(tmp_path / "state"))
        return ServiceProcess(tmp_path, "--config", config, "--source", source, env=env)

    return start


@pytest.fixture
def publisher(home, make_output):
    output = make_output(home.broker)
    monitor = HealthMonitor(notifier=Notifier({}), version="1", monotonic_s=time.monotonic)
    publisher = EventPublisher(output, lambda: datetime.now(UTC), monitor)
    output.start()
    publisher.start()
    home.assistant.wait_for("binary_sensor.pipistrelle_attic_occupancy", "unknown")
    return publisher


def named(entity, node):
    platform, name = entity.split(".")
    return f"{platform}.pipistrelle_{node}_{name}"


def test_it_appears_follows_a_visit_and_obeys(home, serve):
    assistant = home.assistant
    with serve("den") as service:
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "on")
        known = {entity for entity in assistant.states() if "_den_" in entity}
        assert known == {named(entity, "den") for entity in ENTITIES}
        motion = named("binary_sensor.motion", "den")
        wait_until(lambda: {"on", "off"} <= {each.state for each in assistant.changes if each.entity == motion}, "both")
        directions = named("sensor.direction", "den")
        wait_until(
            lambda: {c.state for c in assistant.changes if c.entity == directions} & {"towards", "away"}, "a way"
        )
        assert float(assistant.state(named("sensor.confidence", "den"))) > 50.0
        assert assistant.state(named("binary_sensor.problem", "den")) == "off"

        assistant.call("number", "set_value", entity_id=named("number.hold_time", "den"), value=7)
        assistant.call("number", "set_value", entity_id=named("number.sensitivity", "den"), value=45)
        assistant.wait_for(named("number.hold_time", "den"), "7.0")
        assistant.wait_for(named("number.sensitivity", "den"), "45.0")

        assistant.call("select", "select_option", entity_id=named("select.mode", "den"), option="rest")
        assistant.wait_for(named("switch.emission", "den"), "off")
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "unknown")
        assistant.wait_for(motion, "unknown")
        assistant.call("switch", "turn_on", entity_id=named("switch.emission", "den"))
        assistant.wait_for(named("select.mode", "den"), "normal")
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "on", "off")
        assistant.call("switch", "turn_off", entity_id=named("switch.emission", "den"))
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "unknown")
        assistant.call("select", "select_option", entity_id=named("select.mode", "den"), option="away")
        assistant.wait_for(named("select.mode", "den"), "away")

        process = service.process.pid
        assistant.call("button", "press", entity_id=named("button.restart", "den"))
        service.wait_for_line("restarting")
        wait_until(lambda: len(service.lines("connected to broker")) == 2, "the service again", 60.0)
        assert service.process.pid == process
        assistant.wait_for(named("number.hold_time", "den"), "7.0")
        assistant.wait_for(named("select.mode", "den"), "away")
        assistant.wait_for(named("switch.emission", "den"), "off")
        assert service.process.poll() is None

        service.send(signal.SIGKILL)
        for entity in ("binary_sensor.occupancy", "number.hold_time", "select.mode"):
            assistant.wait_for(named(entity, "den"), "unavailable")
    with serve("den", "room:empty") as service:
        assistant.wait_for(named("number.hold_time", "den"), "7.0")
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "unknown")
        assistant.call("switch", "turn_on", entity_id=named("switch.emission", "den"))
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "off")
        assistant.wait_for(named("sensor.no_occupancy_since", "den"), "5")
        assert service.stop() == 0
        assistant.wait_for(named("binary_sensor.occupancy", "den"), "unavailable")
    assert "pipistrelle_den" not in assistant.log


def test_an_event_and_a_state_reach_it_at_once(home, publisher, record_property):
    """From the event's birth in the pipeline to Home Assistant's own stream of states."""
    assistant, entity = home.assistant, "binary_sensor.pipistrelle_attic_motion"
    latencies_ms = []
    for number in range(60):
        wanted, event = (
            ("on", MotionStarted(number, MotionClass.MINOR, 0.8, 0.5, "test"))
            if number % 2 == 0
            else ("off", MotionStopped(number, 0.1, None, "test"))
        )
        seen, began_s = len(assistant.changes), time.monotonic()
        publisher.handle(event)

        def arrived(wanted=wanted, seen=seen):
            return [each for each in assistant.changes[seen:] if (each.entity, each.state) == (entity, wanted)]

        latencies_ms.append(1e3 * (wait_until(arrived, f"motion {wanted}")[0].at_s - began_s))
    median_ms = statistics.median(latencies_ms)
    record_property("median_ms", median_ms)
    print(f"event to Home Assistant's state: median {median_ms:.1f} ms, worst {max(latencies_ms):.1f} ms of 60")
    assert median_ms < 50.0
    last = assistant.states()["event.pipistrelle_attic_event"]["attributes"]
    assert last["event_type"] == "motion_stopped"


def test_what_changed_while_the_broker_was_dead_is_right_within_two_seconds(home, publisher):
    assistant, entity = home.assistant, "binary_sensor.pipistrelle_attic_occupancy"
    presences = [Presence.OCCUPIED, Presence.VACANT, Presence.OCCUPIED]
    publisher.handle(PresenceChanged(0.0, presences[0], Presence.UNKNOWN, 0.9, "test"))
    assistant.wait_for(entity, "on")
    for number in (1, 2):
        home.broker.kill()
        assistant.wait_for(entity, "unavailable")
        came = home.connections()
        publisher.handle(PresenceChanged(number, presences[number], presences[number - 1], 0.9, "test"))
        home.broker.start()
        wait_until(lambda came=came: home.connections() > came, "Home Assistant's return", 60.0)
        began_s = time.monotonic()
        assistant.wait_for(entity, "on" if presences[number] is Presence.OCCUPIED else "off")
        took_s = time.monotonic() - began_s
        print(f"right {took_s:.2f} s after Home Assistant's return")
        assert took_s < 2.0


def test_home_assistant_restarted_knows_all_again(home, publisher):
    assistant = home.assistant
    publisher.handle(PresenceChanged(0.0, Presence.OCCUPIED, Presence.UNKNOWN, 0.9, "test"))
    assistant.wait_for("binary_sensor.pipistrelle_attic_occupancy", "on")
    assistant.stop()
    publisher.handle(PresenceChanged(1.0, Presence.VACANT, Presence.OCCUPIED, 0.9, "test"))
    assistant.start()
    assistant.wait_for("binary_sensor.pipistrelle_attic_occupancy", "off")
    known = {entity for entity in assistant.states() if "_attic_" in entity}
    assert known == {named(entity, "attic") for entity in ENTITIES if "no_occupancy" not in entity}
