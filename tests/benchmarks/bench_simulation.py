"""How many times faster than time the simulated room is, on one core: baseband and features, and range profiles.

    OPENBLAS_NUM_THREADS=1 python tests/benchmarks/bench_simulation.py

Times of the process alone, the shortest of several: what others do on the machine still lengthens them.
"""

import time

import numpy as np

from appliance.cancel.clutter import ClutterCanceller
from appliance.features.doppler import Doppler
from appliance.simulation.baseband import PCM_RATE_HZ, BasebandRoom
from appliance.simulation.ranges import RangeRoom
from appliance.simulation.sample import sample_scene
from appliance.types import Chirps, Tones

TONES = Tones((40_000.0,), 75.0)
CHIRPS = Chirps(34_000.0, 44_000.0, 0.005, 0.0015, 20.0, 75.0)
SCENES = {
    "empty": ((), ()),
    "walk": (("walk",), ()),
    "reach": (("reach",), ()),
    "two sit": (("sit", "type"), ()),
    "walk and curtain": (("walk",), ("curtain",)),
    "walk and fan": (("walk",), ("fan",)),
}
LOOK_S = 8.0
LOOKS = 20


def shortest_s(work):
    found = []
    for _ in range(LOOKS):
        began_s = time.process_time()
        work()
        found.append(time.process_time() - began_s)
    return min(found)


def main():
    print("scene               paths   ms a second: baseband  features   times real time   chirps")
    for name, (people, nuisances) in SCENES.items():
        scene = sample_scene(5, duration_s=1e5, people=people, nuisances=nuisances)
        room, ranges = BasebandRoom(scene, tones=TONES), RangeRoom(scene, chirps=CHIRPS)
        block = room.read(LOOK_S)
        doppler = Doppler(carriers_hz=TONES.carriers_hz, mics=4, rate_hz=room.rate_hz, pcm_rate_hz=PCM_RATE_HZ)
        clutter, level = ClutterCanceller(), np.zeros((1, 4), np.float32)
        baseband = shortest_s(lambda room=room: room.read(LOOK_S)) / LOOK_S
        features = shortest_s(
            lambda block=block, doppler=doppler, clutter=clutter, level=level: doppler.process(
                clutter.process(block, frozen=False), carrier_dbfs=level
            )
        )
        features /= LOOK_S
        chirps = shortest_s(lambda ranges=ranges: ranges.read(1.0))
        print(
            f"{name:18s} {room.paths:6d} {1e3 * baseband:23.2f} {1e3 * features:9.2f}"
            f" {1 / (baseband + features):17.0f} {1 / chirps:8.0f}"
        )


if __name__ == "__main__":
    main()
