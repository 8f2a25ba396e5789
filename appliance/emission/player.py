"""The wanted emission as samples."""

import numpy as np
from numpy.typing import NDArray

from appliance.dsp.tone import ToneSynthesiser
from appliance.emission.limit import amplitude_for
from appliance.physics import MAX_LEVEL_DB_SPL
from appliance.types import Emission


class EmissionPlayer:
    """Follows the wanted emission by fades, below the sound-pressure cap whatever is wanted.

    Args:
        rate_hz: of the playback.
        outputs: channels of the playback; all get the same.
        fade_s: time of a fade, at least 0.05.
        full_scale_db_spl: level at 1 m that the tweeter gives at full scale.
    """

    def __init__(self, *, rate_hz: int, outputs: int, fade_s: float, full_scale_db_spl: float) -> None:
        self._full_scale_db_spl = full_scale_db_spl
        cap = amplitude_for(MAX_LEVEL_DB_SPL, full_scale_db_spl=full_scale_db_spl)
        self._tone = ToneSynthesiser(rate_hz=rate_hz, outputs=outputs, max_amplitude=cap, fade_s=fade_s)
        self._followed: Emission | None = None

    @property
    def settled(self) -> bool:
        """No fade is under way."""
        return self._tone.settled

    def follow(self, emission: Emission) -> None:
        """Begin to fade to `emission`, unless it is what plays already."""
        if emission == self._followed:
            return
        self._followed = emission
        tones = emission.tones
        if not emission.on or tones is None:
            self._tone.play(carriers_hz=(), amplitude=0.0)
            return
        amplitude = amplitude_for(tones.level_db_spl, full_scale_db_spl=self._full_scale_db_spl)
        self._tone.play(carriers_hz=tones.carriers_hz, amplitude=amplitude)

    def process(self, frames: int, *, first_frame: int) -> NDArray[np.int32]:
        """The next samples [frames, outputs], the answer to a block that begins with `first_frame`."""
        del first_frame
        return self._tone.process(frames)
