"""Training: clips from seeds of their own, a corpus that a kill does not hurt, and a small run from end to end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the corpus is Parquet: pip install 'pipistrelle[train]'")
pytest.importorskip("distributed", reason="the corpus is made by Dask: pip install 'pipistrelle[train]'")
pytest.importorskip("pybullet_data", reason="people need motion capture: pip install 'pipistrelle[simulation]'")

from appliance.classify.model import Network
from appliance.evaluation.split import JUDGING, TRAINING, VALIDATION
from appliance.features.evidence import FEATURE_VERSION, FEATURES
from appliance.simulation.captures import Captures
from models.training import choose, corpus
from models.training.clips import CORPORA, clip_of
from models.training.corpus import CorpusError, Part, make_part, missing_parts, on_workers, read_corpus, recipe
from models.training.listen import CLASSES, listen

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def captures():
    return Captures()


@pytest.mark.parametrize(("share", "own"), [("training", TRAINING), ("validation", VALIDATION)])
def test_clips_follow_from_seeds_of_their_share_alone(share, own, captures):
    for name in CORPORA:
        clip = clip_of(share, name, 3, captures)
        assert clip.seed == own.seed(3)
        assert clip.seed not in JUDGING.seeds
        again = clip_of(share, name, 3, captures)
        assert (again.kinds, again.mics, again.tones) == (clip.kinds, clip.mics, clip.tones)


def test_an_unknown_corpus_and_a_seed_too_far_are_refused(captures):
    with pytest.raises(ValueError, match="wanted one of mixed"):
        clip_of("training", "mixd", 0, captures)
    with pytest.raises(ValueError, match="training set has seeds"):
        clip_of("training", "mixed", len(TRAINING.seeds), captures)


def test_empty_rooms_have_nobody_and_every_corpus_differs(captures):
    for number in range(12):
        assert not clip_of("training", "empty", number, captures).scene.people
    kinds = {name: [clip_of("training", name, number, captures).kinds for number in range(12)] for name in CORPORA}
    assert not any({"fan", "curtain", "cat", "music"} & set(each) for each in kinds["seed"])
    assert len({json.dumps(each) for each in kinds.values()}) == len(CORPORA)


def test_what_is_heard_is_labelled_with_the_truth(captures):
    number = next(n for n in range(50) if clip_of("training", "seed", n, captures).kinds == ("walk",))
    heard = listen(clip_of("training", "seed", number, captures))
    assert heard.values.shape == (len(heard.t_s), FEATURES)
    assert np.isfinite(heard.values).all()
    moves = (heard.label == CLASSES.index("major")) & heard.settled
    still = (heard.label == CLASSES.index("breathing")) & heard.settled
    assert moves.sum() > 100
    bands = heard.values[:, : 2 * (FEATURES - 4) // 3]
    assert bands[moves].max(axis=1).mean() > bands[still].max(axis=1).mean() + 0.5, "who walks is louder"


@pytest.fixture
def short_parts(monkeypatch):
    monkeypatch.setattr(corpus, "PART_S", 60.0)


def test_a_part_is_written_whole_and_made_again_when_it_is_damaged(tmp_path, short_parts):
    parts = [Part("training", "empty", number) for number in range(2)]
    for part in parts:
        make_part(part, str(tmp_path), None, recipe())
    assert missing_parts(parts, tmp_path) == []
    rows = read_corpus(tmp_path, share="training", corpora=("empty",))
    assert len(rows.start) == len(rows.about) == 2
    assert rows.values.shape == (len(rows.label), FEATURES)
    before = (tmp_path / parts[0].file_name).read_bytes()
    (tmp_path / parts[0].file_name).write_bytes(before[: len(before) // 2])
    assert missing_parts(parts, tmp_path) == [parts[0]]
    with pytest.raises(CorpusError, match=parts[0].file_name):
        read_corpus(tmp_path, share="training", corpora=("empty",))
    make_part(parts[0], str(tmp_path), None, recipe())
    again = read_corpus(tmp_path, share="training", corpora=("empty",))
    np.testing.assert_array_equal(again.values, rows.values)


def test_another_recipe_another_version_and_nothing_at_all_are_told(tmp_path, short_parts, monkeypatch):
    with pytest.raises(CorpusError, match="a worker has code"):
        make_part(Part("training", "empty", 0), str(tmp_path), None, "another")
    with pytest.raises(CorpusError, match="no training corpus mixed"):
        read_corpus(tmp_path, share="training", corpora=("mixed",))
    part = Part("training", "empty", 0)
    make_part(part, str(tmp_path), None, recipe())
    monkeypatch.setattr(corpus, "FEATURE_VERSION", 99)
    with pytest.raises(CorpusError, match=f"wanted feature version 99, found {FEATURE_VERSION}"):
        read_corpus(tmp_path, share="training", corpora=("empty",))


def dies(part, _folder):
    """What a worker does that is killed for one part, and does another one."""
    if part.number == 1:
        os._exit(1)
    return part.file_name


@pytest.mark.slow
def test_a_worker_that_dies_is_told_and_the_others_go_on(tmp_path):
    parts = [Part("training", "empty", number) for number in range(3)]
    done = dict(on_workers(dies, parts, str(tmp_path), scheduler=None, workers=1))
    assert done[parts[0]] == parts[0].file_name
    assert done[parts[2]] == parts[2].file_name
    assert type(done[parts[1]]).__name__ == "KilledWorker"


def test_no_scheduler_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(corpus, "_CONNECT_S", 0.5)
    with pytest.raises(CorpusError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers"):
        list(on_workers(dies, [], scheduler="tcp://127.0.0.1:1", workers=1))


def test_thresholds_are_counted_then_extrapolated():
    grid = choose._GRID
    counts = np.floor(4000.0 * np.exp(-np.maximum(grid, 0.0)))
    table = choose.thresholds(counts, hours=24.0)
    odds = {each["false_alarms_per_day"]: each["log_odds"] for each in table}
    assert odds[100.0] == pytest.approx(np.log(40.0), abs=0.26)
    assert odds[1.0] == pytest.approx(np.log(4000.0), abs=0.5), "beyond what was counted, along the tail"
    assert sorted(odds.values()) == [odds[rate] for rate in choose.RATES_PER_DAY]


def test_thresholds_of_a_network_without_an_alarm_are_numbers():
    table = choose.thresholds(np.zeros(len(choose._GRID)), hours=1.0)
    assert all(np.isfinite(each["log_odds"]) for each in table)


def steps(*arguments, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-m", "models.training", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_small_training_from_end_to_end(tmp_path):
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'pipistrelle[train]'")
    for share, name in (("training", "mixed"), ("validation", "mixed"), ("validation", "still")):
        arguments = ("generate", "--data", "c", "--share", share, "--corpus", name, "--hours", "0.1", "--workers", "1")
        done = steps(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert "1 of them done" in steps(*arguments, cwd=tmp_path).stdout
    training = ("train", "--data", "c", "--out", "m", "--name", "small", "--epochs", "2")
    first = steps(*training, cwd=tmp_path)
    assert "epoch 2 of 2" in first.stdout, first.stderr
    again = steps(*training, cwd=tmp_path)
    assert again.returncode == 0
    assert "epoch" not in again.stdout, "what is trained is not trained again"
    manifest, model = (tmp_path / f"m/small.{kind}" for kind in ("json", "tflite"))
    network = Network(manifest.read_bytes(), model.read_bytes(), name="small")
    golden = np.load(tmp_path / "m/golden/small.npz")
    outputs = np.array([network.step(each) for each in golden["features"].astype(np.float32)])
    np.testing.assert_allclose(outputs, golden["outputs"], atol=2e-3, rtol=1e-3)


@pytest.mark.slow
def test_hop_by_hop_the_network_says_what_it_says_of_a_whole_clip():
    tf = pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'pipistrelle[train]'")
    from models.training.network import STATE, MotionNetwork

    network = MotionNetwork(seed=1)
    values = np.random.default_rng(1).normal(size=(1, 200, FEATURES)).astype(np.float32)
    whole = network.clips(tf.constant(values)).numpy()[0]
    state, told = tf.zeros((1, STATE)), []
    for hop in values[0]:
        said = network.step(tf.constant(hop[None]), state)
        state = said["next_state"]
        told.append(said["outputs"].numpy()[0])
    np.testing.assert_allclose(told, whole, atol=1e-4)
    assert network.parameters <= 20_000
