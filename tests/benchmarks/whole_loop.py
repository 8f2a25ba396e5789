"""What the whole sensing loop costs: processor time and instructions for a second of sound, stage by stage.

    python tests/benchmarks/whole_loop.py [--seconds N] [--rounds N] [--no-instructions] [--model]

Sound of 4 microphones at 192 kHz in blocks of 10 ms goes through `appliance.pipeline`: a tone and a converter's noise,
in `quiet` nobody, in `moving` an echo that comes and goes. Times are medians of rounds, and on a busy machine noise;
instructions are those of a Python process under callgrind, as the difference of two lengths of sound, and repeat.
With --model the shipped model judges instead of the threshold detector.
"""

import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

import numpy as np  # noqa: E402

from appliance.classify.model import ModelDetector  # noqa: E402
from appliance.config.schema import SHIPPED_MODEL  # noqa: E402
from appliance.dsp import _core  # noqa: E402
from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES  # noqa: E402
from appliance.pipeline import Pipeline  # noqa: E402
from appliance.sensing import load_network  # noqa: E402
from appliance.types import Emission, PcmBlock, Tones  # noqa: E402

RATE_HZ = 192_000
MICS = 4
BLOCK_FRAMES = 1_920
CARRIER_HZ = 40_000.0
ECHO_HZ = 230.0
SOUND_S = 2
LEARN_S = 6
"""By then the pipeline knows the room, so that every stage runs in each round."""

COLUMNS_IN_A_CALL = 100
"""So that the call from Python, which brings one or none in the pipeline, does not show."""

STAGES = ("quality", "down", "carrier", "clutter", "doppler", "detector", "motion")


def sound(*, moving):
    """SOUND_S of sound [frames, mics] that can be repeated without a seam."""
    t_s = np.arange(SOUND_S * RATE_HZ) / RATE_HZ
    tone = 0.01 * np.sin(2 * np.pi * CARRIER_HZ * t_s)
    if moving:
        tone += 3e-4 * np.sin(2 * np.pi * (CARRIER_HZ + ECHO_HZ) * t_s) * np.sin(np.pi * t_s / SOUND_S) ** 2
    noise = 1e-5 * np.random.default_rng(1).standard_normal((len(t_s), MICS))
    return np.rint((tone[:, None] + noise) * 2**31).astype(np.int32)


class Listener:
    """A pipeline that knows its room, and the stream that it hears."""

    def __init__(self, *, moving=False, model=False):
        self._quiet, self._sound = sound(moving=False), sound(moving=moving)
        self._block = 0
        self.pipeline = Pipeline(
            rate_hz=RATE_HZ,
            mics=MICS,
            emission=Emission(tones=Tones((CARRIER_HZ,), 75.0)),
            hold_s=60.0,
            false_alarms_per_day=1.0,
            make_detector=model_detector if model else None,
        )
        self.hear(LEARN_S, self._quiet)

    def hear(self, seconds, heard=None):
        """Process so many whole seconds of sound; the processor time that they took, in ms per second of sound."""
        samples = self._sound if heard is None else heard
        blocks = seconds * RATE_HZ // BLOCK_FRAMES
        began_s = time.process_time()
        for _ in range(blocks):
            first = self._block * BLOCK_FRAMES
            at = first % len(samples)
            self.pipeline.process(PcmBlock(samples[at : at + BLOCK_FRAMES], first, RATE_HZ))
            self._block += 1
        return (time.process_time() - began_s) * 1e3 / seconds


def model_detector(doppler):
    """What judges by the shipped model."""
    network = load_network(pathlib.Path(SHIPPED_MODEL))
    return ModelDetector(doppler=doppler, network=network, false_alarms_per_day=1.0)


class Timed:
    """Stands for a stage and adds up the time within its `process`."""

    def __init__(self, stage):
        self._stage, self._process = stage, stage.process
        self.taken_s = 0.0

    def __getattr__(self, name):
        return getattr(self._stage, name)

    def process(self, *args, **kwargs):
        began_s = time.perf_counter()
        result = self._process(*args, **kwargs)
        self.taken_s += time.perf_counter() - began_s
        return result


def stages_ms(seconds, *, model):
    """Time within each stage, in ms per second of sound."""
    listener = Listener(model=model)
    timed = {name: Timed(getattr(listener.pipeline, f"_{name}")) for name in STAGES}
    for name, stage in timed.items():
        setattr(listener.pipeline, f"_{name}", stage)
    listener.hear(seconds)
    return {name: stage.taken_s * 1e3 / seconds for name, stage in timed.items()}


def instructions(*arguments):
    """Of this program with these arguments, by callgrind; None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__, *arguments]
    # a fixed seed of hashes, or dictionaries collide differently in each run
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return int(re.search(r"Collected : (\d+)", ran.stderr)[1])


def instructions_per_s(*, moving=False, model=False, seconds=4):
    """Instructions of the whole Python process for one second of sound; None without valgrind."""
    about = ["--moving"] * moving + ["--model"] * model
    counts = [instructions("--hear", str(length), *about) for length in (seconds, 2 * seconds)]
    return None if None in counts else (counts[1] - counts[0]) / seconds


def transform_columns(columns):
    """Power columns of 256 points of all microphones; the time for each, in microseconds."""
    core = _core.DopplerSpectra(carriers=1, mics=MICS, window_samples=WINDOW_SAMPLES, hop_samples=HOP_SAMPLES)
    rng = np.random.default_rng(1)
    samples = COLUMNS_IN_A_CALL * HOP_SAMPLES
    iq = rng.standard_normal((1, MICS, samples, 2), np.float32).view(np.complex64)[..., 0]
    power_dbfs = np.empty((COLUMNS_IN_A_CALL, 1, MICS, WINDOW_SAMPLES), np.float32)
    core.process_into(iq, power_dbfs[: core.output_spectra(samples)])
    began_s = time.process_time()
    for _ in range(columns // COLUMNS_IN_A_CALL):
        core.process_into(iq, power_dbfs)
    return (time.process_time() - began_s) * 1e6 / columns


def instructions_per_column(columns=2_000):
    """Of one column of all microphones; None without valgrind."""
    counts = [instructions("--columns", str(length)) for length in (columns, 2 * columns)]
    return None if None in counts else (counts[1] - counts[0]) / columns


def measure(*, seconds=10, rounds=5, count=True, model=False):
    """All figures: `cpu_ms_per_s` and `instructions_per_s` by kind of sound, `stage_ms_per_s` by stage, and those of a
    spectrum's column, `column_us` and `instructions_per_column`; instructions None where they are not counted.
    """
    listeners = {"quiet": Listener(model=model), "moving": Listener(moving=True, model=model)}
    stage_rounds = [stages_ms(seconds, model=model) for _ in range(rounds)]
    return {
        "cpu_ms_per_s": {
            kind: statistics.median(listener.hear(seconds) for _ in range(rounds))
            for kind, listener in listeners.items()
        },
        "stage_ms_per_s": {name: statistics.median(taken[name] for taken in stage_rounds) for name in STAGES},
        "instructions_per_s": {
            kind: instructions_per_s(moving=kind == "moving", model=model) if count else None for kind in listeners
        },
        "column_us": statistics.median(transform_columns(2_000) for _ in range(rounds)),
        "instructions_per_column": instructions_per_column() if count else None,
    }


def main():
    parser = argparse.ArgumentParser(description="Benchmark of the whole sensing loop.")
    parser.add_argument("--seconds", type=int, default=10, help="of sound a round (default 10)")
    parser.add_argument("--rounds", type=int, default=5, help="whose median counts (default 5)")
    parser.add_argument("--no-instructions", action="store_true", help="do not count them, which takes a minute")
    parser.add_argument("--model", action="store_true", help="the shipped model judges")
    parser.add_argument("--hear", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--columns", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--moving", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.columns is not None:
        transform_columns(args.columns)
        return
    if args.hear is not None:
        Listener(moving=args.moving, model=args.model).hear(args.hear)
        return
    found = measure(seconds=args.seconds, rounds=args.rounds, count=not args.no_instructions, model=args.model)
    print(f"One second of sound, 192 kHz, {MICS} microphones, blocks of 10 ms, hops of 64 samples")
    for kind, cpu_ms in found["cpu_ms_per_s"].items():
        count = found["instructions_per_s"][kind]
        print(f"  {kind:<12}{cpu_ms:8.2f} ms{'' if count is None else f'{count / 1e6:10.2f} million instructions'}")
    print("of which within the stages, quiet")
    for name, taken_ms in found["stage_ms_per_s"].items():
        print(f"  {name:<12}{taken_ms:8.2f} ms")
    count = found["instructions_per_column"]
    print(f"A column of {WINDOW_SAMPLES} points in dB, {MICS} microphones")
    print(f"  {'':<12}{found['column_us']:8.2f} us{'' if count is None else f'{count:10.0f} instructions'}")


if __name__ == "__main__":
    main()
