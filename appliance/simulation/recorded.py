"""Recorded calls from a folder of one's own, as shapes of bursts: WAV of any rate, brought to 192 kHz."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.errors import SourceError
from appliance.simulation.sounds import LONGEST_BURST_S, SOUND_RATE_HZ, Wave

_LOWEST_HZ = 15_000.0


def recorded_calls(folder: Path) -> Callable[[np.random.Generator], Wave]:
    """A shape that is one of the recordings below a folder, at random.

    Raises:
        SourceError: there are none, or, when it is drawn, one cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav") if folder.is_dir() else []
    if not paths:
        raise SourceError(f"{folder}: no WAV files there")
    return lambda random: _call(paths[int(random.integers(len(paths)))])


@functools.lru_cache(maxsize=128)
def _call(path: Path) -> Wave:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate_hz = file.samplerate
            sound = file.read(int(LONGEST_BURST_S * rate_hz), dtype="float64", always_2d=True)[:, 0]
    except (OSError, soundfile.LibsndfileError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error
    if len(sound) < 16 or not np.abs(sound).any() or not np.isfinite(sound).all():
        raise SourceError(f"{path}: is empty, silent or damaged")
    return _at_our_rate(sound, rate_hz)


def _at_our_rate(sound: NDArray[np.float64], rate_hz: int) -> Wave:
    """Resampled in the frequency domain, what is below the band taken off, ends faded, peak 1."""
    spectrum = np.fft.rfft(sound)
    frames = round(len(sound) * SOUND_RATE_HZ / rate_hz)
    spectrum[: int(_LOWEST_HZ * len(sound) / rate_hz)] = 0.0
    resampled = np.fft.irfft(
        np.resize(spectrum, frames // 2 + 1) * (np.arange(frames // 2 + 1) < len(spectrum)), frames
    )
    fade = min(96, frames // 4)
    ramp = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade) ** 2
    resampled[:fade] *= ramp
    resampled[-fade:] *= ramp[::-1]
    return np.asarray(resampled / max(float(np.abs(resampled).max()), 1e-30))
