"""What the model sees of an instant: the same values in training and in the living room, whatever the unit.

Of tones: power of each Doppler band over what is usual there, in units of its own noise; the level of what is usual;
how much comes towards the array and goes away; how unevenly the microphones hear it, and how many there are; the
arithmetic is `dsp/csrc/evidence.c`. Of chirps: what moves at which range, as `echoes.py` tells it. What is not emitted
is zero, and two values say what is.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from appliance.dsp import _core
from appliance.dsp.spectrum import independent
from appliance.features.doppler import WINDOW_SAMPLES, Doppler
from appliance.features.echoes import ECHO_FEATURES, RangeEvidence
from appliance.types import DopplerFrame, RangeFrame

FEATURE_VERSION = 2
"""Counts up with each change of what a value means; a model that was made for another version is refused."""

_BAND_EDGE_BINS = (1, 2, 3, 5, 7, 9, 12, 16, 22, 30, 41, 57, 77, 97)
"""Logarithmic bands of each sign, in bins of 9.4 Hz: 9 to 900 Hz. The two slowest hold air, heating and drift."""

BANDS = len(_BAND_EDGE_BINS) - 1
"""Of each sign."""

TONE_FEATURES = 3 * BANDS + 4
"""Deviates of the bands from the fastest away to the fastest towards, levels of the floor from the slowest on, power
towards, power away, unevenness, number of rows."""

FEATURES = TONE_FEATURES + ECHO_FEATURES + 2
"""Values an instant: those of tones, those of chirps, whether there are tones (1 or 0), whether there are chirps."""

SETTLE_S = 1.5
"""Until then the floor is not yet known, and nothing can be said."""


def add_echoes(values: NDArray[np.float32], echoes: RangeEvidence, t_s: float) -> None:
    """Put what is known of echoes at a stream time into values [FEATURES] that are zero there."""
    if echoes.is_known(t_s):
        values[TONE_FEATURES:-2] = echoes.values
        values[-1] = 1.0


class Evidence:
    """Turns Doppler frames into what the model sees.

    Args:
        doppler: the stage whose frames come; its window says how much its bins have in common.
    """

    def __init__(self, *, doppler: Doppler) -> None:
        middle = WINDOW_SAMPLES // 2
        bands = [(middle - high + 1, middle - low + 1) for low, high in itertools.pairwise(_BAND_EDGE_BINS)][::-1]
        bands += [(middle + low, middle + high) for low, high in itertools.pairwise(_BAND_EDGE_BINS)]
        carriers = len(doppler.velocity_mps)
        self._core = _core.Evidence(
            carriers=carriers,
            mics=doppler.channels // carriers,
            bins=WINDOW_SAMPLES,
            bands=bands,
            shape=[independent(high - low, doppler.spectrum.bin_correlation) for low, high in bands],
            hop_s=doppler.hop_s,
        )
        self._echoes = RangeEvidence()
        self._settle_frames = round(SETTLE_S / doppler.hop_s)
        self.reset()

    @property
    def is_settled(self) -> bool:
        """Whether the floor is known well enough for values to mean what they shall."""
        return self._frames >= self._settle_frames

    def process(self, frame: DopplerFrame) -> NDArray[np.float32] | None:
        """What is seen, [FEATURES]; None of a frame that is not a number, which changes nothing."""
        values = np.zeros(FEATURES, np.float32)
        if not self._core.process_into(frame.power_dbfs, frame.carrier_dbfs, values[:TONE_FEATURES]):
            return None
        values[-2] = 1.0
        add_echoes(values, self._echoes, frame.t_s)
        self._frames += 1
        return values

    def process_ranges(self, frame: RangeFrame) -> None:
        """Hear the echoes of a pulse, for the frames behind it."""
        self._echoes.process(frame)

    def reset(self) -> None:
        """Forget the room."""
        self._core.reset()
        self._echoes.reset()
        self._frames = 0
