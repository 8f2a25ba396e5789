"""Rounds of mining: train, sort the pool, take what is new, train again; beside it the same with windows at random.

Every result is a file that is written whole: after a kill the same command goes on with what is not there yet. Workers
train (a model each) and sort (some files of the pool each); what is taken is chosen here, from what they found.
"""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from models.training import mine
from models.training.corpus import CorpusError, Part, on_workers, read_corpus, recipe, write_whole
from models.training.windows import Window, annotate, sounds_of, taken, windowed

SEED_ARM, ARMS = "seed", ("mined", "random")

_SHARD_FILES = 12
_TIMES = 4
"""How often a chosen window is learned from in an epoch, mined or random: a kind that is found once must not drown."""

_AGAIN_SHARE = 0.5
"""Of the seed model's epochs, for a model that goes on from another."""

_Candidate = dict[str, Any]
"""A row of what `sort_shard` writes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A run: of the corpora in `data`, with results in `out`; `rounds` at most, with `windows` each, `seeds` times."""

    data: Path
    out: Path
    pool: tuple[str, ...]
    rounds: int
    windows: int
    seeds: int
    epochs: int
    scheduler: str | None
    workers: int


@dataclass(frozen=True, slots=True)
class Model:
    """One that is trained: its arm, its seed, and in which round; that of round 0 is the beginning of both arms."""

    arm: str
    seed: int
    round: int

    @property
    def file_name(self) -> str:
        """Within the run's folder."""
        return f"model-{self.arm}-{self.seed}-{self.round}.npz"

    @property
    def before(self) -> "Model | None":
        """From whose weights it goes on."""
        if self.round == 0:
            return None
        return Model(self.arm if self.round > 1 else SEED_ARM, self.seed, self.round - 1)

    @property
    def corpora(self) -> tuple[str, ...]:
        """What it learns from besides the seed set, within the run's folder."""
        return tuple(f"{self.arm}-{self.seed}-{number}" for number in range(1, self.round + 1))


@dataclass(frozen=True, slots=True)
class Shard:
    """Some files of the pool, to be sorted for a round by some models."""

    round: int
    number: int
    files: tuple[str, ...]
    models: tuple[Model, ...]

    @property
    def file_name(self) -> str:
        """Within the run's folder."""
        return f"sorted-{self.round}-{self.number:04d}.parquet"


def train_model(model: Model, data: str, out: str, epochs: int, wanted_recipe: str) -> str:
    """Train a model on the seed set and on what its arm has chosen, and judge it; its file's name.

    Raises:
        CorpusError: something to learn from is missing or damaged, or this worker has other code.
    """
    from models.training.fit import Training
    from models.training.judge import judge
    from models.training.look import Observer, keep, load
    from models.training.network import MotionNetwork

    _prepare(wanted_recipe)
    seed_set = read_corpus(Path(data), share="training", corpora=("seed",))
    chosen = [read_corpus(Path(out), share="training", corpora=(name,)) for name in model.corpora]
    rows = windowed(seed_set, *(_TIMES * chosen))
    before = model.before
    network = load(Path(out) / before.file_name) if before else MotionNetwork(seed=model.seed)
    training = Training(
        network,
        rows,
        epochs=max(1, round(_AGAIN_SHARE * epochs)) if before else epochs,
        seed=model.seed,
        folder=Path(out) / "checkpoints",
        identity=model.file_name,
    )
    for _ in training.run():
        pass
    observer, rows = Observer(network), windowed(seed_set, *chosen)
    known = np.array([mine.sound_of(rows.values[clip]) for clip in rows.clips])
    keep(Path(out) / model.file_name, network, known, json.dumps(judge(observer, Path(data))))
    return model.file_name


def sort_shard(shard: Shard, data: str, out: str, wanted_recipe: str) -> str:
    """Each clip's candidate, as each model sees it; the file's name.

    Raises:
        CorpusError: a file is missing or damaged, or this worker has other code.
    """
    from models.training.look import Observer, load

    _prepare(wanted_recipe)
    observers = {model.seed: Observer(load(Path(out) / model.file_name)) for model in shard.models}
    found: list[dict[str, Any]] = []
    for file in shard.files:
        sounds = list(sounds_of(Path(data) / file))
        for seed, observer in observers.items():
            peaks = observer.peaks([sound.values for sound in sounds], [sound.settled for sound in sounds])
            for sound, peak in zip(sounds, peaks, strict=True):
                if peak is not None:
                    found.append({
                        "seed": seed, "file": file, "clip": sound.clip, "first": sound.first,
                        "hops": len(sound.settled), "peak": peak.hop, "log_odds": peak.log_odds,
                        "sound": peak.sound.tolist(),
                    })  # fmt: skip
    write_whole(pa.Table.from_pylist(found), Path(out) / shard.file_name)
    return shard.file_name


def _prepare(wanted_recipe: str) -> None:
    import tensorflow as tf

    if recipe() != wanted_recipe:
        raise CorpusError(f"a worker has code {recipe()}, wanted {wanted_recipe}: install the same version everywhere")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def run(settings: Settings) -> Iterator[list[Model]]:
    """All rounds, or what is left of them; behind each all models that there are.

    Raises:
        CorpusError: a corpus is missing or damaged, `out` holds another run, or some of the work failed.
    """
    files = [path.name for name in settings.pool for path in sorted(settings.data.glob(f"training-{name}-*.parquet"))]
    if not files:
        names = " or ".join(settings.pool)
        raise CorpusError(f"{settings.data}: no training corpus {names} there; make it: generate --corpus pool")
    _claim(settings, files)
    folders = (str(settings.data.resolve()), str(settings.out.resolve()))
    latest = [Model(SEED_ARM, seed, 0) for seed in range(1, settings.seeds + 1)]
    _work(settings, "seed models", train_model, latest, *folders, settings.epochs)
    done = list(latest)
    yield done
    for number in range(1, settings.rounds + 1):
        shards = [
            Shard(number, at // _SHARD_FILES, tuple(files[at : at + _SHARD_FILES]), tuple(latest))
            for at in range(0, len(files), _SHARD_FILES)
        ]
        _work(settings, f"round {number}: sorting", sort_shard, shards, *folders)
        latest = [Model("mined", each.seed, number) for each in latest if _choose_for(settings, each, number, shards)]
        if not latest:
            print(f"round {number}: nothing new is left in the pool", flush=True)
            break
        models = [Model(arm, each.seed, number) for each in latest for arm in ARMS]
        _work(settings, f"round {number}: training", train_model, models, *folders, settings.epochs)
        done = done + models
        yield done


def _claim(settings: Settings, files: Sequence[str]) -> None:
    """Say whose results these are: those of another run are not to be mixed with them."""
    digest = hashlib.sha256("\n".join(files).encode()).hexdigest()[:16]
    words = {
        "recipe": recipe(), "windows": settings.windows, "epochs": settings.epochs, "pool_files": len(files),
        "pool_digest": digest,
    }  # fmt: skip
    path = settings.out / "run.json"
    settings.out.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = {}
    differs = [f"{name} {found.get(name)}, now {word}" for name, word in words.items() if found.get(name) != word]
    if differs:
        raise CorpusError(
            f"{settings.out}: holds another run ({'; '.join(differs)}); choose another --out, or remove it"
        )


def _work(settings: Settings, what: str, work: Callable[..., str], jobs: Sequence[Any], *arguments: object) -> None:
    """Have workers do what is not done yet.

    Raises:
        CorpusError: some of it failed; what is done is kept.
    """
    left = [job for job in jobs if not (settings.out / job.file_name).exists()]
    failed = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(what, total=len(jobs), completed=len(jobs) - len(left))
        if not left:
            return
        done = on_workers(work, left, *arguments, recipe(), scheduler=settings.scheduler, workers=settings.workers)
        for job, result in done:
            if isinstance(result, Exception):
                failed += 1
                progress.console.print(f"{job.file_name}: {type(result).__name__}: {result}")
            progress.update(task, advance=1)
    if failed:
        raise CorpusError(f"{what}: {failed} of {len(jobs)} failed; what is done is kept: run the same command again")


def _choose_for(settings: Settings, model: Model, number: int, shards: Sequence[Shard]) -> int:
    """Choose what the model's arm learns from next, and as much at random; how many windows."""
    mined, drawn = (_chosen_path(settings.out, arm, model.seed, number) for arm in ARMS)
    if not (mined.exists() and drawn.exists()):
        candidates = _candidates(settings.out, model.seed, shards)
        left = [_not_yet(candidates, settings.out, arm, model.seed, number) for arm in ARMS]
        new = _new(left[0], kept_in(settings.out / model.file_name, "known"), settings.windows)
        if not new:
            return 0
        annotate(_drawn(left[1], len(new), np.random.default_rng([model.seed, number, 83])), settings.data, drawn)
        annotate(new, settings.data, mined)
    windows = len(taken(mined))
    print(f"round {number}, seed {model.seed}: {windows} windows", flush=True)
    return windows


def kept_in(path: Path, name: str) -> NDArray[Any]:
    """One of the things that `look.keep` keeps beside the weights.

    Raises:
        CorpusError: the file is damaged.
    """
    try:
        with np.load(path) as kept:
            return np.asarray(kept[name])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path}: damaged: {error}; remove it and run the same command again") from error


def _chosen_path(out: Path, arm: str, seed: int, number: int) -> Path:
    return out / Part("training", f"{arm}-{seed}-{number}", 0).file_name


def _candidates(out: Path, seed: int, shards: Sequence[Shard]) -> list[_Candidate]:
    rows: list[_Candidate] = []
    for shard in shards:
        rows += pq.read_table(out / shard.file_name, filters=[("seed", "==", seed)]).to_pylist()
    return rows


def _not_yet(candidates: Sequence[_Candidate], out: Path, arm: str, seed: int, number: int) -> list[_Candidate]:
    """Those of whose clips an arm has no window yet."""
    before: set[tuple[str, int]] = set()
    for earlier in range(1, number):
        before |= taken(_chosen_path(out, arm, seed, earlier))
    return [each for each in candidates if (each["file"], each["clip"]) not in before]


def _new(candidates: Sequence[_Candidate], known: NDArray[np.float32], count: int) -> list[Window]:
    """What is new to a model, around the moments that it takes for motion."""
    sounds = np.array([each["sound"] for each in candidates], np.float32).reshape(len(candidates), known.shape[1])
    choice = mine.choose(sounds, np.array([each["log_odds"] for each in candidates]), known, count=count)
    found = []
    for at, novelty in zip(choice.index.tolist(), choice.novelty.tolist(), strict=True):
        each = candidates[at]
        why = {"log_odds": round(each["log_odds"], 3), "novelty": round(novelty, 3)}
        found.append(_window(each, mine.window_start(each["peak"], each["hops"]), why))
    return found


def _drawn(candidates: Sequence[_Candidate], count: int, draw: np.random.Generator) -> list[Window]:
    """Windows of any clips, anywhere in them."""
    found = []
    for at in draw.permutation(len(candidates))[:count].tolist():
        spare = max(candidates[at]["hops"] - mine.WINDOW_HOPS, 0)
        found.append(_window(candidates[at], int(draw.integers(spare + 1)), {}))
    return found


def _window(candidate: _Candidate, start: int, why: dict[str, float]) -> Window:
    first, size = candidate["first"] + start, min(mine.WINDOW_HOPS, candidate["hops"])
    return Window(candidate["file"], candidate["clip"], slice(first, first + size), why)
