"""`python -m models.training`: make a corpus, train a network with it, export it. See README.md beside this."""

import argparse
import os
import sys
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from appliance.errors import ApplianceError


def main() -> int:
    """One of the steps; 0 when all of it was done."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    _add_full(steps)
    _add_generate(steps)
    _add_fold(steps)
    _add_train(steps)
    _add_mine(steps)
    _add_compare(steps)
    args = parser.parse_args()
    try:
        return int(args.run(args))
    except ApplianceError as error:
        print(f"models.training: {error}", file=sys.stderr)
        return error.exit_code


def _add_full(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = steps.add_parser("full", help="make the shipped model: all that it learns from, then itself")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    _add_making(parser)
    parser.set_defaults(run=_full)


def _full(args: argparse.Namespace) -> int:
    from models.training import shipped
    from models.training.run import train

    for made in shipped.MADE:
        print(f"{made.hours:g} hours of {made.share} {made.corpus}, {made.emission}: ", end="")
        if _generate(argparse.Namespace(**vars(args), **made._asdict(), first_part=0)):
            return 1
    train(
        args.data,
        corpora=shipped.CORPORA,
        emissions=shipped.EMISSIONS,
        out=args.out,
        name="motion",
        epochs=shipped.EPOCHS,
        seed=shipped.SEED,
    )
    return 0


def _add_making(parser: argparse.ArgumentParser) -> None:
    """How corpora are made."""
    parser.add_argument("--captures", type=Path, help="folder with more motion captures")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--scheduler", help="a Dask scheduler, such as tcp://127.0.0.1:8786")


def _add_generate(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from models.training.clips import CORPORA, EMISSIONS, SHARES

    parser = steps.add_parser("generate", help="simulate clips and keep what the model would see of them")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--share", choices=tuple(SHARES), default="training")
    parser.add_argument("--corpus", choices=CORPORA, default="mixed")
    parser.add_argument("--emission", choices=EMISSIONS, default="tones", help="what is played in it (tones)")
    parser.add_argument("--hours", type=float, required=True, help="of sound")
    parser.add_argument("--first-part", type=int, default=0, help="number of the first part")
    _add_making(parser)
    parser.set_defaults(run=_generate)


def _generate(args: argparse.Namespace) -> int:
    from models.training.corpus import PART_S, Part, make_part, missing_parts, on_workers, recipe

    args.data.mkdir(parents=True, exist_ok=True)
    count = max(1, round(args.hours * 3600.0 / PART_S))
    parts = [Part(args.share, args.corpus, args.first_part + number, args.emission) for number in range(count)]
    left = missing_parts(parts, args.data)
    print(f"{count} parts of {PART_S / 60:g} min, {count - len(left)} of them done", flush=True)
    if not left:
        return 0
    captures = str(args.captures.resolve()) if args.captures else None
    failed = 0
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns) as progress:
        task = progress.add_task("", total=count, completed=count - len(left))
        done = on_workers(
            make_part,
            left,
            str(args.data.resolve()),
            captures,
            recipe(),
            scheduler=args.scheduler,
            workers=args.workers,
        )
        for part, result in done:
            if isinstance(result, Exception):
                failed += 1
                progress.console.print(f"{part.file_name}: {type(result).__name__}: {result}")
            progress.update(task, advance=1, description=part.file_name)
    return 1 if failed else 0


def _add_fold(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = steps.add_parser("fold", help="fold captures that homes have exported into the corpus `homes`")
    parser.add_argument("exports", nargs="+", type=Path, metavar="EXPORT", help="of `pipistrelle captures export`")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.set_defaults(run=_fold)


def _fold(args: argparse.Namespace) -> int:
    from models.training.fold import fold

    folded = fold(args.exports, args.data)
    for words in folded.left_out:
        print(f"left out: {words}", file=sys.stderr)
    place = "" if folded.path is None else f" in {folded.path}"
    print(f"{folded.captures} captures{place}, {folded.answered} with an answer; {len(folded.left_out)} left out")
    return 0 if folded.captures else 1


def _add_train(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from models.training.clips import EMISSIONS

    parser = steps.add_parser("train", help="train a network, choose its operating points, export it")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--corpora", nargs="+", default=["mixed"], help="what is trained with")
    parser.add_argument(
        "--emissions", nargs="+", choices=EMISSIONS, default=list(EMISSIONS), help="what is played in it (any)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--name", default="motion", help="of the model's files")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    from models.training.run import train

    train(
        args.data,
        corpora=args.corpora,
        emissions=args.emissions,
        out=args.out,
        name=args.name,
        epochs=args.epochs,
        seed=args.seed,
    )
    return 0


def _add_compare(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = steps.add_parser("compare", help="tell with which emission a network that knows all finds more people")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--corpora", nargs="+", default=["mixed"], help="what is trained with")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of emissions.md, emissions.json and checkpoints"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.set_defaults(run=_compare)


def _compare(args: argparse.Namespace) -> int:
    from models.training.emissions import compare

    print(compare(args.data, corpora=args.corpora, out=args.out, epochs=args.epochs, seed=args.seed))
    return 0


_MINING = """\
Trains a seed model on the corpus `seed` (quiet rooms, people alone), lets it sort the corpus `pool`, in which all else
is rare, without its labels, takes the windows of 15 s that it would take for motion and that are unlike all it has
learned from, gives them their labels, trains again with them, and so on. Beside it the same with as many windows
drawn at random. Both are judged with the validation corpora `seed`, `tail` and `empty`.

A run that was killed goes on where it was when the same command is given again; more rounds or seeds go on from there.

  python -m models.training generate --data corpus --corpus seed --hours 8
  python -m models.training generate --data corpus --corpus pool --hours 40
  for corpus in seed tail empty; do
      python -m models.training generate --data corpus --share validation --corpus $corpus --hours 3
  done
  python -m models.training mine --data corpus --out mined --rounds 3

Results, in the folder --out, renewed after each round: mining.md (a table), mining.json (all figures), mining.svg (a
plot), and training-mined-SEED-ROUND-*.parquet (the windows, a corpus: file, clip, rows and why of each in its
metadata)."""


def _add_mine(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = steps.add_parser(
        "mine",
        help="find what a seed model gets wrong in an unlabelled corpus, in rounds, and measure what that gains",
        description=_MINING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run: models, windows, results")
    parser.add_argument("--rounds", type=int, default=3, help="at most; it ends when nothing new is found (3)")
    parser.add_argument("--hours-a-round", type=float, default=0.25, help="of sound that is labelled (0.25)")
    parser.add_argument("--seeds", type=int, default=3, help="how often all is done, from other first weights (3)")
    parser.add_argument("--epochs", type=int, default=8, help="of each training (8)")
    parser.add_argument("--pool", nargs="+", default=["pool"], help="corpora that are sorted, such as pool homes")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one a core)")
    parser.add_argument("--scheduler", help="a Dask scheduler, such as tcp://127.0.0.1:8786")
    parser.set_defaults(run=_mine)


def _mine(args: argparse.Namespace) -> int:
    from models.training.gain import report
    from models.training.mine import WINDOW_S
    from models.training.rounds import Settings, run

    settings = Settings(
        data=args.data,
        out=args.out,
        pool=tuple(args.pool),
        rounds=args.rounds,
        windows=max(1, round(args.hours_a_round * 3600.0 / WINDOW_S)),
        seeds=args.seeds,
        epochs=args.epochs,
        scheduler=args.scheduler,
        workers=args.workers,
    )
    for models in run(settings):
        print(report(settings.out, models), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
