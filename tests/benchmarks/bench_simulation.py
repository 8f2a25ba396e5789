"""How many times faster than time the simulated room is, on one core: baseband and features, and range profiles.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_simulation.py [--count]

Times are those of the process alone, the shortest of several in turns; what others do on the machine still lengthens
them. With --count they are instructions of baseband and features under callgrind, as the difference of two lengths,
which repeat.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402

from appliance.cancel.clutter import ClutterCanceller  # noqa: E402
from appliance.features.doppler import Doppler  # noqa: E402
from appliance.simulation.baseband import PCM_RATE_HZ, BasebandRoom  # noqa: E402
from appliance.simulation.captures import Captures  # noqa: E402
from appliance.simulation.ranges import RangeRoom  # noqa: E402
from appliance.simulation.sample import sample_words  # noqa: E402
from appliance.simulation.scene_file import build  # noqa: E402
from appliance.simulation.words import SceneWords  # noqa: E402
from appliance.types import Chirps, Tones  # noqa: E402

TONES = Tones((40_000.0,), 75.0)
CHIRPS = Chirps(34_000.0, 44_000.0, 0.005, 0.0015, 20.0, 75.0)
SCENES = {
    "empty": ((), ()),
    "walk": (("walk",), ()),
    "reach": (("reach",), ()),
    "two sit": (("sit", "type"), ()),
    **{
        f"walk and {what}": (("walk",), (what,))
        for what in ("curtain", "dog", "vacuum", "hvac", "clicks", "fan", "oscillating_fan", "ceiling_fan", "music")
    },
}
DURATION_S = 400.0
LOOK_S = 8.0
LOOKS = 15
SEED = 5


def scene_of(name):
    """Seed 5's room; whoever walks goes to and fro all the time."""
    people, nuisances = SCENES[name]
    words = sample_words(
        SEED, duration_s=DURATION_S, people=people, nuisances=[what for what in nuisances if what != "music"]
    )
    if "music" in nuisances:
        words["music"] = {"level": 0.3}
    for person, what in zip(words["people"], people, strict=True):
        if what == "walk":
            person["do"] = [dict(person["do"][1], times=200)]
    return build(SceneWords.model_validate(words), Captures())


class Look:
    """A room and the stages of the pipeline that make features of it."""

    def __init__(self, scene):
        self.room = BasebandRoom(scene, tones=TONES)
        rate_hz = self.room.rate_hz
        self.doppler = Doppler(carriers_hz=TONES.carriers_hz, mics=4, rate_hz=rate_hz, pcm_rate_hz=PCM_RATE_HZ)
        self.clutter, self.level = ClutterCanceller(), np.zeros((1, 4), np.float32)
        self.baseband_s = self.features_s = float("inf")
        self.look()

    def look(self):
        began_s = time.process_time()
        block = self.room.read(LOOK_S)
        read_s = time.process_time()
        self.doppler.process(self.clutter.process(block, frozen=False), carrier_dbfs=self.level)
        self.baseband_s = min(self.baseband_s, (read_s - began_s) / LOOK_S)
        self.features_s = min(self.features_s, (time.process_time() - read_s) / LOOK_S)


def shortest_s(work, times):
    found = []
    for _ in range(times):
        began_s = time.process_time()
        work()
        found.append(time.process_time() - began_s)
    return min(found)


def show_times():
    looks = {name: Look(scene_of(name)) for name in SCENES}
    for _ in range(LOOKS):
        for look in looks.values():
            look.look()
    print("scene                  paths   ms a second: baseband  features   times real time   chirps")
    for name, look in looks.items():
        ranges = RangeRoom(scene_of(name), chirps=CHIRPS)
        chirps_s = shortest_s(lambda ranges=ranges: ranges.read(1.0), 5)
        both_s = look.baseband_s + look.features_s
        print(
            f"{name:21s} {look.room.paths:6d} {1e3 * look.baseband_s:23.2f} {1e3 * look.features_s:9.2f}"
            f" {1 / both_s:17.0f} {1 / chirps_s:8.0f}"
        )


def instructions(name, looks):
    """Of a process that takes so many looks."""
    with tempfile.TemporaryDirectory() as folder:
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        ran = subprocess.run(
            [*tool, sys.executable, __file__, "--looks", str(looks), name], capture_output=True, text=True, check=False
        )
    if ran.returncode:
        sys.exit(ran.stderr)
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1])


def show_counts(names):
    print("scene                  million instructions a second")
    for name in names:
        found = (instructions(name, 3) - instructions(name, 1)) / (2 * LOOK_S)
        print(f"{name:21s} {1e-6 * found:16.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", action="store_true", help="instructions instead of times")
    parser.add_argument("--looks", type=int, help=argparse.SUPPRESS)
    parser.add_argument("scenes", nargs="*", help=f"of {', '.join(SCENES)}")
    asked = parser.parse_args()
    if asked.looks:
        look = Look(scene_of(asked.scenes[0]))
        for _ in range(asked.looks - 1):
            look.look()
    elif asked.count:
        show_counts(asked.scenes or SCENES)
    else:
        show_times()


if __name__ == "__main__":
    main()
