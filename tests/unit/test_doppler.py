"""Doppler frames: which bin, which sign, which instant."""

import itertools
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.doppler import doppler_power

from appliance.dsp.downconvert import DownConverter
from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES, Doppler
from appliance.physics import doppler_hz, speed_of_sound_mps
from appliance.types import BasebandBlock, PcmBlock

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
PCM_RATE_HZ = 192_000
RATE_HZ = 2400.0
GROUP_FRAMES = 80
NO_LEVEL = np.zeros((1, 1), np.float32)


def doppler(*, carriers_hz=(40_000.0,), mics=1):
    return Doppler(carriers_hz=carriers_hz, mics=mics, rate_hz=RATE_HZ, pcm_rate_hz=PCM_RATE_HZ)


def block(iq, *, first_sample=0):
    # As the down-converter numbers them: a sample stands at the newest PCM frame that it has heard.
    first_frame = first_sample * GROUP_FRAMES + GROUP_FRAMES - 1
    return BasebandBlock(np.asarray(iq, np.complex64), first_frame, RATE_HZ, (40_000.0,) * len(iq))


def noise(carriers, mics, samples, seed=1):
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((carriers, mics, samples)) + 1j * rng.standard_normal((carriers, mics, samples))
    ).astype(np.complex64)


def power(frames):
    return 10.0 ** (np.array([frame.power_dbfs for frame in frames], float) / 10)


def test_frames_are_what_the_slow_twin_gives():
    iq = noise(2, 3, 1_000)
    frames = doppler(carriers_hz=(40_000.0, 45_000.0), mics=3).process(block(iq), carrier_dbfs=NO_LEVEL)
    wanted = doppler_power(iq)
    assert len(frames) == len(wanted) == 12
    np.testing.assert_allclose(power(frames), wanted, rtol=1e-4, atol=1e-9)


def test_frames_are_what_scipy_gives():
    vectors = np.load(GOLDEN / "doppler.npz")
    stage = doppler(mics=2)
    frames = stage.process(block(vectors["iq"]), carrier_dbfs=NO_LEVEL)
    np.testing.assert_allclose(stage.bins_hz, vectors["shift_hz"], atol=1e-3)
    # Float32 ends 130 dB below the strongest line.
    amplitude = np.sqrt(vectors["power"])
    np.testing.assert_allclose(np.sqrt(power(frames)), amplitude, rtol=1e-5, atol=3e-7 * amplitude.max())
    np.testing.assert_allclose([frame.t_s for frame in frames], vectors["end_s"], atol=1 / PCM_RATE_HZ)


@pytest.mark.parametrize("carrier_hz", [32_000.0, 40_000.0, 45_000.0])
@pytest.mark.parametrize("velocity_mps", [1.2, -1.2, 0.3, -2.5])
def test_a_reflector_stands_in_its_bin_and_is_positive_when_it_comes(carrier_hz, velocity_mps):
    t_s = np.arange(PCM_RATE_HZ // 4) / PCM_RATE_HZ
    # What comes from a distance that changes: the path there and back is shorter by 2 v t.
    delay_s = (4.0 - 2 * velocity_mps * t_s) / speed_of_sound_mps()
    heard = 0.1 * np.sin(2 * np.pi * carrier_hz * (t_s - delay_s))
    pcm = PcmBlock(np.rint(heard * 2**31).astype(np.int32)[:, None], 0, PCM_RATE_HZ)
    baseband = DownConverter(rate_hz=PCM_RATE_HZ, mics=1, carriers_hz=[carrier_hz]).process(pcm)
    frame = doppler(carriers_hz=(carrier_hz,)).process(baseband, carrier_dbfs=NO_LEVEL)[-1]
    found_mps = frame.velocity_mps[0, frame.power_dbfs[0, 0].argmax()]
    bin_mps = frame.velocity_mps[0, 1] - frame.velocity_mps[0, 0]
    assert found_mps == pytest.approx(velocity_mps, abs=float(0.51 * bin_mps))
    assert frame.power_dbfs.max() == pytest.approx(-20, abs=1.2)


def test_each_carrier_has_its_own_scale_of_velocities():
    frame = doppler(carriers_hz=(32_000.0, 64_000.0)).process(block(noise(2, 1, 256)), carrier_dbfs=NO_LEVEL)[0]
    np.testing.assert_allclose(frame.velocity_mps[0], 2 * frame.velocity_mps[1], rtol=1e-6)
    np.testing.assert_allclose(
        [doppler_hz(mps, 32_000.0) for mps in frame.velocity_mps[0, [0, 128, 255]]], [-1200, 0, 1190.625], rtol=1e-5
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1_500), max_size=12))
def test_any_split_gives_the_same_frames_to_the_last_bit(cuts):
    iq = noise(1, 2, 1_500)
    whole, pieces = doppler(mics=2), doppler(mics=2)
    frames = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), 1_500]):
        frames += pieces.process(block(iq[..., start:stop], first_sample=start), carrier_dbfs=NO_LEVEL)
    wanted = whole.process(block(iq), carrier_dbfs=NO_LEVEL)
    assert [frame.t_s for frame in frames] == pytest.approx([frame.t_s for frame in wanted], abs=1e-9)
    np.testing.assert_array_equal([frame.power_dbfs for frame in frames], [frame.power_dbfs for frame in wanted])


def test_a_frame_tells_when_its_window_ended():
    stage = doppler()
    frames = stage.process(block(noise(1, 1, 400), first_sample=1_000), carrier_dbfs=NO_LEVEL)
    first_s = (1_000 + WINDOW_SAMPLES) / RATE_HZ
    assert [frame.t_s for frame in frames] == pytest.approx([first_s, first_s + stage.hop_s, first_s + 2 * stage.hop_s])
    assert stage.hop_s == HOP_SAMPLES / RATE_HZ


def test_no_frame_claims_to_end_behind_the_block_that_brought_it():
    down, stage = DownConverter(rate_hz=PCM_RATE_HZ, mics=1, carriers_hz=[40_000.0]), doppler()
    for number in range(20):
        pcm = PcmBlock(np.full((1920, 1), number, np.int32), number * 1920, PCM_RATE_HZ)
        for frame in stage.process(down.process(pcm), carrier_dbfs=NO_LEVEL):
            assert pcm.end_s - 0.01 < frame.t_s <= pcm.end_s


def test_reset_begins_a_new_window():
    stage = doppler()
    stage.process(block(1e3 * noise(1, 1, 250)), carrier_dbfs=NO_LEVEL)
    stage.reset()
    assert stage.process(block(np.zeros((1, 1, 255))), carrier_dbfs=NO_LEVEL) == []
    (frame,) = stage.process(block(np.zeros((1, 1, 1))), carrier_dbfs=NO_LEVEL)
    assert frame.power_dbfs.max() == pytest.approx(-200)


def test_the_static_level_is_passed_on_and_silence_is_a_number():
    level = np.array([[-33.0]], np.float32)
    (frame,) = doppler().process(block(np.zeros((1, 1, 256))), carrier_dbfs=level)
    np.testing.assert_array_equal(frame.carrier_dbfs, level)
    assert np.isfinite(frame.power_dbfs).all()
    assert frame.power_dbfs.dtype == np.float32
