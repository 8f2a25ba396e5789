"""Emissions compared: each judged at the same false alarms, of which the table and the figures tell."""

import json

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the corpus is Parquet: pip install 'pipistrelle[train]'")
pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'pipistrelle[train]'")

from models.training import emissions
from models.training.corpus import Rows
from models.training.kinds import KINDS

HOP_S, HOPS, CLIPS = 0.027, 4000, 40
LOUDNESS = {"tones": 6.0, "both": 3.0, "chirps": 0.5}
"""What the network makes of somebody who walks, with each emission; of empty rooms up to 1 in a minute."""


def heard(emission):
    """Half of the clips empty, in the others somebody walks for 3 s; `values` are the log odds of motion."""
    random = np.random.default_rng(1)
    log_odds = np.full((CLIPS, HOPS), -4.0)
    label = np.zeros((CLIPS, HOPS), np.int8)
    distance_m = np.full((CLIPS, HOPS), np.nan, np.float32)
    for number in range(CLIPS):
        if number % 2:
            label[number, 1000:1110] = 1
            distance_m[number] = 1.5
            log_odds[number, 1000:1110] = LOUDNESS[emission]
        else:
            log_odds[number, 500:510] = random.uniform(0.0, 1.0)
    return Rows(
        values=log_odds.reshape(-1, 1).astype(np.float16),
        label=label.reshape(-1),
        radial_mps=np.full(CLIPS * HOPS, np.nan, np.float32),
        distance_m=distance_m.reshape(-1),
        settled=np.ones(CLIPS * HOPS, bool),
        t_s=np.tile(np.arange(HOPS, dtype=np.float32) * HOP_S, CLIPS),
        start=np.arange(CLIPS) * HOPS,
        about=[{"kinds": ["walk"] if number % 2 else ["dog"] if number % 4 else []} for number in range(CLIPS)],
    )


def outputs(_network, rows):
    told = np.full((len(rows.label), len(KINDS)), -30.0, np.float32)
    told[:, KINDS.index("nothing")] = 0.0
    told[:, KINDS.index("major")] = rows.values[:, 0]
    return told


def test_each_emission_is_judged_at_the_same_false_alarms(tmp_path, monkeypatch):
    monkeypatch.setattr(emissions, "fitted", lambda *_, **__: (None, None))
    monkeypatch.setattr(emissions, "outputs_of", outputs)
    monkeypatch.setattr(emissions, "read_corpus", lambda *_, emissions, **__: heard(*emissions))
    table = emissions.compare(tmp_path, corpora=("mixed",), out=tmp_path / "out", epochs=1, seed=1)
    assert (tmp_path / "out/emissions.md").read_text(encoding="utf-8") == table
    found = json.loads((tmp_path / "out/emissions.json").read_text(encoding="utf-8"))
    recalls = {each: found[each]["1 an hour"]["recalls"]["major 0-2 m"]["recall"] for each in LOUDNESS}
    assert recalls == {"tones": 1.0, "both": 1.0, "chirps": 0.0}
    assert all(each["1 an hour"]["log_odds"] > each["4 an hour"]["log_odds"] - 1e-9 for each in found.values())
    assert "| 1 an hour | major 0-2 m | 100 % of 20 (84 to 100)" in table
    assert "0 % of 20 (0 to 16)" in table
