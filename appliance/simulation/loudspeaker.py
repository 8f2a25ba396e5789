"""What music from the same box does to the tones: products of a loudspeaker that is not linear, and its Doppler.

To a tone far above the music, a memory polynomial is a slow change of its level: of x + a2 x (x + x_m / 2) + a3 x^3,
where x_m is x a millisecond ago, there stays beside the tone t: t (1 + a2 (2 b + b_m / 2) + 3 a3 b^2), b being the
music. A moving surface turns its phase as well.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.physics import speed_of_sound_mps
from appliance.simulation.device import Unit

Array = NDArray[np.float64]

_MEMORY_S = 0.001
_HARMONICS = (1.0, 0.4, 0.15)
_DECAY_S = 0.18
_ATTACK_S = 0.004
_FORGOTTEN_S, _RISEN_S = 14.0 * _DECAY_S, 14.0 * _ATTACK_S
"""By then what falls is 120 dB down."""

_LOWEST_HZ, _HIGHEST_HZ = 41.0, 110.0
_KICK_HZ = 55.0


@dataclass(frozen=True, slots=True)
class Music:
    """Music with a bass, at `level` (0-1) of the loudspeaker's full scale; a function of time and seed."""

    level: float = 0.3
    beats_per_minute: float = 110.0
    seed: int = 1

    def bass(self, t_s: Array) -> Array:
        """The part of it that moves cones, within +-level, at equally spaced instants [times].

        A kick on each beat, a note on each half: damped sines, which are powers of one complex number.
        """
        half_s = 30.0 / self.beats_per_minute
        step_s = (t_s[-1] - t_s[0]) / max(len(t_s) - 1, 1)
        wave = np.zeros(len(t_s))
        for half in range(math.floor((t_s[0] - _FORGOTTEN_S) / half_s), math.floor(t_s[-1] / half_s) + 1):
            first = int(np.searchsorted(t_s, half * half_s))
            last = int(np.searchsorted(t_s, half * half_s + _FORGOTTEN_S))
            if first < last:
                wave[first:last] += self._struck(half, t_s[first] - half * half_s, step_s, last - first)
        return np.asarray(self.level * np.tanh(wave))

    def _struck(self, half: int, since_s: float, step_s: float, count: int) -> Array:
        """What begins with one half of a beat, from `since_s` after it on."""
        random = np.random.default_rng([self.seed, 101, half + (1 << 20)])
        note_hz = min(random.choice(_LOWEST_HZ * 2.0 ** (np.arange(18) / 12.0)), _HIGHEST_HZ)
        partials = [(note_hz * number, 0.3 * level) for number, level in enumerate(_HARMONICS, start=1)]
        if half % 2 == 0:
            partials.append((_KICK_HZ, 0.5))
        rising = min(count, math.ceil(max(_RISEN_S - since_s, 0.0) / step_s))
        wave = np.zeros(count)
        for frequency_hz, level in partials:
            rate = 2j * np.pi * frequency_hz - 1.0 / _DECAY_S
            wave += level * _powers(rate, since_s, step_s, count).imag
            if rising:
                wave[:rising] -= level * _powers(rate - 1.0 / _ATTACK_S, since_s, step_s, rising).imag
        return wave


def _powers(rate: complex, from_s: float, step_s: float, count: int) -> NDArray[np.complex128]:
    """exp(rate t) at `count` instants from `from_s` on: of every 64th, times those of the first 64."""
    coarse = np.exp(rate * (from_s + 64.0 * step_s * np.arange(-(-count // 64))))
    return np.asarray(np.outer(coarse, np.exp(rate * step_s * np.arange(64))).ravel()[:count])


class Modulation:
    """What a unit's loudspeaker makes of its tones while music plays."""

    def __init__(self, unit: Unit, music: Music, temperature_c: float) -> None:
        self._unit, self._music = unit, music
        self._speed_mps = speed_of_sound_mps(temperature_c)

    def level(self, t_s: Array) -> Array:
        """Factor on the tones' pressure at equally spaced instants [times]."""
        return self._level(t_s, self._music.bass(t_s))

    def delay_s(self, t_s: Array) -> Array:
        """Delay of the tones [times] by the cone's, or else the box's, excursion."""
        return self._delay_s(self._music.bass(t_s))

    def turning(self, t_s: Array, carrier_hz: float) -> NDArray[np.complex128]:
        """Both as one complex factor on a carrier."""
        bass = self._music.bass(t_s)
        return np.asarray(self._level(t_s, bass) * np.exp(-2j * np.pi * carrier_hz * self._delay_s(bass)))

    def _level(self, t_s: Array, bass: Array) -> Array:
        second, third = self._unit.distortion
        before = self._music.bass(t_s - _MEMORY_S)
        return np.asarray(1.0 + second * (2.0 * bass + 0.5 * before) + 3.0 * third * bass**2)

    def _delay_s(self, bass: Array) -> Array:
        travel_m = self._unit.cone_travel_m or self._unit.chassis_travel_m
        return np.asarray(-travel_m * bass / self._speed_mps)
