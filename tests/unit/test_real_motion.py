"""The simulation beside what was really measured: captured people, and hands under a tone. Needs ../shared/data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.simulation.baseband import BasebandRoom
from appliance.simulation.captures import Captures, load_clip
from appliance.simulation.clip import JOINTS
from appliance.simulation.device import IDEAL
from appliance.simulation.sample import sample_scene
from appliance.simulation.scenes import Air
from appliance.types import Tones

pytestmark = pytest.mark.shared

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LOW_HZ, HIGH_HZ, WINDOW_S = 45.0, 450.0, 0.085
FLOOR_DB = 25.0
"""How far the recordings' strongest sidebands stand out of their noise."""

SILENT = replace(IDEAL, noise_db_spl_per_hz=-60.0)


@pytest.fixture
def captures():
    folder = DATA / "mocap"
    if not folder.is_dir():
        pytest.skip(f"the real captures are not at {folder}")
    return folder


@pytest.mark.parametrize(("folder", "least"), [("reactidle", 10), ("cmu", 5), ("deepmimic", 5)])
def test_every_real_capture_is_a_body_that_stands_on_the_floor(captures, folder, least):
    found = Captures((captures / folder,))
    names = sorted(set(found.names) - set(Captures().names))
    assert len(names) >= least
    for name in names[:least]:
        clip = found.clip(name)
        assert clip.places.shape[1:] == (len(JOINTS), 3)
        assert np.isfinite(clip.places).all()
        feet = np.minimum(clip.place("toe_left")[:, 2], clip.place("toe_right")[:, 2])
        # some climb for a while
        assert -0.2 < np.percentile(feet, 5) < 0.2, name
        step_m = np.linalg.norm(np.diff(clip.place("hips"), axis=0), axis=1)
        assert np.percentile(step_m, 99) * clip.rate_hz < 7.0, name


def test_what_the_captures_show_is_what_they_are_called(captures):
    walk, jog = (load_clip(captures / f"deepmimic/humanoid3d_{name}.txt.xz") for name in ("long_walk1", "jog"))
    idle = load_clip(captures / "reactidle/000_genuine.bvh.xz")
    pace_mps = [
        np.median(np.linalg.norm(np.diff(clip.place("hips")[:, :2], axis=0), axis=1)) * clip.rate_hz
        for clip in (idle, walk, jog)
    ]
    assert pace_mps[0] < 0.1 < 0.6 < pace_mps[1] < 1.8 < pace_mps[2] < 5.0


def strongest_db(iq, rate_hz):
    """Strongest sideband of each window, dB; what stands still is taken out, it would leak."""
    iq = iq - iq.mean()
    length = round(WINDOW_S * rate_hz)
    windows = np.lib.stride_tricks.sliding_window_view(iq, length)[:: length // 2]
    window = np.blackman(length)
    lines = np.abs(np.fft.fft(windows * window, 8 * length)) / window.sum()
    hz = np.abs(np.fft.fftfreq(8 * length, 1 / rate_hz))
    beside = (hz > LOW_HZ) & (hz < HIGH_HZ)
    return 20 * np.log10(lines[:, beside].max(axis=1))


def spread_db(recordings_db):
    """From the 10th to the 90th percentile of what stands out of the floor, each recording below its own strongest."""
    below = np.concatenate([levels_db - np.percentile(levels_db, 95) for levels_db in recordings_db])
    return np.ptp(np.percentile(below[below > -FLOOR_DB], [10, 90]))


def recorded_levels_db(path):
    soundfile = pytest.importorskip("soundfile")
    scipy_signal = pytest.importorskip("scipy.signal")
    samples, rate_hz = soundfile.read(path)
    turned = samples * np.exp(-2j * np.pi * 19_000.0 / rate_hz * np.arange(len(samples)))
    taps = scipy_signal.firwin(801, 950.0, fs=rate_hz)
    return strongest_db(scipy_signal.lfilter(taps, 1.0, turned)[801::10], rate_hz / 10)


@pytest.mark.slow
def test_sidebands_of_simulated_hands_spread_less_than_real_digits_but_as_strokes_do(captures):
    del captures
    recordings = sorted((DATA / "gestures_19k").glob("*.flac"))[::10]
    if not recordings:
        pytest.skip(f"the real recordings are not at {DATA / 'gestures_19k'}")
    real_db = spread_db([recorded_levels_db(path) for path in recordings])
    found = []
    for seed, kind in enumerate(("reach", "turn_pages", "drink", "reach", "turn_pages", "drink")):
        scene = replace(sample_scene(seed, duration_s=16.0, people=(kind,)), air=Air(turbulence_rad=0.0))
        room = BasebandRoom(replace(scene, unit=SILENT), tones=Tones((40_000.0,), 75.0))
        found.append(strongest_db(room.read(16.0).iq[0, 0], room.rate_hz))
    # Strokes of a hand beside a phone spread by 7 dB, digits drawn near a tablet by more than any gesture here.
    assert 7.0 < spread_db(found) < real_db
