"""Range gates: SciPy's golden echoes, amplitudes, a moving point, noise, lost frames."""

import dataclasses
import itertools
import pathlib

import numpy as np
import pytest
from reference import echo

from appliance.dsp import _core
from appliance.dsp.chirp import chirp_pulse
from appliance.dsp.ranges import RangeGate
from appliance.dsp.round_trip import PULSES
from appliance.physics import speed_of_sound_mps
from appliance.types import Chirps, PcmBlock

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
RATE_HZ = 192_000
SOUND_MPS = speed_of_sound_mps()
SHORT = Chirps(34_000.0, 44_000.0, 0.005, 0.001, 20.0, 75.0)
LONG = Chirps(34_000.0, 44_000.0, 0.04, 0.002, 25.0, 75.0)


def gate_for(chirps, mics=1, rate_hz=RATE_HZ, **other):
    return RangeGate(chirps, rate_hz=rate_hz, mics=mics, direct_m=[0.06] * mics, **other)


def one_echo(chirps, delay_frames, amplitude, rate_hz=RATE_HZ, pulses=4):
    """int32 [frames, 1] of an echo that stands still."""
    frames = round(rate_hz / chirps.pulses_hz)
    once = echo.period(chirp_pulse(chirps, rate_hz=rate_hz), frames, [delay_frames], [amplitude])
    return echo.pcm(np.tile(once, pulses)[:, None])


@pytest.mark.parametrize("name", ["ranges_5ms", "ranges_40ms"])
@pytest.mark.parametrize("measured", [False, True])
def test_echoes_at_1_3_and_6_m_are_found_within_1_cm(name, measured):
    vectors = np.load(GOLDEN / f"{name}.npz")
    start_hz, stop_hz, pulse_s, fade_s, pulses_hz, offset_frames, direct_m, sound_mps = vectors["settings"]
    chirps = Chirps(start_hz, stop_hz, pulse_s, fade_s, pulses_hz, 75.0)
    gate = RangeGate(
        chirps,
        rate_hz=RATE_HZ,
        mics=4,
        direct_m=[direct_m] * 4,
        temperature_c=273.15 * ((sound_mps / 331.3) ** 2 - 1),
    )
    if not measured:
        gate.align(offset_frames)
    pulses = 4 + measured * PULSES
    frames = gate.process(PcmBlock(np.tile(vectors["codes"] * 256, (pulses, 1)), 0, RATE_HZ))
    if measured:
        # Two microphones without a direct path take the first echo for one; the others came before.
        assert gate.round_trip.heard_by == (2, 3)
        assert gate.round_trip.offset_frames == pytest.approx(offset_frames, abs=0.05)
    for frame, mic, range_m in itertools.product(frames[:2], range(4), vectors["ranges_m"]):
        found_m, amplitude = echo.peak_near(frame, mic, range_m)
        assert abs(found_m - range_m) < 0.01
        assert amplitude == pytest.approx(vectors["echo_amplitude"], rel=0.15)


@pytest.mark.parametrize("rate_hz", [192_000, 96_000])
@pytest.mark.parametrize("chirps", [SHORT, LONG])
def test_a_pulse_of_amplitude_a_has_a_peak_of_a_and_the_phase_of_its_way(rate_hz, chirps):
    gate = gate_for(chirps, rate_hz=rate_hz)
    gate.align(100.25)
    chosen = 70
    way_s = 2 * float(gate.range_m[chosen]) / SOUND_MPS
    frame = gate.process(PcmBlock(one_echo(chirps, 100.25 + way_s * rate_hz, 0.3, rate_hz), 0, rate_hz))[0]
    peak = frame.echoes[0, chosen]
    assert abs(peak) == pytest.approx(0.3, rel=1e-3)
    assert np.angle(peak * np.exp(2j * np.pi * 39_000 * way_s)) == pytest.approx(0, abs=0.01)
    side_db = 20 * np.log10(np.abs(frame.echoes[0]) / 0.3 + 1e-9)
    apart = np.abs(np.arange(len(side_db)) - chosen)
    assert side_db[apart >= 2].max() < -30
    assert side_db[(apart * float(gate.range_m[1]) > 0.5)].max() < -74


def test_every_microphone_has_its_own_echoes():
    gate = gate_for(SHORT, mics=6)
    gate.align(0.0)
    chosen = [35 * (1 + mic) for mic in range(6)]
    way_frames = 2 * gate.range_m[chosen].astype(float) / SOUND_MPS * RATE_HZ
    heard = [one_echo(SHORT, way_frames[mic], 0.1 / (1 + mic)) for mic in range(6)]
    frame = gate.process(PcmBlock(np.concatenate(heard, axis=1), 0, RATE_HZ))[0]
    for mic in range(6):
        assert np.abs(frame.echoes[mic]).argmax() == chosen[mic]
        assert np.abs(frame.echoes[mic]).max() == pytest.approx(0.1 / (1 + mic), rel=0.01)


def test_bins_end_where_the_next_pulse_would_be_heard():
    assert gate_for(SHORT).range_m[-1] == pytest.approx(8.0, abs=0.03)
    assert gate_for(SHORT, max_range_m=3.0).range_m[-1] == pytest.approx(3.0, abs=0.03)
    assert gate_for(LONG).range_m[-1] == pytest.approx(0.04 * SOUND_MPS / 2 - 0.3, abs=0.05)
    assert np.diff(gate_for(SHORT).range_m) == pytest.approx(0.0286, abs=1e-4)


@pytest.mark.parametrize(("chirps", "least_db"), [(SHORT, 15.5), (LONG, 23.5)])
def test_compression_raises_an_echo_over_noise(chirps, least_db):
    # A pulse of amplitude A in white noise of sigma, both counted within the pulse's 10 kHz; the time-bandwidth product
    # is 17 dB for 5 ms and 26 dB for 40 ms, from which fades and window take their share.
    sigma, amplitude = 0.01, 0.05
    signal = one_echo(chirps, 4_000.0, amplitude, pulses=40) / 2**31
    noise = sigma * np.random.default_rng(4).standard_normal(signal.shape)
    gate = gate_for(chirps)
    gate.align(4_000.0 - 2 * 2.0 / SOUND_MPS * RATE_HZ)
    clean = gate.process(PcmBlock(echo.pcm(signal), 0, RATE_HZ))
    gate.reset()
    gate.align(4_000.0 - 2 * 2.0 / SOUND_MPS * RATE_HZ)
    noisy = gate.process(PcmBlock(echo.pcm(signal + noise), 0, RATE_HZ))
    error = np.array([b.echoes - a.echoes for a, b in zip(clean, noisy, strict=True)])
    peak = max(abs(clean[0].echoes[0, 69:72]))
    ratio_out_db = 10 * np.log10(peak**2 / np.mean(np.abs(error) ** 2))
    ratio_in_db = 10 * np.log10(amplitude**2 / 2 / (sigma**2 * 10_000 / (RATE_HZ / 2)))
    assert ratio_out_db - ratio_in_db == pytest.approx(least_db, abs=1.0)


def through_channel(chirps, seconds, delays_s, gains, rate_hz=RATE_HZ):
    """int32 [frames, 1] of the chirps over ways whose delays are [points, ways] along the whole time."""
    frames = round(seconds * rate_hz)
    once = np.zeros(round(rate_hz / chirps.pulses_hz))
    waveform = chirp_pulse(chirps, rate_hz=rate_hz)
    once[: len(waveform)] = waveform
    played = np.resize(once, frames).astype(np.float32)
    channel = _core.MultipathChannel(paths=delays_s.shape[1], mics=1, max_delay_frames=20_000)
    out = np.zeros((frames, 1), np.float32)
    gain = np.broadcast_to(np.float32(gains), delays_s.shape)[:, :, None]
    channel.process_into(played, np.ascontiguousarray(delays_s[:, :, None] * rate_hz), np.ascontiguousarray(gain), out)
    return echo.pcm(out)


def test_a_moving_point_is_followed_and_what_stands_still_cancels():
    points, seconds = 201, 2.0
    time_s = np.linspace(0, seconds, points)
    point_m = 3.5 - 1.0 * time_s
    static_m = np.array([0.03, 0.9, 1.7, 4.2, 6.1])
    ways_m = np.concatenate([np.tile(static_m, (points, 1)), point_m[:, None]], axis=1)
    offset_s = 0.011
    gains = [0.1, 3e-3, 1e-3, 1e-3, 3e-4, 1e-4]
    heard = through_channel(SHORT, seconds, offset_s + 2 * ways_m / SOUND_MPS, gains)
    gate = gate_for(SHORT)
    frames = gate.process(PcmBlock(heard, 0, RATE_HZ))
    assert gate.round_trip.offset_frames == pytest.approx(offset_s * RATE_HZ, abs=0.2)
    errors_m = []
    for before, frame in itertools.pairwise(frames):
        moved = type(frame)(frame.echoes - before.echoes, frame.range_m, frame.t_s)
        truth_m = np.interp(frame.t_s + point_m.mean() / SOUND_MPS, time_s, point_m)
        errors_m.append(echo.peak_near(moved, 0, truth_m, within_m=0.3)[0] - truth_m)
    assert len(errors_m) > 15
    # 2 cm too near by the Doppler shift, 2.5 cm too far because the difference looks half a pulse period back
    assert np.abs(errors_m).max() < 0.05


# A period of 13 Hz is no whole number of samples of the band, so that each pulse stands elsewhere between them.
@pytest.mark.parametrize("pulses_hz", [20.0, 13.0])
def test_what_stands_still_cancels_from_pulse_to_pulse(pulses_hz):
    chirps = dataclasses.replace(SHORT, pulses_hz=pulses_hz)
    static_m = np.tile([0.03, 0.9, 1.7, 4.2, 6.1], (2, 1))
    heard = through_channel(chirps, 2.0, 0.011 + 2 * static_m / SOUND_MPS, [0.1, 3e-3, 1e-3, 1e-3, 3e-4])
    still = np.array([frame.echoes for frame in gate_for(chirps).process(PcmBlock(heard, 0, RATE_HZ))])
    for range_m, gain in ((0.03, 0.1), (0.9, 3e-3), (1.7, 1e-3)):
        near = np.abs(gate_for(chirps).range_m - range_m) < 0.1
        assert np.abs(still[0, 0, near]).max() > 0.6 * gain
        residue_db = 20 * np.log10(np.abs(np.diff(still, axis=0))[..., near].max() / gain + 1e-9)
        assert residue_db < (-60 if gain > 1e-3 else -57)


def test_frames_are_the_same_however_the_stream_is_cut():
    heard = one_echo(SHORT, 700.4, 0.2, pulses=PULSES + 8)
    whole = gate_for(SHORT).process(PcmBlock(heard, 0, RATE_HZ))
    gate, parts = gate_for(SHORT), []
    cuts = [0, *sorted(np.random.default_rng(5).integers(0, len(heard), 200).tolist()), len(heard)]
    for start, stop in itertools.pairwise(cuts):
        parts += gate.process(PcmBlock(heard[start:stop], start, RATE_HZ))
    assert len(whole) == len(parts) > 4
    for one, other in zip(whole, parts, strict=True):
        assert one.t_s == other.t_s
        assert one.echoes.tobytes() == other.echoes.tobytes()


def test_lost_frames_start_a_new_measurement_and_time_goes_on():
    gate = gate_for(SHORT)
    before = gate.process(PcmBlock(one_echo(SHORT, 3_000.0, 0.2, pulses=PULSES + 6), 0, RATE_HZ))
    assert before[-1].t_s == pytest.approx(before[0].t_s + (len(before) - 1) * 0.05)
    pulse = (before[0].t_s - gate.round_trip.offset_frames / RATE_HZ) / 0.05
    assert pulse == pytest.approx(round(pulse), abs=1e-6)
    # The stream stood still for a while, and what is written is heard at another time now.
    lost = 1_000_003
    first_frame = 9_600 * (PULSES + 6) + lost
    heard = one_echo(SHORT, 5_123.0, 0.2, pulses=PULSES + 20)[lost % 9_600 :]
    after = gate.process(PcmBlock(heard, first_frame, RATE_HZ, lost_frames_before=lost))
    assert gate.round_trip.offset_frames == pytest.approx(5_123.0 - 0.06 / SOUND_MPS * RATE_HZ, abs=0.05)
    assert after[0].t_s > first_frame / RATE_HZ
    assert echo.peak_near(after[0], 0, 0.03)[0] == pytest.approx(0.03, abs=0.005)


def test_without_pulses_there_are_no_frames_and_it_is_told():
    gate = gate_for(SHORT, mics=2)
    noise = np.random.default_rng(6).integers(-(2**24), 2**24, (RATE_HZ * 2, 2), dtype=np.int32)
    assert gate.round_trip is None
    assert gate.process(PcmBlock(noise, 0, RATE_HZ)) == []
    assert gate.round_trip.offset_frames is None


def test_what_cannot_be_gated_is_refused():
    for direct_m in ([0.06], [0.06] * 3, [0.06, float("nan")], [0.06, -0.1]):
        with pytest.raises(ValueError, match="direct_m: wanted 2 distances"):
            RangeGate(SHORT, rate_hz=RATE_HZ, mics=2, direct_m=direct_m)
    for other in ({"max_range_m": -1.0}, {"mics": 9}, {"rate_hz": 48_000}):
        with pytest.raises(ValueError, match="wanted"):
            gate_for(SHORT, **other)
    with pytest.raises(ValueError, match="wanted 34000 to 41000 at rate 96000"):
        gate_for(Chirps(38_000.0, 46_000.0, 0.005, 0.001, 20.0, 75.0), rate_hz=96_000)
    with pytest.raises(ValueError, match="read-only"):
        gate_for(SHORT).range_m[0] = 1.0


def test_a_block_of_another_stream_is_refused():
    gate = gate_for(SHORT, mics=2)
    with pytest.raises(ValueError, match="wanted a rate of 192000 Hz, got 96000"):
        gate.process(PcmBlock(np.zeros((10, 2), np.int32), 0, 96_000))
    with pytest.raises(ValueError, match=r"wanted samples \[frames, 2\], got \[10, 3\]"):
        gate.process(PcmBlock(np.zeros((10, 3), np.int32), 0, RATE_HZ))
    with pytest.raises(TypeError, match="int32"):
        gate.process(PcmBlock(np.zeros((10, 2), np.int64), 0, RATE_HZ))
    assert gate.process(PcmBlock(np.zeros((0, 2), np.int32), 0, RATE_HZ)) == []
