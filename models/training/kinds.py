"""What the network tells apart: the classes of the truth, and among nuisances what goes about as people do.

A dog that trots by and somebody who walks farther off can be one and the same sound. If both were classes of one
network, no walk could be told with more certainty than people are more frequent than dogs in what it learned from. So
whatever goes about is told from what sways, turns and clicks, and only homes with pets ask whether it is a person.
"""

import numpy as np
from numpy.typing import NDArray

from appliance.classify.manifest import PET
from appliance.evaluation.cases import PETS
from appliance.simulation.sample import NUISANCES
from appliance.snippets.answer import Answer
from appliance.types import MotionClass
from models.training.corpus import Rows
from models.training.listen import CLASSES, UNLABELLED

KINDS = (*map(str, CLASSES), PET)
"""What the network's first outputs are the logits of."""

GOING_ABOUT = PETS | {"vacuum", str(Answer.PET)}
"""What goes about as people do: where none of it lives, what goes about is somebody."""

_OTHERS = frozenset({*NUISANCES, "music"}) - GOING_ABOUT - {"wd7_arm"}


def kinds_of(rows: Rows) -> NDArray[np.int8]:
    """Index into `KINDS` of each hop [rows], or `UNLABELLED`.

    Where a pet and another nuisance share a clip nobody knows which of them a hop is of, and while somebody is still
    nobody knows whether a pet is: such hops are unlabelled.
    """
    kind = rows.label.copy()
    nuisance, breathing = CLASSES.index(MotionClass.NUISANCE), CLASSES.index(MotionClass.BREATHING)
    for clip, about in zip(rows.clips, rows.about, strict=True):
        there = set(about["kinds"])
        if GOING_ABOUT & there:
            label = rows.label[clip]
            kind[clip][label == nuisance] = UNLABELLED if _OTHERS & there else KINDS.index(PET)
            kind[clip][label == breathing] = UNLABELLED
    return kind
