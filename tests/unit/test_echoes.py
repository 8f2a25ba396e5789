"""What moves at which range: noise, somebody who moves, what stands still, gaps and bad numbers."""

import numpy as np
import pytest
from reference.echoes import Echoes as Twin

from appliance.dsp import _core
from appliance.features.doppler import WINDOW_SAMPLES, Doppler
from appliance.features.echoes import ECHO_FEATURES, GATES, RangeEvidence
from appliance.features.evidence import FEATURES, TONE_FEATURES, Evidence
from appliance.types import DopplerFrame, RangeFrame

PULSES_HZ = 25.0
BIN_M = 343.2 / 2 / 6000
RANGE_M = (BIN_M * np.arange(225)).astype(np.float32)
NOISE = 1e-5
DIRECT = 3e-2


def bandlimited(rng, mics):
    """Noise of a receiver whose band is weighted by Hann over 10 of 12 kHz, in every second sample."""
    lines = np.fft.ifftshift(np.interp(np.arange(512) - 256, [-213, 213], [-1, 1], left=9, right=9))
    weight = np.where(np.abs(lines) <= 1, np.cos(np.pi / 2 * np.clip(lines, -1, 1)) ** 2, 0.0)
    white = rng.standard_normal((mics, 512)) + 1j * rng.standard_normal((mics, 512))
    return np.fft.ifft(np.fft.fft(white) * weight)[:, ::2][:, : len(RANGE_M)]


def pulses(seconds, *, mics=4, moving=None, seed=1, gain=1.0, still=1e-2):
    """Echoes of a room with walls, and of whoever moves: `moving` is (range_m, amplitude at 1 m)."""
    rng = np.random.default_rng(seed)
    walls = still * bandlimited(rng, mics)
    for number in range(round(seconds * PULSES_HZ)):
        echoes = walls + NOISE * bandlimited(rng, mics)
        echoes[:, 2] += DIRECT
        if moving is not None:
            range_m, amplitude = moving
            turn = np.exp(1j * rng.uniform(0, 2 * np.pi))
            echoes[:, round(range_m / BIN_M)] += amplitude / range_m**2 * turn
        yield RangeFrame((gain * echoes).astype(np.complex64), RANGE_M, number / PULSES_HZ)


def seen(frames):
    evidence, found = RangeEvidence(), []
    for frame in frames:
        evidence.process(frame)
        found.append(evidence.values.copy())
    return np.array(found)


def core(**about):
    settings = {
        "mics": 2,
        "bins": 40,
        "gates": [(3, 10), (10, 25), (39, 40)],
        "shape": 6.0,
        "spread_db": [0.0, 9.0, 20.0],
    }
    return _core.Echoes(**(settings | about))


@pytest.mark.parametrize("mics", [1, 8])
def test_values_are_what_the_slow_twin_sees(mics):
    rng = np.random.default_rng(3)
    about = {"gates": [(3, 10), (10, 25), (39, 40)], "shape": 6.0, "spread_db": [0.0, 9.0, 20.0]}
    quick, twin = core(mics=mics, **about), Twin(**about)
    values = np.zeros((2, 3), np.float32)
    for number in range(200):
        echoes = (rng.standard_normal((mics, 40)) + 1j * rng.standard_normal((mics, 40))).astype(np.complex64)
        echoes[:, :20] *= 30.0 if number % 40 > 35 else 1.0
        if number % 71 == 70:
            echoes[0, 12] = np.nan
        period_s = 0.0 if number % 50 == 49 else 0.04
        wanted = twin.process(echoes, period_s)
        assert quick.process_into(echoes, period_s, values) == (wanted is not None)
        if wanted is not None:
            np.testing.assert_allclose(values, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "about",
    [
        {"mics": 0}, {"mics": 9}, {"bins": 0}, {"bins": 1025}, {"shape": 0.4}, {"shape": np.nan},
        {"gates": [(0, 3), (3, 4), (4, 5)]}, {"gates": [(3, 3), (3, 4), (4, 5)]}, {"gates": [(3, 41), (3, 4), (4, 5)]},
        {"spread_db": [0.0, np.inf, 0.0]}, {"spread_db": [0.0]}, {"gates": []},
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(about):
    with pytest.raises(ValueError, match="wanted"):
        core(**about)


def test_buffers_of_another_shape_are_refused():
    echoes, values = np.zeros((2, 40), np.complex64), np.zeros((2, 3), np.float32)
    for bad in ((echoes[:, :39].copy(), values), (echoes, values[:, :2].copy())):
        with pytest.raises(ValueError, match="wanted"):
            core().process_into(bad[0], 0.04, bad[1])
    with pytest.raises(TypeError, match="complex64"):
        core().process_into(echoes.astype(complex), 0.04, values)


def gate_of(range_m):
    return int((range_m - 0.3) / 0.5)


@pytest.mark.parametrize("mics", [1, 4, 8])
def test_an_empty_room_gives_deviates_of_its_own_noise(mics):
    deviates = np.sinh(seen(pulses(60.0, mics=mics))[200:, :GATES])
    assert abs(deviates.mean()) < 0.35, "the floor is what the noise is, on the average"
    assert 0.7 < deviates.std() < 1.4


@pytest.mark.parametrize("range_m", [0.8, 2.55, 5.05])
def test_who_moves_is_in_the_gate_of_their_range(range_m):
    comes = [*pulses(10.0), *pulses(2.0, moving=(range_m, 3e-3), seed=2)]
    frames = [RangeFrame(frame.echoes, RANGE_M, number / PULSES_HZ) for number, frame in enumerate(comes)]
    found = seen(frames)[-25:, :GATES].mean(axis=0)
    assert found.argmax() == gate_of(range_m)
    others = np.delete(found, [max(gate_of(range_m) + step, 0) for step in (-1, 0, 1) if gate_of(range_m) + step < 12])
    assert found.max() > 2.0 + np.abs(others).max()


def test_strength_is_that_of_the_body_wherever_it_is_and_whatever_the_card():
    found = []
    for range_m, gain in ((1.05, 1.0), (4.05, 1.0), (4.05, 0.03)):
        quiet = list(pulses(5.0, gain=gain))
        loud = list(pulses(1.0, moving=(range_m, 3e-3), seed=2, gain=gain))
        frames = [RangeFrame(each.echoes, RANGE_M, n / PULSES_HZ) for n, each in enumerate(quiet + loud)]
        found.append(seen(frames)[-20:, GATES + gate_of(range_m)].mean())
    assert found[1] == pytest.approx(found[0], abs=0.15), "3 dB"
    assert found[2] == pytest.approx(found[1], abs=0.01)


def test_pulses_across_a_gap_are_not_compared():
    before, behind = list(pulses(4.0)), list(pulses(4.0, seed=9))
    frames = [*before, *(RangeFrame(each.echoes, RANGE_M, each.t_s + 5.0) for each in behind)]
    found = seen(frames)
    np.testing.assert_array_equal(found[len(before)], found[len(before) - 1])
    assert np.sinh(found[len(before) + 1 :, :GATES]).max() < 6.0


def test_echoes_that_are_no_numbers_change_nothing():
    frames = list(pulses(4.0))
    bad = frames[60].echoes.copy()
    bad[1, 100] = np.nan
    found = seen([*frames[:60], RangeFrame(bad, RANGE_M, frames[60].t_s), *frames[61:]])
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[60], found[59])


def test_fewer_ranges_than_gates_are_no_fault():
    short = [RangeFrame(each.echoes[:, :120].copy(), RANGE_M[:120], each.t_s) for each in pulses(4.0)]
    assert np.isfinite(seen(short)).all()


def test_the_evidence_says_whether_there_are_chirps():
    stage = Doppler(carriers_hz=(34_000.0,), mics=4, rate_hz=2400.0, pcm_rate_hz=192_000)
    evidence = Evidence(doppler=stage)
    rng = np.random.default_rng(5)
    chirps = iter([*pulses(4.0)])
    coming = next(chirps)
    values = []
    for number in range(300):
        t_s = number * stage.hop_s
        while coming is not None and coming.t_s <= t_s:
            evidence.process_ranges(coming)
            coming = next(chirps, None)
        power = (10 * np.log10(rng.exponential(1e-10, (1, 4, WINDOW_SAMPLES)))).astype(np.float32)
        values.append(evidence.process(DopplerFrame(power, stage.velocity_mps, np.full((1, 4), -30, np.float32), t_s)))
    found = np.array(values)
    assert found.shape == (300, FEATURES)
    assert (found[:, -2] == 1.0).all(), "tones"
    t_s = stage.hop_s * np.arange(300)
    known = (t_s > 1.7) & (t_s < 4.0)
    assert (found[known, -1] == 1.0).all()
    assert (found[(t_s < 1.4) | (t_s > 4.4), TONE_FEATURES:-2] == 0.0).all()
    assert (found[(t_s < 1.4) | (t_s > 4.4), -1] == 0.0).all()
    assert np.abs(found[known, TONE_FEATURES:-2]).max() > 0.0
    assert found.shape[1] == TONE_FEATURES + ECHO_FEATURES + 2
