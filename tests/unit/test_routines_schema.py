"""routines.yaml: Home Assistant's words, durations, times, payloads, and the allow list."""

import subprocess
import sys
from datetime import time
from pathlib import Path

import pytest

from appliance import routines
from appliance.config.load import load_routines
from appliance.errors import ConfigError
from appliance.routines.effects import Publish
from appliance.routines.fill import effect_of
from appliance.routines.schema import WebhookAction

ROOT = Path(__file__).parents[2]

ROUTINE = """\
- id: one
  triggers: [{trigger: motion}]
  conditions: [%s]
  actions: [%s]
"""
PUBLISH = "{action: mqtt.publish, topic: a/b, payload: x}"


def no_values(name):
    raise AssertionError(name)


@pytest.fixture
def load(tmp_path):
    def load_text(text, commands=(), **more):
        file = tmp_path / "routines.yaml"
        file.write_text(text, encoding="utf-8")
        if not isinstance(commands, dict) and commands is not None:
            commands = {name: ["true"] for name in commands}
        return load_routines(file, commands=commands, **more)

    return load_text


def examples():
    return sorted((Path(routines.__file__).parent / "examples").glob("*.yaml"))


@pytest.mark.parametrize("file", examples(), ids=lambda file: file.stem)
def test_what_an_example_calls_a_default_is_one(load, file):
    def read(text):
        return load(text, {"siren": ["siren", "{seconds}"]}, can_play=True)

    lines = file.read_text(encoding="utf-8").splitlines()
    for line in lines:
        if "# the default" in line:
            assert read("\n".join(lines)) == read("\n".join(other for other in lines if other is not line))


@pytest.mark.parametrize("text", ["", "# nothing\n", "[]"])
def test_no_routines(load, text):
    assert load(text) == ()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("0", 0.0),
        ("10", 10.0),
        ("7.5", 7.5),
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
    ["-1", "4.9", "0:00:04", "-0:00:01", "1:30", "00:05", "90:00",
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
    assert effect_of(action, no_values) == Publish("a", sent, retain=False, qos=1)


@pytest.mark.parametrize("written", ["null", "[1]", ".nan", "{a: .inf}", '"{{ x }}"', '{a: ["{% x %}"]}', '"{nobody}"'])
def test_payloads_that_are_none(load, written):
    with pytest.raises(ConfigError, match=r"one\.actions\[0\]\.payload: (must |may hold|the value nobody)"):
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
     "http://a:b", "http://u:p@a", "http://{x}/", "http://a{x}.b/",
     "http://ä", "http://[::1", "http://a\\r\\nX: y", "//a", "javascript:1"],
)  # fmt: skip
def test_addresses_that_are_none(load, url):
    with pytest.raises(
        ConfigError,
        match=r"one\.actions\[0\]\.url: (must be an address that begins with http|may hold .* behind the host)",
    ):
        load(ROUTINE % ("", f'{{action: webhook, url: "{url}"}}'))


def test_a_command_must_be_in_the_allow_list(load):
    text = ROUTINE % ("", "{action: command, command: chmie}")
    assert load(text, {"chmie"})
    assert load(text, {"chmie": ["a", "{b}"]})
    assert load(text, None), "without an allow list, names are not checked"
    with pytest.raises(ConfigError, match=r"routines\.commands in the configuration \(did you mean chime\?\)"):
        load(text, {"chime", "other"})
    with pytest.raises(ConfigError, match=r"is not a command of routines\.commands in the configuration$"):
        load(text)


def test_routines_are_frozen(load):
    (routine,) = load(ROUTINE % ("", PUBLISH))
    with pytest.raises(ValueError, match="frozen"):
        routine.id = "other"


LOADS = """
import sys, pathlib
import appliance.app
from appliance.config.load import load_routines
load_routines(pathlib.Path(sys.argv[1]), commands={}, place_known=True)
print(*sorted({"astral", "simpleeval"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("condition", "loaded"), [("", ""), ("{condition: expression, expression: 1 > 0}", "simpleeval")]
)
def test_a_library_is_loaded_only_for_routines_that_use_it(tmp_path, condition, loaded):
    (tmp_path / "r.yaml").write_text(ROUTINE % (condition, PUBLISH))
    ran = subprocess.run(
        [sys.executable, "-c", LOADS, str(tmp_path / "r.yaml")], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == loaded
