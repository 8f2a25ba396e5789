"""routines.yaml: Home Assistant's words, durations, times, payloads, and the allow list."""

from datetime import time
from pathlib import Path

import pytest

from appliance import routines
from appliance.config.load import load_routines
from appliance.errors import ConfigError
from appliance.routines.schema import (
    CommandAction,
    MotionTrigger,
    PresenceCondition,
    PresenceTrigger,
    TimeCondition,
    WebhookAction,
)
from appliance.types import MotionClass, Presence

EXAMPLE = Path(routines.__file__).parent / "example.yaml"

ROUTINE = """\
- id: one
  triggers: [{trigger: motion}]
  conditions: [%s]
  actions: [%s]
"""
PUBLISH = "{action: mqtt.publish, topic: a/b, payload: x}"


@pytest.fixture
def load(tmp_path):
    def load_text(text, commands=()):
        file = tmp_path / "routines.yaml"
        file.write_text(text, encoding="utf-8")
        return load_routines(file, commands=commands)

    return load_text


def test_the_example_is_read_as_it_says():
    on, off, tell, chime = load_routines(EXAMPLE, commands={"chime"})
    assert on.triggers == (PresenceTrigger(trigger="presence", to="occupied"),)
    assert on.conditions == (TimeCondition(condition="time", after="18:00", before="06:00"),)
    assert (on.actions[0].topic, on.actions[0].payload) == ("home/light/set", b"ON")
    assert (off.triggers[0].to, off.triggers[0].for_s) == (Presence.VACANT, 600.0)
    assert off.actions[0].payload == b"OFF"
    assert tell.triggers == (MotionTrigger(trigger="motion", kind=MotionClass.MAJOR),)
    assert tell.conditions == (PresenceCondition(condition="presence", state="occupied"),)
    assert tell.actions[0].body == b'{"room":"living","moving":true}'
    assert chime.actions == (CommandAction(action="command", command="chime", timeout_s=10.0),)


@pytest.mark.parametrize("default", ["qos: 1", "retain: false", "method: POST", "timeout_s: 5", "timeout_s: 10"])
def test_what_the_example_calls_a_default_is_one(load, default):
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.strip().startswith(f"{default} # the default"))
    text = "\n".join(lines)
    assert load(text, {"chime"}) == load(text.replace(line, ""), {"chime"})


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]"])
def test_no_routines(load, text):
    assert load(text) == ()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0.0),
        ("10", 10.0),
        ("0.5", 0.5),
        ("0:00:10", 10.0),
        ('"01:02:03"', 3723.0),
        ("100:00:00", 360_000.0),
        ("{minutes: 10}", 600.0),
        ("{hours: 1, minutes: 0.5, seconds: 1}", 3631.0),
        ("31622400", 31_622_400.0),
    ],
)
def test_durations(load, written, seconds):
    (routine,) = load(
        f"- {{id: a, triggers: [{{trigger: presence, to: vacant, for: {written}}}], actions: [{PUBLISH}]}}"
    )
    assert routine.triggers[0].for_s == seconds


@pytest.mark.parametrize(
    "written",
    ["-1", "-0:00:01", "1:30", "00:05", "90:00",
     "1:60", "1:60:00", ".nan", ".inf", "true", "null", "soon", "{}", "{days: 1}", "{seconds: -1}",
     "{seconds: true}", "31622401", "{hours: 8784, seconds: 1}", "[1]", "1:2:3:4", "1" * 400, '"1:30\\n"', "٣:٣٠"],
)  # fmt: skip
def test_durations_that_are_none(load, written):
    with pytest.raises(ConfigError, match=r"a\.triggers\[0\]\.for: must be seconds, "):
        load(f"- {{id: a, triggers: [{{trigger: presence, to: vacant, for: {written}}}], actions: [{PUBLISH}]}}")


@pytest.mark.parametrize(
    ("written", "wanted"), [("18:00", time(18)), ("6:05", time(6, 5)), ('"23:59:59"', time(23, 59, 59))]
)
def test_times_of_day(load, written, wanted):
    (routine,) = load(ROUTINE % (f"{{condition: time, after: {written}}}", PUBLISH))
    assert routine.conditions[0].after == wanted
    assert routine.conditions[0].before is None


@pytest.mark.parametrize("written", ["24:00", "18", "18:60", "18:00:60", "null", "noon", "1800", '"18:00 "'])
def test_times_of_day_that_are_none(load, written):
    with pytest.raises(ConfigError, match=r"one\.conditions\[0\]\.after: must be a time of day"):
        load(ROUTINE % (f"{{condition: time, after: {written}}}", PUBLISH))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("OFF", b"OFF"),
        ("no", b"no"),
        ('""', b""),
        ("ä", "ä".encode()),
        ("true", b"true"),
        ("21.5", b"21.5"),
        ("7", b"7"),
        ("{state: ON, level: 3, on: true, list: [1, null]}", b'{"state":"ON","level":3,"on":true,"list":[1,null]}'),
        ("{}", b"{}"),
    ],
)
def test_payloads(load, written, sent):
    (routine,) = load(ROUTINE % ("", f"{{action: mqtt.publish, topic: a, payload: {written}}}"))
    (action,) = routine.actions
    assert (action.topic, action.payload, action.retain, action.qos) == ("a", sent, False, 1)


@pytest.mark.parametrize("written", ["null", "[1]", ".nan", "{a: .inf}"])
def test_payloads_that_are_none(load, written):
    with pytest.raises(ConfigError, match=r"one\.actions\[0\]\.payload: must "):
        load(ROUTINE % ("", f"{{action: mqtt.publish, topic: a, payload: {written}}}"))


@pytest.mark.parametrize("topic", ["a", "/", "a//b", "ä/b c", "$x", "t" * 65_535])
def test_topics(load, topic):
    (routine,) = load(ROUTINE % ("", f'{{action: mqtt.publish, topic: "{topic}", payload: 1}}'))
    assert routine.actions[0].topic == topic


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a#", "a\\0", "ä" * 32_768, "t" * 65_536])
def test_topics_that_are_none(load, topic):
    with pytest.raises(ConfigError, match=r"one\.actions\[0\]\.topic: must be an MQTT topic: "):
        load(ROUTINE % ("", f'{{action: mqtt.publish, topic: "{topic}", payload: 1}}'))


@pytest.mark.parametrize("url", ["http://a", "https://a.b:8443/c?d=e#f", "http://[::1]:80/"])
def test_addresses(load, url):
    (routine,) = load(ROUTINE % ("", f'{{action: webhook, url: "{url}"}}'))
    assert routine.actions == (WebhookAction(action="webhook", url=url, method="POST", timeout_s=5.0),)
    assert routine.actions[0].body is None


@pytest.mark.parametrize(
    "url",
    ["", "a", "ftp://a", "file:///etc/passwd", "http://", "http:///x", "http://a b", "http://a:0", "http://a:70000",
     "http://a:b", "http://u:p@a", "http://ä", "http://[::1", "http://a\\r\\nX: y", "//a", "javascript:1"],
)  # fmt: skip
def test_addresses_that_are_none(load, url):
    with pytest.raises(ConfigError, match=r"one\.actions\[0\]\.url: must be an address that begins with http"):
        load(ROUTINE % ("", f'{{action: webhook, url: "{url}"}}'))


def test_a_command_must_be_in_the_allow_list(load):
    text = ROUTINE % ("", "{action: command, command: chmie}")
    assert load(text, {"chmie"})
    assert load(text, None), "without an allow list, names are not checked"
    with pytest.raises(ConfigError, match=r"routines\.commands in the configuration \(did you mean chime\?\)"):
        load(text, {"chime", "other"})
    with pytest.raises(ConfigError, match=r"is not a command of routines\.commands in the configuration$"):
        load(text)


def test_routines_are_frozen(load):
    (routine,) = load(ROUTINE % ("", PUBLISH))
    with pytest.raises(ValueError, match="frozen"):
        routine.id = "other"
