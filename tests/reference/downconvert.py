"""Slow, obvious twin of csrc/downconvert.c: one oscillator, one long filter, in float64."""

import numpy as np
from reference import design_filters as design


def whole_filter(rate_hz):
    """The impulse response of the three stages together, at `rate_hz`."""
    cascade = design.committed_cascade(rate_hz)
    response = cascade.stage_1
    for taps, decimation in ((cascade.stage_2, rate_hz // 24_000), (cascade.stage_3, rate_hz // 4_800)):
        spread = np.zeros((len(taps) - 1) * decimation + 1)
        spread[::decimation] = taps
        response = np.convolve(response, spread)
    return response


def downconvert(samples, carriers_hz, rate_hz, first_frame=0):
    """iq [carriers, mics, n] complex128 of samples [frames, mics] int32 that follow silence."""
    frames, mics = samples.shape
    group = rate_hz // 2400
    taps = whole_filter(rate_hz)
    frame = first_frame + np.arange(frames)
    iq = np.empty((len(carriers_hz), mics, frames // group), complex)
    for c, carrier_hz in enumerate(carriers_hz):
        oscillator = 2 * np.exp(-2j * np.pi * (carrier_hz / rate_hz * frame % 1.0))
        for m in range(mics):
            mixed = samples[:, m] / 2**31 * oscillator
            iq[c, m] = np.convolve(mixed, taps)[group - 1 : frames // group * group : group]
    return iq
