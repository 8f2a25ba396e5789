"""One training from corpus to model: network, thresholds, TFLite, manifest and golden values."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from appliance.classify.manifest import FORMAT
from appliance.classify.model import Network
from appliance.features.evidence import FEATURE_VERSION, FEATURES
from models.training import choose
from models.training.corpus import Rows, read_corpus
from models.training.fit import Training
from models.training.kinds import KINDS
from models.training.network import STATE, MotionNetwork

GOLDEN_HOPS = 400

_VALIDATION = ("mixed", "tail", "empty", "pool")
"""What a network is asked about people and nuisances; rates of false alarms are counted in `still`."""


def fitted(
    data: Path, *, corpora: Sequence[str], emissions: Sequence[str], out: Path, epochs: int, seed: int
) -> tuple[MotionNetwork, Rows]:
    """A trained network and what it learned from; its checkpoints are in `out`, and what is there is not done again.

    Raises:
        CorpusError: there is nothing to learn from.
    """
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(seed)
    rows = read_corpus(data, share="training", corpora=corpora, emissions=emissions)
    network = MotionNetwork(seed=seed)
    identity = f"{','.join(rows.recipes)} {','.join(corpora)} {','.join(emissions)} {data.resolve()}"
    training = Training(network, rows, epochs=epochs, seed=seed, folder=out / "checkpoints", identity=identity)
    for number, loss in training.run():
        print(f"{', '.join(emissions)}: epoch {number + 1} of {epochs}: loss {loss:.4f}", flush=True)
    return network, rows


def train(
    data: Path, *, corpora: Sequence[str], emissions: Sequence[str], out: Path, name: str, epochs: int, seed: int
) -> dict[str, Any]:
    """Train, choose thresholds, export; the manifest, which is also written.

    Raises:
        CorpusError: there is nothing to learn from or to choose thresholds by.
    """
    out.mkdir(parents=True, exist_ok=True)
    validation = read_corpus(data, share="validation", corpora=_VALIDATION, emissions=emissions)
    still = read_corpus(data, share="validation", corpora=("still",), emissions=emissions)
    network, rows = fitted(data, corpora=corpora, emissions=emissions, out=out, epochs=epochs, seed=seed)

    outputs = outputs_of(network, validation)
    still_outputs = outputs_of(network, still)
    table, hours = choose.thresholds_in(choose.judged(still, still_outputs, pets=False))
    at_one = next(each["log_odds"] for each in table if each["false_alarms_per_day"] == 1.0)
    judged = choose.judged(validation, outputs, pets=False)
    lowest, pet_hours = choose.lowest_with_pets(choose.judged(validation, outputs, pets=True))
    with_pets, _ = choose.thresholds_in(choose.judged(still, still_outputs, pets=True), lowest=lowest)
    model = network.tflite()
    manifest = {
        "format": FORMAT,
        "name": name,
        "sha256": hashlib.sha256(model).hexdigest(),
        "feature_version": FEATURE_VERSION,
        "features": FEATURES,
        "state": STATE,
        "classes": list(KINDS),
        "thresholds": table,
        **({"thresholds_with_pets": with_pets} if pet_hours else {}),
        "parameters": network.parameters,
        "training": {
            "date": datetime.now(UTC).date().isoformat(),
            "recipes": list(rows.recipes),
            "corpora": list(corpora),
            "emissions": list(emissions),
            "hours": round(_hours(rows), 2),
            "epochs": epochs,
            "seed": seed,
            "tensorflow": tf.__version__,
        },
        "validation": {
            "basis": "simulated",
            "hours": round(_hours(validation), 2),
            "empty_hours": round(hours, 2),
            "empty_hours_with_pets": round(pet_hours, 2),
            "at_one_a_day": choose.recalls(judged, at_one),
            "beside_at_one_a_day": choose.beside_each(judged, at_one),
        },
    }
    text = json.dumps(manifest, indent=1) + "\n"
    (out / f"{name}.tflite").write_bytes(model)
    (out / f"{name}.json").write_text(text, encoding="utf-8")
    _write_golden(out / "golden" / f"{name}.npz", text.encode(), model, rows)
    return manifest


def outputs_of(network: MotionNetwork, rows: Rows) -> NDArray[np.float32]:
    """What the network says of a corpus, each clip from rest, [rows, outputs]."""
    forward = tf.function(network.clips, reduce_retracing=True)
    told = [forward(tf.constant(rows.values[clip][None].astype(np.float32)))[0].numpy() for clip in rows.clips]
    return np.concatenate(told)


def _hours(rows: Rows) -> float:
    return sum(float(rows.t_s[clip.stop - 1] - rows.t_s[clip.start]) for clip in rows.clips) / 3600.0


def _write_golden(path: Path, manifest: bytes, model: bytes, rows: Rows) -> None:
    """The values of the first hops with people who move, and what the model's own runtime says of them."""
    path.parent.mkdir(exist_ok=True)
    clip = next(
        (each for each in rows.clips if (rows.label[each.start : each.start + GOLDEN_HOPS] == 1).any()),
        rows.clips[0],
    )
    values = rows.values[clip.start : clip.start + GOLDEN_HOPS].astype(np.float32)
    network = Network(manifest, model, name=path.stem)
    outputs = np.array([network.step(each) for each in values], np.float32)
    np.savez_compressed(path, features=values.astype(np.float16), outputs=outputs)
