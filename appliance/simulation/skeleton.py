"""A body of joints as scatterers: points along its limbs, each with a part of the limb's echo.

Target strengths are those of the literature's ranges: torso -10 to -20 dB in all, arms -25 to -32, hands -28 to -35;
heavy wool takes 5 to 10 dB off what it covers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.clip import JOINTS

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Limb:
    """Points from one joint towards another; `strength_db` is that of all points together."""

    start: str
    end: str
    points: int
    strength_db: float
    from_share: float = 0.0
    to_share: float = 1.0
    covered: bool = True
    breathes: float = 0.0


def _both(start: str, end: str, points: int, strength_db: float, **about: float) -> list[_Limb]:
    return [_Limb(f"{start}_{side}", f"{end}_{side}", points, strength_db, **about) for side in ("left", "right")]  # type: ignore[arg-type]


_LIMBS = (
    _Limb("hips", "chest", 2, -20.0, 0.0, 0.6, breathes=0.3),
    _Limb("hips", "chest", 1, -21.0, 0.8, 0.8, breathes=0.8),
    _Limb("chest", "neck", 2, -17.0, 0.2, 0.8, breathes=1.0),
    _Limb("shoulder_left", "shoulder_right", 2, -22.0, 0.15, 0.85, breathes=0.6),
    _Limb("neck", "head", 1, -24.0, 0.8, 0.8, covered=False),
    *_both("shoulder", "elbow", 1, -30.0, from_share=0.6, to_share=0.6),
    *_both("elbow", "wrist", 1, -30.0, from_share=0.6, to_share=0.6),
    *_both("elbow", "wrist", 1, -31.0, from_share=1.25, to_share=1.25, covered=False),
    *_both("hip", "knee", 2, -24.0, from_share=0.3, to_share=0.8),
    *_both("knee", "ankle", 1, -27.0, from_share=0.5, to_share=0.5),
    *_both("ankle", "toe", 1, -28.0, from_share=0.5, to_share=0.5),
)


@dataclass(frozen=True, slots=True)
class Build:
    """One person's body: how tall, how dressed, how it reflects.

    `clothes_db` is what clothes take off the echo of what they cover, 0 to -10; `seed` scatters the strengths by some
    dB, as bodies and the way they turn do.
    """

    height_m: float = 1.72
    clothes_db: float = 0.0
    seed: int = 1

    def weights(self) -> Array:
        """[scatterers, joints]: each scatterer as a mixture of two joints."""
        rows = []
        for limb in _LIMBS:
            for share in np.linspace(limb.from_share, limb.to_share, limb.points):
                row = np.zeros(len(JOINTS))
                row[JOINTS.index(limb.start)] += 1.0 - share
                row[JOINTS.index(limb.end)] += share
                rows.append(row)
        return np.array(rows)

    def strength_db(self) -> Array:
        """[scatterers], at 1 m; a child's surfaces are smaller by the square of its height."""
        random = np.random.default_rng([self.seed, 51])
        levels = [
            limb.strength_db - 10.0 * np.log10(limb.points) + (self.clothes_db if limb.covered else 0.0)
            for limb in _LIMBS
            for _ in range(limb.points)
        ]
        size_db = 40.0 * np.log10(self.height_m / 1.72)
        return np.asarray(np.array(levels) + size_db + random.normal(0.0, 1.5, len(levels)))

    def breathing(self) -> Array:
        """[scatterers]: share of the chest's rise that each takes part in."""
        return np.array([limb.breathes for limb in _LIMBS for _ in range(limb.points)])


SCATTERERS = sum(limb.points for limb in _LIMBS)
