"""What the 192 kHz part of the signal path costs, beside the same filters in SciPy.

    python tests/benchmarks/bench_signal_path.py [--rounds N]

Ratios are medians over pairs that run one right after the other, so that a busy or throttled processor slows both.
Times are the shortest seen. Instructions are counted by callgrind, where valgrind and a C compiler are present.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from reference import design_filters  # noqa: E402
from scipy.signal import upfirdn  # noqa: E402

from appliance.dsp import _core  # noqa: E402
from appliance.dsp.downconvert import DownConverter  # noqa: E402
from appliance.types import PcmBlock  # noqa: E402

RATE_HZ = 192_000
CARRIER_HZ = 40_000.0
MICS = 4
BLOCK_FRAMES = 1_920


def taken_s(work):
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def pcm(frames, mics):
    return np.random.default_rng(1).integers(-(2**28), 2**28, (frames, mics), dtype=np.int32)


def c_path(samples, carriers_hz=(CARRIER_HZ,)):
    """Work on `samples` in blocks of 10 ms, as the service does it, Python's share included."""
    converter = DownConverter(rate_hz=RATE_HZ, mics=samples.shape[1], carriers_hz=carriers_hz)
    blocks = [
        PcmBlock(samples[first : first + BLOCK_FRAMES], first, RATE_HZ)
        for first in range(0, len(samples), BLOCK_FRAMES)
    ]

    def work():
        converter.reset()
        for block in blocks:
            converter.process(block)

    return work


def scipy_path(samples):
    """The same filters by SciPy on all of `samples` at once, which spares it the state between blocks."""
    cascade = design_filters.committed_cascade(RATE_HZ)
    stages = [
        (np.float32(taps), down) for taps, down in ((cascade.stage_1, 8), (cascade.stage_2, 5), (cascade.stage_3, 2))
    ]
    turns = CARRIER_HZ / RATE_HZ * np.arange(len(samples)) % 1.0
    oscillator = (2 / 2**31 * np.exp(-2j * np.pi * turns)).astype(np.complex64)[:, None]

    def work():
        signal = samples.astype(np.float32) * oscillator
        for taps, down in stages:
            signal = upfirdn(taps, signal, down=down, axis=0)
        return signal

    return work


def multipath(paths):
    """One second through `paths` moving paths, in blocks of 10 ms."""
    rng = np.random.default_rng(2)
    channel = _core.MultipathChannel(paths=paths, mics=MICS, max_delay_frames=8_000)
    signal = rng.standard_normal(BLOCK_FRAMES).astype(np.float32)
    # 2 m/s: twice the way, in units of the way that sound takes in a frame.
    moved_frames = np.linspace(0, 2 * 2.0 / 343 * BLOCK_FRAMES, 11)[:, None, None]
    delay_frames = rng.uniform(50, 7_900, (1, paths, MICS)) + moved_frames
    gain = rng.standard_normal((11, paths, MICS)).astype(np.float32)
    out = np.zeros((BLOCK_FRAMES, MICS), np.float32)

    def work():
        for _ in range(RATE_HZ // BLOCK_FRAMES):
            channel.process_into(signal, delay_frames, gain, out)

    return work


def tones(carriers):
    """One second of tones in blocks of 10 ms."""
    core = _core.ToneSynthesiser(rate_hz=RATE_HZ, outputs=2, max_amplitude=0.1, fade_s=0.1)
    core.play([40_000.0 + 5_000 * c for c in range(carriers)], 0.1)
    out = np.empty((BLOCK_FRAMES, 2), np.int32)

    def work():
        for _ in range(RATE_HZ // BLOCK_FRAMES):
            core.process_into(out)

    return work


def instruction_counts(cases):
    """(instructions, ns) per frame by (mics, carriers), of the C alone; instructions None without valgrind."""
    compiler, valgrind = shutil.which(os.environ.get("CC", "gcc")), shutil.which("valgrind")
    if compiler is None:
        return {}
    extension = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"][0]
    sources = [str(ROOT / path) for path in extension["sources"] if "/_core" not in path and "/bind" not in path]
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/count_instructions"
        build = [compiler, *extension["extra-compile-args"], "-D_POSIX_C_SOURCE=200809L"]
        build += [f"-I{ROOT / 'appliance/dsp/csrc'}", str(pathlib.Path(__file__).with_name("count_instructions.c"))]
        subprocess.run([*build, *sources, "-lm", "-o", program], check=True)
        for mics, carriers in cases:
            where = [str(mics), str(carriers)]
            ns = float(subprocess.run([program, "2000", *where], check=True, capture_output=True, text=True).stdout)
            per_frame = None
            if valgrind is not None:
                few, many = (
                    collected([valgrind, f"--callgrind-out-file={folder}/out"], [program, rounds, *where])
                    for rounds in ("10", "30")
                )
                per_frame = (many - few) / (20 * BLOCK_FRAMES)
            counts[mics, carriers] = (per_frame, ns)
    return counts


def collected(valgrind, command):
    """Instructions that callgrind counts for `command`."""
    ran = subprocess.run([*valgrind, "--tool=callgrind", *command], check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1])


def main():
    parser = argparse.ArgumentParser(description="Benchmark of the signal path.")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of runs (default 15)")
    rounds = parser.parse_args().rounds

    samples = pcm(RATE_HZ // 4, MICS)
    c_work, scipy_work = c_path(samples), scipy_path(samples)
    c_work(), scipy_work()
    pairs = [(taken_s(c_work), taken_s(scipy_work)) for _ in range(rounds)]
    print(f"Down-conversion, 192 kHz, {MICS} microphones, 1 carrier, blocks of 10 ms, called from Python")
    for name, column in (("C", 0), ("SciPy, same filters", 1)):
        print(f"  {name:<24}{min(pair[column] for pair in pairs) / len(samples) * 1e9:10.2f} ns/frame")
    print(f"  {'SciPy / C, paired':<24}{statistics.median(s / c for c, s in pairs):10.1f} times (median of {rounds})")

    print("The C alone")
    print(f"  {'microphones':>11}{'carriers':>10}{'instructions/frame':>20}{'ns/frame':>10}")
    for (mics, carriers), (per_frame, ns) in instruction_counts([(1, 1), (2, 1), (4, 1), (8, 1), (4, 4)]).items():
        print(f"  {mics:>11}{carriers:>10}{'no valgrind' if per_frame is None else f'{per_frame:.1f}':>20}{ns:>10.2f}")

    print("One second of sound")
    for name, work in (
        (f"multipath, 60 moving paths, {MICS} microphones", multipath(60)),
        ("tones, 1 carrier", tones(1)),
        ("tones, 4 carriers", tones(4)),
    ):
        print(f"  {name:<44}{min(taken_s(work) for _ in range(5)) * 1e3:10.1f} ms")


if __name__ == "__main__":
    main()
