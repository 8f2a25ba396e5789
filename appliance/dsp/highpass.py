"""The filter that keeps speech out of recordings: a linear-phase high-pass, streamed by overlap-save."""

import math

import numpy as np
from numpy.typing import NDArray

STOP_HZ = 20_000.0
PASS_HZ = 28_000.0
_STOPBAND_DB = 90.0
_FFT_FRAMES = 4096


def highpass_taps(*, rate_hz: float, stop_hz: float = STOP_HZ, pass_hz: float = PASS_HZ) -> NDArray[np.float64]:
    """Windowed-sinc high-pass, [taps] with an odd count, about 90 dB down below `stop_hz`.

    Raises:
        ValueError: the band edges do not fit between 0 and half of `rate_hz`.
    """
    if not 0.0 < stop_hz < pass_hz < rate_hz / 2.0:
        raise ValueError(f"band edges {stop_hz:g} and {pass_hz:g} Hz do not fit a rate of {rate_hz:g} Hz")
    # Kaiser's two empirical formulas: window shape from the depth, length from the depth and the transition width.
    beta = 0.1102 * (_STOPBAND_DB - 8.7)
    transition_rad = 2.0 * math.pi * (pass_hz - stop_hz) / rate_hz
    half = math.ceil((_STOPBAND_DB - 7.95) / (2.285 * transition_rad) / 2.0)
    n = np.arange(-half, half + 1)
    cutoff = (stop_hz + pass_hz) / rate_hz  # both edges' mean, relative to half the rate
    lowpass = cutoff * np.sinc(cutoff * n) * np.kaiser(2 * half + 1, beta)
    taps = -lowpass / lowpass.sum()  # the low-pass passes 0 Hz exactly, so that its complement stops it exactly
    taps[half] += 1.0
    return np.asarray(taps, np.float64)


class HighPass:
    """Streaming high-pass over all channels: below 20 kHz at least 80 dB down, from 28 kHz within 0.5 dB.

    Output frame n belongs to input frame n - `delay_frames`. How the stream is cut into blocks does not matter
    beyond float rounding.
    """

    def __init__(self, *, rate_hz: float, channels: int, stop_hz: float = STOP_HZ, pass_hz: float = PASS_HZ) -> None:
        taps = highpass_taps(rate_hz=rate_hz, stop_hz=stop_hz, pass_hz=pass_hz)
        self.channels = channels
        self.delay_frames = len(taps) // 2
        self._overlap = len(taps) - 1
        self._fft_frames = max(_FFT_FRAMES, 4 << len(taps).bit_length())
        self._spectrum = np.fft.rfft(taps, self._fft_frames)[:, np.newaxis]
        self._history = np.zeros((self._overlap, channels))

    def process(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filter `samples` [frames, channels]; the answer has the same shape and scale.

        Raises:
            ValueError: the number of channels is not the one this filter was made for.
        """
        if samples.ndim != 2 or samples.shape[1] != self.channels:
            raise ValueError(f"wanted [frames, {self.channels}], got {samples.shape}")
        joined = np.concatenate((self._history, samples))
        self._history = joined[len(joined) - self._overlap :].copy()
        out = np.empty(samples.shape)
        hop = self._fft_frames - self._overlap
        for start in range(0, len(samples), hop):
            wanted = min(hop, len(samples) - start)
            piece = joined[start : start + self._overlap + wanted]
            spectrum = np.fft.rfft(piece, self._fft_frames, axis=0) * self._spectrum
            filtered = np.fft.irfft(spectrum, self._fft_frames, axis=0)
            out[start : start + wanted] = filtered[self._overlap : self._overlap + wanted]
        return out

    def reset(self) -> None:
        """Forget the past, as if the stream began here."""
        self._history[:] = 0.0
