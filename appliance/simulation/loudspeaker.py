"""What music from the same box does to the tones: products of a loudspeaker that is not linear, and its Doppler.

To a tone far above the music, a memory polynomial is a slow change of its level: of x + a2 x (x + x_m / 2) + a3 x^3,
where x_m is x a millisecond ago, there stays beside the tone t: t (1 + a2 (2 b + b_m / 2) + 3 a3 b^2), b being the
music. A moving surface turns its phase as well.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.physics import speed_of_sound_mps
from appliance.simulation.device import Unit
from appliance.simulation.gait import cubics, interpolate

Array = NDArray[np.float64]

_MEMORY_S = 0.001
_HARMONICS = (1.0, 0.4, 0.15)
_DECAY_S = 0.18
_ATTACK_S = 0.004
_FORGOTTEN_S = 14.0 * _DECAY_S
"""By then a note is 120 dB down."""

_TICKS_HZ = 4_000.0
"""Music is kept this often and begins its notes then; joined by cubics, that follows the highest partial to -50 dB."""

_LOWEST_HZ, _HIGHEST_HZ = 41.0, 110.0
_KICK_HZ = 55.0


@dataclass(frozen=True, slots=True)
class Music:
    """Music with a bass, at `level` (0-1) of the loudspeaker's full scale; a function of time and seed."""

    level: float = 0.3
    beats_per_minute: float = 110.0
    seed: int = 1

    def bass(self, t_s: Array) -> Array:
        """The part of it that moves cones, within +-level, at instants [times], which are in order.

        A kick on each beat, a note on each half: damped sines.
        """
        ticks = round(30.0 / self.beats_per_minute * _TICKS_HZ)
        at = t_s * _TICKS_HZ
        first, last = math.floor((at[0] - 1.0) / ticks), math.floor((at[-1] + 2.0) / ticks)
        halves = [_half(self.seed, ticks, half) for half in range(first, last + 1)]
        return self.level * interpolate(cubics(np.concatenate(halves)), at - first * ticks)


@functools.lru_cache(maxsize=64)
def _half(seed: int, ticks: int, half: int) -> Array:
    """What is heard during one half of a beat, of which each takes so many ticks."""
    wave = np.zeros(ticks)
    for before in range(math.ceil(_FORGOTTEN_S * _TICKS_HZ / ticks) + 1):
        struck = _struck(*_drawn(seed, half - before))[before * ticks :][:ticks]
        wave[: len(struck)] += struck
    return np.asarray(np.tanh(wave))


@functools.lru_cache(maxsize=1024)
def _drawn(seed: int, half: int) -> tuple[float, bool]:
    """Which note (Hz) begins with one half of a beat, and whether a kick."""
    random = np.random.default_rng([seed, 101, half + (1 << 20)])
    return min(float(random.choice(_LOWEST_HZ * 2.0 ** (np.arange(18) / 12.0))), _HIGHEST_HZ), half % 2 == 0


@functools.lru_cache(maxsize=64)
def _struck(note_hz: float, kicks: bool) -> Array:
    """A note alone, until it is forgotten."""
    t_s = np.arange(round(_FORGOTTEN_S * _TICKS_HZ)) / _TICKS_HZ
    partials = [(note_hz * number, 0.3 * level) for number, level in enumerate(_HARMONICS, start=1)]
    if kicks:
        partials.append((_KICK_HZ, 0.5))
    wave = np.sum([level * np.sin(2.0 * np.pi * frequency_hz * t_s) for frequency_hz, level in partials], axis=0)
    return np.asarray(wave * np.exp(-t_s / _DECAY_S) * -np.expm1(-t_s / _ATTACK_S))


class Modulation:
    """What a unit's loudspeaker makes of its tones while music plays."""

    def __init__(self, unit: Unit, music: Music, temperature_c: float) -> None:
        self._unit, self._music = unit, music
        self._speed_mps = speed_of_sound_mps(temperature_c)

    def level(self, t_s: Array) -> Array:
        """Factor on the tones' pressure at instants [times], which are in order."""
        return self._level(t_s, self._music.bass(t_s))

    def delay_s(self, t_s: Array) -> Array:
        """Delay of the tones [times] by the cone's, or else the box's, excursion."""
        return self._delay_s(self._music.bass(t_s))

    def turning(self, t_s: Array, carrier_hz: float) -> NDArray[np.complex128]:
        """Both as one complex factor on a carrier."""
        bass = self._music.bass(t_s)
        level, angle = self._level(t_s, bass), -2.0 * np.pi * carrier_hz * self._delay_s(bass)
        turning = np.empty(len(t_s), complex)
        turning.real, turning.imag = level * np.cos(angle), level * np.sin(angle)
        return turning

    def _level(self, t_s: Array, bass: Array) -> Array:
        second, third = self._unit.distortion
        before = self._music.bass(t_s - _MEMORY_S)
        return np.asarray(1.0 + second * (2.0 * bass + 0.5 * before) + 3.0 * third * bass**2)

    def _delay_s(self, bass: Array) -> Array:
        travel_m = self._unit.cone_travel_m or self._unit.chassis_travel_m
        return np.asarray(-travel_m * bass / self._speed_mps)
