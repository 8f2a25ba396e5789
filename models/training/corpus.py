"""A corpus on disk: a Parquet file for some clips, written whole or not at all, so that a run that was killed goes on.

Made by Dask workers, on this machine or a cluster. A part whose making failed is told and left out; the same command
makes it later.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

import models.training
from appliance.errors import ApplianceError
from appliance.evaluation.judge import code_version
from appliance.features.evidence import FEATURE_VERSION, FEATURES
from appliance.simulation.captures import Captures
from models.training.clips import EMISSIONS, clip_of, clip_s
from models.training.listen import listen

if TYPE_CHECKING:
    import distributed

PART_S = 600.0
"""Sound in a file."""

_SOURCES = ("cancel", "dsp", "features", "simulation", "evaluation/split.py", "physics.py", "pipeline.py")

_RETRIES = 2
_CONNECT_S = 15.0


class CorpusError(ApplianceError):
    """A corpus cannot be made or read; what is whole of it stays."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some clips of a corpus: `number` counts parts of `PART_S`; `emission` is what is played in them."""

    share: str
    corpus: str
    number: int
    emission: str = "tones"

    @property
    def clips(self) -> range:
        """Numbers of its clips."""
        each = max(1, round(PART_S / clip_s(self.corpus)))
        return range(self.number * each, (self.number + 1) * each)

    @property
    def file_name(self) -> str:
        """Within the corpus's folder."""
        return f"{self.share}-{self.corpus}-{self.emission}-{self.number:05d}.parquet"


@dataclass(frozen=True, slots=True)
class Rows:
    """Clips as the network reads them, one row a hop, clips one behind the other.

    `values` [rows, FEATURES] float16; `label`, `radial_mps`, `distance_m`, `settled`, `t_s` [rows]; `start` [clips]:
    first row of each; `about` [clips]: what is in each; `recipes`: digests of the code that made them.
    """

    values: NDArray[np.float16]
    label: NDArray[np.int8]
    radial_mps: NDArray[np.float32]
    distance_m: NDArray[np.float32]
    settled: NDArray[np.bool_]
    t_s: NDArray[np.float32]
    start: NDArray[np.int64]
    about: list[dict[str, Any]]
    recipes: tuple[str, ...] = ()

    @property
    def clips(self) -> list[slice]:
        """Where each clip is."""
        return [slice(low, high) for low, high in pairwise([*self.start.tolist(), len(self.label)])]


def recipe() -> str:
    """A digest of all code that a clip follows from."""
    digest = hashlib.sha256(code_version(_SOURCES).encode())
    for name in ("clips.py", "listen.py"):
        digest.update((Path(models.training.__path__[0]) / name).read_bytes())
    return digest.hexdigest()[:16]


def make_part(part: Part, folder: str, captures: str | None, wanted_recipe: str) -> str:
    """Listen to the clips of a part and write them; the file's name.

    Raises:
        CorpusError: this worker has other code, or the file cannot be written.
    """
    if recipe() != wanted_recipe:
        raise CorpusError(f"a worker has code {recipe()}, wanted {wanted_recipe}: install the same version everywhere")
    found = Captures((Path(captures),) if captures else ())
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in ("clip", *_COLUMNS)}
    values, about = [], []
    for number in part.clips:
        clip = clip_of(part.share, part.corpus, number, found, emission=part.emission)
        heard = listen(clip)
        columns["clip"].append(np.full(len(heard.t_s), number, np.int32))
        for name in _COLUMNS:
            columns[name].append(getattr(heard, name))
        values.append(heard.values)
        about.append({
            "clip": number, "seed": clip.seed, "kinds": clip.kinds, "mics": clip.mics, "believes": clip.believes,
            "emission": part.emission, "tones": clip.tones and asdict(clip.tones),
            "chirps": clip.chirps and asdict(clip.chirps),
        })  # fmt: skip
    flat = np.concatenate(values).astype(np.float16).reshape(-1)
    table = pa.table({
        **{name: np.concatenate(column) for name, column in columns.items()},
        "values": pa.FixedSizeListArray.from_arrays(pa.array(flat), FEATURES),
    })  # fmt: skip
    words = {"feature_version": FEATURE_VERSION, "recipe": wanted_recipe, "clips": about}
    table = table.replace_schema_metadata({b"pipistrelle": json.dumps(words).encode()})
    write_whole(table, Path(folder) / part.file_name)
    return part.file_name


def write_whole(table: pa.Table, path: Path) -> None:
    """Write a table, whole or not at all.

    Raises:
        CorpusError: there is no room.
    """
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        pq.write_table(table, partial, compression="zstd")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CorpusError(f"{path}: {error.strerror}; make room and run the same command again") from error


_COLUMNS = ("t_s", "label", "radial_mps", "distance_m", "settled")


def missing_parts(parts: Sequence[Part], folder: Path) -> list[Part]:
    """Those that are not there, damaged, or made by another recipe."""
    wanted = recipe()
    return [part for part in parts if _words_of(folder / part.file_name).get("recipe") != wanted]


def _words_of(path: Path) -> dict[str, Any]:
    try:
        words = json.loads(pq.read_schema(path).metadata[b"pipistrelle"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}


def on_workers(
    work: Callable[..., str], parts: Sequence[Part], *arguments: object, scheduler: str | None, workers: int
) -> Iterator[tuple[Part, str | Exception]]:
    """Each part with the name of its file, or with what went wrong, as they come.

    Raises:
        CorpusError: no scheduler answers, or it went away; what is done is kept.
    """
    import distributed
    from distributed.comm.core import CommClosedError

    asked: dict[Future[str], Part] = {}
    waiting = iter(parts)
    with _client(scheduler, workers) as client:
        completed = distributed.as_completed()

        def ask() -> None:
            # no more than run at once: what waits beside a part that kills its worker would be blamed with it
            for part in islice(waiting, max(0, max(1, sum(client.nthreads().values())) - len(asked))):
                future = client.submit(work, part, *arguments, pure=False, retries=_RETRIES)
                asked[future] = part
                completed.add(future)

        try:
            ask()
            for future in completed:
                result: str | Exception
                try:
                    result = future.result()
                except (distributed.CancelledError, CommClosedError, TimeoutError):
                    raise
                except Exception as error:  # noqa: BLE001  a part's own failure, whatever it is, is told and not the end
                    result = error
                part = asked.pop(future)
                ask()
                yield part, result
        except (distributed.CancelledError, CommClosedError, TimeoutError) as error:
            raise CorpusError(
                f"{scheduler or 'this machine'}: the Dask scheduler went away; what is done is kept: "
                "run the same command again"
            ) from error


@contextmanager
def _client(scheduler: str | None, workers: int) -> "Iterator[distributed.Client]":
    """Of a scheduler, or of workers on this machine.

    Raises:
        CorpusError: no scheduler answers.
    """
    import distributed

    try:
        cluster = None
        if scheduler is None:
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
            )
        client = distributed.Client(cluster or scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError, RuntimeError) as error:
        raise CorpusError(f"{scheduler or 'this machine'}: no Dask scheduler answers there: {error}") from error
    try:
        yield client
    finally:
        client.close()
        if cluster is not None:
            cluster.close()


def clip_starts(clip: NDArray[np.int32], t_s: NDArray[np.float32]) -> NDArray[np.int64]:
    """First rows of clips, from each row's clip number and time: clips of one number may follow one another."""
    return np.concatenate([[0], np.flatnonzero((np.diff(clip) != 0) | (np.diff(t_s) < 0.0)) + 1])


def read_corpus(folder: Path, *, share: str, corpora: Sequence[str], emissions: Sequence[str] = EMISSIONS) -> Rows:
    """All that is there of some corpora, with those emissions.

    Raises:
        CorpusError: nothing is there, a file is damaged, or its values are of another version.
    """
    patterns = [f"{share}-{corpus}-{emission}-*.parquet" for corpus in corpora for emission in emissions]
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not paths:
        raise CorpusError(
            f"{folder}: no {share} corpus {' or '.join(corpora)} there; make it: generate --share {share}"
        )
    tables, about, recipes = [], [], set()
    for path in paths:
        words = _words_of(path)
        if words.get("feature_version") != FEATURE_VERSION:
            found = words.get("feature_version", "no")
            raise CorpusError(
                f"{path}: wanted feature version {FEATURE_VERSION}, found {found}; remove it and run generate again"
            )
        try:
            tables.append(pq.read_table(path))
        except (OSError, pa.ArrowException) as error:
            raise CorpusError(f"{path}: damaged: {error}; remove it and run generate again") from error
        recipes.add(str(words["recipe"]))
        # a unit whose loudspeaker has a notch at its carrier hears no tone, and its clip has no hop
        heard = set(np.unique(tables[-1]["clip"].to_numpy()).tolist())
        about += [each for each in words["clips"] if each["clip"] in heard]
    table = pa.concat_tables(tables).combine_chunks()
    clip = table["clip"].to_numpy()
    values = table["values"].combine_chunks()
    flat = values.flatten().to_numpy(zero_copy_only=False)
    return Rows(
        values=flat.reshape(-1, FEATURES),
        start=clip_starts(clip, table["t_s"].to_numpy()),
        about=about,
        recipes=tuple(sorted(recipes)),
        **{name: table[name].to_numpy() for name in _COLUMNS},
    )
