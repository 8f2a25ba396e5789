"""The virtual room as microphones hear it: levels in dB SPL, Doppler shift, noise, codes."""

import itertools
import math

import numpy as np
import pytest
import scipy.signal

from appliance.errors import SourceError
from appliance.hardware.room import VirtualRoom
from appliance.physics import air_absorption_db_per_m, doppler_hz, speed_of_sound_mps
from appliance.simulation.bodies import Person, Walk
from appliance.simulation.device import MIC_FULL_SCALE_DB_SPL, Gap, Unit, microphone_places
from appliance.simulation.scenes import Air, Scene, empty, walk

RATE_HZ = 192_000
SPEAKER_DB_SPL = 90.0
CARRIER_HZ = 40_000.0
TWEETER_M = (0.06, 2.0, 1.26)
STILL_AIR = Air(turbulence_rad=0.0)


def open_air(**about):
    """A scene whose walls are far and reflect nothing, and whose tail is as good as silent."""
    about = {"duration_s": 10.0, "air": STILL_AIR, **about}
    return Scene(name="open", size_m=(7.0, 4.0, 2.5), door_x_m=7.0, wall_reflection_db=-200.0, **about)


def tone(seconds, *, level_db_spl=75.0, first_frame=0, frequency_hz=CARRIER_HZ):
    n = first_frame + np.arange(round(seconds * RATE_HZ))
    amplitude = 10 ** ((level_db_spl - SPEAKER_DB_SPL) / 20)
    wave = amplitude * np.sin(2 * np.pi * (frequency_hz / RATE_HZ * n % 1.0))
    return np.rint(wave * 2**31).clip(-(2**31), 2**31 - 1).astype(np.int32)[:, None]


def hear(scene, playback, *, mics=4, block_frames=1920):
    """What the microphones heard, full scale 1.0, [frames, mics]."""
    room = VirtualRoom(scene, mics=mics, speaker_full_scale_db_spl=SPEAKER_DB_SPL)
    blocks = [room.process(playback[at : at + block_frames]) for at in range(0, len(playback), block_frames)]
    return np.concatenate(blocks) / 2.0**31


def amplitude_at(heard, frequency_hz):
    """Complex amplitude of a line, [mics]; the window keeps the others out."""
    window = scipy.signal.windows.blackmanharris(len(heard), sym=False)
    turning = np.exp(-2j * np.pi * frequency_hz / RATE_HZ * np.arange(len(heard)))
    return 2 * (window * turning) @ heard / window.sum()


def test_the_direct_path_has_its_level_and_delay():
    heard = hear(open_air(), tone(0.5))[int(0.2 * RATE_HZ) :]
    found = amplitude_at(heard, CARRIER_HZ)
    start_turns = CARRIER_HZ * 0.2
    for mic, place in enumerate(microphone_places(4, (0.06, 2.0, 1.2))):
        length_m = math.dist(TWEETER_M, place)
        wanted_db_spl = 75.0 - 20 * math.log10(length_m) - air_absorption_db_per_m(CARRIER_HZ) * length_m
        # A sine's amplitude of full scale is MIC_FULL_SCALE_DB_SPL, as it is for the tweeter; the tail is still there.
        assert 20 * math.log10(abs(found[mic])) + MIC_FULL_SCALE_DB_SPL == pytest.approx(wanted_db_spl, abs=0.5)
        turns = start_turns - CARRIER_HZ * length_m / speed_of_sound_mps() - 0.25
        assert math.remainder(np.angle(found[mic]) / (2 * np.pi) - turns, 1.0) == pytest.approx(0, abs=0.01)


def test_a_wall_answers_when_its_image_says():
    # A short burst, and a wall that answers when the direct path has gone and the diffuse tail, 10 ms, not yet come.
    burst = tone(0.05)
    burst[round(0.001 * RATE_HZ) :] = 0
    scene = Scene(name="hall", duration_s=1.0, size_m=(1.5, 40.0, 40.0), device_m=(0.06, 20.0, 20.0), air=STILL_AIR)
    heard = hear(scene, burst, mics=1)[:, 0]
    mic = microphone_places(1, scene.device_m)[0]
    image = (2 * 1.5 - 0.06, 20.0, 20.06)
    length_m = math.dist(image, mic)
    arrival = round(length_m / speed_of_sound_mps() * RATE_HZ)
    middle = heard[arrival + 48 : arrival + 144]
    wanted_db_spl = 75.0 - 20 * math.log10(length_m) - 8.0 - air_absorption_db_per_m(CARRIER_HZ) * length_m
    level_db_spl = 10 * math.log10(2 * np.mean(middle**2)) + MIC_FULL_SCALE_DB_SPL
    assert level_db_spl == pytest.approx(wanted_db_spl, abs=0.5)
    before = heard[arrival - 144 : arrival - 48]
    # Before it there is noise alone.
    assert np.mean(before**2) < 0.2 * np.mean(middle**2)


@pytest.mark.parametrize(("start_m", "end_m", "sign"), [(6.0, 1.0, 1), (1.5, 6.5, -1)])
def test_a_walking_torso_shifts_the_carrier_by_2_v_f_over_c(start_m, end_m, sign):
    person = Person(at=(start_m, 2.0), start_s=0.0, actions=(Walk((end_m, 2.0)),))
    heard = hear(open_air(people=(person,)), tone(2.6), mics=1)[int(1.6 * RATE_HZ) :, 0]
    window = scipy.signal.windows.blackmanharris(len(heard), sym=False)
    power = np.abs(np.fft.rfft(heard * window)) ** 2
    shift_hz = np.fft.rfftfreq(len(heard), 1 / RATE_HZ) - CARRIER_HZ
    # The chest outshines the rest; beyond 20 Hz nothing of the still carrier is left.
    people = np.where((np.abs(shift_hz) > 20) & (np.abs(shift_hz) < 1200), power, 0.0)
    found_hz = shift_hz[people.argmax()]
    bin_hz = 2400 / 256
    assert found_hz == pytest.approx(doppler_hz(sign * 1.2, CARRIER_HZ), abs=bin_hz)


def test_without_a_tone_there_is_no_echo_but_the_microphones_own_noise():
    scene = walk(distance_m=2.0, start_s=0.0)
    heard = hear(scene, np.zeros((RATE_HZ, 1), np.int32))
    frequency_hz, density = scipy.signal.welch(heard, RATE_HZ, nperseg=4096, axis=0)
    band = (frequency_hz > 30_000) & (frequency_hz < 60_000)
    # In dB SPL a sine of amplitude 1.0 is 120 dB: its mean square of 0.5 is full scale.
    db_spl_per_hz = 10 * np.log10(2 * density[band].mean(axis=0)) + MIC_FULL_SCALE_DB_SPL
    np.testing.assert_allclose(db_spl_per_hz, -5.0, atol=0.5)
    correlation = np.corrcoef(heard, rowvar=False) - np.eye(4)
    assert np.abs(correlation).max() < 0.01


def test_twice_the_tone_is_twice_the_echo():
    person = Person(at=(3.0, 2.0), start_s=0.0, actions=(Walk((1.0, 2.0)),))
    scene = open_air(people=(person,))
    shift_hz = doppler_hz(1.2, CARRIER_HZ)
    quiet, loud = (
        np.abs(amplitude_at(hear(scene, tone(1.4, level_db_spl=level))[int(0.8 * RATE_HZ) :], CARRIER_HZ + shift_hz))
        for level in (69.0, 69.0 + 20 * math.log10(2))
    )
    np.testing.assert_allclose(20 * np.log10(loud / quiet), 6.02, atol=0.2)


def test_two_carriers_are_heard_both():
    both = tone(0.3, level_db_spl=70.0) + tone(0.3, level_db_spl=70.0, frequency_hz=45_000.0)
    heard = hear(open_air(), both)[int(0.1 * RATE_HZ) :]
    low, high = (np.abs(amplitude_at(heard, hz)) for hz in (40_000.0, 45_000.0))
    np.testing.assert_allclose(20 * np.log10(low / high), 0, atol=0.5)


def test_codes_are_those_of_a_24_bit_converter():
    room = VirtualRoom(empty(), speaker_full_scale_db_spl=SPEAKER_DB_SPL)
    codes = room.process(tone(0.05))
    assert codes.dtype == np.int32
    assert codes.flags.c_contiguous
    assert not (codes & 0xFF).any()
    assert len(np.unique(codes)) > 1_000


def test_what_is_too_loud_is_clipped_at_full_scale_and_does_not_wrap():
    room = VirtualRoom(empty(), speaker_full_scale_db_spl=140.0)
    n = np.arange(9_600)
    full = np.rint((2**31 - 1) * np.sin(2 * np.pi * n * CARRIER_HZ / RATE_HZ)).astype(np.int32)[:, None]
    codes = room.process(full)
    assert codes.max() == 2**31 - 256
    assert codes.min() == -(2**31)
    loud = codes[1_000:, 0]
    assert (np.abs(loud.astype(np.int64)) >= 2**31 - 256).mean() > 0.5
    # Where it wrapped, neighbours on the same side of a period would differ by twice full scale.
    assert np.abs(np.sign(loud[24:]) - np.sign(loud[:-24])).mean() < 0.1


def test_a_seed_gives_the_same_samples_again_and_another_does_not():
    playback = tone(0.1)
    first, again, other = (hear(walk(distance_m=2.0, seed=seed), playback) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.9


@pytest.mark.parametrize("block_frames", [960, 4800])
def test_noise_and_echoes_do_not_depend_on_the_blocks(block_frames):
    # Air moves in steps of a block by design, so that it stands still here; a body's places are taken each ms.
    person = Person(at=(3.0, 2.0), start_s=0.0, actions=(Walk((1.0, 2.0)),))
    scene, playback = open_air(people=(person,)), tone(0.3)
    wanted = hear(scene, playback)
    found = hear(scene, playback, block_frames=block_frames)
    # To a hundredth of the microphones' noise, and the converter's last code.
    noise = 10 ** ((-5.0 + 10 * math.log10(RATE_HZ / 2) - MIC_FULL_SCALE_DB_SPL) / 20) / math.sqrt(2)
    assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.01 * noise + 2**-23


def test_as_a_card_it_has_one_clock_a_latency_and_an_end():
    scene = Scene(name="short", duration_s=0.1, air=STILL_AIR)
    room = VirtualRoom(scene, block_frames=1920)
    assert (room.name, room.rate_hz, room.mics, room.outputs) == ("room:short", RATE_HZ, 4, 1)
    levels, frames = [], []
    while (block := room.read()) is not None:
        frames.append(block.first_frame)
        levels.append(np.abs(block.samples).max())
        room.write(tone(0.01))
    assert frames == [1920 * number for number in range(10)]
    assert max(levels[:2]) < 0.01 * levels[3], "what is written is heard two blocks later"
    assert room.read() is None
    room.close()
    room.close()


def test_when_nothing_was_written_nothing_is_played():
    room = VirtualRoom(Scene(name="short", duration_s=0.1))
    levels = [np.abs(room.read().samples).max() for _ in range(5)]
    assert max(levels) < 2**31 * 1e-3


def test_another_rate_is_refused_with_the_cure():
    with pytest.raises(SourceError, match=r"set audio\.rate_hz"):
        VirtualRoom(empty(), rate_hz=96_000)


def test_frames_that_capture_loses_are_counted_and_pass():
    gaps = (Gap(0.035, 0.02), Gap(0.2, 0.005))
    scene = Scene(name="gaps", duration_s=0.3, air=STILL_AIR, unit=Unit(gaps=gaps))
    room = VirtualRoom(scene, block_frames=1920)
    blocks = []
    while (block := room.read()) is not None:
        blocks.append(block)
    lost = [block.lost_frames_before for block in blocks if block.lost_frames_before]
    assert lost == [3840, 960]
    for before, after in itertools.pairwise(blocks):
        assert after.first_frame == before.first_frame + 1920 + after.lost_frames_before


def test_clocks_that_differ_turn_a_played_tone():
    scene = open_air(unit=Unit(clock_ppm=100.0, noise_db_spl_per_hz=-60.0), wall_order=0, tail_arrivals=0)
    heard = hear(scene, tone(1.0), mics=1)[:, 0]
    turning = heard * np.exp(-2j * np.pi * (CARRIER_HZ * (np.arange(len(heard)) / RATE_HZ) % 1.0))
    phase = np.unwrap(np.angle(scipy.signal.decimate(turning, 192, ftype="fir")))[100:-100]
    turned_hz = np.polyfit(np.arange(len(phase)) / 1000, phase, 1)[0] / (2 * np.pi)
    assert turned_hz == pytest.approx(100e-6 * CARRIER_HZ, rel=0.02)


@pytest.mark.parametrize("clock_ppm", [100.0, -100.0])
def test_clocks_that_differ_never_end_a_run(clock_ppm):
    room = VirtualRoom(open_air(duration_s=1e4, unit=Unit(clock_ppm=clock_ppm)), mics=1)
    room.process(tone(0.01))
    for hour in (0.01, 0.138, 0.139, 1.0, 2.7):
        room._frame = round(hour * 3600 * RATE_HZ)
        assert np.abs(room.process(tone(0.05))).max() > 0


def test_music_changes_nothing_of_how_a_tone_is_heard():
    """The air absorbs by frequency, and the room takes one for all tones: music must not be counted among them."""
    t_s = np.arange(19_200) / 192_000
    tone = 0.1 * np.sin(2 * np.pi * 60_000.0 * t_s)
    music = 0.5 * np.sin(2 * np.pi * 100.0 * t_s)
    room = VirtualRoom(empty(), mics=1)
    room.process(np.int32(tone * 2**31)[:, None])
    alone_hz = room._middle_hz
    room.process(np.int32((tone + music) * 2**31)[:, None])
    assert room._middle_hz == alone_hz == pytest.approx(60_000.0, rel=0.02)
    room.process(np.int32(music * 2**31)[:, None])
    assert room._middle_hz == alone_hz
