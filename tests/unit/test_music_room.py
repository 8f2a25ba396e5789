"""Music in the box: sidebands of the tone as the loudspeaker's distortion and movement make them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from support.simulated import heard_slowly

from appliance.simulation.baseband import BasebandRoom
from appliance.simulation.device import IDEAL
from appliance.simulation.loudspeaker import Modulation, Music
from appliance.simulation.scenes import Air, Scene
from appliance.types import Tones

SILENT = replace(IDEAL, noise_db_spl_per_hz=-60.0)


def scene_of(**unit):
    return Scene(
        name="music", duration_s=9.0, air=Air(turbulence_rad=0.0), unit=replace(SILENT, **unit), music=Music(level=1.0)
    )


def sideband_dbc(iq):
    """Strongest line beside the carrier, 20 to 700 Hz off, relative to it."""
    lines = np.abs(np.fft.fftshift(np.fft.fft(iq * np.blackman(len(iq)))))
    hz = np.fft.fftshift(np.fft.fftfreq(len(iq), 1 / 2400))
    beside = (np.abs(hz) > 20) & (np.abs(hz) < 700)
    return 20 * math.log10(lines[beside].max() / lines.max())


@pytest.mark.parametrize(
    ("unit", "low_dbc", "high_dbc"),
    [
        # 1 mm of bass turns a tone by 0.73 rad: sidebands near -9 dBc, spread over the bass' own lines.
        ({"cone_travel_m": 1e-3}, -25.0, -8.0),
        ({"chassis_travel_m": 1e-5}, -70.0, -49.0),
        ({"distortion": (0.003, 0.003)}, -70.0, -45.0),
    ],
)
def test_sidebands_have_the_level_of_the_literature(unit, low_dbc, high_dbc):
    iq = BasebandRoom(scene_of(**unit), tones=Tones((40_000.0,), 75.0)).read(8.0).iq[0, 0]
    assert low_dbc < sideband_dbc(iq) < high_dbc


@pytest.mark.parametrize("unit", [{"cone_travel_m": 1e-3}, {"distortion": (0.02, 0.01)}])
def test_both_speeds_modulate_alike(unit):
    scene = scene_of(**unit)
    slow = heard_slowly(scene, 2.0)[:, 600:]
    quick = BasebandRoom(scene, tones=Tones((40_000.0,), 75.0)).read(2.0).iq[0][:, 600 : 600 + slow.shape[1]]
    slow, quick = slow - slow.mean(axis=1, keepdims=True), quick - quick.mean(axis=1, keepdims=True)
    # The cone's own place costs the room some frames of delay, and so a phase.
    ratio = np.vdot(quick, slow) / np.vdot(quick, quick)
    assert abs(ratio) == pytest.approx(1.0, abs=0.03)
    error = np.sqrt(np.mean(np.abs(slow - ratio * quick) ** 2) / np.mean(np.abs(slow) ** 2))
    assert error < 0.06


def test_the_bass_stays_within_its_level_and_is_a_function_of_time():
    music = Music(level=0.5)
    t_s = np.arange(0.0, 20.0, 1e-3)
    bass = music.bass(t_s)
    assert 0.3 < np.abs(bass).max() <= 0.5
    np.testing.assert_allclose(music.bass(t_s[7_000:8_000]), bass[7_000:8_000], atol=1e-9)


def test_without_distortion_and_movement_nothing_is_modulated():
    turning = Modulation(IDEAL, Music(level=1.0), 20.0).turning(np.arange(0.0, 1.0, 0.01), 40_000.0)
    np.testing.assert_array_equal(turning, np.ones(100))
