"""Short-time spectra of complex baseband, batched over carriers and microphones."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


class Spectrum:
    """Blackman-windowed power spectrum. A complex tone of amplitude A reads A^2 in its own bin.

    Blackman, not Hann: what little of the static room is left over must not leak into the slowest band, and its side
    lobes start at -58 dB instead of -31 dB.
    """

    def __init__(self, *, window_samples: int) -> None:
        phase = 2.0 * np.pi * np.arange(window_samples) / window_samples
        blackman = 0.42 - 0.5 * np.cos(phase) + 0.08 * np.cos(2.0 * phase)
        self._window = (blackman / blackman.sum()).astype(np.float32)

    def power(self, samples: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Power per bin of `samples` [..., window]; the bins run from -rate/2 upwards, 0 Hz in the middle."""
        lines = np.fft.fft(samples * self._window, axis=-1)
        power: NDArray[np.float32] = np.fft.fftshift(lines.real**2 + lines.imag**2, axes=-1).astype(np.float32)
        return power

    def bin_correlation(self, bins: int) -> float:
        """Correlation of white noise's power between lines `bins` apart (Welch, IEEE Trans. AU-15, 1967)."""
        squared = self._window**2
        turning = np.exp(2j * np.pi * bins * np.arange(len(squared)) / len(squared))
        return float(np.abs(squared @ turning) ** 2 / squared.sum() ** 2)

    def hop_correlation(self, samples: int) -> float:
        """Correlation of white noise's power between windows `samples` apart (Welch, as above)."""
        overlap = max(len(self._window) - samples, 0)
        shared = self._window[:overlap] @ self._window[len(self._window) - overlap :]
        return float(shared**2 / (self._window**2).sum() ** 2)


def independent(count: int, correlation: Callable[[int], float]) -> float:
    """How many independent looks `count` evenly spaced ones are worth, given the correlation at each distance."""
    pairs = sum((count - apart) * correlation(apart) for apart in range(1, count))
    return count * count / (count + 2.0 * pairs)
