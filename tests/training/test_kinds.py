"""What the network tells apart: pets are a kind of their own where it is they who go about."""

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the corpus is Parquet: pip install 'pipistrelle[train]'")

from models.training.corpus import Rows
from models.training.kinds import KINDS, kinds_of
from models.training.listen import CLASSES, UNLABELLED

LABELS = [CLASSES.index(name) for name in ("nothing", "nuisance", "breathing", "major")] + [UNLABELLED]


def kinds_beside(*there):
    """What hops of all labels are in a clip with those kinds, behind a clip with a fan."""
    label = np.array(LABELS * 2, np.int8)
    nobody = np.full(len(label), np.nan, np.float32)
    rows = Rows(
        values=np.zeros((len(label), 1), np.float16),
        label=label,
        radial_mps=nobody,
        distance_m=nobody,
        settled=np.ones(len(label), bool),
        t_s=np.tile(np.arange(len(LABELS), dtype=np.float32), 2),
        start=np.array([0, len(LABELS)]),
        about=[{"kinds": ["fan"]}, {"kinds": list(there)}],
    )
    before = label.copy()
    found = kinds_of(rows)
    assert (rows.label == before).all()
    assert found[: len(LABELS)].tolist() == LABELS
    return [KINDS[kind] if kind != UNLABELLED else None for kind in found[len(LABELS) :]]


@pytest.mark.parametrize("pet", ["cat", "dog", "vacuum"])
def test_what_goes_about_is_of_its_own_kind_and_people_stay_people(pet):
    assert kinds_beside("walk", pet) == ["nothing", "pet", None, "major", None]


def test_a_capture_that_its_owner_calls_a_pet_is_one():
    assert kinds_beside("homes", "pet") == ["nothing", "pet", None, "major", None]


@pytest.mark.parametrize("other", ["fan", "curtain", "music", "clicks"])
def test_beside_another_nuisance_nobody_knows_which_of_them_it_is(other):
    assert kinds_beside("cat", other) == ["nothing", None, None, "major", None]


def test_without_pets_labels_stay():
    assert kinds_beside("walk", "curtain") == ["nothing", "nuisance", "breathing", "major", None]
