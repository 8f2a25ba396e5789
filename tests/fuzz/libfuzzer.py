"""The C core under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer: one harness for each C object.

    python tests/fuzz/libfuzzer.py [--seconds 600]

What stops a harness is kept in build/fuzz and told with the command that repeats it.
"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
CSRC = ROOT / "appliance/dsp/csrc"
KEPT = ROOT / "build/fuzz"

FLAGS = ["-std=c11", "-g", "-O0", "-Wall", "-Wextra", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]
"""Not optimised: with UndefinedBehaviorSanitizer clang takes minutes for the unrolled loops otherwise."""
SANITIZERS = "address,undefined"
INPUT_BYTES = 512
SEEDS = 32
HARNESSES = sorted(path.stem for path in HERE.glob("fuzz_*.c"))


def compiler():
    """clang, the one with the fuzzer; None where it is absent."""
    return shutil.which(os.environ.get("CLANG", "clang"))


def build_core(folder):
    """Object files of the whole core, all but what knows Python."""
    sources = [path for path in CSRC.glob("*.c") if path.name != "_core.c" and not path.name.startswith("bind")]
    command = [compiler(), *FLAGS, f"-fsanitize=fuzzer-no-link,{SANITIZERS}", "-c", *map(str, sources)]
    subprocess.run(command, check=True, cwd=folder)
    return [str(folder / f"{path.stem}.o") for path in sources]


def build(harness, core, folder):
    """The program of one harness."""
    program = folder / harness
    command = [compiler(), *FLAGS, f"-fsanitize=fuzzer,{SANITIZERS}", f"-I{CSRC}", str(HERE / f"{harness}.c"), *core]
    subprocess.run([*command, "-lm", "-o", str(program)], check=True)
    return program


def fuzz(program, *, seconds, folder):
    """Run one harness; what it said, and its exit code."""
    KEPT.mkdir(parents=True, exist_ok=True)
    corpus = folder / f"{program.name}.corpus"
    corpus.mkdir(exist_ok=True)
    # A harness draws some dozens of bytes before anything happens: the fuzzer shall not have to grow up to there.
    for number in range(SEEDS):
        (corpus / f"seed{number}").write_bytes(random.Random(number).randbytes(INPUT_BYTES))
    command = [
        str(program),
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_BYTES}",
        "-len_control=0",
        "-timeout=20",
        "-print_final_stats=1",
    ]
    command += [f"-artifact_prefix={KEPT}/{program.name}-", str(corpus)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stderr, ran.returncode


def executions(said):
    """How many inputs a harness has tried."""
    (line,) = [line for line in said.splitlines() if line.startswith("stat::number_of_executed_units")]
    return int(line.split()[-1])


def main():
    parser = argparse.ArgumentParser(description="Fuzz the C core.")
    parser.add_argument("--seconds", type=int, default=600, help="of all harnesses together (default 600)")
    seconds = max(1, parser.parse_args().seconds // len(HARNESSES))
    if compiler() is None:
        print("skipped: no clang (apt-get install clang)")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        core = build_core(folder)
        for harness in HARNESSES:
            print(f"{harness}: {seconds} s", end=" ", flush=True)
            said, code = fuzz(build(harness, core, folder), seconds=seconds, folder=folder)
            if code != 0:
                print(said[-4000:], file=sys.stderr)
                print(
                    f"stopped; its input is in {KEPT.relative_to(ROOT)}, run {harness} with that file", file=sys.stderr
                )
                return 1
            print(f"{executions(said):,} inputs, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
