"""Golden vectors of the signal path, made by SciPy alone: no code, tap or formula of the project goes in.

    python tests/golden/make_dsp_vectors.py      # writes dsp_downconvert_*.npz and dsp_delay.npz beside itself

Down-conversion is one oscillator and one Kaiser-windowed filter, ten times flatter and 20 dB deeper than the C code
has to be. Delays are made by a phase ramp on the spectrum of a signal that fades to silence at both ends.
"""

import pathlib

import numpy as np
import scipy.fft
import scipy.signal

HERE = pathlib.Path(__file__).parent
CARRIERS_HZ = {384_000: (40_000.0, 111_111.1), 192_000: (40_000.0, 61_111.1), 96_000: (33_333.3, 45_000.0)}


def pcm(rate_hz: int, frames: int, seed: int):
    """int32 [frames, 2]: strong tones far from the carriers, weak ones near them, and noise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(frames)[:, None] / rate_hz
    samples = 1e-4 * rng.standard_normal((frames, 2))
    for carrier_hz in CARRIERS_HZ[rate_hz]:
        for offset_hz in (-870.0, -210.0, 0.0, 55.0, 640.0):
            phase = rng.uniform(0, 2 * np.pi, 2)
            samples += 0.02 * np.cos(2 * np.pi * (carrier_hz + offset_hz) * time_s + phase)
    for frequency_hz in (1_000.0, 12_345.0, 27_000.0, 37_600.0):
        samples += 0.15 * np.cos(2 * np.pi * frequency_hz * time_s + rng.uniform(0, 2 * np.pi, 2))
    return np.rint(samples * 2**31).astype(np.int32)


def make_downconvert(rate_hz: int) -> None:
    """Baseband at 2400 Hz whose sample q describes PCM frame q * rate / 2400, without delay."""
    decimation = rate_hz // 2400
    samples = pcm(rate_hz, 100 * decimation, seed=rate_hz)
    length, beta = scipy.signal.kaiserord(104.0, 200.0 / (rate_hz / 2))
    length += (length + 1) % 2
    taps = scipy.signal.firwin(length, 1000.0, window=("kaiser", beta), fs=rate_hz)
    frame = np.arange(len(samples))
    iq = []
    for carrier_hz in CARRIERS_HZ[rate_hz]:
        mixed = samples.T / 2**31 * 2 * np.exp(-2j * np.pi * carrier_hz * frame / rate_hz)
        iq.append(
            scipy.signal.oaconvolve(mixed, taps[None, :], mode="full")[:, length // 2 :][:, : len(frame) : decimation]
        )
    np.savez_compressed(
        HERE / f"dsp_downconvert_{rate_hz // 1000}k.npz",
        pcm=samples,
        iq=np.array(iq, np.complex64),
        carriers_hz=CARRIERS_HZ[rate_hz],
    )


def make_delay() -> None:
    """A signal below 60 kHz at 192 kHz, and what it is some fractional frames later."""
    frames = 4_096
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(frames) * scipy.signal.windows.tukey(frames, 0.5)
    low_pass = scipy.signal.firwin(255, 56_000.0, window=("kaiser", 12.0), fs=192_000)
    signal = scipy.signal.convolve(noise, low_pass, mode="same") * scipy.signal.windows.hann(frames)
    signal /= np.abs(signal).max()
    delay_frames = np.array([10.0, 33.3, 100.5, 511.97])
    spectrum = scipy.fft.rfft(signal, 2 * frames)
    cycles = scipy.fft.rfftfreq(2 * frames)
    delayed = [scipy.fft.irfft(spectrum * np.exp(-2j * np.pi * cycles * d))[:frames] for d in delay_frames]
    np.savez_compressed(
        HERE / "dsp_delay.npz",
        signal=signal.astype(np.float32),
        delay_frames=delay_frames,
        delayed=np.array(delayed, np.float32),
    )


if __name__ == "__main__":
    for rate_hz in CARRIERS_HZ:
        make_downconvert(rate_hz)
    make_delay()
