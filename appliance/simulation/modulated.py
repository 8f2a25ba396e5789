"""Tones that music changes at their source, as baseband: each path brings the change with its own delay."""

import math

import numpy as np
from numpy.typing import NDArray

from appliance.simulation.loudspeaker import Modulation
from appliance.simulation.propagation import Propagation

_LEAD = 400
"""Samples before those that are wanted, longer than any way; with a step they are 19,600, which transform quickly."""


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

    def play(
        self, still: NDArray[np.complex64], moving: NDArray[np.complex64], delay_s: float, t_s: NDArray[np.float64]
    ) -> NDArray[np.complex64]:
        """Both with the modulation: what stands still [carriers, mics, samples] and what moves, at instants `t_s`.

        What moves is taken for as late as `delay_s`, as music is slow.
        """
        before_s = t_s[0] + np.arange(-_LEAD, 0) / self._rate_hz
        played_s = np.concatenate([before_s, t_s])
        late = min(max(delay_s * self._rate_hz, 1.0), _LEAD)
        first = math.floor(_LEAD - late)
        share = np.float32(_LEAD - late - first)
        out = still + moving
        for c, carrier_hz in enumerate(self._carriers_hz):
            change = self._modulation.turning(played_s, carrier_hz) - 1.0
            # a convolution that goes round: what wraps stays within the samples before the first that is wanted
            responses = np.fft.fft(self._still_response(float(t_s[0]), carrier_hz), len(change))
            answered = np.fft.ifft(responses * np.fft.fft(change))
            out[c] += answered[:, _LEAD:].astype(np.complex64)
            meets = change[first : first + len(t_s) + 1].astype(np.complex64)
            out[c] += moving[c] * (meets[:-1] + share * (meets[1:] - meets[:-1]))
        return out

    def _still_response(self, at_s: float, carrier_hz: float) -> NDArray[np.complex128]:
        """Impulse response of what stands still around a carrier, [mics, taps]; delays between taps are shared out."""
        rays = self._propagation.still.rays(at_s + np.arange(2) / self._propagation.still.rate_hz, carrier_hz)
        delay_s, level = rays.delay_s[0], rays.gain[0] * np.exp(-2j * np.pi * carrier_hz * rays.delay_s[0])
        position = np.clip(delay_s * self._rate_hz, 0.0, _LEAD - 2.0)
        tap = position.astype(int)
        response = np.zeros((delay_s.shape[1], _LEAD), complex)
        for mic in range(delay_s.shape[1]):
            np.add.at(response[mic], tap[:, mic], level[:, mic] * (1.0 - position[:, mic] + tap[:, mic]))
            np.add.at(response[mic], tap[:, mic] + 1, level[:, mic] * (position[:, mic] - tap[:, mic]))
        return response
