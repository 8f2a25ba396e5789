"""`pipistrelle routines`: what each part prints, its exit codes, and that nothing is ever done by it."""

import json

import pytest

from appliance.cli.main import main
from appliance.config.happenings import load_happenings
from appliance.errors import ConfigError

ROUTINES = """\
- id: light_off
  alias: Light off
  triggers: [{trigger: presence, to: vacant, for: 0:10:00}]
  actions: [{action: mqtt.publish, topic: home/light/set, payload: "OFF"}]
- id: siren
  triggers: [{trigger: motion}, {trigger: sun, event: sunset}]
  conditions: [{condition: time, after: "22:00"}]
  actions: [{action: command, command: siren}, {action: play, media: /a.flac}]
"""
EVENTS = """\
{"t_s": 1.5, "type": "motion_started", "kind": "major", "score": 0.9, "radial_mps": -1.2, "cause": "x"}

{"t_s": 2, "type": "motion_stopped", "score": 0.1, "radial_mps": null, "cause": "x"}
{"t_s": 3, "type": "presence_changed", "presence": "vacant", "confidence": 1.0, "cause": "x"}
"""
SUMMARY = '{"type": "summary", "duration_s": 30, "motion_s": 1, "occupied_s": 2, "carriers_hz": [4e4], "faults": []}\n'


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "106")
    monkeypatch.setenv("TZ", "UTC")
    marker = tmp_path / "started"
    (tmp_path / "appliance.yaml").write_text(
        json.dumps(
            {
                "mqtt": {"enabled": False},
                "routines": {"file": "r.yaml", "position": [52.5, 13.4], "commands": {"siren": ["touch", str(marker)]}},
            }
        )
    )
    (tmp_path / "r.yaml").write_text(ROUTINES)
    (tmp_path / "events.jsonl").write_text(EVENTS)

    def run_with(*arguments):
        try:
            code = main(["routines", *map(str, arguments), "--config", str(tmp_path / "appliance.yaml")])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert not marker.exists(), "nothing is done"
        return code, out, err

    return run_with


@pytest.mark.parametrize("command", [(), ("check",), ("explain",), ("simulate",), ("run",)])
def test_help_teaches(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert out.startswith("usage: pipistrelle routines")
    assert "light_off" in out or command


def test_check_is_as_strict_as_the_service(run, tmp_path):
    code, out, err = run("check")
    assert (code, out) == (78, "")
    assert err == (
        f"{tmp_path}/r.yaml:8:48: siren.actions[1]: "
        "cannot be used: name the loudspeaker's channels in audio.music_outputs\n"
    )
    (tmp_path / "r.yaml").write_text(ROUTINES.replace(", {action: play, media: /a.flac}", ""))
    assert run("check") == (0, f"ok\n{tmp_path}/r.yaml: 2 routines\n", "")


def test_explain(run):
    code, out, _ = run("explain", "light_off")
    assert code == 0
    assert out == (
        "light_off: Light off\n"
        "  When\n"
        "    the room becomes vacant and stays so for 10 minutes (counted from the start where it is so already)\n"
        "  then\n"
        "    publish OFF to home/light/set\n"
    )
    _, out, _ = run("explain", "--from", "2026-11-23T12:00")
    assert "it is sunset (next: Mon 23 Nov 15:02)" in out
    assert "it is after 22:00" in out


def test_simulate(run, tmp_path):
    code, out, _ = run("simulate", "--events", tmp_path / "events.jsonl", "--from", "2026-11-23T12:00")
    assert code == 0
    assert out == (
        "Monday 23 November 2026, 12:00:00 UTC\n"
        "    12:00:01  motion starts major, 1.2 m/s away\n"
        "              ✗ siren      condition 1: it is 12:00:01, not after 22:00 (motion major away at 1.2 m/s)\n"
        "    12:00:02  motion stops\n"
        "    12:00:03  presence vacant\n"
        "    12:10:03  ✓ light_off  presence vacant for 10 minutes\n"
        "              → light_off  publish OFF to home/light/set\n"
        "fired: light_off once\n"
        "never: siren\n"
    )


def test_what_replay_prints_can_be_simulated_and_ends_with_its_summary(run, tmp_path):
    (tmp_path / "events.jsonl").write_text(EVENTS + SUMMARY)
    code, out, _ = run("simulate", "--events", tmp_path / "events.jsonl", "--from", "23:00")
    assert code == 0
    assert "→ siren      start the command siren" in out
    assert "light_off once" not in out


def test_run(run):
    code, out, _ = run("run", "light_off", "--dry-run", "--from", "12:00")
    assert code == 0
    assert "→ light_off  publish OFF to home/light/set" in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("explain", "light_of"), 2, "no routine light_of (did you mean light_off?)"),
        (("run", "light_off"), 2, "the service is asked over MQTT, and mqtt.enabled is false; --dry-run says"),
        (("run", "light_off", "--from", "12:00"), 2, "--file, --events and --from are for --dry-run"),
        (("simulate",), 2, "--events"),
        (("simulate", "--events", "gone"), 78, "gone:1:1: file: cannot be read"),
        (("explain", "--from", "soon"), 2, "'soon' is no time such as 18:00"),
        (("explain", "--from", "1970-01-01"), 2, "not a time at which the clock counts as set"),
        (("explain", "--file", "gone.yaml"), 78, "gone.yaml:1:1: file: cannot be read"),
    ],
)
def test_faults_are_one_line(run, arguments, code, words):
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert words in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "1:1: events[0].type: is missing"),
        ('{"type": "motion_strated", "t_s": 1}', "1:10: events[0].type: must be motion_started, "),
        ('{"type": "end", "t_s": 5}\n{"type": "end", "t_s": 4}', "2:24: events[1].t_s: is earlier than"),
        ('{"type": "stream_health", "t_s": 5, "faults": ["silense"]}', "1:48: events[0].faults[0]: must be clipping, "),
        ("- {type: mqtt_message, t_s: 1, topic: a/#, payload: 1}", "1:39: events[0].topic: must be an MQTT topic"),
        (
            "- {type: mqtt_message, t_s: 1, topic: a, payload: .nan}",
            ": events[0].payload: must not hold .inf or .nan",
        ),
        ('- {type: answer, url: "http://a", json: [.inf]}', "1:41: events[0].json: must not hold .inf or .nan"),
        ("hello: 1", "1:1: file: must be JSON lines or a YAML list of events"),
        ('{"t_s": 1', "1:1"),
        ("{{{{", "1:"),
    ],
)
def test_faults_of_an_events_file_have_their_place(tmp_path, text, said):
    (tmp_path / "e").write_text(text)
    with pytest.raises(ConfigError) as told:
        load_happenings(tmp_path / "e")
    assert str(told.value).startswith(f"{tmp_path}/e:")
    assert said in str(told.value)


def test_control_characters_of_a_payload_are_not_printed(run, tmp_path):
    (tmp_path / "events.jsonl").write_text(
        '{"t_s": 1, "type": "mqtt_message", "topic": "a", "payload": "\\u001b[2J\\n\\u0007x"}'
    )
    code, out, _ = run("simulate", "--events", tmp_path / "events.jsonl")
    assert code == 0
    assert "\x1b" not in out
    assert "message \N{REPLACEMENT CHARACTER}[2J \N{REPLACEMENT CHARACTER}x on a" in out
