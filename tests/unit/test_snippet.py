"""The file of a snippet: what is written is read, and everything else is refused by name."""

import hashlib
import json
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.snippets import facts, small, with_header

from appliance.errors import SourceError
from appliance.snippets.answer import Answer
from appliance.snippets.snippet import FORMAT, Reason, decode, decode_facts, encode

CONTENT = encode(small())


def same(one, other):
    return (
        one.facts == other.facts
        and one.iq.tobytes() == other.iq.tobytes()
        and (one.blocks == other.blocks).all()
        and one.scores.tobytes() == other.scores.tobytes()
    )


@given(
    seed=st.integers(0, 99),
    blocks=st.integers(1, 9),
    mics=st.integers(1, 8),
    scores=st.integers(0, 9),
    carriers=st.lists(st.floats(30_000, 90_000), min_size=1, max_size=4),
    why=st.sampled_from(Reason),
    answer=st.sampled_from([None, *Answer]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_to_the_last_bit(seed, blocks, mics, scores, carriers, why, answer):
    snippet = small(seed, blocks=blocks, mics=mics, scores=scores, carriers_hz=tuple(carriers), why=why, answer=answer)
    again = decode(encode(snippet), name="x")
    assert same(again, snippet)
    assert again.identity == snippet.identity
    assert again.iq.dtype == np.complex64
    assert again.duration_s == pytest.approx(blocks * 0.01)


def test_a_tone_that_stands_still_takes_little_more_than_half_the_space():
    snippet = small(blocks=400, mics=4)
    assert len(encode(snippet)) < 0.65 * snippet.iq.nbytes


def test_the_file_explains_itself_and_names_nobody():
    first, second, _ = CONTENT.split(b"\n", 2)
    assert first == b"pipistrelle snippet"
    said = json.loads(second)
    assert said["format"] == FORMAT
    assert said["facts"]["carriers_hz"] == [40_000.0]
    assert set(said) == {"format", "facts", "mics", "samples", "blocks", "scores", "body_bytes"}
    assert not {"node", "name", "place", "position", "host", "kept_at", "at"} & set(said["facts"])


def test_the_beginning_alone_tells_the_facts():
    assert decode_facts(CONTENT[:2000], name="x") == (small().facts, pytest.approx(0.04))


def test_an_answer_changes_nothing_else():
    answered = small().answered(Answer.PET)
    assert answered.facts.answer is Answer.PET
    assert answered.identity == small().identity
    assert replace(answered, facts=small().facts).facts == small().facts


@pytest.mark.parametrize("carriers_hz", [(29_000.0,), (40_000.0, 28_100.0), (100.0,)])
def test_a_band_that_reaches_below_28_khz_is_neither_written_nor_read(carriers_hz):
    with pytest.raises(ValidationError, match="reaches below 28000 Hz"):
        facts(carriers_hz=carriers_hz)
    said = small().facts.model_dump(mode="json") | {"carriers_hz": list(carriers_hz)[:1]}
    with pytest.raises(SourceError, match="x: damaged: .*28000 Hz" if len(carriers_hz) == 1 else "."):
        decode(with_header(CONTENT, facts=said | {"carriers_hz": list(carriers_hz)}), name="x")


@pytest.mark.parametrize("size", [0, 1, 19, 20, 25, 300, 1200, len(CONTENT) - 33, len(CONTENT) - 1])
def test_a_truncated_file_is_told_as_such(size):
    with pytest.raises(SourceError, match=r"^x: truncated: "):
        decode(CONTENT[:size], name="x")


@pytest.mark.parametrize("at", [40, 700, len(CONTENT) - 100, len(CONTENT) - 1])
def test_a_flipped_bit_is_seen(at):
    content = bytearray(CONTENT)
    content[at] ^= 4
    with pytest.raises(SourceError, match=r"^x: "):
        decode(bytes(content), name="x")


def test_bytes_behind_the_end_are_seen():
    with pytest.raises(SourceError, match="checksum"):
        decode(CONTENT + b"\0", name="x")


@pytest.mark.parametrize(
    ("version", "words"),
    [(0, "older version .format 0; this one reads 1"), (2, "update this software"), ("1", "update"), (None, "update"),
     (True, "update")],
)  # fmt: skip
def test_another_version_is_named(version, words):
    with pytest.raises(SourceError, match=words):
        decode(with_header(CONTENT, format=version), name="x")
    with pytest.raises(SourceError, match=words):
        decode_facts(with_header(CONTENT, format=version)[:1500], name="x")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mics": 9}, "mics"),
        ({"mics": 1}, "other values"),
        ({"samples": 10**9}, "bytes of baseband"),
        ({"samples": 95}, "other values"),
        ({"scores": 0}, "other values"),
        ({"blocks": 10**6}, "blocks"),
        ({"facts": {}}, "why"),
        ({"more": 1}, "more"),
        ({"body_bytes": 10}, "checksum"),
        ({"body_bytes": 10**30}, "body_bytes"),
    ],
)
def test_a_header_that_cannot_be_true_is_named(changes, words):
    with pytest.raises(SourceError, match=words):
        decode(with_header(CONTENT, **changes), name="x")


def spoilt(**parts):
    return encode(replace(small(), **parts))


@pytest.mark.parametrize("value", [math.nan, math.inf, complex(0, -math.inf)])
def test_sound_that_is_no_number_is_named(value):
    iq = small().iq.copy()
    iq[0, 1, 7] = value
    with pytest.raises(SourceError, match=r"^x: its sound holds values that are no numbers"):
        decode(spoilt(iq=iq), name="x")


def test_blocks_that_do_not_follow_are_named():
    for at, value in (((0, 0), -24), ((0, 0), 25), ((1, 1), 0), ((3, 1), 10**15), ((0, 1), -(2**63))):
        blocks = small().blocks.copy()
        blocks[at] = value
        with pytest.raises(SourceError, match="blocks do not follow"):
            decode(spoilt(blocks=blocks), name="x")


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [((0, 0), math.nan, "times"), ((1, 0), -1.0, "times"), ((0, 1), 1.5, "probabilities"), ((0, 2), -0.1, "probab"),
     ((2, 6), math.inf, "probabilities"), ((0, slice(1, 6)), math.nan, "probabilities")],
)  # fmt: skip
def test_scores_that_cannot_be_are_named(at, value, words):
    scores = small().scores.copy()
    scores[at] = value
    with pytest.raises(SourceError, match=words):
        decode(spoilt(scores=scores), name="x")


def test_a_deflate_bomb_is_not_unpacked():
    head, text, _ = CONTENT.split(b"\n", 2)
    bomb = zlib.compress(bytes(20_000_000), 9)
    said = json.loads(text) | {"body_bytes": len(bomb)}
    content = head + b"\n" + json.dumps(said).encode() + b"\n" + bomb
    with pytest.raises(SourceError, match="other values"):
        decode(content + hashlib.sha256(content).digest(), name="x")


def test_this_formats_file_is_what_it_was():
    """An incompatible change must count FORMAT up. The body is compared unpacked, since zlib versions differ."""
    content = encode(small(feature_version=1))
    _, text, rest = content.split(b"\n", 2)
    said = json.loads(text)
    body_bytes = said.pop("body_bytes")
    assert text.decode() == json.dumps(said | {"body_bytes": body_bytes}, separators=(",", ":"))
    assert said == {
        "format": 1,
        "facts": {
            "why": "near_threshold", "at_s": 1.0, "doubt": 0.5, "answer": None, "source": "threshold",
            "model_sha256": None, "false_alarms_per_day": 1.0, "pets": False, "feature_version": 1,
            "software": "0.1.0", "pcm_rate_hz": 192000, "rate_hz": 2400.0, "carriers_hz": [40000.0], "first_frame": 79,
        },
        "mics": 2, "samples": 96, "blocks": 4, "scores": 3,
    }  # fmt: skip
    body = zlib.decompress(rest[:body_bytes])
    assert len(body) == 2 * 96 * 8 + 4 * 16 + 3 * 64
    # sign and exponent of all real parts, which are near 0.1, lie side by side
    assert body[3 * 192 : 4 * 192] == bytes([0x3D]) * 192
    assert rest[body_bytes:] == hashlib.sha256(content[:-32]).digest()


@pytest.mark.parametrize(
    "count", [pytest.param(3_000, id="short"), pytest.param(60_000, id="long", marks=pytest.mark.slow)]
)
def test_any_bytes_are_a_snippet_or_refused(count):
    """Random bytes, and a good file with pieces changed, cut and doubled; half of them with a right checksum."""
    rng = np.random.default_rng(20_261_123)
    refusals = []
    for number in range(count):
        content = bytearray(CONTENT if number % 8 else rng.bytes(int(rng.integers(0, 600))))
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(0, len(content) + 1))
            match int(rng.integers(0, 4)):
                case 0:
                    content[at : at + 1] = rng.bytes(int(rng.integers(0, 4)))
                case 1:
                    del content[at : at + int(rng.integers(1, 2000))]
                case 2:
                    content[at:at] = CONTENT[: int(rng.integers(0, 700))]
                case _:
                    content[at : at + 2] = b'9"'
        if number % 2:
            content = content[:-32] + hashlib.sha256(content[:-32]).digest()
        try:
            decode(bytes(content), name="x")
        except SourceError as error:
            refusals.append(str(error))
    assert len(refusals) > 0.9 * count
    assert all(words.startswith("x: ") and words.isprintable() and len(words) < 300 for words in refusals)
