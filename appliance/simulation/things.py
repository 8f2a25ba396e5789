"""What every moving reflector in a scene is: places and strengths as functions of time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

WALKING_RATE_HZ = 100.0
"""Places this often, joined by cubics, follow whatever people and animals do (a foot to -65 dB)."""

CIRCLING_RATE_HZ, WHIRLING_RATE_HZ = 200.0, 600.0
"""The same for blades of slow and of fast fans: some 30 points a turn."""


@dataclass(frozen=True, slots=True)
class Reflectors:
    """The scatterers of a thing at some instants.

    `places` [times, scatterers, 3] in m. `strength` [times or 1, scatterers]: pressure of the echo at 1 m relative to
    what reaches the scatterer, at 40 kHz.
    """

    places: NDArray[np.float64]
    strength: NDArray[np.float64]


class Thing(Protocol):
    """Something that reflects sound and moves: a pure function of time."""

    @property
    def kind(self) -> str:
        """What it is, in one word: `person`, `fan`, ..."""

    @property
    def scatterers(self) -> int:
        """Their number."""

    @property
    def rate_hz(self) -> float:
        """How often its places are needed: WALKING_RATE_HZ, CIRCLING_RATE_HZ or WHIRLING_RATE_HZ."""

    @property
    def slope_db_per_octave(self) -> float:
        """How its strength grows with frequency."""

    def reflectors(self, t_s: NDArray[np.float64]) -> Reflectors:
        """Where its scatterers are at instants `t_s` [times], which are in order, and how strong."""


def amplitude(db: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Pressure ratio of a level difference."""
    return np.asarray(10.0 ** (np.asarray(db, np.float64) / 20.0))
