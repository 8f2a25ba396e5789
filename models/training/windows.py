"""Windows of a corpus: what is mined, drawn at random and learned from, each as long as the other."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from appliance.features.evidence import FEATURES, SETTLE_S
from models.training.corpus import CorpusError, Rows, clip_starts, write_whole
from models.training.mine import WINDOW_HOPS


@dataclass(frozen=True, slots=True)
class Sound:
    """A clip of which nothing but its sound is known.

    `clip` is its number, `first` its first row in the file; `values` [hops, FEATURES], `settled` [hops].
    """

    clip: int
    first: int
    values: NDArray[np.float16]
    settled: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """Where it is: rows of a file of the corpus; and why it was taken, in words and numbers."""

    file: str
    clip: int
    rows: slice
    why: dict[str, Any]


def sounds_of(path: Path) -> Iterator[Sound]:
    """The clips of a file, without labels: those columns are not even read.

    Raises:
        CorpusError: the file is damaged.
    """
    try:
        table = pq.read_table(path, columns=["clip", "t_s", "settled", "values"]).combine_chunks()
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path}: damaged: {error}; remove it and run generate again") from error
    clip, t_s, settled = (table[name].to_numpy() for name in ("clip", "t_s", "settled"))
    values = table["values"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, FEATURES)
    for low, high in pairwise([*clip_starts(clip, t_s).tolist(), len(clip)]):
        yield Sound(int(clip[low]), low, values[low:high], settled[low:high])


def annotate(chosen: Sequence[Window], data: Path, path: Path) -> None:
    """Write windows with their truth, as an annotator would give it, as a corpus of which each is a clip.

    Raises:
        CorpusError: a file is damaged, or there is no room.
    """
    tables, about, words = [], [], {}
    for number, window in enumerate(chosen):
        try:
            table = pq.read_table(data / window.file)
            words = json.loads(table.schema.metadata[b"pipistrelle"])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise CorpusError(f"{data / window.file}: damaged: {error}; remove it and run generate again") from error
        part = table.slice(window.rows.start, window.rows.stop - window.rows.start)
        clip = pa.array(np.full(len(part), number, np.int32))
        tables.append(part.set_column(part.schema.get_field_index("clip"), "clip", clip).replace_schema_metadata())
        known = next(each for each in words["clips"] if each["clip"] == window.clip)
        place = {"file": window.file, "of": window.clip, "rows": [window.rows.start, window.rows.stop]}
        about.append(known | {"clip": number} | place | window.why)
    table = pa.concat_tables(tables).replace_schema_metadata(
        {b"pipistrelle": json.dumps(words | {"clips": about}).encode()}
    )
    write_whole(table, path)


def taken(path: Path) -> set[tuple[str, int]]:
    """File and number of the clips that `annotate` has written windows of.

    Raises:
        CorpusError: the file is damaged.
    """
    try:
        clips = json.loads(pq.read_schema(path).metadata[b"pipistrelle"])["clips"]
        return {(each["file"], each["of"]) for each in clips}
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"{path}: damaged: {error}; remove it and run the same command again") from error


def windowed(*corpora: Rows) -> Rows:
    """All windows of some corpora, each from rest: its first `SETTLE_S` teach nothing."""
    columns: dict[str, list[NDArray[Any]]] = {each.name: [] for each in fields(Rows)}
    about, start = [], [0]
    for rows in corpora:
        for clip, words in zip(rows.clips, rows.about, strict=True):
            size = min(WINDOW_HOPS, clip.stop - clip.start)
            for low in range(clip.start, clip.stop - size + 1, size):
                for name, column in columns.items():
                    if name not in ("start", "about"):
                        column.append(getattr(rows, name)[low : low + size])
                t_s = columns["t_s"][-1]
                columns["settled"][-1] = columns["settled"][-1] & (t_s >= t_s[0] + SETTLE_S)
                about.append(words)
                start.append(start[-1] + size)
    joined = {name: np.concatenate(column) for name, column in columns.items() if name not in ("start", "about")}
    return Rows(**joined, start=np.array(start[:-1]), about=about)
