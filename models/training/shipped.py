"""What the model that comes with the software is made from."""

from typing import NamedTuple


class Made(NamedTuple):
    """A corpus and how much of it there is."""

    share: str
    corpus: str
    emission: str
    hours: float


MADE = (
    Made("training", "mixed", "tones", 20.0),
    Made("training", "mixed", "both", 6.0),
    Made("training", "tail", "tones", 13.3),
    Made("training", "pool", "tones", 19.8),
    Made("validation", "mixed", "tones", 3.0),
    Made("validation", "tail", "tones", 3.0),
    Made("validation", "empty", "tones", 8.0),
    Made("validation", "pool", "tones", 26.5),
    Made("validation", "still", "tones", 48.2),
)
CORPORA = ("mixed", "tail", "pool")
EMISSIONS = ("tones", "both")
EPOCHS = 28
SEED = 1
