"""The static room goes, motion stays."""

import numpy as np
import pytest

from appliance.cancel.clutter import TIME_CONSTANT_S, ClutterCanceller
from appliance.types import BasebandBlock

RATE_HZ = 2400.0


def block(iq):
    return BasebandBlock(np.asarray(iq, np.complex64), 79, RATE_HZ, (40_000.0,) * len(iq))


def room(seconds, *, static=0.3 - 0.4j, shift_hz=0.0, echo=0.0, start_s=0.0):
    t_s = start_s + np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return np.broadcast_to(static + echo * np.exp(2j * np.pi * shift_hz * t_s), (1, 2, len(t_s)))


def run(canceller, iq, *, samples=24, frozen=False):
    parts = [iq[..., at : at + samples] for at in range(0, iq.shape[2], samples)]
    return np.concatenate([canceller.process(block(part), frozen=frozen).iq for part in parts], axis=2)


def test_what_does_not_move_goes_to_the_last_bit_of_float32():
    assert np.abs(run(ClutterCanceller(), room(1.0))).max() < 1e-6


@pytest.mark.parametrize("shift_hz", [28.0, 100.0, -400.0])
def test_motion_of_28_hz_and_more_stays(shift_hz):
    out = run(ClutterCanceller(), room(10.0, shift_hz=shift_hz, echo=0.01))[0, 0, -12_000:]
    line = np.mean(out * np.exp(-2j * np.pi * shift_hz * np.arange(len(out)) / RATE_HZ))
    assert 20 * np.log10(abs(line) / 0.01) == pytest.approx(0, abs=0.1)


def test_a_change_of_the_room_is_followed_with_the_time_constant():
    canceller = ClutterCanceller()
    run(canceller, room(1.0, static=0.5))
    left = run(canceller, room(TIME_CONSTANT_S, static=0.6))
    assert left[0, 0, 0].real == pytest.approx(0.1, rel=0.01)
    assert left[0, 0, -1].real == pytest.approx(0.1 / np.e, rel=0.01)


def test_while_frozen_the_room_is_not_learned():
    canceller = ClutterCanceller()
    run(canceller, room(1.0, static=0.5))
    left = run(canceller, room(10.0, static=0.6), frozen=True)
    np.testing.assert_allclose(left, 0.1, rtol=1e-5)
    assert abs(run(canceller, room(10.0, static=0.6))[0, 0, -1]) < 0.001


@pytest.mark.parametrize("samples", [12, 24, 120])
def test_what_is_subtracted_has_no_step_between_blocks(samples):
    canceller = ClutterCanceller()
    drifting = room(4.0, static=0.0, shift_hz=0.2, echo=0.5)
    subtracted = drifting - run(canceller, drifting, samples=samples)
    # The first block is its own mean: behind it the line may bend, but not break.
    steps = np.abs(np.diff(subtracted[0, 0, samples:]))
    fastest = 0.5 * 2 * np.pi * 0.2 / RATE_HZ
    assert steps.max() < 1.5 * fastest


def test_each_carrier_and_microphone_has_a_room_of_its_own():
    iq = np.array([[0.1, 0.2j], [-0.3, 0.4 + 0.1j]])[..., None] * np.ones(240)
    assert np.abs(run(ClutterCanceller(), iq)).max() < 1e-6


def test_the_block_keeps_its_place_and_an_empty_one_passes():
    canceller = ClutterCanceller()
    empty = block(np.zeros((1, 2, 0)))
    assert canceller.process(empty, frozen=False) is empty
    given = block(room(0.01))
    out = canceller.process(given, frozen=False)
    assert (out.first_frame, out.rate_hz, out.carriers_hz) == (given.first_frame, given.rate_hz, given.carriers_hz)
    assert out.iq.shape == given.iq.shape
    assert out.iq.dtype == np.complex64


def test_reset_forgets_the_room():
    canceller = ClutterCanceller()
    run(canceller, room(1.0, static=0.5))
    canceller.reset()
    assert np.abs(run(canceller, room(0.1, static=-0.7))).max() < 1e-6
