"""The closed loop through the real ALSA library: what is played comes back through a room in another process."""

import contextlib
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from alsa_lab import PERIODS, closed_loop
from support.mosquitto import Subscriber, wait_until
from support.service import ServiceProcess

from appliance.cli.broker import PrivateBroker, find_mosquitto

# In a process of its own, so that a loop that stands still ends at the time limit.
PLAY_AND_RECORD = """
    import json
    import sys
    import numpy as np
    from appliance.hardware.alsa import AlsaAudio
    played, heard_path, arguments = np.load(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    audio = AlsaAudio("loop_in", playback="loop_out", sample_formats=["S32_LE"], **arguments)
    blocks = []
    for start in range(0, len(played), audio.block_frames):
        block = audio.read()
        assert (block.first_frame, block.lost_frames_before) == (start, 0)
        blocks.append(block.samples)
        audio.write(played[start : start + audio.block_frames])
    audio.close()
    np.save(heard_path, np.concatenate(blocks))
"""


def play_and_record(folder, played, *, room, options, rate_hz=192_000, mics=4, limit_s=60):
    """What `mics` microphones [frames, mics] heard in `room` while `played` [frames, outputs] was played."""
    block_frames = rate_hz // 100
    outputs = played.shape[1]
    environment = closed_loop(folder, room=room, options=options, mics=mics, outputs=outputs, block_frames=block_frames)
    np.save(folder / "played.npy", played)
    arguments = json.dumps({"rate_hz": rate_hz, "mics": mics, "outputs": outputs})
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PLAY_AND_RECORD), "played.npy", "heard.npy", arguments],
        cwd=folder,
        env=environment,
        timeout=limit_s,
        check=True,
    )
    return np.load(folder / "heard.npy")


@pytest.mark.parametrize(("rate_hz", "mics", "outputs"), [(192_000, 4, 2), (192_000, 8, 1), (96_000, 1, 2)])
def test_what_is_played_comes_back_bit_exactly(tmp_path, rate_hz, mics, outputs):
    played = np.random.default_rng(0).integers(-(2**31), 2**31, (2 * rate_hz, outputs)).astype(np.int32)
    heard = play_and_record(
        tmp_path,
        played,
        room="room_process:EchoRoom",
        options={"mics": mics, "delay_frames": 37},
        rate_hz=rate_hz,
        mics=mics,
    )
    assert heard.shape == (len(played), mics)
    # Twelve blocks in hand at the start of playback, and a whole buffer that alsa-lib's file PCM keeps to itself. Where
    # the room's process has to wait for its turn, that PCM begins with a silence of its own, of less than a block.
    least = (12 + PERIODS) * rate_hz // 100 + 37
    late = int(np.flatnonzero(heard[:, 0])[0])
    assert least <= late < least + rate_hz // 100
    np.testing.assert_array_equal(heard[late:], played[:-late, :1] >> np.arange(mics))


def test_a_tone_is_heard_as_loud_and_as_high_as_it_was_played(tmp_path):
    t_s = np.arange(192_000) / 192_000
    tone = np.round(2**30 * np.sin(2 * np.pi * 40_000 * t_s)).astype(np.int32)
    heard = play_and_record(
        tmp_path,
        np.stack([tone, np.zeros_like(tone)], axis=1),
        room="room_process:EchoRoom",
        options={"mics": 4, "delay_frames": 5},
    )
    steady = heard[96_000:] / 2.0**31
    spectrum = np.abs(np.fft.rfft(steady, axis=0)) / len(steady) * 2
    assert (spectrum.argmax(axis=0) == 40_000 * len(steady) // 192_000).all()
    np.testing.assert_allclose(spectrum.max(axis=0), [0.5, 0.25, 0.125, 0.0625], rtol=1e-3)


ENTRY_S = 4.0
CONFIG = """
node: loop
audio: {{capture: loop_in, playback: loop_out, format: S32_LE, mics: 4, outputs: 2}}
emission: {{on: {on}}}
mqtt: {{host: {host}, port: {port}}}
"""


@pytest.fixture
def looped(tmp_path):
    """Starts the whole service before a real broker with a room behind ALSA; gives it and a subscriber."""
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(PrivateBroker(tmp_path / "broker"))
        live = Subscriber(broker)
        stack.callback(live.close)

        def start(*, on=True, plugged=True):
            # The room gives its sound in real time, as a card does: a live source does not wait for thought, and a
            # room that is as fast as it is read would outrun any thought.
            room = {
                "mics": 4,
                "start_s": ENTRY_S,
                "distance_m": 4.0,
                "over": str(tmp_path / "over"),
                "plugged": plugged,
            }
            environment = closed_loop(tmp_path, room="room_process:Walked", options=room, paced_hz=192_000)
            config = tmp_path / "appliance.yaml"
            config.write_text(CONFIG.format(on=str(on).lower(), host=broker.host, port=broker.port))
            arguments = ("--config", config, "--source", "alsa")
            return stack.enter_context(ServiceProcess(tmp_path, *arguments, env=environment)), live

        yield start


def told(subscriber, name):
    return [json.loads(payload) for payload in subscriber.on(f"pipistrelle/loop/{name}")]


def end_well(service, live):
    assert service.stop() == 0
    assert "Traceback" not in service.log
    live.wait_for("pipistrelle/loop/status", b"offline")


@pytest.mark.broker
def test_the_whole_service_sees_a_walk(looped):
    service, live = looped()
    live.wait(lambda: len(told(live, "event")) >= 2, "two events")
    started, occupied = told(live, "event")[:2]
    assert started["type"] == "motion_started"
    assert (occupied["type"], occupied["presence"]) == ("presence_changed", "occupied")
    # The room began a whole buffer before its first sound, and its time is the stream's less that.
    step_s = ENTRY_S + PERIODS / 100
    assert step_s < started["t_s"] <= step_s + 0.3
    assert occupied["t_s"] <= step_s + 0.5
    assert told(live, "presence")[-1]["presence"] == "occupied"
    wait_until(lambda: any(motion["radial_mps"] for motion in told(live, "motion")), "a velocity")
    # towards the device, and no faster than anybody walks
    assert 0.1 < next(motion["radial_mps"] for motion in told(live, "motion") if motion["radial_mps"]) < 2.5
    assert told(live, "health")[-1]["lost_frames"] == 0
    end_well(service, live)


@pytest.mark.broker
def test_without_its_tone_it_sees_nobody_and_knows_that_it_does_not_know(looped, tmp_path):
    service, live = looped(plugged=False)
    live.wait_for("pipistrelle/loop/status", b"online")
    wait_until((tmp_path / "over").exists, "the walk's end")
    assert {event["type"] for event in told(live, "event")} <= {"stream_health"}
    assert {state["presence"] for state in told(live, "presence")} == {"unknown"}
    assert {state["motion"] for state in told(live, "motion")} == {None}
    assert told(live, "health")[-1]["faults"] == ["tone_missing"]
    assert told(live, "health")[-1]["lost_frames"] == 0
    end_well(service, live)


@pytest.mark.broker
def test_a_service_that_emits_nothing_rests_until_it_is_told_to(looped):
    service, live = looped(on=False)
    live.wait_for("pipistrelle/loop/status", b"online")
    live.wait_for("pipistrelle/loop/presence", b'"unknown"')
    live.publish("pipistrelle/loop/set/emission", b"on")
    live.wait(lambda: [event for event in told(live, "event") if event["type"] == "motion_started"], "a walk")
    first = told(live, "event")[0]
    assert (first["type"], first["t_s"]) == ("emission_changed", 0.0)
    assert told(live, "health")[-1]["lost_frames"] == 0
    end_well(service, live)
