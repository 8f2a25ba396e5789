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
from benchmarks.whole_loop import MICS, Listener  # noqa: E402

QUIET, MOVING = "pipeline, nobody moving", "pipeline, somebody moving"


def pipeline_work(seconds, *, moving):
    """(what comes first, what is counted), the latter `seconds` of sound long."""
    listener = Listener(moving=moving)
    return lambda: listener.hear(seconds), lambda: listener.hear(seconds)


def competitor_work(name, frames):
    """(what comes first, what is counted) of one of SciPy's ways."""
    from benchmarks.peers import PYTHON_PEERS

    samples = np.random.default_rng(1).integers(-(2**28), 2**28, (frames, MICS), np.int32)
    work = PYTHON_PEERS[name](samples)
    return work, work


def main():
    door, name, amount = ctypes.CDLL(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    if name in (QUIET, MOVING):
        warm, work = pipeline_work(amount, moving=name == MOVING)
    else:
        warm, work = competitor_work(name, amount)
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
