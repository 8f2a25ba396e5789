"""The composition root: what is opened, what is said before the end, and what the end looks like outside."""

import asyncio
import itertools
import logging
import os
import signal
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import soundfile
from support.audio import DEADLINE_S, RATE_HZ, FakeAudio, block

from appliance.app import Service
from appliance.cli.main import main
from appliance.clock import StreamClock, WallClock
from appliance.config.schema import Config
from appliance.dsp.tone import ToneSynthesiser
from appliance.errors import ConfigError, DeviceLost, DeviceNotFound, HardwareError, SourceError
from appliance.events import MotionStarted, PresenceChanged
from appliance.hardware.paced import Paced
from appliance.hardware.room import VirtualRoom
from appliance.hardware.wav import WavAudio
from appliance.outputs.outbox import OutputCounts
from appliance.outputs.payloads import encode
from appliance.sources import Source, make_player, open_source
from appliance.types import Presence

QUIET = {"mqtt": {"enabled": False}}
CARRIER_HZ = 40_000.0
LOST = "fake: lost while recording: No such device; check its plug and power"


def config(**sections):
    return Config.model_validate(QUIET | sections)


def heard(seconds, *, mover=None, seed=0):
    """Blocks of a steady tone with a converter's noise; from `mover` s on an echo comes towards the microphone."""
    random = np.random.default_rng(seed)
    for number in range(round(seconds * 100)):
        t_s = (number * 1920 + np.arange(1920)) / RATE_HZ
        sound = 0.1 * np.sin(2 * np.pi * CARRIER_HZ * t_s) + 1e-6 * random.standard_normal(1920)
        if mover is not None and number >= mover * 100:
            sound += 0.01 * np.sin(2 * np.pi * (CARRIER_HZ + 230.0) * t_s)
        samples = np.round(sound * 2.0**31).astype(np.int32)[:, None]
        yield block(number * 1920, samples=samples)


def lost_after(blocks):
    yield from blocks
    raise DeviceLost(LOST)


class FakeBroker:
    """In the place of `MqttOutput`: keeps what would go out, in order."""

    def __init__(self, **settings):
        self.settings = settings
        self.said = []

    def start(self):
        self.said.append(("start", b""))

    def close(self):
        self.said.append(("close", b""))

    def publish_state(self, name, state):
        self.said.append((name, encode(state)))

    def publish_error(self, words):
        self.said.append(("error", words.encode()))

    def publish_event(self, event):
        self.said.append(("event", encode(event)))

    def counts(self):
        return OutputCounts(0, 0, 0, 0)

    def last(self, name):
        return [payload for said, payload in self.said if said == name][-1]


@pytest.fixture
def broker(monkeypatch):
    made = []

    def make(**settings):
        made.append(FakeBroker(**settings))
        return made[-1]

    monkeypatch.setattr("appliance.app.MqttOutput", make)
    return made


def serve(service, audio):
    async def bounded():
        async with asyncio.timeout(DEADLINE_S):
            await service.run(Source(audio, (CARRIER_HZ,)))

    asyncio.run(bounded())


# What is opened


@pytest.mark.parametrize(("fast", "kind"), [(True, VirtualRoom), (False, Paced)])
def test_a_room_is_paced_unless_it_is_to_be_fast(fast, kind):
    source = open_source(config(), "room:empty", fast=fast)
    assert type(source.audio) is kind
    assert source.carriers_hz == (CARRIER_HZ,)
    assert (source.audio.mics, source.audio.outputs, source.audio.rate_hz) == (4, 2, RATE_HZ)


@pytest.mark.parametrize(("mics", "block_ms"), [(1, 5), (8, 50)])
def test_a_room_has_the_shape_the_configuration_wants(mics, block_ms):
    source = open_source(config(audio={"mics": mics, "block_ms": block_ms}), "room:empty", fast=True)
    taken = source.audio.read()
    assert taken.samples.shape == (RATE_HZ * block_ms // 1000, mics)


def test_an_unknown_scene_names_those_there_are():
    with pytest.raises(SourceError, match="room:party: no such scene; there are empty, visit"):
        open_source(config(), "room:party")


def test_a_room_refuses_a_rate_it_cannot_run_at():
    with pytest.raises(SourceError, match=r"192000 Hz; set audio\.rate_hz"):
        open_source(config(audio={"rate_hz": 96_000}), "room:empty")


def recording(folder, carrier_hz=33_000.0):
    tone = 0.1 * np.sin(2 * np.pi * carrier_hz * np.arange(2 * RATE_HZ) / RATE_HZ)
    soundfile.write(folder / "a.wav", np.stack([tone, tone], axis=1), RATE_HZ, subtype="PCM_24")
    return folder / "a.wav"


@pytest.mark.parametrize(("fast", "kind"), [(True, WavAudio), (False, Paced)])
def test_a_recording_brings_its_own_carriers(tmp_path, fast, kind):
    source = open_source(config(), str(recording(tmp_path)), fast=fast)
    assert type(source.audio) is kind
    assert source.carriers_hz == pytest.approx((33_000.0,), abs=1.0)
    assert make_player(config(), source.audio) is None
    source.audio.close()


def test_what_is_neither_card_nor_room_nor_recording_is_named():
    with pytest.raises(SourceError, match="nowhere"):
        open_source(config(), "nowhere")


@pytest.mark.parametrize(
    ("audio", "error", "words"),
    [
        ({"capture": "hw:CARD=Nowhere"}, DeviceNotFound, "hw:CARD=Nowhere: no such sound card"),
        ({"capture": "some_pcm"}, HardwareError, "some_pcm: .*how many mics"),
        ({"capture": "no_such_pcm", "mics": 4}, DeviceNotFound, "no_such_pcm: no such sound card"),
    ],
)
def test_a_card_that_is_not_there_is_named(audio, error, words):
    with pytest.raises(error, match=words):
        open_source(config(audio=audio), "alsa")


# Time


def test_the_streams_clock_moves_with_the_stream_only():
    clock = StreamClock()
    began = clock.now()
    assert clock.now() == began
    clock.follow(90.5)
    assert clock.now() - began == timedelta(seconds=90.5)
    assert began.tzinfo is UTC


def test_the_wall_clock_is_the_computers_whatever_the_stream_says():
    clock = WallClock()
    clock.follow(1e9)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=60)


# The service


def test_motion_goes_from_samples_to_the_broker(broker):
    service = Service(Config(), clock=StreamClock())
    audio = FakeAudio(heard(8.0, mover=5.0))
    serve(service, audio)
    types = [payload.split(b'"type":"')[1].split(b'"')[0] for name, payload in broker[0].said if name == "event"]
    assert types == [b"motion_started", b"presence_changed"]
    assert b'"occupied"' in broker[0].last("presence")
    assert next(name for name, _ in broker[0].said) == "start"
    assert broker[0].said[-1] == ("close", b"")
    assert audio.closed


def test_a_lost_card_is_said_with_all_that_ends_by_it(broker):
    service = Service(Config(), clock=StreamClock())
    audio = FakeAudio(lost_after(heard(8.0, mover=5.0)))
    with pytest.raises(DeviceLost) as lost:
        serve(service, audio)
    assert str(lost.value) == LOST
    said = broker[0].said
    assert b'"unknown"' in broker[0].last("presence")
    assert b"device lost" in broker[0].last("presence")
    assert b"null" in broker[0].last("motion")
    assert b'"failed"' in broker[0].last("health")
    assert b"device_lost" in broker[0].last("health")
    types = [payload.split(b'"type":"')[1].split(b'"')[0] for name, payload in said if name == "event"]
    assert types == [b"motion_started", b"presence_changed", b"device_lost", b"motion_stopped", b"presence_changed"]
    assert said[-1] == ("close", b"")
    assert audio.closed


@pytest.mark.parametrize(("error", "code"), [(DeviceLost(LOST), 69), (SourceError("a.wav: damaged"), 2)])
def test_the_end_of_the_source_is_the_exit_code_and_one_line(broker, monkeypatch, capsys, tmp_path, error, code):
    def failing():
        yield from heard(0.3)
        raise error

    (tmp_path / "a.yaml").write_text("node: den\n")
    audio = FakeAudio(failing())
    monkeypatch.setattr("appliance.cli.run.open_source", lambda *_: Source(audio, (CARRIER_HZ,)))
    assert main(["run", "--config", str(tmp_path / "a.yaml")]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert [line for line in err.splitlines() if line.startswith("pipistrelle:")] == [f"pipistrelle: {error}"]
    assert "Traceback" not in err
    assert broker[0].said[-1] == ("close", b"")


def test_a_fault_of_the_program_ends_it_and_says_so(broker, monkeypatch, capsys, tmp_path):
    def failing():
        yield from heard(0.3)
        raise ZeroDivisionError("ours")

    (tmp_path / "a.yaml").write_text("node: den\n")
    audio = FakeAudio(failing())
    monkeypatch.setattr("appliance.cli.run.open_source", lambda *_: Source(audio, (CARRIER_HZ,)))
    assert main(["run", "--config", str(tmp_path / "a.yaml")]) == 1
    err = capsys.readouterr().err
    assert "pipistrelle: a fault of the program: " in err
    assert "ZeroDivisionError('ours')" in err
    assert audio.closed


def test_owners_faults_come_before_the_card_is_looked_for(monkeypatch, capsys, tmp_path):
    opened = []
    monkeypatch.setattr("appliance.cli.run.open_source", lambda *_: opened.append(1))
    (tmp_path / "a.yaml").write_text("routines: {file: routines.yaml}\n")
    (tmp_path / "routines.yaml").write_text("- id: a\n- id: b\n")
    assert main(["run", "--config", str(tmp_path / "a.yaml")]) == ConfigError.exit_code
    err = capsys.readouterr().err
    assert "routines.yaml:1:" in err
    assert "routines.yaml:2:" in err
    assert opened == []


def test_a_source_that_does_not_fit_the_pipeline_is_closed():
    audio = FakeAudio(heard(1.0), mics=9)
    with pytest.raises(ValueError, match="mics"):
        serve(Service(config(), clock=WallClock()), audio)
    assert audio.closed


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_fades_out_and_ends(broker, stop_signal, times, caplog):
    caplog.set_level(logging.INFO)

    def forever():
        synthesiser = ToneSynthesiser(rate_hz=RATE_HZ, outputs=1, max_amplitude=0.5)
        synthesiser.play(carriers_hz=[CARRIER_HZ], amplitude=0.1)
        for number in itertools.count():
            if number == 50:
                for _ in range(times):
                    os.kill(os.getpid(), stop_signal)
            yield block(number * 1920, samples=synthesiser.process(1920))

    audio = FakeAudio(forever(), outputs=1)
    serve(Service(Config(), clock=StreamClock()), audio)
    assert np.abs(audio.written[40]).max() > 0
    assert not np.concatenate(audio.written[-10:]).any()
    assert broker[0].said[-1] == ("close", b"")
    assert [record.getMessage() for record in caplog.records].count("stopping") == 1


def test_faults_of_the_stream_are_logged_once_as_they_come_and_go(caplog):
    caplog.set_level(logging.INFO, "appliance.app")

    def losing():
        for taken in heard(6.0):
            late = 1920 * (taken.first_frame > 3 * RATE_HZ)
            lost = 1920 if taken.first_frame in (3 * RATE_HZ + 1920, 3 * RATE_HZ + 3840) else 0
            yield replace(taken, first_frame=taken.first_frame + late, lost_frames_before=lost)

    serve(Service(config(), clock=StreamClock()), FakeAudio(losing()))
    assert [record.getMessage() for record in caplog.records] == ["fake: frames_lost", "fake: well again"]


def test_each_step_can_be_observed():
    events = []
    service = Service(config(), clock=StreamClock(), observe=lambda step, _t_s: events.extend(step.events))
    serve(service, FakeAudio(heard(8.0, mover=5.0)))
    assert type(events[0]) is MotionStarted
    assert [event.presence for event in events if type(event) is PresenceChanged] == [Presence.OCCUPIED]


def test_without_emission_the_source_rests_and_the_service_lives(broker, monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(DEADLINE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "20000")
        service = Service(Config.model_validate({"emission": {"on": False}}), clock=WallClock())
        heard = []

        def watch():
            while heard.count(b"WATCHDOG=1") < 3:
                heard.append(systemd.recv(4096))
            assert service.resting
            broker[0].settings["on_command"]("emission", True)

        watching = threading.Thread(target=watch)
        watching.start()
        audio = FakeAudio((block(number * 1920) for number in range(20)), outputs=1)
        serve(service, audio)
        watching.join(DEADLINE_S)
    assert heard[0] == b"READY=1"
    assert heard.count(b"WATCHDOG=1") == 3
    assert (len(audio.written), audio.suspended) == (20, 1)
    assert b'"emission_changed"' in broker[0].last("event")


@pytest.fixture
def systemd(monkeypatch, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield systemd


def test_a_missing_card_is_told_and_waited_for(broker, monkeypatch, systemd):
    monkeypatch.setattr("appliance.app._LOOK_FOR_CARD_S", 0.0)
    service = Service(Config(), clock=StreamClock())
    tries = iter([DeviceNotFound("no card is there"), DeviceNotFound("no card is there"), None])

    def open_card():
        if error := next(tries):
            raise error
        return Source(FakeAudio(heard(0.2)), (CARRIER_HZ,))

    async def whole():
        source = await service.wait_for(open_card)
        said = list(broker[0].said)
        assert [name for name, _ in said] == ["start", "presence", "motion", "health", "error"]
        assert b'"unknown"' in said[1][1]
        assert b'"failed","faults":["device_lost"]' in said[3][1]
        assert said[4][1] == b"no card is there"
        await service.run(source)

    asyncio.run(whole())
    assert b'"faults":[]' in broker[0].last("health")
    assert [name for name, _ in broker[0].said].count("start") == 1
    assert systemd.recv(4096) == b"STATUS=waiting for the sound card: no card is there"
    assert systemd.recv(4096) == b"READY=1"


def test_a_card_that_does_not_come_ends_the_wait(broker, monkeypatch, systemd):
    monkeypatch.setattr("appliance.app._LOOK_FOR_CARD_S", 0.0)
    monkeypatch.setattr("appliance.app._WAIT_FOR_CARD_S", 0.0)
    service = Service(Config(), clock=StreamClock())

    def open_card():
        raise DeviceNotFound("no card is there")

    with pytest.raises(DeviceNotFound):
        asyncio.run(service.wait_for(open_card))
    assert broker[0].said[-1][0] == "close"


def test_safe_mode_is_told_and_leaves_the_files_of_former_runs_alone(broker, monkeypatch, tmp_path):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    serve(Service(Config(), clock=StreamClock(), safe_mode="it broke"), FakeAudio(heard(0.2)))
    assert broker[0].settings["memory"] is None
    assert broker[0].last("error") == b"safe mode: it broke"
    assert b'"degraded","faults":["safe_mode"]' in broker[0].last("health")
    assert list(tmp_path.iterdir()) == []


def test_a_routines_time_runs_on_while_the_source_rests(tmp_path, caplog):
    caplog.set_level(logging.INFO, "appliance.app")
    routines = tmp_path / "routines.yaml"
    routines.write_text(
        "- id: nobody_listens\n  triggers:\n    - trigger: presence\n      to: unknown\n"
        "  actions:\n    - {action: delay, for: 0.3}\n    - {action: mqtt.publish, topic: a/b, payload: x}\n"
    )
    settings = {"mqtt": {"enabled": False}, "routines": {"file": str(routines)}}
    service = Service(Config.model_validate(settings), clock=WallClock())
    audio = FakeAudio(heard(8.0, mover=5.0), outputs=1)
    fired = threading.Event()

    class Fired(logging.Handler):
        def emit(self, record):
            if "nobody_listens" in record.getMessage():
                fired.set()

    handler = Fired()
    logging.getLogger("appliance.app").addHandler(handler)

    def switch():
        assert fired.wait(DEADLINE_S)
        service.stop()

    switching = threading.Thread(target=switch)
    switching.start()
    read = audio.read

    def until_off():
        taken = read()
        if taken is not None and taken.first_frame == 7 * RATE_HZ:
            service._controls.command("emission", False)
        return taken

    audio.read = until_off
    try:
        serve(service, audio)
    finally:
        logging.getLogger("appliance.app").removeHandler(handler)
    switching.join(DEADLINE_S)
    assert fired.is_set()
    assert audio.suspended == 1
