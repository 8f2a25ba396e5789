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
_FORGOTTEN_S = 20.0 * _DECAY_S
_LOWEST_HZ, _HIGHEST_HZ = 41.0, 110.0
_KICK_HZ = 55.0


@dataclass(frozen=True, slots=True)
class Music:
    """Music with a bass, at `level` (0-1) of the loudspeaker's full scale; a function of time and seed."""

    level: float = 0.3
    beats_per_minute: float = 110.0
    seed: int = 1

    def bass(self, t_s: Array) -> Array:
        """The part of it that moves cones, within +-level [times]: a kick on each beat, a note on each half."""
        beat_s = 60.0 / self.beats_per_minute
        wave = np.zeros(len(t_s))
        first = math.floor((float(t_s.min()) - _FORGOTTEN_S) / beat_s * 2.0)
        for half in range(first, math.floor(float(t_s.max()) / beat_s * 2.0) + 1):
            random = np.random.default_rng([self.seed, 101, half + (1 << 20)])
            since_s = np.maximum(t_s - 0.5 * half * beat_s, 0.0)
            envelope = np.exp(-since_s / _DECAY_S) * -np.expm1(-since_s / 0.004)
            note_hz = random.choice(_LOWEST_HZ * 2.0 ** (np.arange(18) / 12.0))
            for number, level in enumerate(_HARMONICS, start=1):
                turns = min(note_hz, _HIGHEST_HZ) * number * since_s
                wave += 0.3 * level * envelope * np.sin(2.0 * np.pi * turns)
            if half % 2 == 0:
                wave += 0.5 * envelope * np.sin(2.0 * np.pi * _KICK_HZ * since_s)
        return np.asarray(self.level * np.tanh(wave))


class Modulation:
    """What a unit's loudspeaker makes of its tones while music plays."""

    def __init__(self, unit: Unit, music: Music, temperature_c: float) -> None:
        self._unit, self._music = unit, music
        self._speed_mps = speed_of_sound_mps(temperature_c)

    def level(self, t_s: Array) -> Array:
        """Factor on the tones' pressure [times]."""
        second, third = self._unit.distortion
        bass, before = self._music.bass(t_s), self._music.bass(t_s - _MEMORY_S)
        return np.asarray(1.0 + second * (2.0 * bass + 0.5 * before) + 3.0 * third * bass**2)

    def delay_s(self, t_s: Array) -> Array:
        """Delay of the tones [times] by the cone's, or else the box's, excursion."""
        travel_m = self._unit.cone_travel_m or self._unit.chassis_travel_m
        return np.asarray(-travel_m * self._music.bass(t_s) / self._speed_mps)

    def turning(self, t_s: Array, carrier_hz: float) -> NDArray[np.complex128]:
        """Both as one complex factor on a carrier."""
        return np.asarray(self.level(t_s) * np.exp(-2j * np.pi * carrier_hz * self.delay_s(t_s)))
