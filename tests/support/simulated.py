"""What tests of the simulation share: a point that moves, and a scene heard through the PCM room and the filter."""

import numpy as np

from appliance.dsp.downconvert import DownConverter
from appliance.hardware.room import VirtualRoom
from appliance.simulation.things import WALKING_RATE_HZ, Reflectors, amplitude
from appliance.types import PcmBlock

RATE_HZ = 192_000
SPEAKER_DB_SPL = 90.0


class Dot:
    """One reflector on the device's axis that comes nearer at a constant speed."""

    kind = "dot"
    scatterers = 1
    rate_hz = WALKING_RATE_HZ
    slope_db_per_octave = 0.0

    def __init__(self, from_m, speed_mps, strength_db=-15.0):
        self.from_m, self.speed_mps, self.strength_db = from_m, speed_mps, strength_db

    def reflectors(self, t_s):
        places = np.zeros((len(t_s), 1, 3))
        places[:, 0] = (0.06, 2.0, 1.23)
        places[:, 0, 0] += self.from_m - self.speed_mps * t_s
        return Reflectors(places, amplitude(np.full((1, 1), self.strength_db)))


def heard_slowly(scene, seconds, *, carrier_hz=40_000.0, level_db_spl=75.0, mics=4):
    """Baseband [mics, samples] of a tone that is really played, in blocks of 0.1 s."""
    room = VirtualRoom(scene, mics=mics, speaker_full_scale_db_spl=SPEAKER_DB_SPL)
    down = DownConverter(rate_hz=RATE_HZ, mics=mics, carriers_hz=[carrier_hz])
    peak = 10 ** ((level_db_spl - SPEAKER_DB_SPL) / 20)
    found = []
    for first in range(0, round(seconds * RATE_HZ), 19_200):
        wave = peak * np.sin(2 * np.pi * (carrier_hz / RATE_HZ * (first + np.arange(19_200)) % 1.0))
        pcm = room.process(np.rint(wave * 2**31).astype(np.int32)[:, None])
        found.append(down.process(PcmBlock(pcm, first, RATE_HZ)).iq[0])
    return np.concatenate(found, axis=1)
