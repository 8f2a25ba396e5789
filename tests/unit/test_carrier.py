"""Is the tone there, and does it stand still?"""

import numpy as np
import pytest

from appliance.cancel.carrier import CarrierState, CarrierWatch
from appliance.types import BasebandBlock

RATE_HZ = 2400.0
NOISE_AMPLITUDE = 1e-5


class Stream:
    """Baseband of one carrier, with a converter's noise, in blocks of one length."""

    def __init__(self, *, mics=4, block_samples=24):
        self._mics = mics
        self.watch = CarrierWatch()
        self._samples = block_samples
        self._random = np.random.default_rng(1)

    def __call__(self, seconds, *, tone=0.0, shift_hz=0.0, echo=0.0):
        """The state after each block."""
        states = []
        for number in range(round(seconds * RATE_HZ / self._samples)):
            t_s = (number * self._samples + np.arange(self._samples)) / RATE_HZ
            noise = NOISE_AMPLITUDE * (self._random.standard_normal((2, 1, self._mics, self._samples)) / np.sqrt(2))
            iq = tone + echo * np.exp(2j * np.pi * shift_hz * t_s) + noise[0] + 1j * noise[1]
            states.append(self.watch.process(BasebandBlock(iq.astype(np.complex64), 79, RATE_HZ, (40_000.0,))))
        return states


@pytest.mark.parametrize("block_samples", [12, 24, 120])
def test_a_tone_is_steady_from_the_first_block(block_samples):
    assert set(Stream(block_samples=block_samples)(5.0, tone=0.01)) == {CarrierState.STEADY}


@pytest.mark.parametrize(("mics", "block_samples"), [(4, 12), (4, 24), (4, 120), (1, 24)])
def test_noise_alone_is_missing_once_the_tone_had_time_to_come(mics, block_samples):
    states = Stream(mics=mics, block_samples=block_samples)(5.0)
    assert set(states[: round(0.49 * RATE_HZ / block_samples)]) == {CarrierState.UNSTEADY}
    assert CarrierState.STEADY not in states
    assert set(states[round(0.52 * RATE_HZ / block_samples) :]) == {CarrierState.MISSING}


@pytest.mark.parametrize("tone", [0.3, 0.01, 1e-4])
def test_a_tone_that_is_cut_off_is_missing_within_a_second(tone):
    stream = Stream()
    stream(5.0, tone=tone)
    states = stream(3.0)
    assert states[0] is CarrierState.UNSTEADY
    assert CarrierState.MISSING in states[: round(1.0 * RATE_HZ / 24)]
    assert CarrierState.STEADY not in states[round(1.0 * RATE_HZ / 24) :]


@pytest.mark.parametrize("at", [2, 12, 18, 22])
@pytest.mark.parametrize("factor", [0.0, 5.0])
def test_a_break_inside_a_block_is_seen_in_that_block(at, factor):
    stream = Stream()
    stream(2.0, tone=0.01)
    iq = np.full((1, 4, 24), 0.01, np.complex64)
    iq[..., at:] *= factor
    assert stream.watch.process(BasebandBlock(iq, 79, RATE_HZ, (40_000.0,))) is CarrierState.UNSTEADY


def test_a_tone_that_comes_back_is_steady_again():
    stream = Stream()
    stream(2.0, tone=0.01)
    stream(5.0)
    states = stream(3.0, tone=0.01)
    assert set(states[round(1.0 * RATE_HZ / 24) :]) == {CarrierState.STEADY}


@pytest.mark.parametrize("gain", [0.3, 3.0])
def test_another_gain_is_unsteady_once(gain):
    stream = Stream()
    stream(2.0, tone=0.01)
    states = stream(2.0, tone=0.01 * gain)
    assert states[0] is CarrierState.UNSTEADY
    assert set(states[1:]) == {CarrierState.STEADY}


@pytest.mark.parametrize("echo_db", [-40, -12])
def test_a_person_is_neither_a_jump_nor_a_missing_tone(echo_db):
    stream = Stream()
    stream(2.0, tone=0.01)
    assert set(stream(10.0, tone=0.01, echo=0.01 * 10 ** (echo_db / 20), shift_hz=90.0)) == {CarrierState.STEADY}


def test_the_level_is_that_of_the_static_path():
    stream = Stream()
    assert np.isneginf(stream.watch.level_dbfs).all()
    stream(2.0, tone=0.01, echo=0.001, shift_hz=400.0)
    np.testing.assert_allclose(stream.watch.level_dbfs, -40, atol=0.1)
    assert stream.watch.level_dbfs.shape == (1, 4)


def test_reset_gives_the_tone_time_again():
    stream = Stream()
    stream(3.0)
    stream.watch.reset()
    assert stream(0.4) == [CarrierState.UNSTEADY] * 40


def test_what_is_no_number_is_unsteady_once_and_has_no_level():
    stream = Stream()
    stream(2.0, tone=0.01)
    iq = np.full((1, 4, 24), np.nan, np.complex64)
    assert stream.watch.process(BasebandBlock(iq, 79, RATE_HZ, (40_000.0,))) is CarrierState.UNSTEADY
    np.testing.assert_allclose(stream.watch.level_dbfs, -240)
    assert set(stream(1.0, tone=0.01)) == {CarrierState.STEADY}
    np.testing.assert_allclose(stream.watch.level_dbfs, -40, atol=0.1)
