"""Tones that music changes at their source, as baseband: each path brings the change with its own delay."""

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.loudspeaker import Modulation
from appliance.simulation.propagation import Propagation

_LONGEST_S = 0.08


class ModulatedTones:
    """Puts a loudspeaker's modulation on sound that was computed for steady tones.

    Args:
        modulation: what the music does.
        propagation: the ways.
        carriers_hz: of the tones.
        rate_hz: of the samples.
    """

    def __init__(
        self, modulation: Modulation, propagation: Propagation, carriers_hz: tuple[float, ...], rate_hz: float
    ) -> None:
        self._modulation, self._propagation = modulation, propagation
        self._carriers_hz, self._rate_hz = carriers_hz, rate_hz
        self._taps = round(_LONGEST_S * rate_hz)

    def play(
        self, still: NDArray[np.complex64], moving: NDArray[np.complex64], t_s: NDArray[np.float64]
    ) -> NDArray[np.complex64]:
        """Both with the modulation: what stands still [carriers, mics, samples] and what moves, at instants `t_s`."""
        before_s = t_s[0] + np.arange(-self._taps, 0) / self._rate_hz
        played_s = np.concatenate([before_s, t_s])
        out = still + moving
        for c, carrier_hz in enumerate(self._carriers_hz):
            change = self._modulation.turning(played_s, carrier_hz) - 1.0
            # a convolution that goes round: what wraps stays within the taps before the first sample
            responses = np.fft.fft(self._still_response(float(t_s[0]), carrier_hz), len(change))
            answered = np.fft.ifft(responses * np.fft.fft(change))
            out[c] += answered[:, self._taps :].astype(np.complex64)
            out[c] += moving[c] * np.interp(t_s - self._moving_delay_s(t_s), played_s, change).astype(np.complex64)
        return out

    def _still_response(self, at_s: float, carrier_hz: float) -> NDArray[np.complex128]:
        """Impulse response of what stands still around a carrier, [mics, taps]; delays between taps are shared out."""
        rays = self._propagation.still.rays(at_s + np.arange(2) / self._propagation.still.rate_hz, carrier_hz)
        delay_s, level = rays.delay_s[0], rays.gain[0] * np.exp(-2j * np.pi * carrier_hz * rays.delay_s[0])
        position = np.clip(delay_s * self._rate_hz, 0.0, self._taps - 2.0)
        tap = position.astype(int)
        response = np.zeros((delay_s.shape[1], self._taps), complex)
        for mic in range(delay_s.shape[1]):
            np.add.at(response[mic], tap[:, mic], level[:, mic] * (1.0 - position[:, mic] + tap[:, mic]))
            np.add.at(response[mic], tap[:, mic] + 1, level[:, mic] * (position[:, mic] - tap[:, mic]))
        return response

    def _moving_delay_s(self, t_s: NDArray[np.float64]) -> float:
        """Mean delay of what moves, by energy: one for all, as the music is slow."""
        total, weighted = 1e-30, 0.0
        for group in self._propagation.moving:
            rays = group.rays(np.array([t_s[0], t_s[-1]]), self._carriers_hz[0])
            energy = rays.gain.astype(np.float64) ** 2
            total += float(energy.sum())
            weighted += float((energy * rays.delay_s).sum())
        return weighted / total
