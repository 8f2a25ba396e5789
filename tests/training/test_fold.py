"""Exports of homes into the corpus: from a room in which something happens to what training reads."""

import hashlib
import io
import json
import math
import subprocess
import sys
import tarfile

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the corpus is Parquet: pip install 'pipistrelle[train]'")
pytest.importorskip("distributed", reason="the corpus is made by Dask: pip install 'pipistrelle[train]'")

from support.lockstep import listen
from support.service import ROOT
from support.snippets import keeping_pipeline, small, with_header

from appliance.cli.main import main
from appliance.features.evidence import FEATURES
from appliance.simulation.scenes import walk
from appliance.snippets.answer import Answer
from appliance.snippets.archive import write_archive
from appliance.snippets.folder import SnippetFolder
from appliance.snippets.snippet import Snippet, encode
from models.training.corpus import CorpusError, read_corpus
from models.training.fold import CORPUS, fold
from models.training.listen import CLASSES, UNLABELLED


def export(path, *snippets):
    """An export with these, or with bytes that stand for one."""
    folder = SnippetFolder(path.with_suffix(""))
    for each in snippets:
        folder.write(encode(each) if isinstance(each, Snippet) else each, max_bytes=10**8)
    write_archive(path, folder.kept())
    return path


def rows_of(data):
    return read_corpus(data, share="training", corpora=(CORPUS,))


def said(seed, answer=None):
    """A second of noise, in the middle of which the device saw motion."""
    snippet = small(seed, blocks=100, answer=answer)
    t_s = np.arange(1, 36) * 0.0267
    motion = np.where((t_s > 0.5) & (t_s < 0.8), 0.9, 0.05)
    rest = np.zeros_like(motion)
    table = np.column_stack([t_s, 1 - motion, motion, rest, rest, rest, rest * math.nan, rest * math.nan])
    return Snippet(snippet.facts, snippet.iq, snippet.blocks, table)


def test_from_a_room_to_the_corpus(tmp_path, capsys):
    """Somebody walks; somebody says it was the cat; the capture is listed, exported and folded."""
    place = tmp_path / "captures"
    kept = []
    pipeline = keeping_pipeline(kept.append, mics=1, before_s=8.0)
    for t_s, _ in listen(walk(distance_m=2.0, start_s=3.0), pipeline, mics=1):
        if t_s > 5.0:
            break
    pipeline.keep_now(Answer.PET)
    SnippetFolder(place).write(encode(kept[0]), max_bytes=10**8)
    assert main(["captures", "list", "--directory", str(place)]) == 0
    assert "pet" in capsys.readouterr().out
    assert main(["captures", "export", str(tmp_path / "home.tar"), "--directory", str(place)]) == 0
    folded = fold([tmp_path / "home.tar"], tmp_path / "corpus")
    assert (folded.captures, folded.answered, folded.left_out) == (1, 1, ())
    rows = rows_of(tmp_path / "corpus")
    assert rows.values.shape == (len(rows.t_s), FEATURES)
    assert np.isfinite(rows.values).all()
    judged = rows.t_s > 2.0
    assert (rows.label[judged] == CLASSES.index("nuisance")).all()
    assert rows.settled[judged].all()
    assert np.isnan(rows.distance_m).all()


def test_answers_become_labels(tmp_path):
    answers = [None, *Answer]
    path = export(tmp_path / "home.tar", *[said(seed, answer) for seed, answer in enumerate(answers)])
    fold([path], tmp_path / "corpus")
    rows = rows_of(tmp_path / "corpus")
    found = {
        about["kinds"][1] if len(about["kinds"]) > 1 else None: {int(each) for each in np.unique(rows.label[clip])}
        for clip, about in zip(rows.clips, rows.about, strict=True)
    }
    nothing, major, nuisance = (CLASSES.index(kind) for kind in ("nothing", "major", "nuisance"))
    assert found[None] == {UNLABELLED}
    assert found["nobody"] == {nothing, nuisance}
    assert found["somebody"] == {UNLABELLED, major}
    assert all(found[name] == {nuisance} for name in ("pet", "fan", "curtain", "other"))


def test_what_cannot_be_used_is_named_and_the_rest_folded(tmp_path):
    good = export(tmp_path / "good.tar", said(1), said(2, Answer.FAN))
    again = export(tmp_path / "again.tar", said(1, Answer.PET), said(2))
    cut = tmp_path / "cut.tar"
    cut.write_bytes(good.read_bytes()[:20_000])
    noise = tmp_path / "noise.tar"
    noise.write_bytes(b"nothing of ours")
    folded = fold([noise, cut, good, again, tmp_path / "none.tar"], tmp_path / "corpus")
    assert (folded.captures, folded.answered) == (2, 2), "of two copies that with an answer"
    told = "\n".join(folded.left_out)
    for words in ("noise.tar: cannot be read", "cut.tar: ", "truncated", "comes with", "came with", "none.tar: cannot"):
        assert words in told


def test_an_older_version_and_sound_that_is_no_number_are_named(tmp_path):
    spoilt = said(3)
    spoilt.iq[0, 0, 5] = math.nan
    contents = {
        "a" * 16 + ".snippet": with_header(encode(said(1)), format=0),
        "b" * 16 + ".snippet": encode(spoilt),
        "c" * 16 + ".snippet": encode(said(4)),
    }
    listed = [{"file": name, "sha256": hashlib.sha256(each).hexdigest()} for name, each in contents.items()]
    manifest = json.dumps({"format": 1, "snippets": listed}).encode()
    with tarfile.open(tmp_path / "home.tar", "w") as archive:
        for name, content in {"manifest.json": manifest, **contents}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    folded = fold([tmp_path / "home.tar"], tmp_path / "corpus")
    assert folded.captures == 1
    old, nan = folded.left_out
    assert "older version" in old
    assert "no numbers" in nan


def test_folding_again_changes_nothing(tmp_path):
    path, data = export(tmp_path / "home.tar", said(1)), tmp_path / "corpus"
    fold([path], data)
    folded = fold([path], data)
    assert folded.path is None
    assert "is in training-homes-tones-00000.parquet already" in folded.left_out[0]
    more = fold([export(tmp_path / "more.tar", said(2))], data)
    assert more.path.name == "training-homes-tones-00001.parquet"
    assert len(rows_of(data).clips) == 2
    more.path.write_bytes(b"damaged")
    with pytest.raises(CorpusError, match="fold its exports again"):
        fold([path], data)


def test_the_command_tells_what_it_did(tmp_path):
    path = export(tmp_path / "home.tar", said(1, Answer.PET))
    command = [sys.executable, "-m", "models.training", "fold", str(path), str(tmp_path / "none.tar"), "--data"]
    ran = subprocess.run([*command, str(tmp_path / "corpus")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "1 captures in" in ran.stdout
    assert "left out: " in ran.stderr
    assert "none.tar" in ran.stderr


def test_what_is_unlabelled_teaches_nothing(tmp_path):
    pytest.importorskip("tensorflow", reason="pip install 'pipistrelle[train]'")
    from models.training.fit import batches

    snippets = [said(seed, Answer.SOMEBODY if seed % 2 else None) for seed in range(4)]
    fold([export(tmp_path / "home.tar", *snippets)], tmp_path / "corpus")
    (batch,) = batches(rows_of(tmp_path / "corpus"), np.random.default_rng(1))
    assert batch.label.min() >= 0
    assert np.isfinite(batch.values).all()
    assert not batch.weight[batch.label == 0].any()
