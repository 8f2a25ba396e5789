"""What the signal path costs, and what one would use instead. See --help."""

import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

DESCRIPTION = """\
What the signal path costs, beside what one would use instead.

  (nothing)   race all competitors, count instructions, write RESULTS.md and its plots
  guard       compare instruction counts with baseline.json; fails when a case is more than 3 % dearer
  accept      make the counts of now the baseline
"""

EPILOG = """\
Every competitor's output is checked against a float64 calculation before it is timed. Competitors run one after the
other, each between two runs of ours, and a ratio is the median over such rounds: what the machine does besides
slows all alike. Instruction counts do not depend on that at all.

Debian's packages for all of it: sh .ci/packages benchmark. Whatever is missing is skipped, and the report says what to
install. Counts for aarch64 need an emulator with its instruction counter; Debian has none, but its source:
sh tests/benchmarks/build_counter makes one in about 8 minutes, once.
"""


def main():
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", choices=("guard", "accept"), help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="5 rounds, no sweeps, no aarch64, nothing written")
    parser.add_argument("--rounds", type=int, default=31, help="rounds of the race (default 31)")
    arguments = parser.parse_args()
    if arguments.command is None:
        from benchmarks import report

        return report.run(rounds=5 if arguments.quick else arguments.rounds, quick=arguments.quick)
    from benchmarks import guard

    return guard.check() if arguments.command == "guard" else guard.accept()


if __name__ == "__main__":
    sys.exit(main())
