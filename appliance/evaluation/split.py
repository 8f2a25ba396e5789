"""Who may use what: training, validation and judging have rooms, units and people of their own.

Everything that is drawn at random is drawn from a seed, and every seed belongs to one set at most; a person is the
capture that gives the gait and the body that wears it. What learns or is tuned takes its seeds and captures from
`TRAINING` and `VALIDATION`; only this package takes those of `JUDGING`.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """One set: its seeds, for rooms, units, bodies and noise alike, and the captures that its people move by."""

    name: str
    seeds: range
    captures: frozenset[str]

    def seed(self, number: int) -> int:
        """The set's seed of that number.

        Raises:
            ValueError: the set has none.
        """
        if not 0 <= number < len(self.seeds):
            raise ValueError(f"the {self.name} set has seeds 0 to {len(self.seeds) - 1}, got {number}")
        return self.seeds[number]

    def gaits(self, available: Iterable[str]) -> tuple[str, ...]:
        """The captures of this set that are there."""
        return tuple(sorted(self.captures & set(available)))


TRAINING = Share(
    "training",
    range(1_000_000, 2_000_000),
    frozenset(
        {"run", "crawl", "jog", "long_walk1", "stealthy_walk", "stealthy_walk0", "stealthy_walk1", "01_06", "01_09"}
    ),
)
VALIDATION = Share("validation", range(2_000_000, 3_000_000), frozenset({"long_walk2", "03_03"}))
JUDGING = Share("judging", range(3_000_000, 4_000_000), frozenset({"walk", "02_01", "02_02"}))
"""`walk` is the only walking person whom everybody has, so he is a judge and no teacher."""

SHARES = (TRAINING, VALIDATION, JUDGING)
