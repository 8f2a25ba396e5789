"""The round trip from what is written to what is heard, found or not found, whatever else is heard."""

import numpy as np
import pytest
from reference import echo

from appliance.dsp.chirp import chirp_pulse
from appliance.dsp.ranges import RangeGate
from appliance.dsp.round_trip import PULSES
from appliance.physics import speed_of_sound_mps
from appliance.types import Chirps, PcmBlock

RATE_HZ = 192_000
SOUND_MPS = speed_of_sound_mps()
CHIRPS = Chirps(34_000.0, 43_000.0, 0.005, 0.001, 20.0, 75.0)
DIRECT_M = (0.044, 0.062, 0.076, 0.062)
FRAMES = 9_600


def ways(offset_frames, ways_m, gains):
    """One period at one microphone."""
    delays = [offset_frames + way_m / SOUND_MPS * RATE_HZ for way_m in ways_m]
    return echo.period(chirp_pulse(CHIRPS, rate_hz=RATE_HZ), FRAMES, delays, gains)


def measured(heard, chirps=CHIRPS, direct_m=DIRECT_M, rate_hz=RATE_HZ):
    """The round trip that a gate finds in `heard` [frames, mics] of full scale 1.0."""
    gate = RangeGate(chirps, rate_hz=rate_hz, mics=heard.shape[1], direct_m=direct_m[: heard.shape[1]])
    gate.process(PcmBlock(echo.pcm(heard), 0, rate_hz))
    return gate.round_trip


def room(offset_frames, walls=((1.2, 0.02), (2.9, 0.01))):
    """[frames, 4] of a room: the direct path, echoes at these ways (m) and gains."""
    mics = [
        ways(offset_frames, [direct_m, *(way_m for way_m, _ in walls)], [0.1, *(gain for _, gain in walls)])
        for direct_m in DIRECT_M
    ]
    return np.tile(np.stack(mics, axis=1), (PULSES + 3, 1))


@pytest.mark.parametrize("offset_frames", [0.0, 17.25, 1_920.5, 4_799.9, 9_590.7])
def test_offset_is_right_to_a_tenth_of_a_frame(offset_frames):
    found = measured(room(offset_frames))
    assert found.heard_by == (0, 1, 2, 3)
    assert found.spread_frames < 0.1
    apart = (found.offset_frames - offset_frames + FRAMES / 2) % FRAMES - FRAMES / 2
    assert apart == pytest.approx(0, abs=0.1)


def test_a_wall_echo_that_is_stronger_than_the_direct_path_in_one_microphone_is_not_taken():
    for mic in range(4):
        for louder_db in (6.0, 20.0):
            heard = room(2_000.0)
            heard[:, mic] = np.tile(
                ways(2_000.0, [DIRECT_M[mic], 1.1], [0.02, 0.02 * 10 ** (louder_db / 20)]), PULSES + 3
            )
            found = measured(heard)
            assert found.offset_frames == pytest.approx(2_000.0, abs=0.1)
            assert set(range(4)) - {mic} <= set(found.heard_by)


def test_a_missing_microphone_and_a_noisy_one_are_left_out():
    heard = room(2_000.0)
    heard[:, 1] = 0.0
    heard[:, 2] = 0.3 * np.random.default_rng(1).standard_normal(len(heard))
    found = measured(heard)
    assert found.heard_by == (0, 3)
    assert found.offset_frames == pytest.approx(2_000.0, abs=0.1)
    assert measured(room(2_000.0)[:, :1]).offset_frames == pytest.approx(2_000.0, abs=0.1)


@pytest.mark.parametrize(("tone_hz", "louder"), [(45_000.0, 8.0), (45_003.3, 8.0), (39_003.3, 2.0), (2_000.0, 8.0)])
def test_strong_tones_do_not_hide_it(tone_hz, louder):
    heard = room(2_000.0)
    tone = 0.1 * louder * np.sin(2 * np.pi * tone_hz / RATE_HZ * np.arange(len(heard)))
    assert measured(heard + tone[:, None]).offset_frames == pytest.approx(2_000.0, abs=0.3)


def test_noise_as_strong_as_the_pulse_does_not_hide_it():
    heard = room(2_000.0)
    noise = 0.1 * np.random.default_rng(2).standard_normal(heard.shape)
    assert measured(heard + noise).offset_frames == pytest.approx(2_000.0, abs=1.0)


@pytest.mark.parametrize("tone_hz", [None, 39_000.0, 39_003.3, 45_000.0, 40_000.0])
def test_without_a_pulse_none_is_found(tone_hz):
    frames = FRAMES * (PULSES + 3)
    heard = 0.01 * np.random.default_rng(3).standard_normal((frames, 4))
    if tone_hz is not None:
        heard += 0.9 * np.sin(2 * np.pi * tone_hz / RATE_HZ * np.arange(frames))[:, None]
    assert measured(heard).offset_frames is None


def test_pulses_of_another_device_are_not_taken():
    # Same waveform, 21 a second: each period it comes elsewhere.
    once = np.zeros(round(RATE_HZ / 21))
    waveform = chirp_pulse(CHIRPS, rate_hz=RATE_HZ)
    once[: len(waveform)] = 0.3 * waveform
    heard = np.resize(once, FRAMES * (PULSES + 3))[:, None].repeat(4, axis=1)
    assert measured(heard).offset_frames is None


def test_clipping_digital_silence_and_clicks():
    assert measured(np.clip(20 * room(2_000.0), -1, 1)).offset_frames == pytest.approx(2_000.0, abs=0.5)
    assert measured(np.zeros((FRAMES * (PULSES + 3), 4))).offset_frames is None
    clicks = np.zeros((FRAMES * (PULSES + 3), 4))
    clicks[np.random.default_rng(7).integers(0, len(clicks), 40)] = 1.0
    assert measured(clicks).offset_frames is None


@pytest.mark.parametrize(("pulse_s", "pulses_hz", "rate_hz"), [(0.04, 25.0, 192_000), (0.02, 13.0, 96_000)])
def test_other_pulses_rates_and_periods_that_are_no_whole_number_of_samples(pulse_s, pulses_hz, rate_hz):
    chirps = Chirps(34_000.0, 44_000.0, pulse_s, 0.002, pulses_hz, 75.0)
    frames = round(rate_hz / pulses_hz)
    once = echo.period(chirp_pulse(chirps, rate_hz=rate_hz), frames, [500.7 + 0.05 / SOUND_MPS * rate_hz], [0.1])
    heard = np.tile(once, PULSES + 4)[:, None]
    found = measured(heard, chirps, direct_m=(0.05,), rate_hz=rate_hz)
    assert found.offset_frames == pytest.approx(500.7, abs=0.1)
