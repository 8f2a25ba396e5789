"""How long from the capture of a frame to a routine's action on the broker, beside what detection itself takes.

    python tests/benchmarks/bench_action.py [--events 300]

The whole service as it runs on a device, with history and what it keeps on disk, hears a room of 4 microphones at 192
kHz in real time: a tone, a converter's noise, and each second an echo that moves for a third of it. A routine publishes
at each motion, a private Mosquitto hands it to another process. The clock begins when a card would have captured the
last frame of the block in which motion was found, so that a late wake-up counts; a frame that was captured earlier in
that block waited for its end, which is at most `audio.block_ms` more.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402

from appliance.app import Service  # noqa: E402
from appliance.cli.broker import PrivateBroker  # noqa: E402
from appliance.clock import WallClock  # noqa: E402
from appliance.config.load import load_config  # noqa: E402
from appliance.events import MotionStarted  # noqa: E402
from appliance.hardware.paced import Paced  # noqa: E402
from appliance.sources import Source  # noqa: E402
from appliance.types import PcmBlock  # noqa: E402

RATE_HZ = 192_000
MICS = 4
CARRIER_HZ = 40_000.0
ECHO_HZ = 230.0
ROUND_S = 1
QUIET_ROUNDS = 8
"""By then the detector knows the room."""

LISTENER = """
import sys, time
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
client = Client(CallbackAPIVersion.VERSION2)
client.on_connect = lambda *_: client.subscribe("home/light/set", 1)
client.on_subscribe = lambda *_: print("ready", flush=True)
client.on_message = lambda *_: print(time.monotonic(), flush=True)
client.connect(sys.argv[1], int(sys.argv[2]))
client.loop_forever()
"""


class Room:
    """Rounds of sound without a seam, and when each block was captured."""

    name, rate_hz, mics, outputs = "benchmark", RATE_HZ, MICS, 0

    def __init__(self, block_frames, rounds):
        t_s = np.arange(ROUND_S * RATE_HZ) / RATE_HZ
        noise = 1e-5 * np.random.default_rng(1).standard_normal((len(t_s), MICS))
        tone = 0.01 * np.sin(2 * np.pi * CARRIER_HZ * t_s)
        comes = np.clip(np.sin(np.pi * t_s * 3 / ROUND_S), 0, None) ** 2 * (t_s < ROUND_S / 3)
        echo = 1e-3 * np.sin(2 * np.pi * (CARRIER_HZ + ECHO_HZ) * t_s) * comes
        self._quiet, self._moving = (
            np.rint((each[:, None] + noise) * 2**31).astype(np.int32) for each in (tone, tone + echo)
        )
        self._block_frames, self._frame = block_frames, 0
        self._frames = rounds * len(t_s)

    def read(self):
        if self._frame >= self._frames:
            return None
        number, place = divmod(self._frame, len(self._quiet))
        sound = self._quiet if number < QUIET_ROUNDS else self._moving
        samples = np.ascontiguousarray(sound[place : place + self._block_frames])
        block = PcmBlock(samples=samples, first_frame=self._frame, rate_hz=RATE_HZ, lost_frames_before=0)
        self._frame += len(samples)
        return block

    def write(self, samples):
        raise AssertionError("a room without a loudspeaker")

    def suspend(self):
        pass

    def close(self):
        pass


def write_config(folder, broker):
    action = {"action": "mqtt.publish", "topic": "home/light/set", "payload": "ON"}
    rule = {"id": "light", "triggers": [{"trigger": "motion"}], "actions": [action]}
    (folder / "routines.yaml").write_text(json.dumps([rule]))
    config = {"mqtt": {"port": broker.port}, "routines": {"file": "routines.yaml"}}
    (folder / "appliance.yaml").write_text(json.dumps(config))
    return load_config(folder / "appliance.yaml")


def run(events, folder):
    """Times of capture, of the decision, and of the message's arrival at another process; each in s."""
    captured, decided = [], []
    os.environ["STATE_DIRECTORY"] = str(folder / "state")
    (folder / "state").mkdir()
    with PrivateBroker(folder / "broker") as broker:
        config = write_config(folder, broker)
        block_frames = RATE_HZ * config.audio.block_ms // 1000
        paced = Paced(Room(block_frames, QUIET_ROUNDS + events))

        def observe(step, t_s):
            if any(isinstance(event, MotionStarted) for event in step.events):
                decided.append(time.monotonic())
                captured.append(paced._began_s + t_s)

        command = [sys.executable, "-c", LISTENER, broker.host, str(broker.port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
            try:
                assert listener.stdout.readline() == "ready\n"
                service = Service(config, clock=WallClock(), observe=observe)
                asyncio.run(service.run(Source(paced, (CARRIER_HZ,))))
            finally:
                listener.terminate()
            arrived = [float(line) for line in listener.stdout]
    assert len(captured) == len(arrived), f"{len(captured)} motions, {len(arrived)} messages"
    return captured, decided, arrived, config.audio.block_ms


def report(name, since_s, until_s):
    cost_ms = [1e3 * (until - since) for since, until in zip(since_s, until_s, strict=True)]
    steps = statistics.quantiles(cost_ms, n=100, method="inclusive")
    print(f"{name:45} median {steps[49]:6.2f} ms, p99 {steps[98]:6.2f} ms, worst {max(cost_ms):6.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=300)
    args = parser.parse_args()
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        captured, decided, arrived, block_ms = run(args.events, Path(folder))
    print(
        f"{len(arrived)} actions; load {before:.1f} before and {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores"
    )
    report("capture to decision", captured, decided)
    report("decision to the action at another process", decided, arrived)
    report("capture to the action", captured, arrived)
    report(f"the same from a block's first frame, {block_ms} ms", [each - block_ms / 1e3 for each in captured], arrived)


if __name__ == "__main__":
    main()
