"""`pipistrelle evaluate`: how good a detector is, in rooms and with people that nothing else has seen."""

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from appliance import __version__
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from appliance.evaluation.evaluate import Evaluation
    from appliance.evaluation.judge import Subject

_DESCRIPTION = """\
Judges a detector, at the shipped operating point, by events: false alarms a day, recall, latency; in quiet rooms and
beside fans, curtains, pets and music; by room, unit and person. Writes evaluation.html and evaluation.json. Needs the
extra: pip install 'pipistrelle[evaluation]'."""

_EPILOG = """\
Each case is kept in the folder of results as soon as it is judged. A run that was killed, or found the disk full, goes
on where it was when the same command is given again; another version of the code begins anew. Ctrl-C writes the report
of what is judged by then.

With --scheduler the cases are judged by a Dask cluster whose workers have the same version installed; folders that are
named must be there under the same path. The recordings are a folder with data/gestures_19k, data/bats and
tools/remodulate.py in it; without them nothing is replayed.

The profile full is what published figures come from, weeks a week of empty rooms of each kind that may stand empty
for long: quiet, with HVAC, with fans, with a curtain.

exit code: 0 when every case was judged, 1 when some could not be; the report is then of the others."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "evaluate",
        help="how good the detector is, as an HTML report",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--profile", choices=("quick", "full", "weeks"), default="quick", help="how much is judged (quick)"
    )
    parser.add_argument(
        "--detector",
        default="threshold",
        metavar="NAME",
        help="threshold, motion (the shipped model), or a model's file (threshold)",
    )
    parser.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where the report goes (here)")
    parser.add_argument(
        "--results", type=Path, default=_results(), metavar="FOLDER", help="where results are kept (%(default)s)"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="a Dask scheduler, such as tcp://127.0.0.1:8786")
    parser.add_argument("--captures", type=Path, metavar="FOLDER", help="more motion captures")
    parser.add_argument("--recordings", type=Path, metavar="FOLDER", help="real recordings to replay")
    parser.add_argument("--pets", action="store_true", help="judge it as sensing.pets: true sets it")
    parser.set_defaults(run=evaluate)


def _results() -> Path:
    """Where a user's programs keep what can be made again (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pipistrelle" / "evaluation"


def evaluate(args: argparse.Namespace) -> int:
    """Judge what is not judged yet, then write the report; 1 if cases could not be judged."""
    wanted = ("jinja2", "matplotlib", "distributed") if args.scheduler else ("jinja2", "matplotlib")
    for module in wanted:
        if importlib.util.find_spec(module) is None:
            raise ApplianceError(f"{module} is not installed: pip install 'pipistrelle[evaluation]'")
    from appliance.config.schema import SHIPPED_MODEL
    from appliance.evaluation.evaluate import Evaluation
    from appliance.evaluation.hearing import DETECTORS
    from appliance.evaluation.judge import Subject
    from appliance.fields import did_you_mean
    from appliance.sensing import load_network, model_file

    if args.detector == SHIPPED_MODEL or args.detector.endswith(".tflite"):
        load_network(Path(args.detector))
        args.detector = str(model_file(Path(args.detector)).resolve())
    elif args.detector not in DETECTORS:
        known = ", ".join(DETECTORS)
        raise ApplianceError(
            f"no detector is called {args.detector}{did_you_mean(args.detector, DETECTORS)}; there are {known}, "
            f"{SHIPPED_MODEL} (the model that comes with Pipistrelle), and the models in .tflite files"
        )
    if args.workers < 1:
        raise ApplianceError(f"--workers: wanted 1 or more, got {args.workers}")
    for folder in (args.captures, args.recordings):
        if folder is not None and not folder.is_dir():
            raise ApplianceError(f"{folder}: no such folder")
    captures, recordings = (path and path.resolve() for path in (args.captures, args.recordings))
    subject = Subject(args.detector, captures, recordings, pets=args.pets)
    evaluation = Evaluation(args.profile, subject, results=args.results)
    try:
        failures = evaluation.run(workers=args.workers, scheduler=args.scheduler)
    except KeyboardInterrupt:
        _report(evaluation, subject, args.out)
        raise
    _report(evaluation, subject, args.out)
    return _tell(failures)


def _report(evaluation: "Evaluation", subject: "Subject", folder: Path) -> None:
    """Write what is known by now, and say where."""
    config = subject.config
    settings = config.sensing.model_dump() | {"carriers_hz": config.emission.carriers_hz}
    if subject.detector.endswith(".tflite"):
        settings["model"] = Path(subject.detector).stem
    written = evaluation.report(
        folder,
        version=__version__,
        date=datetime.now(UTC).date().isoformat(),
        operating_point=_operating_point(settings),
    )
    print(*written, sep="\n")


def _operating_point(settings: dict[str, object]) -> list[str]:
    return [f"{name} {json.dumps(value)}" for name, value in settings.items()]


def _tell(failures: Sequence[str]) -> int:
    for failure in failures[:5]:
        print(f"pipistrelle: {failure}", file=sys.stderr)
    if len(failures) > 5:
        print(f"pipistrelle: and {len(failures) - 5} more cases that could not be judged", file=sys.stderr)
    return 1 if failures else 0
