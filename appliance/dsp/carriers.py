"""Find the steady tones of a recording whose carriers nobody wrote down."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from appliance.types import MAX_CARRIERS

LOWEST_HZ = 30_000.0
HIGHEST_HZ = 90_000.0
_RATE_SHARE = 0.46875  # 45 kHz at 96 kHz: above it every converter's own anti-alias filter begins
_STANDS_OUT_DB = 20.0
_WITHIN_DB = 20.0
_NEIGHBOURHOODS_HZ = (1_500.0, 100.0)  # wide against hiss, close against the hump that calls of one kind pile up
_APART_HZ = 600.0  # a fan's steady Doppler line beside a carrier is no carrier
_STEADY_PERCENTILE = 20.0
_SLOTS_HZ = 100.0
_DEEPEST_FADE = 0.2  # of the line's power, in all but the weakest fifth of the slots
_FINE_POINTS = 1 << 16


def carrier_limits_hz(rate_hz: float) -> tuple[float, float]:
    """The lowest and the highest carrier that a recording at `rate_hz` can hold."""
    return LOWEST_HZ, min(HIGHEST_HZ, _RATE_SHARE * rate_hz)


def find_carriers(
    segments: Iterable[NDArray[np.float64]], run: NDArray[np.float64], *, rate_hz: float
) -> tuple[float, ...]:
    """Frequencies of up to four steady lines above 30 kHz, strongest first, to some millihertz.

    Args:
        segments: pieces [frames, mics] of equal length, about a third of a second each, spread over the recording.
            What sounds in a few of them only (beeps, keys) or over all frequencies (hiss) is not a carrier.
        run: [frames, mics], some seconds without a gap. What comes and goes within it (bats) is not a carrier, and
            its phase gives the frequency: an error of 0.1 Hz would later look like one breath in ten seconds.
        rate_hz: frames a second of both.

    Returns:
        The lines within 20 dB of the strongest; empty where there is none.
    """
    spectra = []
    for piece in segments:
        bin_hz = rate_hz / len(piece)
        windowed = piece * np.hanning(len(piece))[:, np.newaxis]
        spectra.append((np.abs(np.fft.rfft(windowed, axis=0)) ** 2).sum(axis=1))
    power = np.array(spectra)
    steady, mean = _steady_power(power), power.mean(axis=0)
    floor = np.max([_floor(steady, round(hz / bin_hz)) for hz in _NEIGHBOURHOODS_HZ], axis=0)
    low_hz, high_hz = carrier_limits_hz(rate_hz)
    low, high = int(np.ceil(low_hz / bin_hz)), int(high_hz / bin_hz)
    inside = slice(low, high + 1)
    is_peak = (mean[inside] >= mean[low - 1 : high]) & (mean[inside] >= mean[low + 1 : high + 2])
    peaks = np.flatnonzero(is_peak & (steady[inside] > 10 ** (_STANDS_OUT_DB / 10) * floor[inside])) + low
    found_hz: list[float] = []
    weakest = 0.0
    for peak in peaks[np.argsort(-steady[peaks])]:
        if steady[peak] < weakest or len(found_hz) == MAX_CARRIERS:
            break
        rough_hz = _between_bins(mean, int(peak)) * bin_hz
        if any(abs(rough_hz - other_hz) < _APART_HZ for other_hz in found_hz):
            continue
        sharp_hz = _sharpen(run, near_hz=rough_hz, rate_hz=rate_hz)
        if sharp_hz is not None:
            weakest = weakest or float(steady[peak]) * 10 ** (-_WITHIN_DB / 10)
            found_hz.append(sharp_hz)
    return tuple(found_hz)


def _sharpen(run: NDArray[np.float64], *, near_hz: float, rate_hz: float) -> float | None:
    """The line near `near_hz` from a long spectrum of its baseband in `run`, or None where it comes and goes."""
    slot = round(rate_hz / _SLOTS_HZ)
    slots = len(run) // slot
    turn = np.exp(-2j * np.pi * near_hz / rate_hz * np.arange(slots * slot))
    taper = np.hanning(slot)  # neighbouring carriers must not leak in
    basebands = [(mic[: slots * slot] * turn).reshape(slots, slot) @ taper for mic in run.T]
    best = max(basebands, key=lambda baseband: float(np.median(np.abs(baseband))))
    level = np.abs(best)
    usual = np.median(level)
    # A loud call in a few slots must not decide: no slot weighs more than the usual one.
    even = best * (usual / np.maximum(level, usual)) if usual > 0.0 else best
    spectrum = np.abs(np.fft.fftshift(np.fft.fft(even * np.hanning(slots), _FINE_POINTS))) + np.finfo(float).tiny
    peak = int(spectrum[1:-1].argmax()) + 1
    line = 2.0 * spectrum[peak] / slots
    if np.percentile(level, _STEADY_PERCENTILE) ** 2 < _DEEPEST_FADE * line**2:
        return None
    offset = (_between_bins(spectrum, peak) - _FINE_POINTS // 2) / _FINE_POINTS
    return float(near_hz + offset * rate_hz / slot)


def _steady_power(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Per bin [bins] what nearly every one of [segments, bins] reaches, in the bin or one beside it."""
    widest = power.copy()
    widest[:, 1:] = np.maximum(widest[:, 1:], power[:, :-1])
    widest[:, :-1] = np.maximum(widest[:, :-1], power[:, 1:])
    # The neighbours only forgive a wobble: a bin that is not the peak itself must not pass for one.
    steady = np.percentile(widest, _STEADY_PERCENTILE, axis=0)
    return np.asarray(np.minimum(steady, power.mean(axis=0) * 10.0))


def _floor(steady: NDArray[np.float64], half_width: int) -> NDArray[np.float64]:
    """Median power around each bin [bins], from medians of short stretches so that it stays cheap."""
    stretch = max(1, half_width // 4)
    padded = np.pad(steady, (0, -len(steady) % stretch), mode="edge")
    medians = np.median(padded.reshape(-1, stretch), axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(medians, 4, mode="edge"), 9)
    tiny = np.finfo(float).tiny + steady.max() * 1e-15
    return np.asarray(np.repeat(np.median(around, axis=1), stretch)[: len(steady)] + tiny)


def _between_bins(power: NDArray[np.float64], peak: int) -> float:
    """Position of the line at bin `peak`, by a parabola through the logarithm of three bins."""
    left, centre, right = np.log(power[peak - 1 : peak + 2] + np.finfo(float).tiny)
    curve = left - 2.0 * centre + right
    return float(peak + (0.5 * (left - right) / curve if curve < 0.0 else 0.0))
