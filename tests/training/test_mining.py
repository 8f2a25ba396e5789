"""Rounds of mining: what is read, what is written, what a kill costs, and a small run from end to end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the corpus is Parquet: pip install 'pipistrelle[train]'")
pytest.importorskip("distributed", reason="the corpus is made by Dask: pip install 'pipistrelle[train]'")
pytest.importorskip("matplotlib", reason="the gain is drawn: pip install 'pipistrelle[train]'")

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from appliance.features.evidence import FEATURE_VERSION, FEATURES, SETTLE_S
from models.training import gain, rounds
from models.training.corpus import CorpusError, Part, read_corpus, recipe
from models.training.mine import WINDOW_HOPS
from models.training.rounds import Model, Settings, run
from models.training.windows import Window, annotate, sounds_of, taken, windowed

ROOT = Path(__file__).parents[2]
HOPS = 700
CHANNELS = 4


def write(folder, corpus, number, kinds, *, labels=True):
    """A file of a corpus, whose clips hold nothing but their number."""
    folder.mkdir(exist_ok=True)
    clips = len(kinds)
    numbers = number * 10 + np.arange(clips)
    columns = {"clip": np.repeat(numbers, HOPS).astype(np.int32), "t_s": np.tile(np.arange(HOPS) * 0.0267, clips)}
    columns["t_s"] = columns["t_s"].astype(np.float32)
    columns["settled"] = np.ones(clips * HOPS, bool)
    if labels:
        columns["label"] = np.repeat(numbers % 5, HOPS).astype(np.int8)
        columns["radial_mps"] = columns["distance_m"] = np.full(clips * HOPS, np.nan, np.float32)
    values = np.repeat(numbers, HOPS * FEATURES).astype(np.float16)
    table = pa.table({**columns, "values": pa.FixedSizeListArray.from_arrays(pa.array(values), FEATURES)})
    about = [{"clip": int(each), "kinds": [kind]} for each, kind in zip(numbers, kinds, strict=True)]
    words = {"feature_version": FEATURE_VERSION, "recipe": recipe(), "clips": about}
    path = folder / Part("training", corpus, number).file_name
    pq.write_table(table.replace_schema_metadata({b"pipistrelle": json.dumps(words).encode()}), path)
    return path


def test_labels_are_not_there_when_the_pool_is_sorted(tmp_path):
    path = write(tmp_path, "pool", 0, ["fan", "cat"], labels=False)
    sounds = list(sounds_of(path))
    assert [(each.clip, each.first, len(each.settled)) for each in sounds] == [(0, 0, HOPS), (1, HOPS, HOPS)]
    assert (sounds[1].values == 1.0).all()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CorpusError, match="damaged"):
        list(sounds_of(path))


def test_what_is_chosen_becomes_a_corpus_with_its_truth(tmp_path):
    files = [write(tmp_path / "data", "pool", number, ["fan", "cat", "dog"]).name for number in range(2)]
    chosen = [
        Window(files[1], 12, slice(2 * HOPS + 5, 2 * HOPS + 5 + WINDOW_HOPS), {"novelty": 3.5}),
        Window(files[0], 1, slice(HOPS, HOPS + WINDOW_HOPS), {}),
    ]
    path = tmp_path / Part("training", "mined-1-1", 0).file_name
    annotate(chosen, tmp_path / "data", path)
    rows = read_corpus(tmp_path, share="training", corpora=("mined-1-1",))
    assert [clip.stop - clip.start for clip in rows.clips] == [WINDOW_HOPS, WINDOW_HOPS]
    assert [int(rows.label[clip][0]) for clip in rows.clips] == [12 % 5, 1]
    assert rows.about[0]["kinds"] == ["dog"]
    assert rows.about[0]["novelty"] == 3.5
    assert taken(path) == {(files[1], 12), (files[0], 1)}
    (tmp_path / "data" / files[0]).write_bytes(b"nothing")
    with pytest.raises(CorpusError, match=r"00000\.parquet: damaged"):
        annotate(chosen, tmp_path / "data", path)
    assert taken(path) == {(files[1], 12), (files[0], 1)}, "the file of before stays"


def test_windows_begin_from_rest(tmp_path):
    write(tmp_path, "seed", 0, ["walk", "sit"])
    write(tmp_path, "pool", 0, ["fan"])
    corpora = [read_corpus(tmp_path, share="training", corpora=(name,)) for name in ("seed", "pool")]
    rows = windowed(*corpora)
    assert [clip.stop - clip.start for clip in rows.clips] == [WINDOW_HOPS] * 3, "the rest of a clip is too short"
    assert [about["kinds"] for about in rows.about] == [["walk"], ["sit"], ["fan"]]
    for clip in rows.clips:
        since_s = rows.t_s[clip] - rows.t_s[clip.start]
        np.testing.assert_array_equal(rows.settled[clip], since_s >= SETTLE_S)


def test_a_clip_in_which_nothing_was_heard_does_not_shift_the_others(tmp_path):
    path = write(tmp_path, "seed", 0, ["walk", "sit", "run"])
    table = pq.read_table(path)
    pq.write_table(table.filter(pc.not_equal(table["clip"], 1)), path)
    rows = read_corpus(tmp_path, share="training", corpora=("seed",))
    assert [about["kinds"] for about in rows.about] == [["walk"], ["run"]]
    assert len(rows.clips) == 2


class Lab:
    """Workers without a network: what is told and what is known follows from the clip's number."""

    def __init__(self, monkeypatch, *, breaks_at=None):
        self.done, self.breaks_at = [], breaks_at
        monkeypatch.setattr(rounds, "on_workers", self.on_workers)
        monkeypatch.setattr(rounds, "train_model", self.train)
        monkeypatch.setattr(rounds, "sort_shard", self.sort)

    def on_workers(self, work, jobs, *arguments, scheduler, workers):
        for job in jobs:
            if job.file_name == self.breaks_at:
                yield job, MemoryError("killed")
                continue
            self.done.append(job.file_name)
            yield job, work(job, *arguments)

    def train(self, model, data, out, epochs, _recipe):
        random = np.random.default_rng(1)
        known = [random.normal(size=(200, CHANNELS))]
        for corpus in model.corpora:
            clips = taken(Path(out) / Part("training", corpus, 0).file_name)
            known += [np.full((8, CHANNELS), 40.0 * clip) + random.normal(size=(8, CHANNELS)) for _, clip in clips]
        judged = {"events": {"minor beside": 4}, "levels": []}
        for recall in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
            alarms = {"rare": [100.0 / (1 + model.round * (model.arm == "mined")), 1.0], "quiet": [0, 1.0]}
            judged["levels"].append(
                {"recall": recall, "threshold": 0.0, "alarms": alarms, "found": {"minor beside": 0.5}}
            )
        np.savez(Path(out) / model.file_name, known=np.concatenate(known), judged=json.dumps(judged))
        return model.file_name

    def sort(self, shard, data, out, _recipe):
        found = []
        for file in shard.files:
            for sound in sounds_of(Path(data) / file):
                sound_like = [40.0 * sound.clip if sound.clip in (3, 12, 21) else 0.0] * CHANNELS
                row = {"file": file, "clip": sound.clip, "first": sound.first, "hops": HOPS, "peak": 300}
                found += [{"seed": each.seed, "log_odds": 1.0, "sound": sound_like} | row for each in shard.models]
        pq.write_table(pa.Table.from_pylist(found), Path(out) / shard.file_name)
        return shard.file_name


@pytest.fixture
def settings(tmp_path):
    for number in range(3):
        write(tmp_path / "data", "pool", number, ["walk"] * 10)
    return Settings(
        data=tmp_path / "data", out=tmp_path / "out", pool=("pool",), rounds=5, windows=2, seeds=2, epochs=1,
        scheduler=None, workers=1,
    )  # fmt: skip


def test_rounds_go_on_until_nothing_new_is_found(settings, monkeypatch, capsys):
    Lab(monkeypatch)
    *_, models = run(settings)
    assert "round 3: nothing new is left in the pool" in capsys.readouterr().out
    assert max(model.round for model in models) == 2
    mined = [taken(settings.out / Part("training", f"mined-1-{number}", 0).file_name) for number in (1, 2)]
    assert {clip for _, clip in mined[0] | mined[1]} == {3, 12, 21}
    for number in (1, 2):
        drawn = taken(settings.out / Part("training", f"random-1-{number}", 0).file_name)
        assert len(drawn) == len(mined[number - 1]), "as much at random"
    assert not mined[0] & mined[1]


def test_what_failed_is_told_and_the_same_command_goes_on_with_it(settings, monkeypatch, capsys):
    broken = Lab(monkeypatch, breaks_at=Model("random", 2, 1).file_name)
    with pytest.raises(CorpusError, match="1 of 4 failed; what is done is kept: run the same command again"):
        list(run(settings))
    assert "model-random-2-1.npz: MemoryError: killed" in capsys.readouterr().out
    whole = Lab(monkeypatch)
    *_, models = run(settings)
    assert not set(broken.done) & set(whole.done), "nothing is done twice"
    assert {model.file_name for model in models} <= set(broken.done) | set(whole.done)


def test_a_choice_that_was_half_written_is_made_again_alike(settings, monkeypatch):
    Lab(monkeypatch)
    list(run(settings))
    paths = {name: settings.out / Part("training", f"{name}-2-2", 0).file_name for name in ("mined", "random")}
    before = {name: taken(path) for name, path in paths.items()}
    paths["mined"].unlink()
    list(run(settings))
    assert {name: taken(path) for name, path in paths.items()} == before


def test_another_run_in_the_same_folder_is_refused(settings, monkeypatch):
    Lab(monkeypatch)
    list(run(settings))
    write(settings.data, "pool", 7, ["walk"])
    with pytest.raises(CorpusError, match=r"holds another run .*pool_files 3, now 4.*another --out"):
        list(run(settings))
    for path in settings.data.iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match="no training corpus pool there"):
        list(run(settings))


def test_a_model_that_is_damaged_is_named(settings, monkeypatch):
    Lab(monkeypatch)
    list(run(settings))
    (settings.out / Part("training", "mined-1-1", 0).file_name).unlink()
    path = settings.out / Model("seed", 1, 0).file_name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorpusError, match=r"model-seed-1-0\.npz: damaged"):
        list(run(settings))


def test_table_plot_and_figures_say_how_many_times_fewer(settings, monkeypatch):
    Lab(monkeypatch)
    for models in run(settings):
        table = gain.report(settings.out, models)
    rows = json.loads((settings.out / "mining.json").read_text())
    last = next(row for row in rows if row["recall"] == 0.9 and row["round"] == 2)
    assert last["without pets"]["times fewer"]["mean"] == pytest.approx(3.0)
    assert "| 90 % | 2 | 800 (800 to 800) | 2400 (2400 to 2400) | 3.0 (3.0 to 3.0) |" in table
    assert (settings.out / "mining.svg").read_text().startswith("<svg")


def steps(*arguments, cwd, wait=True):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "models.training", *arguments]
    begun = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    if not wait:
        return begun
    out, errors = begun.communicate()
    return subprocess.CompletedProcess(command, begun.returncode, out, errors)


@pytest.mark.slow
def test_a_small_run_from_end_to_end_that_is_killed(tmp_path):
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'pipistrelle[train]'")
    pytest.importorskip("pybullet_data", reason="people need motion capture: pip install 'pipistrelle[simulation]'")
    wanted = [("training", "seed"), ("training", "pool"), *(("validation", name) for name in ("seed", "tail", "empty"))]
    for share, name in wanted:
        arguments = ("generate", "--data", "c", "--share", share, "--corpus", name, "--hours", "0.1", "--workers", "1")
        done = steps(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    mining = ("mine", "--data", "c", "--out", "m", "--rounds", "1", "--hours-a-round", "0.02", "--seeds", "1")
    mining += ("--epochs", "4", "--workers", "1")
    begun = steps(*mining, cwd=tmp_path, wait=False)
    seed_model = tmp_path / "m" / Model("seed", 1, 0).file_name
    while begun.poll() is None and not seed_model.exists():
        time.sleep(0.05)
    assert begun.poll() is None, begun.communicate()[1]
    os.killpg(begun.pid, signal.SIGKILL)
    begun.communicate()
    written = seed_model.stat().st_mtime_ns
    done = steps(*mining, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert seed_model.stat().st_mtime_ns == written, "what is trained is not trained again"
    assert "| 90 % | 0 |" in done.stdout, done.stdout
    assert list((tmp_path / "m").glob("sorted-1-*.parquet"))
    # so small a model may take nothing for motion, and then nothing is new to it
    mined = (tmp_path / "m" / Part("training", "mined-1-1", 0).file_name).exists()
    assert ("nothing new is left" in done.stdout) is not mined
    assert ("| 90 % | 1 |" in done.stdout) is mined
