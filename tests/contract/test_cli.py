"""The command line as others use it: what stands on which stream, the exit codes, and never a traceback."""

import itertools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.audio import FakeAudio, block
from support.service import ROOT, environment, pipistrelle

from appliance.cli.broker import PrivateBroker, find_mosquitto
from appliance.cli.main import main
from appliance.sources import Source

RATE_HZ = 192_000
COMMANDS = (
    "run", "demo", "room", "replay", "record", "devices", "check", "routines", "doctor", "history", "captures", "fleet",
    "evaluate", "asyncapi",
)  # fmt: skip

MOTION_KEYS = {"t_s": float, "type": str, "score": float, "radial_mps": (float, type(None)), "cause": str}
KEYS = {
    "motion_started": MOTION_KEYS | {"kind": str},
    "motion_stopped": MOTION_KEYS,
    "presence_changed": {"t_s": float, "type": str, "presence": str, "confidence": float, "cause": str},
    "stream_health": {"t_s": float, "type": str, "faults": list, "lost_frames": int, "cause": str},
    "summary": {
        "type": str,
        "duration_s": float,
        "motion_s": float,
        "occupied_s": float,
        "carriers_hz": list,
        "faults": list,
    },
}


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command in this process, as quickly as a test wants it; the exit code and both streams."""
    monkeypatch.setenv("COLUMNS", "120")

    def run_with(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse's way
            code = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "a fault of the program" not in err
        return code, out, err

    return run_with


def sound(seconds=8.0, *, moving=None, mics=1, carrier_hz=40_000.0, level=0.1, rate_hz=RATE_HZ):
    """A tone in faint noise, [frames, mics]; in `moving` (from, to) an echo comes towards the microphones."""
    t_s = np.arange(round(seconds * rate_hz)) / rate_hz
    random = np.random.default_rng(0)
    tone = level * np.sin(2 * np.pi * carrier_hz * t_s)
    if moving:
        echo = 0.1 * level * np.sin(2 * np.pi * (carrier_hz + 230.0) * t_s)
        tone += np.where((t_s >= moving[0]) & (t_s < moving[1]), echo, 0.0)
    return tone[:, None] + 1e-6 * random.standard_normal((len(t_s), mics))


def save(path, samples, *, subtype="PCM_24", rate_hz=RATE_HZ):
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


@pytest.fixture(scope="module")
def visited(tmp_path_factory):
    """A recording with somebody in it from 3 s to 5 s."""
    return save(tmp_path_factory.mktemp("visited") / "visited.wav", sound(14.0, moving=(3.0, 5.0), mics=2))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A short recording in which nothing happens."""
    return save(tmp_path_factory.mktemp("good") / "good.wav", sound(1.5))


@pytest.fixture
def config(tmp_path):
    """Like the defaults, but with the shortest hold time and no broker."""
    path = tmp_path / "appliance.yaml"
    path.write_text("sensing: {hold_s: 5}\nmqtt: {enabled: false}\n")
    return path


def objects(out):
    """The JSON lines of standard output, which holds nothing else."""
    assert out.endswith("\n")
    return [json.loads(line) for line in out.splitlines()]


# Help and arguments


def test_help_names_each_command(run):
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    for command in COMMANDS:
        assert f"\n    {command} " in out
    assert "exit codes" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(run, command):
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: pipistrelle {command}")
    # What it does, not only its options.
    assert len(out.split("\n\n")[1].split()) >= 8


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("pipistrelle ")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("replay",),
        ("replay", "--carrier-hz", "loud", "a.wav"),
        ("record",),
        ("record", "a.wav", "--duration-s", "0"),
        ("record", "a.wav", "--duration-s", "nan"),
        ("record", "a.wav", "--duration-s", "soon"),
        ("record", "a.wav", "--bits", "8"),
        ("run", "extra"),
        ("check", "a", "b", "c"),
    ],
)
def test_wrong_arguments_are_2_and_say_how(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: pipistrelle")
    assert "_" not in err.splitlines()[-1]  # no name of the program's own


# The service's exit codes


def test_faults_of_the_configuration_are_78_and_all_told_at_once(run, tmp_path):
    (tmp_path / "a.yaml").write_text("nods: a\naudio: {mics: 9}\nmqtt: {port: 0}\n")
    code, out, err = run("run", "--config", tmp_path / "a.yaml")
    assert (code, out) == (78, "")
    assert [line.removeprefix(f"{tmp_path}/a.yaml:").split(" ")[0] for line in err.splitlines()] == [
        "1:1:",
        "2:15:",
        "3:14:",
    ]
    assert "did you mean node?" in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("routines: {file: gone.yaml}\n", "gone.yaml:1:1: file: cannot be read: No such file or directory"),
        ("mqtt: {username: bat, password_file: gone}\n", "gone: cannot be read: No such file or directory"),
        ("mqtt: {host: a..b}\n", "correct mqtt.host"),
    ],
)
def test_what_the_configuration_points_to_is_78_before_the_card_is_looked_for(run, tmp_path, text, words):
    (tmp_path / "a.yaml").write_text(text)
    code, out, err = run("run", "--config", tmp_path / "a.yaml")
    assert (code, out) == (78, "")
    assert len(err.splitlines()) == 1
    assert words in err


@pytest.mark.parametrize("path", ["gone.yaml", "", "a" * 300, "."])
def test_a_configuration_that_cannot_be_read_is_78(run, tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in (("run", "--config", path), ("check", path), ("record", "--config", path, "a.wav")):
        code, out, err = run(*arguments)
        assert (code, out) == (78, "")
        assert "1:1: file: cannot be read" in err
    assert list(tmp_path.iterdir()) == []


def no_card(run, *arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (69, "")
    line = err.splitlines()[-1]
    assert line.startswith("pipistrelle: hw:CARD=Nowhere: no such sound card; ")


def test_a_missing_card_is_69(run, tmp_path):
    (tmp_path / "a.yaml").write_text("audio: {capture: hw:CARD=Nowhere}\nmqtt: {enabled: false}\n")
    no_card(run, "run", "--config", tmp_path / "a.yaml")
    no_card(run, "record", "--config", tmp_path / "a.yaml", tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()


@pytest.mark.parametrize(
    ("source", "settings", "words"),
    [
        ("room:party", "", "no such scene; there are empty, visit"),
        ("room:empty", "audio: {rate_hz: 96000}", "set audio.rate_hz"),
        ("room:empty", "emission: {carriers_hz: [40000, 70000]}", "68000 Hz; correct emission.carriers_hz"),
        ("nowhere.wav", "", "no such file"),
    ],
)
def test_a_source_that_cannot_be_used_is_2(run, tmp_path, source, settings, words):
    (tmp_path / "a.yaml").write_text(f"mqtt: {{enabled: false}}\n{settings}\n")
    for command in (["run"], ["record", tmp_path / "a.wav"]):
        code, out, err = run(*command, "--config", tmp_path / "a.yaml", "--source", source)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert words in err


def test_a_damaged_recording_ends_the_service_with_2(run, tmp_path, config):
    samples = sound(2.0)
    samples[-10] = np.nan
    save(tmp_path / "a.wav", samples, subtype="FLOAT")
    code, out, err = run("run", "--config", config, "--source", tmp_path / "a.wav")
    assert (code, out) == (2, "")
    assert "not a number in frame 383990" in err.splitlines()[-1]


# Replay


def test_replay_prints_one_object_a_line_and_the_summary_last(run, visited, config):
    code, out, err = run("replay", "--json", "--config", config, visited)
    assert (code, err) == (0, "")
    found = objects(out)
    for each in found:
        keys = KEYS[each["type"]]
        assert set(each) == set(keys)
        assert all(isinstance(each[key], kind) for key, kind in keys.items())
    assert [each["type"] for each in found].index("summary") == len(found) - 1
    times_s = [each["t_s"] for each in found[:-1]]
    assert times_s == sorted(times_s)

    started, stopped = (
        next(each for each in found if each["type"] == f"motion_{what}") for what in ("started", "stopped")
    )
    assert 3.0 < started["t_s"] < 3.3
    assert 5.0 < stopped["t_s"] < 6.0
    assert started["radial_mps"] == pytest.approx(230.0 * 343.0 / 2.0 / 40_000.0, abs=0.1)
    assert started["kind"] in ("major", "minor")
    assert 0.5 < started["score"] <= 1.0
    presence = [(each["presence"], each["t_s"]) for each in found if each["type"] == "presence_changed"]
    assert [state for state, _ in presence] == ["occupied", "vacant"]
    assert presence[0][1] < 3.5
    assert presence[1][1] == pytest.approx(stopped["t_s"] + 5.0, abs=0.5)


def test_the_summary_adds_up_what_was_told(run, visited, config):
    found = objects(run("replay", "--json", "--config", config, visited)[1])
    summary = found.pop()
    told = {"motion_started": 0.0, "motion_stopped": 0.0, "occupied": 0.0, "vacant": 0.0}
    for each in found:
        told[each.get("presence", each["type"])] += each["t_s"]
    assert summary["duration_s"] == 14.0
    assert summary["motion_s"] == pytest.approx(told["motion_stopped"] - told["motion_started"], abs=0.01)
    assert summary["occupied_s"] == pytest.approx(told["vacant"] - told["occupied"], abs=0.01)
    assert summary["carriers_hz"] == [pytest.approx(40_000.0, abs=1.0)]
    assert summary["faults"] == []


def test_what_still_goes_on_at_the_end_counts_to_the_end(run, tmp_path, config):
    save(tmp_path / "a.wav", sound(6.0, moving=(4.0, 9.0)))
    *found, summary = objects(run("replay", "--json", "--config", config, tmp_path / "a.wav")[1])
    started = next(each for each in found if each["type"] == "motion_started")
    occupied = next(each for each in found if each["type"] == "presence_changed")
    assert summary["motion_s"] == pytest.approx(6.0 - started["t_s"], abs=0.01)
    assert summary["occupied_s"] == pytest.approx(6.0 - occupied["t_s"], abs=0.01)


def test_replay_for_people_says_the_same_in_words(run, visited, config):
    code, out, err = run("replay", "--config", config, visited)
    assert (code, err) == (0, "")
    assert "motion started (" in out
    assert "presence vacant" in out
    assert out.splitlines()[-1].startswith("    14.00 s  end: motion ")
    assert not any(line.startswith("{") for line in out.splitlines())


@pytest.mark.parametrize("mics", range(1, 9))
def test_replay_takes_one_to_eight_microphones(run, tmp_path, mics):
    save(tmp_path / "a.wav", sound(1.5, mics=mics))
    code, out, _ = run("replay", "--json", tmp_path / "a.wav")
    assert code == 0
    assert objects(out)[-1]["duration_s"] == 1.5


def test_a_carrier_can_be_told(run, good):
    assert objects(run("replay", "--json", "--carrier-hz", "41000", good)[1])[-1]["carriers_hz"] == [41_000.0]


def test_stream_health_is_told(run, tmp_path):
    samples = sound(6.0, mics=2)
    samples[3 * RATE_HZ : 4 * RATE_HZ] = 0.0
    save(tmp_path / "a.wav", samples)
    *found, summary = objects(run("replay", "--json", "--carrier-hz", "40000", tmp_path / "a.wav")[1])
    health = [each for each in found if each["type"] == "stream_health"]
    assert "silence" in health[0]["faults"]
    assert health[-1]["faults"] == []
    assert "silence" in summary["faults"]


def bad(folder, kind):
    """A file that cannot be replayed, and what is said of it."""
    path = folder / f"{kind}.wav"
    match kind:
        case "missing":
            return path, "no such file"
        case "directory":
            path.mkdir()
            return path, "not a file"
        case "device":
            return "/dev/zero", "not a file"
        case "long name":
            return folder / ("a" * 300), "File name too long"
        case "empty":
            path.touch()
            return path, "empty file"
        case "text":
            path.write_text("no sound at all\n")
            return path, "not readable as WAV or FLAC"
        case "short":
            return save(path, sound(0.9)), "only 0.900 s long"
        case "nine microphones":
            return save(path, sound(1.5, mics=9)), "9"
        case "slow":
            return save(path, sound(1.5, carrier_hz=20_000.0, rate_hz=48_000), rate_hz=48_000), "48000"
        case "no carrier":
            return save(path, 1e-3 * np.random.default_rng(0).standard_normal((2 * RATE_HZ, 1))), "no steady tone"
        case "cut off":
            whole = save(path, sound(2.0)).read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            return path, "copy"
        case "not a number":
            samples = sound(2.0)
            samples[200_000] = np.nan
            return save(path, samples, subtype="FLOAT"), "not a number in frame 200000"
        case "wrong neighbour":
            path.with_suffix(".json").write_text("{carrier")
            return save(path, sound(2.0)), "not JSON"


BAD = (
    "missing",
    "directory",
    "device",
    "long name",
    "empty",
    "text",
    "short",
    "nine microphones",
    "slow",
    "no carrier",
    "cut off",
    "not a number",
    "wrong neighbour",
)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_2_and_one_line_and_the_others_are_replayed(run, tmp_path, good, kind):
    path, words = bad(tmp_path, kind)
    code, out, err = run("replay", "--json", good, path, good)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert err.startswith(f"pipistrelle: {path}") or kind == "wrong neighbour"
    assert words in err
    summaries = [each for each in objects(out) if each["type"] == "summary"]
    assert [each["file"] for each in summaries] == [str(good)] * 2


def test_a_bad_carrier_is_2(run, good):
    for carrier in ("nan", "1e9", "20000", "-40000"):
        code, out, err = run("replay", "--json", "--carrier-hz", carrier, good)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_fault(visited):
    for arguments in (["replay", "--json", visited], ["replay", visited], ["check"], ["devices"], ["replay", "--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [sys.executable, "-m", "appliance", *arguments],
            cwd=ROOT,
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
        os.close(writing)
        assert ended.stderr == b""
        # 128 + SIGPIPE, as a shell tells it of a program that knows nothing of pipes
        assert ended.returncode == 141


def test_a_disk_that_is_full_is_one_line():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "appliance", "check"],
            cwd=ROOT,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "pipistrelle: standard output: No space left on device\n"


def test_the_checkout_is_what_runs():
    ended = subprocess.run(
        [sys.executable, "-c", "import appliance; print(appliance.__file__)"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.startswith(str(ROOT))


# Record


def band_db(samples, low_hz, high_hz, rate_hz=RATE_HZ):
    """Power of a band over full scale."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2 / (3 / 8) * 2 / len(samples) ** 2
    hz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    return 10 * np.log10(max(spectrum[(hz >= low_hz) & (hz < high_hz)].sum(), 1e-30))


def test_a_recording_holds_no_speech_unless_it_is_asked_for(run, tmp_path, config):
    # Louder than the tone: 300 Hz to 19 kHz, as speech and music have it.
    audible = sum(0.1 * np.sin(2 * np.pi * hz * np.arange(3 * RATE_HZ) / RATE_HZ) for hz in (300, 1_000, 5_000, 19_000))
    save(tmp_path / "room.wav", sound(3.0) + audible[:, None])
    for name, more in (("kept.wav", []), ("all.wav", ["--keep-audible"])):
        code, _, _ = run("record", "--config", config, "--source", tmp_path / "room.wav", *more, tmp_path / name)
        assert code == 0
    kept, _ = soundfile.read(tmp_path / "kept.wav")
    everything, _ = soundfile.read(tmp_path / "all.wav")
    middle = slice(RATE_HZ // 2, 5 * RATE_HZ // 2)
    assert band_db(everything[middle], 20, 20_000) > -20.0
    assert band_db(kept[middle], 20, 20_000) < -100.0
    assert band_db(kept[middle], 39_000, 41_000) == pytest.approx(band_db(everything[middle], 39_000, 41_000), abs=0.5)
    assert json.loads((tmp_path / "kept.json").read_text())["band_hz"] == [28_000.0, 96_000.0]


def test_a_recorded_visit_is_found_again(run, tmp_path, config):
    code, out, _ = run("record", "--config", config, "--source", "room:visit", "--duration-s", "9", tmp_path / "a.flac")
    assert code == 0
    assert out == f"{tmp_path}/a.flac: 9.0 s, microphones: 4, at 192000 Hz\n"
    assert soundfile.info(tmp_path / "a.flac").frames == 9 * RATE_HZ
    code, out, err = run("replay", "--json", "--config", config, tmp_path / "a.flac")
    assert (code, err) == (0, "")
    *found, summary = objects(out)
    started = [each["t_s"] for each in found if each["type"] == "motion_started"]
    occupied = [each["t_s"] for each in found if each.get("presence") == "occupied"]
    assert 5.5 < started[0] < 6.5
    assert 5.5 < occupied[0] < 6.5
    assert summary["carriers_hz"] == [40_000.0]
    assert summary["duration_s"] == 9.0


def test_a_recording_never_takes_the_place_of_a_file(run, tmp_path, config):
    (tmp_path / "a.wav").write_text("precious")
    (tmp_path / "b.json").write_text("precious")
    for name in ("a.wav", "b.wav", "c.mp3", "nowhere/d.wav", "a" * 300 + ".wav"):
        code, out, err = run("record", "--config", config, "--source", "room:empty", tmp_path / name)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
    assert (tmp_path / "a.wav").read_text() == "precious"
    assert (tmp_path / "b.json").read_text() == "precious"


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_a_recording_that_is_told_to_stop_is_whole_and_its_tone_fades(run, tmp_path, config, monkeypatch, stop_signal):
    def forever():
        for number in itertools.count():
            if number == 60:
                os.kill(os.getpid(), stop_signal)
            yield block(number * 1920)

    audio = FakeAudio(forever(), outputs=1)
    monkeypatch.setattr("appliance.cli.record.open_source", lambda *_, **__: Source(audio, (40_000.0,)))
    code, _, _ = run("record", "--config", config, tmp_path / "a.wav")
    assert code == 0
    assert soundfile.info(tmp_path / "a.wav").frames == pytest.approx(61 * 1920, abs=1920)
    assert audio.closed
    peaks = [int(np.abs(written).max()) for written in audio.written]
    assert not any(peaks[-10:])
    # From full level to silence in no less than the default's 100 ms.
    fading = [peak for peak in peaks[58:] if 0 < peak < 0.99 * max(peaks)]
    assert len(fading) >= 8
    assert fading == sorted(fading, reverse=True)
    assert json.loads((tmp_path / "a.json").read_text())["carrier_hz"] == [40_000.0]


def test_a_full_disk_is_one_line_and_2(tmp_path, config):
    # A limit of the process's own stands in for the disk.
    ended = pipistrelle(
        *("record", "--config", config, "--source", "room:empty", tmp_path / "a.wav"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000)),
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        f"pipistrelle: {tmp_path}/a.wav: cannot be written (File too large)"
    )
    assert "Traceback" not in ended.stderr
    assert soundfile.info(tmp_path / "a.wav").frames > RATE_HZ


# Other commands


def test_check_without_and_with_files(run, tmp_path, config):
    code, out, err = run("check", config)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "ok"
    (tmp_path / "r.yaml").write_text("- id: a\n")
    code, out, err = run("check", config, tmp_path / "r.yaml")
    assert (code, out) == (78, "")
    assert err == f"{tmp_path}/r.yaml:1:3: a.triggers: is missing\n{tmp_path}/r.yaml:1:3: a.actions: is missing\n"


def test_devices_without_a_card(run, monkeypatch):
    monkeypatch.setattr("appliance.hardware.alsa.alsaaudio.cards", list)
    monkeypatch.setattr("appliance.hardware.alsa.alsaaudio.card_indexes", list)
    code, out, err = run("devices")
    assert (code, err) == (69, "")
    assert "no card is there" in out
    code, out, err = run("devices", "--json")
    assert (code, out, err) == (0, "[]\n", "")


def test_doctor_looks_at_all_whatever_is_bad(run, tmp_path):
    (tmp_path / "a.yaml").write_text("audio: {capture: 'hw:CARD=Nowhere'}\nmqtt: {host: a..b}\n")
    code, out, err = run("doctor", "--config", tmp_path / "a.yaml")
    assert (code, err) == (1, "")
    lines = {line[5:].split(":")[0]: line for line in out.splitlines()}
    assert list(lines) == [
        "software",
        "signal path",
        "model runtime",
        "configuration",
        "routines",
        "sound card",
        "broker",
        "service",
    ]
    assert [name for name, line in lines.items() if line.startswith("bad")] == ["sound card", "broker"]
    assert "Nowhere" in lines["sound card"]
    assert "correct mqtt.host" in lines["broker"]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_doctor_tries_what_routines_play_and_say(run, tmp_path):
    (tmp_path / "a.yaml").write_text("audio: {music_outputs: [2]}\nmqtt: {enabled: false}\nroutines: {file: r.yaml}\n")
    rule = "- {id: x, triggers: [{trigger: motion}], actions: [{action: play, media: /gone.wav}, %s]}\n"
    (tmp_path / "r.yaml").write_text(rule % "{action: announce, text: hello, language: xx}")
    _, out, _ = run("doctor", "--config", tmp_path / "a.yaml")
    assert "bad  routines: /gone.wav: cannot be read (No such file or directory); check the path" in out
    assert "bad  routines: espeak-ng: breaks off (" in out
    (tmp_path / "r.yaml").write_text(
        rule.replace("play, media: /gone.wav", "stop_playing") % "{action: announce, text: a}"
    )
    assert f"ok   routines: {tmp_path}/r.yaml: 1" in run("doctor", "--config", tmp_path / "a.yaml")[1]


def test_doctor_prints_names_as_they_are(run, tmp_path):
    (tmp_path / "[bold]").mkdir()
    path = tmp_path / "[bold]" / "a.yaml"
    path.write_text("routines: {file: '[/red].yaml'}\nmqtt: {enabled: false}\n")
    _, out, _ = run("doctor", "--config", path)
    assert f"{path}, node pipistrelle" in out
    assert f"{tmp_path}/[bold]/[/red].yaml:1:1: file: cannot be read" in out


def test_doctor_is_not_content_with_a_port_that_listens(run, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        (tmp_path / "a.yaml").write_text(f"mqtt: {{host: 127.0.0.1, port: {port}}}\n")

        def hang_up():
            listener.accept()[0].close()

        threading.Thread(target=hang_up).start()
        code, out, _ = run("doctor", "--config", tmp_path / "a.yaml")
    assert code == 1
    assert f"bad  broker: broker 127.0.0.1:{port} does not answer" in out


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_doctor_logs_in_to_the_broker(run, tmp_path):
    (tmp_path / "password").write_text("right\n")
    (tmp_path / "password").chmod(0o600)
    with PrivateBroker(tmp_path / "broker", users={"bat": "right"}) as broker:
        where = f"host: {broker.host}, port: {broker.port}"
        (tmp_path / "a.yaml").write_text(f"mqtt: {{{where}, username: bat, password_file: password}}\n")
        _, out, _ = run("doctor", "--config", tmp_path / "a.yaml")
        assert f"ok   broker: {broker.host}:{broker.port} lets us in as bat, MQTT 5, not encrypted" in out
        (tmp_path / "password").write_text("wrong\n")
        code, out, _ = run("doctor", "--config", tmp_path / "a.yaml")
        assert code == 1
        assert "refuses user 'bat'" in out
        assert "wrong" not in out
