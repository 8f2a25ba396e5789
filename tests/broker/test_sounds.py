"""Routines that play and speak, through the whole service: a virtual room, a real Mosquitto, the real espeak-ng."""

import asyncio
import json
import logging
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from support.audio import DEADLINE_S
from support.service import ServiceProcess
from support.sounds import Heard, loud_music, sends, server, written

import appliance.routines
from appliance.app import Service
from appliance.cli import routines as routines_cli
from appliance.cli.main import main
from appliance.config.schema import Config
from appliance.hardware import media, speech
from appliance.hardware.conditioner import Conditioner
from appliance.hardware.room import VirtualRoom
from appliance.routines.host import local_zone
from appliance.simulation.scenes import empty, walk
from appliance.sources import Source

ROOT = "pipistrelle/den"
CARRIER_HZ = 40_000.0
RATE_HZ = 192_000
EXAMPLES = Path(appliance.routines.__file__).parent / "examples"
WALK = replace(walk(distance_m=3.0, start_s=2.0), duration_s=60.0)
START = {"trigger": "presence", "to": "unknown", "if_already": "fire"}
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


class Morning:
    """A Monday's half past seven, and on with the stream."""

    def __init__(self):
        self._t_s = 0.0

    def now(self):
        return datetime(2026, 11, 23, 7, 30, tzinfo=local_zone()) + timedelta(seconds=self._t_s)

    def elapsed_s(self):
        return self._t_s

    def follow(self, t_s):
        self._t_s = t_s


class Home:
    """The service in a virtual room, which runs as fast as it can be heard."""

    def __init__(self, broker, folder):
        self._broker, self._folder = broker, folder

    def live(self, scene, routines, *, ready=lambda: True, over):
        """The tones and the sounds that were played until it was over, int32 [frames]."""
        (self._folder / "routines.yaml").write_text(routines if isinstance(routines, str) else json.dumps(routines))
        config = Config.model_validate(
            {
                "node": "den",
                "audio": {"tone_outputs": [1], "music_outputs": [2]},
                "sensing": {"hold_s": 5},
                "mqtt": {"host": self._broker.host, "port": self._broker.port},
                "routines": {"file": str(self._folder / "routines.yaml")},
            }
        )
        self.audio = Heard(VirtualRoom(scene, outputs=2), ready=ready, over=over)
        self.service = self.audio.service = Service(config, clock=Morning())

        async def bounded():
            async with asyncio.timeout(3 * DEADLINE_S):
                await self.service.run(Source(self.audio, (CARRIER_HZ,)))

        asyncio.run(bounded())
        return self.audio.played.T

    def knows(self, topic):
        """Whether what is retained there has come to the routines."""
        return topic in self.service._routines._engine.facts.messages

    @property
    def quiet(self):
        """No routine is under way, and nothing is played or spoken."""
        return not (self.service._routines._engine.runs._by_number or self.service._runner.player.sounding)


@pytest.fixture
def home(broker, tmp_path):
    return Home(broker, tmp_path)


def spoken(text):
    """What a routine's announcement of a text must sound like, int32 [frames]."""
    sound = speech.open_speech(text, language="en")
    made = Conditioner(
        source_rate_hz=sound.rate_hz, source_channels=sound.channels, rate_hz=RATE_HZ, channels=1, peak=0.9
    )
    parts = []
    while len(samples := sound.read()):
        parts.append(made.process(samples))
    parts.append(made.process(np.empty((0, sound.channels), np.float32), last=True))
    sound.close()
    return np.concatenate(parts)[:, 0]


def likeness(heard, expected):
    """Correlation of two waves from the first sample of either that is not silent."""
    first, begin = (np.flatnonzero(np.abs(wave) > 1e-4 * 2.0**31)[0] for wave in (heard, expected))
    expected = expected[begin:].astype(float)
    heard = heard[first : first + len(expected)].astype(float)
    return heard @ expected[: len(heard)] / np.sqrt((heard @ heard) * (expected @ expected))


def assert_tone_never_steps(tone):
    """Behind its first fade the tone has one amplitude; a wave of 40 kHz is sampled at 24 places of its period."""
    alone = tone[RATE_HZ:-RATE_HZ] / np.abs(tone).max()
    squares = alone[: len(alone) // 24 * 24].reshape(-1, 24) ** 2
    assert np.abs(squares.mean(axis=1) - 0.5).max() < 1e-3


def messages(watching):
    return [json.loads(payload)["message"] for payload in watching.on(f"{ROOT}/error")]


@needs_espeak
def test_weather_and_traffic_are_spoken_in_the_morning(subscribe, home):
    """The shipped example: the weather from a retained topic, the traffic from a webhook's JSON."""
    watching = subscribe()
    watching.publish("home/weather", b'{"condition": "cloudy", "temperature": 4}', retain=True)
    asked = []

    def traffic(handler):
        asked.append(handler.path)
        sends(b'{"minutes": 45}', kind="application/json")(handler)

    with server(traffic) as address:
        tone, sound = home.live(
            WALK,
            (EXAMPLES / "morning.yaml").read_text().replace("http://192.0.2.10:8080/traffic", address),
            ready=lambda: home.knows("home/weather"),
            over=lambda: asked and home.quiet,
        )
    assert asked == ["/sound"]
    first = spoken("Good morning. It is cloudy, 4 degrees. To work it takes 45 minutes.")
    assert likeness(sound, first) > 0.999
    behind = np.flatnonzero(sound)[0] + len(first)
    assert likeness(sound[behind:], spoken("Better take the train.")) > 0.999
    assert_tone_never_steps(tone)
    assert messages(watching) == []


@pytest.mark.slow
@pytest.mark.parametrize("is_stream", [False, True])
def test_music_at_entry_ends_when_everybody_left(subscribe, home, tmp_path, is_stream):
    """The shipped example, with a file and with a stream."""
    watching = subscribe()
    music = written(tmp_path / "welcome.flac", loud_music(seconds=60.0), 44_100)

    def over():
        presences = [json.loads(said)["presence"] for said in watching.on(f"{ROOT}/presence")]
        return "occupied" in presences and presences[-1] == "vacant" and home.quiet

    with server(sends(music.read_bytes())) as address:
        example = (EXAMPLES / "music.yaml").read_text()
        media = address if is_stream else str(music)
        tone, sound = home.live(WALK, example.replace("/srv/music/welcome.flac", media), over=over)
    loud = np.abs(sound / 2.0**31).reshape(-1, 1_920).max(axis=1) > 0.01
    begun, ended = np.flatnonzero(loud)[[0, -1]] / 100.0
    assert begun == pytest.approx(2.4, abs=1.0)
    assert ended > begun + 5.0
    assert 0.9 * 10 ** (-12 / 20) < np.abs(sound[RATE_HZ * 4 : RATE_HZ * 6] / 2.0**31).max() <= 10 ** (-12 / 20)
    assert_tone_never_steps(tone)
    assert messages(watching) == []


# What goes wrong

PLAY = {"action": "play"}
SAY = {"action": "announce", "text": "It is {sky}.", "language": "en"}


def rule(name, *actions, **more):
    return {"id": name, "triggers": [START], "actions": list(actions)} | more


MEDIA_FAULTS = {
    "gone": "cannot be read (No such file or directory); check the path",
    "broken": "not WAV, FLAC, Ogg or MP3 (",
    "hangs": "breaks off (timed out); try again",
}


@pytest.mark.parametrize("fault", MEDIA_FAULTS)
def test_each_fault_is_told_once_with_its_routine_and_the_others_go_on(
    subscribe, home, tmp_path, monkeypatch, caplog, fault
):
    monkeypatch.setattr(media, "_TIMEOUT_S", 0.5)
    caplog.set_level(logging.ERROR)
    watching = subscribe()
    (tmp_path / "broken").write_bytes(b"fLaC" + bytes(1_000))

    def hang(handler):
        sends(b"")(handler)
        handler.rfile.read(1)  # until the other side goes

    with server(hang) as address:
        path = address if fault == "hangs" else f"{tmp_path}/{fault}"
        home.live(
            empty(60.0),
            [
                rule(fault, PLAY | {"media": path}),
                rule("unsaid", SAY, variables={"sky": {"topic": "home/weather", "value": "condition"}}),
                rule("well", {"action": "mqtt.publish", "topic": "home/well", "payload": "yes"}),
            ],
            over=lambda: len(messages(watching)) >= 2 and watching.on("home/well"),
        )
    name = "127.0.0.1" if fault == "hangs" else path
    unsaid, played = sorted(messages(watching), key=lambda words: "play" in words)
    assert (
        unsaid == "routine unsaid: action 1 (announce): the value sky is missing: home/weather has sent no message yet"
    )
    assert played.startswith(f"routine {fault}: action 1 (play): {name}: {MEDIA_FAULTS[fault]}")
    assert sorted(record.getMessage() for record in caplog.records) == sorted(messages(watching))
    assert watching.on("home/well") == [b"yes"]


HANGING = "#!/bin/sh\nexec sleep 60\n"
FAILING = "#!/bin/sh\ncat >/dev/null\necho no sound device >&2\nexit 3\n"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (None, "espeak-ng cannot be started (No such file or directory); install it: sudo apt-get install espeak-ng"),
        (HANGING, "espeak-ng: breaks off (says nothing for 0.5 s); try again"),
        (FAILING, "espeak-ng: breaks off (no sound device; `espeak-ng --voices` lists languages); try again"),
    ],
)
def test_an_espeak_that_is_absent_hangs_or_fails_is_told_once(subscribe, home, tmp_path, monkeypatch, program, words):
    monkeypatch.setattr(speech, "_SILENT_S", 0.5)
    (tmp_path / "bin").mkdir()
    if program:
        (tmp_path / "bin" / "espeak-ng").write_text(program)
        (tmp_path / "bin" / "espeak-ng").chmod(0o755)
    watching = subscribe()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin" + (":/usr/bin:/bin" if program else ""))
    _tone, sound = home.live(
        empty(60.0),
        [
            rule("say", SAY | {"text": "hello"}),
            rule("well", {"action": "mqtt.publish", "topic": "home/well", "payload": "yes"}),
        ],
        over=lambda: messages(watching) and watching.on("home/well"),
    )
    assert messages(watching) == [f"routine say: action 1 (announce): {words}"]
    assert not sound.any()


# By hand


@needs_espeak
def test_a_routine_is_started_by_hand(broker, subscribe, tmp_path, capsys, monkeypatch):
    """`pipistrelle routines run ID` has the running service do it, and says what came of it."""
    monkeypatch.setattr(routines_cli, "_ANSWER_S", 1.0)
    never = {"condition": "presence", "state": "occupied"}
    note = {"action": "mqtt.publish", "topic": "home/told", "payload": "yes"}
    by_mqtt = {"trigger": "mqtt", "topic": "home/never"}
    rules = [
        rule("hello", {"action": "announce", "text": "hello"}, note, triggers=[by_mqtt]),
        rule("nobody", note, triggers=[by_mqtt], conditions=[never]),
        rule("broken", PLAY | {"media": "/gone.wav"}, triggers=[by_mqtt]),
    ]
    config = {
        "node": "den",
        "audio": {"music_outputs": [2], "tone_outputs": [1]},
        "mqtt": {"host": broker.host, "port": broker.port},
        "routines": {"file": "routines.yaml"},
    }
    (tmp_path / "appliance.yaml").write_text(json.dumps(config))
    (tmp_path / "routines.yaml").write_text(json.dumps(rules))

    def run(name):
        code = main(["routines", "run", name, "--config", str(tmp_path / "appliance.yaml")])
        out, err = capsys.readouterr()
        return code, " ".join(out.split()), err

    nobody = (1, "", "pipistrelle: no service of den answers on this broker; start it, or try --dry-run\n")
    assert run("hello") == nobody
    watching = subscribe()
    with ServiceProcess(tmp_path, "--config", tmp_path / "appliance.yaml", "--source", "room:empty") as service:
        service.wait_for_line("connected to broker")
        code, out, err = run("hello")
        assert (code, err) == (0, "")
        assert "✓ hello fired: by hand" in out
        assert out.endswith("· hello done")
        watching.wait_for("home/told", b"yes")
        code, out, _ = run("nobody")
        assert code == 1
        assert "✗ nobody condition false: condition 1: presence is " in out
        code, out, _ = run("broken")
        assert code == 1
        assert out.endswith(
            "! broken failed: action 1 (play): /gone.wav: cannot be read (No such file or directory); check the path"
        )
        assert run("brokn") == (1, "", "pipistrelle: routine brokn: not known here (did you mean broken?)\n")
        assert run("Brokn")[2] == "pipistrelle: wants the id of a routine, 1 to 64 of a-z, 0-9 and _\n"
        assert watching.on("home/told") == [b"yes"]
        assert service.stop() == 0
    assert run("hello") == nobody
