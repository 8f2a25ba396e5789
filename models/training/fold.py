"""Exports of many homes into the corpus: captures through the service's own pipeline, labelled by their owners.

Where there is no answer the label is `UNLABELLED`: such hops teach nothing, and can be sorted for the next round.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from appliance.errors import SourceError
from appliance.features.doppler import Doppler
from appliance.features.evidence import FEATURE_VERSION, FEATURES
from appliance.presence.motion import START_SCORE
from appliance.snippets.answer import Answer
from appliance.snippets.archive import read_archive
from appliance.snippets.replay import replay
from appliance.snippets.snippet import SCORE_COLUMNS, Snippet
from appliance.types import MotionClass
from models.training.corpus import CorpusError, recipe
from models.training.listen import CLASSES, UNLABELLED, Recorder

CORPUS = "homes"
"""Its name for `train --corpora`."""

_SHARE = "training"
_NEAR_S = 0.02
"""A hop of a replay lies no farther from that of then."""

_MAJOR, _MINOR = (SCORE_COLUMNS.index(kind) for kind in (MotionClass.MAJOR, MotionClass.MINOR))


@dataclass(frozen=True, slots=True)
class Folded:
    """What a run did: the file that it wrote, if any, captures in it, those with an answer, and who was left out."""

    path: Path | None
    captures: int
    answered: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the model would see of a capture, one row a hop, as `listen.Heard`."""

    t_s: NDArray[np.float32]
    values: NDArray[np.float32]
    settled: NDArray[np.bool_]
    label: NDArray[np.int8]


def fold(exports: Sequence[Path], folder: Path) -> Folded:
    """Fold exports into a corpus; what cannot be used is left out and told, and the rest goes on.

    Raises:
        CorpusError: the corpus cannot be written.
    """
    known = _known(folder)
    chosen: dict[str, tuple[str, Snippet]] = {}
    left_out: list[str] = []
    for name, found in _all_of(exports):
        if isinstance(found, SourceError):
            left_out.append(str(found))
            continue
        identity = found.identity
        if identity in known:
            left_out.append(f"{name}: {identity} is in {known[identity]} already")
        elif identity in chosen and (chosen[identity][1].facts.answer or not found.facts.answer):
            left_out.append(f"{name}: {identity} came with {chosen[identity][0]} already")
        else:
            if identity in chosen:  # the same sound, but now with an answer
                left_out.append(f"{chosen[identity][0]}: {identity} comes with {name} too, and with an answer")
            chosen[identity] = (name, found)
    heard: dict[str, tuple[Snippet, _Heard]] = {}
    for identity, (name, snippet) in chosen.items():
        hops = _hear(snippet)
        if not len(hops.t_s):
            left_out.append(f"{name}: {identity} is too short to show anything")
        elif not np.isfinite(hops.values).all():
            left_out.append(f"{name}: {identity} has features that are no numbers")
        else:
            heard[identity] = (snippet, hops)
    path = _write(heard, folder) if heard else None
    answered = sum(snippet.facts.answer is not None for snippet, _ in heard.values())
    return Folded(path, len(heard), answered, tuple(left_out))


def _all_of(exports: Sequence[Path]) -> Iterator[tuple[str, Snippet | SourceError]]:
    for path in exports:
        try:
            for found in read_archive(path):
                yield str(path), found
        except SourceError as error:
            yield str(path), error


def _hear(snippet: Snippet) -> _Heard:
    said_s, motion = snippet.scores[:, 0], snippet.motion
    recorders: list[Recorder] = []

    def motion_at(t_s: float) -> float:
        at = _nearest(said_s, t_s)
        return 0.0 if at is None else float(motion[at])

    def make(doppler: Doppler) -> Recorder:
        recorders.append(Recorder(doppler, motion_at, source="device"))
        return recorders[0]

    for _ in replay(snippet, make):
        pass
    (recorder,) = recorders
    t_s = np.array(recorder.t_s)
    return _Heard(
        t_s=(t_s - snippet.facts.first_frame / snippet.facts.pcm_rate_hz).astype(np.float32),
        values=np.array(recorder.values, np.float32).reshape(len(t_s), FEATURES),
        settled=np.array(recorder.settled, bool),
        label=np.array([_label(snippet, each) for each in t_s], np.int8),
    )


def _label(snippet: Snippet, t_s: float) -> int:
    """Of a hop: what the answer says of motion then; what it leaves open is unlabelled."""
    answer = snippet.facts.answer
    at = _nearest(snippet.scores[:, 0], t_s)
    if answer is None:
        return UNLABELLED
    moving = at is not None and bool(snippet.motion[at] >= START_SCORE)
    if answer is not Answer.SOMEBODY:
        quiet = answer is Answer.NOBODY and not moving
        return CLASSES.index(MotionClass.NOTHING if quiet else MotionClass.NUISANCE)
    if at is None or not moving:
        return UNLABELLED  # somebody was there, but nobody says at which instants they moved
    row = snippet.scores[at]
    return CLASSES.index(MotionClass.MAJOR if row[_MAJOR] >= row[_MINOR] else MotionClass.MINOR)


def _nearest(times_s: NDArray[np.float64], t_s: float) -> int | None:
    if not len(times_s):
        return None
    at = int(np.abs(times_s - t_s).argmin())
    return at if abs(times_s[at] - t_s) <= _NEAR_S else None


def _known(folder: Path) -> dict[str, str]:
    """The file in which each capture of the corpus is."""
    known = {}
    for path in sorted(folder.glob(f"{_SHARE}-{CORPUS}-tones-*.parquet")):
        try:
            words = json.loads(pq.read_schema(path).metadata[b"pipistrelle"])
            known |= {about["identity"]: path.name for about in words["clips"]}
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"{path}: damaged: {error}; remove it and fold its exports again") from error
    return known


def _write(heard: dict[str, tuple[Snippet, _Heard]], folder: Path) -> Path:
    taken = [int(path.stem.rsplit("-", 1)[1]) for path in folder.glob(f"{_SHARE}-{CORPUS}-tones-*.parquet")]
    path = folder / f"{_SHARE}-{CORPUS}-tones-{max(taken, default=-1) + 1:05d}.parquet"
    about: list[dict[str, Any]] = []
    for number, (identity, (snippet, _)) in enumerate(heard.items()):
        facts = snippet.facts
        kinds = [CORPUS, *([facts.answer.value] if facts.answer else [])]
        about.append({
            "clip": number, "identity": identity, "kinds": kinds, "mics": snippet.iq.shape[1], "why": facts.why.value,
            "doubt": facts.doubt, "carriers_hz": facts.carriers_hz,
        })  # fmt: skip
    every = [hops for _, hops in heard.values()]
    hops = sum(len(each.t_s) for each in every)
    flat = np.concatenate([each.values for each in every]).astype(np.float16).reshape(-1)
    table = pa.table({
        "clip": np.repeat(np.arange(len(every), dtype=np.int32), [len(each.t_s) for each in every]),
        **{name: np.concatenate([getattr(each, name) for each in every]) for name in ("t_s", "label", "settled")},
        "radial_mps": np.full(hops, np.nan, np.float32),
        "distance_m": np.full(hops, np.nan, np.float32),
        "values": pa.FixedSizeListArray.from_arrays(pa.array(flat), FEATURES),
    })  # fmt: skip
    words = {"feature_version": FEATURE_VERSION, "recipe": recipe(), "clips": about}
    table = table.replace_schema_metadata({b"pipistrelle": json.dumps(words).encode()})
    partial = path.with_suffix(f".{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, partial, compression="zstd")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CorpusError(f"{path}: {error.strerror}; make room and run the same command again") from error
    return path
