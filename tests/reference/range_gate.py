"""Slow, obvious twin of csrc/band.c and csrc/range_gate.c: one oscillator, one long filter, sums, in float64."""

import numpy as np
from reference import design_filters as design

BAND_HZ = 12_000
SETTLE_SAMPLES = 16
GUARD_SAMPLES = 16


def band_filter(rate_hz):
    """The impulse response of both stages together, at `rate_hz`."""
    stage_1, stage_2 = design.committed_band(rate_hz)
    decimation = rate_hz // design.STAGE_1_HZ
    spread = np.zeros((len(stage_2) - 1) * decimation + 1)
    spread[::decimation] = stage_2
    return np.convolve(stage_1, spread)


def shifted(replica, samples, points):
    """The replica, later by a part of a sample, on a circle of `points`."""
    cycles = np.fft.fftfreq(points)
    return np.fft.ifft(np.fft.fft(replica, points) * np.exp(-2j * np.pi * cycles * samples))


def range_gate(
    pcm,
    *,
    rate_hz,
    centre_hz,
    period_frames,
    bins,
    bin_samples,
    lead_samples,
    replica,
    first_frame=0,
    offset_frames=0.0,
):
    """Pulse frames and echoes [pulses, mics, bins] of pcm [frames, mics] int32 that follow silence."""
    decimation = rate_hz // BAND_HZ
    taps = band_filter(rate_hz)
    frame = first_frame + np.arange(len(pcm))
    oscillator = 2 * np.exp(-2j * np.pi * (centre_hz / rate_hz * frame % 1.0))
    group = 16 * decimation
    newest = np.arange(decimation - 1, len(pcm) // group * group, decimation)
    band = np.array([np.convolve(mic / 2**31 * oscillator, taps)[newest] for mic in pcm.T])
    described = first_frame + newest - (len(taps) - 1) / 2

    used = (bins - 1) * bin_samples + len(replica)
    points = max(128, int(2 ** np.ceil(np.log2(used + GUARD_SAMPLES))))
    frames, echoes = [], []
    for pulse_frame in range(0, first_frame + len(pcm), period_frames):
        left = pulse_frame + offset_frames
        place = (left - described[0]) / decimation if len(described) else -1.0
        start = int(np.floor(place)) - lead_samples
        if start < SETTLE_SAMPLES or start + used + GUARD_SAMPLES // 2 > band.shape[1]:
            continue
        window = np.zeros((pcm.shape[1], points), complex)
        heard = band[:, start : start + used + GUARD_SAMPLES // 2]
        window[:, : heard.shape[1]] = heard
        later = shifted(replica, place - np.floor(place), points)
        turn = np.exp(2j * np.pi * (centre_hz / rate_hz * left % 1.0))
        rows = [np.roll(window, -b * bin_samples, axis=1) @ np.conj(later) for b in range(bins)]
        frames.append(pulse_frame)
        echoes.append(np.array(rows).T * turn)
    return frames, np.array(echoes).reshape(-1, pcm.shape[1], bins)
