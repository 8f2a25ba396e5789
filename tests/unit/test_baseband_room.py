"""The fast renderer against the slow one, through the real down-conversion, and against what is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
from support.simulated import Dot, heard_slowly

from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES
from appliance.physics import doppler_hz
from appliance.simulation.animals import Animal, RobotVacuum
from appliance.simulation.baseband import STEP_S, BasebandRoom
from appliance.simulation.bodies import Person, Walk
from appliance.simulation.device import IDEAL, Gap, Unit, random_unit
from appliance.simulation.fans import Fan
from appliance.simulation.gait import Path
from appliance.simulation.objects import Door, Swaying, Wd7Arm
from appliance.simulation.scenes import Air, Scene
from appliance.simulation.sounds import Bursts, SteadyTone, bat_call, click
from appliance.types import Tones

TONES = Tones((40_000.0,), 75.0)
DEVICE_M = (0.06, 2.0, 1.2)
SILENT = replace(IDEAL, noise_db_spl_per_hz=-60.0)
SETTLED = 600
HEARD_DBFS = -115.0
"""What a Doppler bin holds of the microphones' noise: -5 dB SPL/Hz in a bin 16 Hz wide, of 120 dB SPL."""


def fast(scene, seconds=None, *, tones=TONES, mics=4):
    return BasebandRoom(scene, tones=tones, mics=mics).read(seconds or scene.duration_s)


def doppler_power(iq):
    """[mics, bins], the mean over all frames; what stands still is taken out."""
    window = np.blackman(WINDOW_SAMPLES + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(iq - iq.mean(axis=1, keepdims=True), WINDOW_SAMPLES, axis=1)
    lines = np.fft.fft(frames[:, ::HOP_SAMPLES] * (window / window.sum()), axis=-1)
    return np.fft.fftshift((np.abs(lines) ** 2).mean(axis=1), axes=-1)


def assert_alike(scene, seconds, *, carrier_hz=40_000.0, limit_db=0.5):
    """Both speeds within the limit in every Doppler bin that stands out of the noise; the levels of those bins."""
    slow = heard_slowly(scene, seconds, carrier_hz=carrier_hz)[:, SETTLED:]
    quick = fast(scene, seconds, tones=Tones((carrier_hz,), 75.0)).iq[0, :, SETTLED : SETTLED + slow.shape[1]]
    ours, theirs = doppler_power(quick), doppler_power(slow)
    bins_hz = (np.arange(WINDOW_SAMPLES) - WINDOW_SAMPLES // 2) * 2400 / WINDOW_SAMPLES
    heard = (np.abs(bins_hz) < 900) & (np.abs(bins_hz) > 15) & (theirs.min(axis=0) > 10 ** (HEARD_DBFS / 10))
    assert heard.sum() > 10
    difference_db = 10 * np.log10(ours[:, heard] / theirs[:, heard])
    assert np.abs(difference_db).max() < limit_db
    return heard.sum()


def walker(**about):
    person = Person(at=(4.0, 1.5), start_s=0.2, actions=(Walk((1.5, 2.5)),))
    return Scene(name="walker", duration_s=20.0, people=(person,), unit=SILENT, **about)


THINGS = {
    "fan": Fan((2.5, 1.0, 1.0), DEVICE_M, oscillation_s=6.0),
    "ceiling fan": Fan((2.5, 1.0, 2.1), DEVICE_M, 0.6, 4.5, axis_deg=(0.0, -90.0), strength_db=-14.0),
    "dog": Animal("dog", Path(((1.0, 1.0), (3.0, 3.0))), 0.5, 1.2, -18.0),
    "vacuum": RobotVacuum(Path(((1.0, 1.0), (3.0, 3.0))), strength_db=-15.0),
    "curtain": Swaying("curtain", (3.0, 2.0, 1.2), 1.4, 2.0, 0.1, 1.0, -10.0),
    "door": Door((3.0, 1.0), 90.0, 0.3, 1.8),
    "wd7_arm": Wd7Arm((2.0, 2.0)),
}


def test_a_walk_is_the_same_at_both_speeds():
    assert assert_alike(walker(), 2.5) > 60


@pytest.mark.slow
def test_walls_and_tail_change_nothing_of_that():
    assert_alike(walker(wall_order=2, echo_order=1, tail_arrivals=48), 2.5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", THINGS)
def test_whatever_moves_is_the_same_at_both_speeds(kind):
    assert_alike(Scene(name=kind, duration_s=20.0, things=(THINGS[kind],), unit=SILENT), 2.5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_real_unit_is_the_same_at_both_speeds(seed):
    unit = replace(random_unit(seed), noise_db_spl_per_hz=-60.0)
    assert_alike(replace(walker(), unit=unit), 2.5, carrier_hz=38_300.0)


def test_the_carrier_has_the_same_phase_and_level_to_a_thousandth():
    scene = walker()
    slow, quick = heard_slowly(scene, 1.0)[:, SETTLED:], fast(scene, 1.0).iq[0][:, SETTLED:]
    ratio = np.vdot(quick, slow) / np.vdot(quick, quick)
    assert abs(ratio - 1.0) < 1e-3


@pytest.mark.parametrize(
    ("speed_mps", "carrier_hz"), [(0.3, 40_000.0), (1.2, 40_000.0), (-2.0, 36_000.0), (3.5, 45_000.0)]
)
def test_a_reflector_shifts_the_carrier_by_2_v_f_over_c(speed_mps, carrier_hz):
    scene = Scene(
        name="dot", duration_s=1.0, things=(Dot(3.0 if speed_mps > 0 else 1.0, speed_mps),),
        air=Air(turbulence_rad=0.0), unit=SILENT, wall_order=0, tail_arrivals=0,
    )  # fmt: skip
    iq = fast(scene, 0.5, tones=Tones((carrier_hz,), 75.0)).iq[0, 0, -600:]
    window = np.blackman(len(iq))
    power = np.abs(np.fft.fft((iq - iq.mean()) * window, 8192)) ** 2
    shift_hz = np.fft.fftfreq(8192, 1 / 2400)
    power[np.abs(shift_hz) < 20] = 0
    # Tweeter and array lie 6 cm apart, so that what comes near does so a little slower than its own speed.
    assert shift_hz[power.argmax()] == pytest.approx(doppler_hz(speed_mps, carrier_hz), rel=0.01, abs=2.0)


def test_noise_has_its_density_and_the_filters_shape():
    scene = Scene(
        name="noise", duration_s=60.0, wall_order=0, tail_arrivals=0, unit=replace(IDEAL, noise_db_spl_per_hz=3.0)
    )
    iq = fast(scene, tones=Tones((40_000.0,), 0.0)).iq[0]
    frequency_hz, density = scipy.signal.welch(
        iq - iq.mean(axis=1, keepdims=True), 2400, nperseg=256, return_onesided=False
    )
    db_spl_per_hz = 10 * np.log10(density) + 120.0
    band = (np.abs(frequency_hz) > 20) & (np.abs(frequency_hz) < 880)
    np.testing.assert_allclose(db_spl_per_hz[:, band].mean(axis=1), 3.0, atol=0.2)
    assert db_spl_per_hz[:, np.abs(frequency_hz) > 1190].max() < -10.0
    correlation = np.abs(np.corrcoef(iq - iq.mean(axis=1, keepdims=True))) - np.eye(4)
    assert correlation.max() < 0.02


def test_the_link_budget_is_that_of_the_literature():
    # A walker's echo against a floor of -5 dB SPL/Hz, 40 kHz, 80 dB SPL at 1 m, four microphones, free field, in the
    # Doppler window's noise bandwidth: about 18, 6 and -4 dB at 4, 6 and 8 m for one echo of -15 dB.
    noise_dbfs = -5.0 - 120.0 + 10 * math.log10(1.73 * 2400 / WINDOW_SAMPLES)
    found = []
    for distance_m in (4.0, 6.0, 8.0):
        scene = Scene(
            name="budget", duration_s=1.0, things=(Dot(distance_m + 0.6, 1.2),), air=Air(turbulence_rad=0.0),
            unit=SILENT, wall_order=0, tail_arrivals=0, size_m=(10.0, 4.0, 2.5), door_x_m=10.0,
        )  # fmt: skip
        iq = fast(scene, 1.0, tones=Tones((40_000.0,), 80.0)).iq[0][:, 1000:1400]
        level = doppler_power(iq).mean(axis=0)[WINDOW_SAMPLES // 2 + 5 :].max()
        found.append(10 * math.log10(level) - noise_dbfs + 10 * math.log10(4))
    np.testing.assert_allclose(np.diff(found), [-12.0, -10.0], atol=1.0)


@pytest.mark.parametrize("lengths_s", [(2.5, 1.0, 6.0), (0.1, 0.3, 5.0)])
def test_reads_of_any_length_give_the_same_samples(lengths_s):
    scene = replace(walker(), duration_s=9.0, unit=random_unit(5), sounds=(Bursts("clicks", click, 120.0, 80.0),))
    whole = fast(scene).iq
    room = BasebandRoom(scene, tones=TONES)
    parts = [room.read(length_s) for length_s in lengths_s]
    together = np.concatenate([block.iq for block in parts], axis=2)
    np.testing.assert_array_equal(together, whole[..., : together.shape[2]])
    assert parts[1].first_frame == 79 + 80 * parts[0].iq.shape[2]


def test_the_scene_ends():
    room = BasebandRoom(replace(walker(), duration_s=1.5), tones=TONES)
    assert room.read(STEP_S).iq.shape == (1, 4, 3600)
    assert room.read(1.0) is None


def test_equal_seeds_give_equal_samples_and_others_others():
    first, again = fast(walker(seed=3), 1.0).iq, fast(walker(seed=3), 1.0).iq
    np.testing.assert_array_equal(first, again)
    assert (fast(walker(seed=4), 1.0).iq != first).mean() > 0.99


def test_two_carriers_are_each_what_they_would_be_alone():
    scene = walker()
    both = fast(scene, 1.0, tones=Tones((36_000.0, 45_000.0), 75.0)).iq
    for iq, carrier_hz in zip(both, (36_000.0, 45_000.0), strict=True):
        alone = fast(scene, 1.0, tones=Tones((carrier_hz,), 75.0 - 20 * math.log10(2))).iq[0]
        assert np.abs(iq - alone).max() < 1e-4 * np.abs(alone).max()


def test_lost_frames_are_jumped_over():
    scene = replace(walker(), duration_s=3.0, unit=replace(SILENT, gaps=(Gap(1.0, 0.02),)))
    room = BasebandRoom(scene, tones=TONES)
    before, after = room.read(3.0), room.read(3.0)
    assert before.iq.shape[2] == 2400
    assert after.first_frame == before.first_frame + 80 * (2400 + 48)
    whole = fast(replace(scene, unit=SILENT)).iq
    np.testing.assert_array_equal(after.iq, whole[..., 2448:])


def test_clocks_that_differ_turn_the_carrier():
    scene = Scene(name="clocks", duration_s=2.0, air=Air(turbulence_rad=0.0), unit=replace(SILENT, clock_ppm=50.0))
    iq = fast(scene).iq[0, 0]
    turned_hz = np.diff(np.unwrap(np.angle(iq))).mean() * 2400 / (2 * np.pi)
    assert turned_hz == pytest.approx(50e-6 * 40_000.0, rel=0.01)


def test_a_deaf_microphone_loses_20_db_and_a_dead_one_everything_but_its_noise():
    ideal, broken = (
        np.abs(fast(replace(walker(), unit=unit), 0.5).iq[0]).mean(axis=1)
        for unit in (SILENT, replace(SILENT, deaf_mics=(1,), dead_mics=(2,)))
    )
    np.testing.assert_allclose(20 * np.log10(broken[[0, 1, 3]] / ideal[[0, 1, 3]]), [0, -20, 0], atol=0.01)
    assert broken[2] < 1e-7


@pytest.mark.parametrize("sound", ["bursts", "tone"])
def test_sounds_are_the_same_at_both_speeds(sound):
    sounds = {
        "bursts": Bursts("bats", bat_call, 200.0, 90.0, at_m=(3.0, 1.0, 1.0)),
        "tone": SteadyTone("tone", 40_321.0, 60.0, (3.0, 1.0, 1.0)),
    }
    scene = Scene(name="sound", duration_s=5.0, sounds=(sounds[sound],), unit=SILENT, air=Air(turbulence_rad=0.0))
    quiet = replace(scene, sounds=())
    slow = heard_slowly(scene, 2.0) - heard_slowly(quiet, 2.0)
    quick = (fast(scene, 2.0).iq - fast(quiet, 2.0).iq)[0]
    assert np.abs(slow).max() > 1e-5
    error = np.sqrt(
        np.mean(np.abs(slow - quick[:, : slow.shape[1]])[:, SETTLED:] ** 2) / np.mean(np.abs(slow[:, SETTLED:]) ** 2)
    )
    assert error < 0.01


def test_what_is_too_loud_is_cut_at_full_scale():
    scene = Scene(name="loud", duration_s=1.0, unit=SILENT, air=Air(turbulence_rad=0.0))
    amplitude = np.abs(fast(scene, tones=Tones((40_000.0,), 150.0)).iq)
    # A sine that is cut to a square has 4 / pi of its height at the carrier.
    np.testing.assert_allclose(amplitude, 4 / math.pi, rtol=0.01)


def test_a_week_may_be_entered_anywhere_by_another_room():
    unit = Unit(noise_db_spl_per_hz=-60.0, clock_ppm=10.0)
    scene = Scene(name="week", duration_s=7 * 86_400.0, unit=unit, things=(Dot(2.0, 0.0),))
    assert np.isfinite(fast(scene, 1.0).iq).all()
