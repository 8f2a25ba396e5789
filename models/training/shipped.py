"""What the model that comes with the software is made from."""

from typing import NamedTuple


class Made(NamedTuple):
    """A corpus and how much of it there is."""

    share: str
    corpus: str
    emission: str
    hours: float


MADE = (
    Made("training", "mixed", "tones", 10.0),
    Made("training", "mixed", "both", 6.0),
    Made("training", "tail", "tones", 12.7),
    Made("training", "pool", "tones", 18.0),
    Made("validation", "mixed", "tones", 3.0),
    Made("validation", "mixed", "both", 2.0),
    Made("validation", "tail", "tones", 3.0),
    Made("validation", "empty", "tones", 8.0),
    Made("validation", "pool", "tones", 24.0),
)
CORPORA = ("mixed", "tail", "pool")
EMISSIONS = ("tones", "both")
EPOCHS = 32
SEED = 1
