"""What callgrind counts of Python: the whole pipeline, and SciPy's competitors.

    python counted.py DOOR.so NAME AMOUNT

Run by counting.count_python, never by hand: DOOR.so tells callgrind when to begin.
"""

import ctypes
import gc
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402

from appliance.pipeline import Pipeline  # noqa: E402
from appliance.types import Emission, PcmBlock, Tones  # noqa: E402

RATE_HZ = 192_000
BLOCK_FRAMES = 1_920
MICS = 4
CARRIER_HZ = 40_000.0
WARM_S = 3
"""Until the detector has its floor, and every piece of code has run."""

PIPELINE = "pipeline"


def second(*, first_frame, walking):
    """One second of a tone, noise, and in `walking` ones somebody who comes at 1 m/s: int32 [frames, mics]."""
    frames = first_frame + np.arange(RATE_HZ)
    rng = np.random.default_rng(first_frame)
    sound = 0.1 * np.sin(2 * np.pi * (CARRIER_HZ / RATE_HZ * frames % 1.0))
    if walking:
        sound += 0.003 * np.sin(2 * np.pi * ((CARRIER_HZ + 233.0) / RATE_HZ * frames % 1.0))
    noisy = sound[:, None] + 3e-5 * rng.standard_normal((RATE_HZ, MICS), np.float32)
    return np.rint(noisy * 2**31).astype(np.int32)


def pipeline_work(seconds):
    """(what comes first, what is counted), the latter `seconds` long, every other second with a walk."""
    pipeline = Pipeline(
        rate_hz=RATE_HZ,
        mics=MICS,
        emission=Emission(tones=Tones(carriers_hz=(CARRIER_HZ,), level_db_spl=75.0)),
        hold_s=60.0,
        false_alarms_per_day=1.0,
    )
    blocks = []
    for s in range(WARM_S + seconds):
        sound = second(first_frame=s * RATE_HZ, walking=s > WARM_S and s % 2 == 0)
        starts = range(0, RATE_HZ, BLOCK_FRAMES)
        blocks += [PcmBlock(sound[at : at + BLOCK_FRAMES], s * RATE_HZ + at, RATE_HZ) for at in starts]
    warm = WARM_S * RATE_HZ // BLOCK_FRAMES

    def work():
        events = [event for block in blocks[warm:] for event in pipeline.process(block).events]
        assert events, "nobody was seen to move: not the whole pipeline ran"

    return lambda: [pipeline.process(block) for block in blocks[:warm]], work


def competitor_work(name, frames):
    """(what comes first, what is counted) of one of SciPy's ways."""
    from benchmarks.peers import PYTHON_PEERS

    samples = second(first_frame=0, walking=True)[:frames]
    work = PYTHON_PEERS[name](samples)
    return work, work


def main():
    door, name, amount = ctypes.CDLL(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    warm, work = pipeline_work(amount) if name == PIPELINE else competitor_work(name, amount)
    # A collection comes when so many objects are there; what else was imported shall not decide when.
    gc.collect()
    gc.freeze()
    warm()
    door.start_counting()
    door.dump_counts(b"made ready")
    work()
    door.dump_counts(name.encode())
    print(f"{amount} {name}")


if __name__ == "__main__":
    main()
