"""Range profiles against geometry, against the formula for noise, and against a chirp that is really played."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
from support.simulated import RATE_HZ, SPEAKER_DB_SPL, Dot

from appliance.dsp.chirp import chirp_pulse
from appliance.dsp.ranges import RangeGate
from appliance.hardware.room import VirtualRoom
from appliance.physics import air_absorption_db_per_m, speed_of_sound_mps
from appliance.simulation.device import IDEAL, random_unit
from appliance.simulation.ranges import RangeRoom
from appliance.simulation.scenes import Air, Scene
from appliance.types import Chirps, PcmBlock

CHIRPS = Chirps(34_000.0, 44_000.0, 0.005, 0.0015, 20.0, 75.0)
CENTRE_HZ = 39_000.0
SILENT = replace(IDEAL, noise_db_spl_per_hz=-60.0)
STRENGTH_DB = -15.0


def scene_of(*things, **about):
    """A large room without walls and tail."""
    return Scene(**{
        "name": "hall", "duration_s": 10.0, "size_m": (9.0, 4.0, 2.5), "door_x_m": 9.0, "wall_order": 0,
        "tail_arrivals": 0, "air": Air(turbulence_rad=0.0), "unit": SILENT, "things": things, **about,
    })  # fmt: skip


def way_m(distance_m):
    """There and back to microphone 0."""
    there = math.dist((0.0, 0.0, 1.26), (distance_m, 0.0, 1.23))
    return there + math.dist((0.0, 0.016, 1.2), (distance_m, 0.0, 1.23))


def peak(frame, beyond_m=1.0):
    strength = np.abs(frame.echoes[0]) * (frame.range_m > beyond_m)
    return int(strength.argmax())


@pytest.mark.parametrize("distance_m", [2.0, 4.5, 7.0])
def test_an_echo_stands_at_its_range_with_its_level_and_phase(distance_m):
    frame = RangeRoom(scene_of(Dot(distance_m, 0.0)), chirps=CHIRPS).read(1.0)[10]
    at = peak(frame)
    assert frame.range_m[at] == pytest.approx(way_m(distance_m) / 2, abs=0.015)
    wanted_db = CHIRPS.level_db_spl - 120 + STRENGTH_DB - 40 * math.log10(distance_m)
    wanted_db -= air_absorption_db_per_m(CENTRE_HZ) * way_m(distance_m)
    # Between two bins a peak lies up to 4 dB higher than either.
    assert wanted_db - 4.2 < 20 * math.log10(abs(frame.echoes[0, at])) < wanted_db + 0.3
    turns = np.angle(frame.echoes[0, at]) / (2 * np.pi) + CENTRE_HZ * way_m(distance_m) / speed_of_sound_mps()
    assert math.remainder(turns, 1.0) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(("pulse_s", "bias_m"), [(0.005, 0.02), (0.040, 0.16)])
def test_who_comes_nearer_is_seen_too_near_by_the_sweeps_coupling(pulse_s, bias_m):
    chirps = replace(CHIRPS, pulse_s=pulse_s, pulses_hz=20.0)
    room = RangeRoom(scene_of(Dot(4.0, 1.0)), chirps=chirps)
    for frame in room.read(1.0)[2:]:
        middle_s = frame.t_s + pulse_s / 2 + way_m(4.0) / 2 / speed_of_sound_mps()
        expected_m = 4.0 - middle_s - bias_m
        assert frame.range_m[peak(frame)] == pytest.approx(expected_m, abs=0.025)


def test_noise_is_that_of_a_matched_filter():
    unit = replace(IDEAL, noise_db_spl_per_hz=0.0)
    frames = RangeRoom(scene_of(unit=unit), chirps=replace(CHIRPS, level_db_spl=0.0)).read(8.0)
    echoes = np.stack([frame.echoes for frame in frames])[:, :, 60:]
    # Density 1.5 / T of a Hann-weighted band, in dB of full scale 120 dB SPL.
    assert 10 * np.log10(np.mean(np.abs(echoes) ** 2)) == pytest.approx(-120 + 10 * math.log10(1.5 / 0.005), abs=0.1)


def test_air_takes_more_of_the_upper_half_of_the_band():
    # Narrow chirps at both ends of the band, for a long way.
    low, high = (
        RangeRoom(scene_of(Dot(7.0, 0.0, 25.0)), chirps=replace(CHIRPS, start_hz=at, stop_hz=at + 1_000.0)).read(0.1)[0]
        for at in (34_000.0, 43_000.0)
    )
    found_db = 20 * np.log10(abs(low.echoes[0, peak(low, 6.0)]) / abs(high.echoes[0, peak(high, 6.0)]))
    wanted_db = (air_absorption_db_per_m(43_500.0) - air_absorption_db_per_m(34_500.0)) * way_m(7.0)
    assert found_db == pytest.approx(wanted_db, abs=0.3)


def test_what_scatters_more_of_higher_frequencies_does_so_within_the_band():
    def rise_db(slope):
        dot = Dot(3.0, 0.0, 25.0)
        dot.slope_db_per_octave = slope
        low, high = (
            RangeRoom(scene_of(dot), chirps=replace(CHIRPS, start_hz=start, stop_hz=stop)).read(0.1)[0]
            for start, stop in ((34_000.0, 35_000.0), (43_000.0, 44_000.0))
        )
        return 20 * np.log10(abs(high.echoes[0, peak(high, 2.0)]) / abs(low.echoes[0, peak(low, 2.0)]))

    assert rise_db(12.0) - rise_db(0.0) == pytest.approx(12.0 * math.log2(43.5 / 34.5), abs=0.05)


def compressed(heard, chirp, frames):
    """Matched filter of one pulse, weighted by Hann over its band: complex at 192 kHz, amplitude as of a sine."""
    length = 1 << (len(heard) + len(chirp)).bit_length()
    frequency_hz = np.fft.fftfreq(length, 1 / RATE_HZ)
    inside = (frequency_hz > 34_000) & (frequency_hz < 44_000)
    weight = np.where(inside, np.sin(np.pi * (frequency_hz - 34_000) / 10_000) ** 2, 0)
    spectrum = np.fft.fft(chirp, length)
    matched = np.where(inside, 1 / np.where(inside, spectrum, 1), 0)
    profile = np.fft.ifft(np.fft.fft(heard, length) * matched * weight)[:frames]
    return profile * np.exp(-2j * np.pi * CENTRE_HZ * np.arange(frames) / RATE_HZ) * length / weight.sum()


@pytest.mark.parametrize(("seed", "slope"), [(0, 0.0), (4, 0.0), (0, 12.0)])
def test_a_chirp_that_is_really_played_gives_the_same_profile(seed, slope):
    unit = SILENT if not seed else replace(random_unit(seed), noise_db_spl_per_hz=-60.0)
    near, far = Dot(3.0, 0.0), Dot(6.5, 0.0, -5.0)
    near.slope_db_per_octave = slope
    scene = scene_of(near, far, unit=unit, wall_order=1, tail_arrivals=8)
    chirp = scipy.signal.chirp(np.arange(960) / RATE_HZ, 34_000.0, 0.005, 44_000.0)
    played = np.zeros(19_200)
    played[:960] = 10 ** ((75 - SPEAKER_DB_SPL) / 20) * chirp
    room = VirtualRoom(scene, mics=1, speaker_full_scale_db_spl=SPEAKER_DB_SPL)
    heard = room.process(np.rint(played * 2**31).astype(np.int32)[:, None])[:, 0] / 2**31
    slow = compressed(heard, chirp, 12_000)
    frame = RangeRoom(scene, chirps=CHIRPS, mics=1).read(0.05)[0]
    at = np.rint(2 * frame.range_m.astype(float) / speed_of_sound_mps() * RATE_HZ).astype(int)
    found, wanted = np.abs(frame.echoes[0]), np.abs(slow[at])
    wanted[frame.range_m < 0.8] = 0
    loud = wanted > 0.05 * wanted.max()
    assert loud.sum() > 10
    np.testing.assert_allclose(20 * np.log10(found[loud] / wanted[loud]), 0.0, atol=0.5)


def test_reads_of_any_length_give_the_same_frames():
    scene = scene_of(Dot(4.0, 0.5), unit=IDEAL, duration_s=2.0)
    whole = RangeRoom(scene, chirps=CHIRPS).read(2.0)
    room = RangeRoom(scene, chirps=CHIRPS)
    parts = [*room.read(0.3), *room.read(0.7), *room.read(5.0)]
    assert room.read(1.0) is None
    assert [frame.t_s for frame in parts] == [frame.t_s for frame in whole] == [k / 20 for k in range(40)]
    for one, other in zip(parts, whole, strict=True):
        np.testing.assert_allclose(one.echoes, other.echoes, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("pulse_s", [0.005, 0.040])
@pytest.mark.parametrize("speed_mps", [0.0, 1.2, -0.6])
def test_the_real_receiver_hears_the_same_of_what_moves(pulse_s, speed_mps):
    chirps = replace(CHIRPS, pulse_s=pulse_s)
    scene = scene_of(Dot(3.5, speed_mps), wall_order=1, tail_arrivals=8)
    room = VirtualRoom(scene, mics=1, speaker_full_scale_db_spl=SPEAKER_DB_SPL)
    gate = RangeGate(chirps, rate_hz=RATE_HZ, mics=1, direct_m=[0.06])
    gate.align(0.0)
    pulse = np.zeros(9_600)
    made = chirp_pulse(chirps, rate_hz=RATE_HZ) * 10 ** ((75 - SPEAKER_DB_SPL) / 20)
    pulse[: len(made)] = made
    played = np.rint(pulse * 2**31).astype(np.int32)[:, None]
    heard = []
    for number in range(16):
        heard += gate.process(PcmBlock(room.process(played), number * 9_600, RATE_HZ))
    ours = {round(frame.t_s, 4): frame for frame in RangeRoom(scene, chirps=chirps, mics=1).read(0.8)}
    assert len(heard) > 10
    for frame in heard[3:]:
        other = ours[round(frame.t_s, 4)]
        np.testing.assert_allclose(other.range_m, frame.range_m[: len(other.range_m)], atol=1e-4)
        theirs = frame.echoes[:, : len(other.range_m)]
        # The first half metre is the direct path, and what it leaves behind.
        far = other.range_m > 1.0
        error = np.abs(theirs - other.echoes)[:, far]
        assert 20 * math.log10(error.max() / np.abs(theirs[:, far]).max()) < -20.0
