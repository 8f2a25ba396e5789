"""A snippet: some seconds of baseband around a moment worth learning from, and the file that it is kept in.

A file is a line that says what it is, a line of JSON with all that is needed to use it, the compressed values, and a
SHA-256 of everything before. It holds what the microphones heard within 1.2 kHz of the carriers and nothing else: no
sound that anybody can hear, no name, no place and no time of day.
"""

import enum
import hashlib
import json
import zlib
from dataclasses import dataclass, replace
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from appliance.errors import SourceError
from appliance.snippets.answer import Answer
from appliance.types import MAX_CARRIERS, MAX_MICS, MotionClass, Score

FORMAT = 1
"""Counts up with each change of what a file holds."""

SUFFIX = ".snippet"

LOWEST_HZ = 28_000.0
"""Nothing below is kept: a snippet whose band reaches lower is neither written nor read."""

MAX_IQ_BYTES = 32 << 20
"""Of baseband in a snippet: more than 30 s of 8 microphones and 4 carriers."""

MAX_FILE_BYTES = MAX_IQ_BYTES + (8 << 20)

SCORE_COLUMNS = ("t_s", *MotionClass, "radial_mps", "other")
"""Of a row of scores: stream time, a probability per class, the radial velocity, and motion as the other detector sees
it; NaN where nothing was said."""

_MOTION = [SCORE_COLUMNS.index(kind) for kind in (MotionClass.MAJOR, MotionClass.MINOR)]
_MAGIC = b"pipistrelle snippet\n"
_MAX_HEADER_BYTES = 16_384
_DIGEST_BYTES = hashlib.sha256().digest_size
_MAX_ROWS = 20_000
_PLANES = np.dtype(np.complex64).itemsize
_FAST = 1
"""zlib's level: higher ones save 1 % of the bytes."""

_CURE = "it cannot be used; delete it, or copy it again"


class Reason(enum.StrEnum):
    """Why a snippet was kept."""

    NEAR_THRESHOLD = "near_threshold"
    DISAGREEMENT = "disagreement"
    BRIEF = "brief"
    WRONG = "wrong"


class Facts(BaseModel):
    """What a file's header says, beside the sizes that it needs to be read.

    `at_s` is the moment for which it was kept, in the stream's time; `doubt` is `doubt.highest_doubt` of its scores;
    `source` is the detector, `model_sha256` its file; `first_frame` is that of the baseband's first sample.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    why: Reason
    at_s: float
    doubt: Annotated[float, Field(ge=0.0, le=1.0)]
    answer: Answer | None = None
    source: Annotated[str, Field(pattern=r"^[a-z]{1,32}$")]
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    false_alarms_per_day: Annotated[float, Field(gt=0.0)]
    pets: bool = False
    feature_version: Annotated[int, Field(ge=1)]
    software: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")]
    pcm_rate_hz: Annotated[int, Field(ge=8_000, le=1_000_000)]
    rate_hz: Annotated[float, Field(ge=100.0, le=50_000.0)]
    carriers_hz: Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_CARRIERS)]
    first_frame: Annotated[int, Field(ge=0, le=1 << 60)]

    @model_validator(mode="after")
    def _hears_nobody_speak(self) -> Self:
        lowest_hz = min(self.carriers_hz) - self.rate_hz / 2.0
        if lowest_hz < LOWEST_HZ:
            raise ValueError(f"a band from {lowest_hz:g} Hz on reaches below {LOWEST_HZ:g} Hz")
        if not (self.pcm_rate_hz / self.rate_hz).is_integer():
            raise ValueError("rate_hz must go into pcm_rate_hz")
        return self


class _Header(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    format: int
    facts: Facts
    mics: Annotated[int, Field(ge=1, le=MAX_MICS)]
    samples: Annotated[int, Field(ge=1)]
    blocks: Annotated[int, Field(ge=1, le=_MAX_ROWS)]
    scores: Annotated[int, Field(ge=0, le=_MAX_ROWS)]
    body_bytes: Annotated[int, Field(ge=1, le=MAX_FILE_BYTES)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.iq_bytes > MAX_IQ_BYTES:
            raise ValueError(f"{self.iq_bytes} bytes of baseband, at most {MAX_IQ_BYTES} are read")
        return self

    @property
    def iq_bytes(self) -> int:
        return len(self.facts.carriers_hz) * self.mics * self.samples * _PLANES


@dataclass(frozen=True, slots=True)
class Snippet:
    """Baseband as the pipeline got it, block by block, and what was said of it.

    `iq` [carriers, mics, samples] complex64, full scale 1.0; `blocks` [blocks, 2] int64: samples of each block, and PCM
    frames from the first sample's to the block's end; `scores` [scores, SCORE_COLUMNS] float64.
    """

    facts: Facts
    iq: NDArray[np.complex64]
    blocks: NDArray[np.int64]
    scores: NDArray[np.float64]

    @property
    def duration_s(self) -> float:
        """Of its sound."""
        return self.iq.shape[2] / self.facts.rate_hz

    @property
    def identity(self) -> str:
        """A short digest of the sound: the same for two copies, whatever was answered."""
        return hashlib.sha256(np.ascontiguousarray(self.iq, "<c8").tobytes()).hexdigest()[:16]

    @property
    def motion(self) -> NDArray[np.float64]:
        """Probability that a person moved, [scores]."""
        return motion_of(self.scores)

    def answered(self, answer: Answer) -> "Snippet":
        """The same with an answer."""
        return replace(self, facts=self.facts.model_copy(update={"answer": answer}))


def score_row(score: Score, other: float) -> tuple[float, ...]:
    """A row of `Snippet.scores`; `other` is motion as the other detector sees it, NaN where there is none."""
    probabilities = [score.probabilities.get(kind, np.nan) for kind in MotionClass]
    return score.t_s, *probabilities, np.nan if score.radial_mps is None else score.radial_mps, other


def motion_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of motion, [scores], of rows of scores."""
    return np.asarray(np.nansum(scores[:, _MOTION], axis=1))


def encode(snippet: Snippet) -> bytes:
    """The file of a snippet."""
    iq = np.ascontiguousarray(snippet.iq, "<c8")
    # the bytes of one weight side by side: the tone that stands still makes the upper ones nearly constant
    planes = np.frombuffer(iq, np.uint8).reshape(-1, _PLANES).T
    packer = zlib.compressobj(_FAST)
    body = b"".join(
        (
            packer.compress(np.ascontiguousarray(planes).data),
            packer.compress(snippet.blocks.astype("<i8").tobytes()),
            packer.compress(snippet.scores.astype("<f8").tobytes()),
            packer.flush(),
        )
    )
    header = _Header(
        format=FORMAT,
        facts=snippet.facts,
        mics=iq.shape[1],
        samples=iq.shape[2],
        blocks=len(snippet.blocks),
        scores=len(snippet.scores),
        body_bytes=len(body),
    )
    content = _MAGIC + header.model_dump_json().encode() + b"\n" + body
    return content + hashlib.sha256(content).digest()


def decode(content: bytes, *, name: str) -> Snippet:
    """The snippet in a file's bytes; `name` is what messages call it.

    Raises:
        SourceError: it is no snippet, of another version, truncated, damaged, or holds what is no number.
    """
    header, at = _read_header(content, name)
    wanted = at + header.body_bytes + _DIGEST_BYTES
    if len(content) < wanted:
        raise SourceError(f"{name}: truncated: {len(content)} of {wanted} bytes are there; {_CURE}")
    signed, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
    if len(content) > wanted or hashlib.sha256(signed).digest() != digest:
        raise SourceError(f"{name}: damaged: its checksum is another one; {_CURE}")
    sizes = (header.iq_bytes, header.blocks * 16, header.scores * len(SCORE_COLUMNS) * 8)
    unpacker = zlib.decompressobj()
    try:
        body = unpacker.decompress(signed[at:], sum(sizes) + 1)
    except zlib.error as error:
        raise SourceError(f"{name}: damaged: {error}; {_CURE}") from error
    if len(body) != sum(sizes):
        raise SourceError(f"{name}: damaged: it holds other values than its header says; {_CURE}")
    iq_end, blocks_end = sizes[0], sizes[0] + sizes[1]
    planes = np.frombuffer(body[:iq_end], np.uint8).reshape(_PLANES, -1)
    shape = (len(header.facts.carriers_hz), header.mics, header.samples)
    snippet = Snippet(
        header.facts,
        np.ascontiguousarray(planes.T).view("<c8").astype(np.complex64, copy=False).reshape(shape),
        np.frombuffer(body[iq_end:blocks_end], "<i8").reshape(-1, 2).astype(np.int64),
        np.frombuffer(body[blocks_end:], "<f8").reshape(-1, len(SCORE_COLUMNS)).astype(np.float64),
    )
    _check(snippet, name)
    return snippet


def decode_facts(content: bytes, *, name: str) -> tuple[Facts, float]:
    """What the beginning of a file says, and how many seconds it holds; the rest is not looked at.

    Raises:
        SourceError: it is no snippet, of another version, or damaged.
    """
    header, _ = _read_header(content, name)
    return header.facts, header.samples / header.facts.rate_hz


HEAD_BYTES = len(_MAGIC) + _MAX_HEADER_BYTES
"""Of a file hold all that `decode_facts` looks at."""


def version_words(found: object, wanted: int) -> str:
    """What is wrong with a file's version, and the cure."""
    if isinstance(found, int) and found < wanted:
        return f"was written by an older version (format {found}; this one reads {wanted}); export it anew"
    return f"has format {str(found)[:20]!r}, this version reads {wanted}; update this software"


def _read_header(content: bytes, name: str) -> tuple[_Header, int]:
    """The header, and where the values begin."""
    if not content:
        raise SourceError(f"{name}: truncated: it is empty; {_CURE}")
    if not content.startswith(_MAGIC):
        if _MAGIC.startswith(content):
            raise SourceError(f"{name}: truncated: {len(content)} bytes are there; {_CURE}")
        raise SourceError(f"{name}: is no snippet")
    end = content.find(b"\n", len(_MAGIC), HEAD_BYTES)
    if end < 0:
        reason = "truncated" if len(content) < HEAD_BYTES else "damaged"
        raise SourceError(f"{name}: {reason}: its header does not end; {_CURE}")
    text = content[len(_MAGIC) : end]
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: damaged: its header is not JSON; {_CURE}") from error
    version = said.get("format") if isinstance(said, dict) else None
    if version != FORMAT or isinstance(version, bool):
        raise SourceError(f"{name}: {version_words(version, FORMAT)}")
    try:
        return _Header.model_validate_json(text), end + 1
    except ValidationError as error:
        first = error.errors()[0]
        place = (".".join(map(str, first["loc"])) or "header").encode("unicode_escape").decode()[:80]
        raise SourceError(f"{name}: damaged: {place}: {first['msg']}; {_CURE}") from error


def _check(snippet: Snippet, name: str) -> None:
    """Whether the values are such as the pipeline may get."""
    if not np.isfinite(snippet.iq.view(np.float32)).all():
        raise SourceError(f"{name}: its sound holds values that are no numbers; {_CURE}")
    samples, ends = snippet.blocks[:, 0], snippet.blocks[:, 1]
    group = round(snippet.facts.pcm_rate_hz / snippet.facts.rate_hz)
    whole = samples.min() >= 0 and samples.max() <= snippet.iq.shape[2] and samples.sum() == snippet.iq.shape[2]
    # a block ends behind its last sample's frame, and before the next sample's
    behind = ends - (np.cumsum(samples) - 1) * group
    if not whole or behind.min() < 1 or behind.max() > group or (np.diff(ends) < 0).any():
        raise SourceError(f"{name}: damaged: its blocks do not follow one another; {_CURE}")
    t_s, said = snippet.scores[:, 0], snippet.scores[:, 1 : 1 + len(MotionClass)]
    if not np.isfinite(t_s).all() or (np.diff(t_s) <= 0.0).any():
        raise SourceError(f"{name}: the times of its scores are no numbers, or do not rise; {_CURE}")
    if ((said < 0.0) | (said > 1.0)).any() or np.isnan(said).all(axis=1).any() or np.isinf(snippet.scores).any():
        raise SourceError(f"{name}: its scores hold values that are no probabilities; {_CURE}")
