"""Golden vectors of the Doppler frames, made by scipy.signal.spectrogram: no formula of the project goes in.

python tests/golden/make_doppler_vectors.py      # writes doppler.npz beside itself
"""

import pathlib

import numpy as np
import scipy.signal

RATE_HZ = 2400.0
SAMPLES = 640


def main() -> None:
    """Two microphones hear a strong still line, one reflector that comes, a weaker one that goes, and noise."""
    rng = np.random.default_rng(4)
    t_s = np.arange(SAMPLES) / RATE_HZ
    iq = 1e-4 * (rng.standard_normal((1, 2, SAMPLES)) + 1j * rng.standard_normal((1, 2, SAMPLES)))
    for shift_hz, amplitude in ((0.0, 0.3), (280.0, 0.02), (-123.4, 0.003)):
        iq += amplitude * np.exp(1j * (2 * np.pi * shift_hz * t_s + rng.uniform(0, 2 * np.pi, (1, 2, 1))))
    iq = iq.astype(np.complex64)
    shift_hz, end_s, power = scipy.signal.spectrogram(
        iq.astype(complex),
        fs=RATE_HZ,
        window="blackman",
        nperseg=256,
        noverlap=192,
        detrend=False,
        return_onesided=False,
        scaling="spectrum",
        mode="psd",
    )
    order = np.argsort(shift_hz)
    np.savez_compressed(
        pathlib.Path(__file__).parent / "doppler.npz",
        iq=iq,
        shift_hz=shift_hz[order],
        # SciPy tells a window's middle
        end_s=end_s + 128 / RATE_HZ,
        power=np.moveaxis(power, -1, 0)[..., order].astype(np.float32),
    )


if __name__ == "__main__":
    main()
