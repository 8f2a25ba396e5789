"""What microphones hear of chirps that repeat for ever: delays by a phase ramp on the spectrum of one period."""

import numpy as np


def period(waveform, frames, delay_frames, gains):
    """One period of `frames` of the pulses that came these delays later; what passes its end goes round it."""
    spectrum = np.fft.rfft(waveform, frames)
    cycles = np.fft.rfftfreq(frames)
    ramps = [gain * np.exp(-2j * np.pi * cycles * delay) for delay, gain in zip(delay_frames, gains, strict=True)]
    return np.fft.irfft(spectrum * np.sum(ramps, axis=0), frames) if ramps else np.zeros(frames)


def pcm(signal):
    """int32 of full scale 1.0, as of a converter of 24 bits."""
    codes = np.clip(np.rint(np.asarray(signal) * 2**23), -(2**23), 2**23 - 1).astype(np.int32)
    return np.ascontiguousarray(codes * 256)


def peak_near(frame, mic, range_m, within_m=0.15):
    """Range (m) and magnitude of the highest point near `range_m`, between bins by a parabola on the logarithm."""
    magnitude = np.log(np.abs(frame.echoes[mic]).astype(float) + 1e-20)
    near = np.flatnonzero(np.abs(frame.range_m - range_m) < within_m)
    tip = near[magnitude[near].argmax()]
    left, middle, right = magnitude[tip - 1 : tip + 2]
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    bin_m = float(frame.range_m[1])
    return (tip + shift) * bin_m, float(np.exp(middle - 0.25 * (left - right) * shift))
