"""Music from the loudspeaker of the same case: its bass shakes tweeter and array, which turns the phase of the tone.

A tweeter that is decoupled from the woofer moves by 1 to 10 um, which gives sidebands of -69 to -49 dBc at 40 kHz.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from appliance.simulation.baseband import PCM_RATE_HZ
from appliance.simulation.device import bass_phase_rad
from appliance.types import BasebandBlock

TRAVEL_M = {"music_soft": 1e-6, "music": 3e-6, "music_loud": 1e-5}
"""Amplitude of the movement at each level."""

_NOTES = 12
_LOWEST_HZ, _HIGHEST_HZ = 35.0, 180.0


def shaken(blocks: Iterator[BasebandBlock], *, travel_m: float, seed: int) -> Iterator[BasebandBlock]:
    """The blocks as they are while music plays: a dozen bass notes that swell and fade, from one seed."""
    random = np.random.default_rng([seed, 97])
    note_hz = np.exp(random.uniform(np.log(_LOWEST_HZ), np.log(_HIGHEST_HZ), _NOTES))
    swell_hz, phase = random.uniform(0.2, 4.0, _NOTES), random.uniform(0.0, 2.0 * np.pi, (2, _NOTES))
    for block in blocks:
        frames = block.first_frame + np.arange(block.iq.shape[2]) * (PCM_RATE_HZ / block.rate_hz)
        t_s = (frames / PCM_RATE_HZ)[:, None]
        swell = 0.5 + 0.5 * np.sin(2.0 * np.pi * swell_hz * t_s + phase[0])
        bass = (swell * np.sin(2.0 * np.pi * note_hz * t_s + phase[1])).sum(axis=1) / np.sqrt(0.375 * _NOTES)
        turned = [np.exp(1j * bass_phase_rad(travel_m, carrier_hz) * bass) for carrier_hz in block.carriers_hz]
        yield replace(block, iq=(block.iq * np.stack(turned)[:, None]).astype(np.complex64))
