"""What can be told of a stream from its samples alone: silence and clipping."""

from appliance.dsp import _core
from appliance.types import PcmBlock

SILENCE_S = 0.5
_ZEROS_FRAMES = 8
"""So many zeros of every microphone at a block's end do not come from a living converter."""

CLIPPING_HOLD_S = 1.0


class StreamQuality:
    """Watches for digital silence (a converter that died sends zeros, a living one noise) and clipping."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self.silent = False
        self._sound_until_s = 0.0
        self._clipped_until_s = 0.0

    def process(self, block: PcmBlock) -> tuple[str, ...]:
        """Names of the faults that hold at the block's end."""
        clipped, self.silent = _core.faults_of(block.samples, _ZEROS_FRAMES)
        if not self.silent:
            self._sound_until_s = block.end_s
        if clipped:
            self._clipped_until_s = block.end_s + CLIPPING_HOLD_S
        faults = []
        if block.end_s - self._sound_until_s > SILENCE_S:
            faults.append("silence")
        if block.end_s < self._clipped_until_s:
            faults.append("clipping")
        return tuple(faults)
