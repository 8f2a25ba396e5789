"""From a decoded sound to samples that may stand beside the tones: band, channels, level, ends."""

from itertools import pairwise

import numpy as np
import soxr
from numpy.typing import NDArray

from appliance.hardware.limiter import Limiter

MUSIC_BAND_HZ = 20_000
"""Nothing of a sound lies at or above it: carriers begin at 32 kHz."""

_NARROW_RATE_HZ = 2 * MUSIC_BAND_HZ
_FULL_SCALE = 2.0**31
_LOUDEST = 16.0
_EDGE_S = 0.005

_HALF = np.sqrt(0.5)
_STEREO = {
    1: [[1.0], [1.0]],
    2: [[1.0, 0.0], [0.0, 1.0]],
    3: [[1.0, 0.0, _HALF], [0.0, 1.0, _HALF]],
    4: [[1.0, 0.0, _HALF, 0.0], [0.0, 1.0, 0.0, _HALF]],
    5: [[1.0, 0.0, _HALF, _HALF, 0.0], [0.0, 1.0, _HALF, 0.0, _HALF]],
    6: [[1.0, 0.0, _HALF, 0.0, _HALF, 0.0], [0.0, 1.0, _HALF, 0.0, 0.0, _HALF]],
    7: [[1.0, 0.0, _HALF, 0.0, 0.5, _HALF, 0.0], [0.0, 1.0, _HALF, 0.0, 0.5, 0.0, _HALF]],
    8: [[1.0, 0.0, _HALF, 0.0, _HALF, 0.0, _HALF, 0.0], [0.0, 1.0, _HALF, 0.0, 0.0, _HALF, 0.0, _HALF]],
}
"""Left and right of each channel, in WAV's order, after ITU-R BS.775; the bass channel is left out as there."""


class Conditioner:
    """Streams a sound to the playback's rate; any split of it gives the same samples.

    A sound of more than 40 kHz goes through 40 kHz, so that soxr's filter ends its band at 20 kHz. Peaks above full
    scale, which resampling makes out of loud records, are turned down smoothly. The first and last 5 ms fade.

    Args:
        source_rate_hz: of the sound.
        source_channels: 1 to 8, in WAV's order.
        rate_hz: of the playback.
        channels: 1 for mono, 2 for left and right.
        peak: what full scale becomes, up to 1.0.
    """

    def __init__(self, *, source_rate_hz: int, source_channels: int, rate_hz: int, channels: int, peak: float) -> None:
        stereo = np.array(_STEREO[source_channels])
        mix = stereo.mean(axis=0, keepdims=True) if channels == 1 else stereo
        self._mix = (mix / np.abs(mix).sum(axis=1).max()).T.astype(np.float32)
        rates_hz = [source_rate_hz, rate_hz]
        if source_rate_hz > _NARROW_RATE_HZ:
            rates_hz.insert(1, _NARROW_RATE_HZ)
        self._resamplers = [
            soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32", quality="HQ")
            for from_hz, to_hz in pairwise(rates_hz)
        ]
        self._limiter = Limiter(channels)
        self._scale = np.float32(peak * _FULL_SCALE)
        edge_frames = round(_EDGE_S * rate_hz)
        self._rise = np.sin(np.linspace(0.0, np.pi / 2, edge_frames, dtype=np.float32)) ** 2
        self._risen = 0
        self._held = np.empty((0, channels), np.float32)

    def process(self, samples: NDArray[np.float32], *, last: bool = False) -> NDArray[np.int32]:
        """Take [frames, source_channels] of full scale 1.0; give int32 [frames, channels], the rest with the last."""
        # Beyond any sound's level numbers would overflow in the filters, which take away what clipping adds.
        mixed = np.clip(samples, -_LOUDEST, _LOUDEST) @ self._mix
        for resampler in self._resamplers:
            mixed = resampler.resample_chunk(mixed, last=last)
        return np.asarray(self._ends(self._limiter.process(mixed, last=last), last=last) * self._scale, np.int32)

    def _ends(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        """Fades the first and, once it is known, the last 5 ms, which are held back until then."""
        waiting = np.concatenate((self._held, samples))
        rise = self._rise[self._risen : self._risen + len(samples)]
        begun = len(self._held)
        waiting[begun : begun + len(rise)] *= rise[:, None]
        self._risen += len(rise)
        held = min(len(waiting), len(self._rise))
        if last:
            waiting[len(waiting) - held :] *= self._rise[:held][::-1, None]
            held = 0
        self._held = waiting[len(waiting) - held :]
        return waiting[: len(waiting) - held]
