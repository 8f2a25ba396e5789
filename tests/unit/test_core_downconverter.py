"""The C down-converter against its NumPy twin, and its promises: bands, any cut, exact buffers, one user at a time."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.downconvert import downconvert

from appliance.dsp import _core

CARRIERS_HZ = {192_000: (30_000.0, 40_000.0, 61_234.5, 90_000.0), 96_000: (30_000.0, 36_123.4, 40_000.0, 45_000.0)}
SETTLED = 45
"""Samples after which the filters have forgotten the silence before."""


def run(samples, carriers_hz, rate_hz, first_frame=0, cuts=()):
    """iq of `samples`, cut into blocks at the frames `cuts`."""
    core = _core.DownConverter(rate_hz=rate_hz, mics=samples.shape[1], carriers_hz=carriers_hz)
    core.reset(first_frame)
    parts = []
    edges = [0, *sorted(cuts), len(samples)]
    for start, stop in itertools.pairwise(edges):
        block = np.ascontiguousarray(samples[start:stop])
        iq = np.empty((len(carriers_hz), samples.shape[1], core.output_samples(len(block))), np.complex64)
        assert core.process_into(block, iq) == iq.shape[2]
        parts.append(iq)
    return np.concatenate(parts, axis=2)


def noise(frames, mics, seed):
    return np.random.default_rng(seed).integers(-(2**31), 2**31, (frames, mics), dtype=np.int32)


def sines(frequencies_hz, frames, rate_hz, amplitude=0.9):
    """One sine for each microphone, [frames, mics]."""
    turns = np.outer(np.arange(frames), np.asarray(frequencies_hz) / rate_hz) % 1.0
    return np.rint(amplitude * np.sin(2 * np.pi * turns) * 2**31).astype(np.int32)


def gains_db(frequencies_hz, rate_hz):
    """Highest gain of each sine around each carrier, [carriers, frequencies]."""
    gains = []
    for first in range(0, len(frequencies_hz), 8):
        some = frequencies_hz[first : first + 8]
        iq = run(sines(some, (SETTLED + 25) * rate_hz // 2400, rate_hz), CARRIERS_HZ[rate_hz], rate_hz)
        gains.append(np.abs(iq[:, :, SETTLED:]) / 0.9)
    magnitude = np.concatenate(gains, axis=1)
    return 20 * np.log10(magnitude.max(axis=2) + 1e-12), 20 * np.log10(magnitude.min(axis=2) + 1e-12)


@pytest.mark.parametrize("rate_hz", [192_000, 96_000])
@pytest.mark.parametrize("mics", range(1, 9))
def test_noise_gives_what_the_numpy_twin_gives(rate_hz, mics):
    samples = noise(6_000, mics, seed=mics)
    carriers_hz = CARRIERS_HZ[rate_hz][: 1 + mics % 4]
    iq = run(samples, carriers_hz, rate_hz, first_frame=123_457)
    np.testing.assert_allclose(iq, downconvert(samples, carriers_hz, rate_hz, 123_457), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [192_000, 96_000])
def test_pass_band_is_flat_to_a_tenth_of_a_db(rate_hz):
    offsets_hz = np.array([-900.0, -777.7, -500.0, -100.0, 0.0, 1.0, 250.0, 600.0, 850.0, 900.0])
    for c, carrier_hz in enumerate(CARRIERS_HZ[rate_hz]):
        highest, lowest = gains_db(carrier_hz + offsets_hz, rate_hz)
        assert highest[c].max() < 0.1
        assert lowest[c].min() > -0.1


@pytest.mark.parametrize("rate_hz", [192_000, 96_000])
def test_nothing_else_comes_through_wherever_it_would_alias_to(rate_hz):
    nyquist_hz = rate_hz / 2
    images_hz = [
        np.abs(carrier_hz + sign * spacing_hz * k + offset_hz)
        for carrier_hz in CARRIERS_HZ[rate_hz]
        for spacing_hz in (2_400, 4_800, 24_000)
        for k in (1, 2, 3)
        for sign in (-1, 1)
        for offset_hz in (-500.0, 3.0, 900.0)
    ]
    edges_hz = [carrier_hz + edge for carrier_hz in CARRIERS_HZ[rate_hz] for edge in (-1_250.0, -1_100.0, 1_100.0)]
    everywhere_hz = np.random.default_rng(7).uniform(10, nyquist_hz - 10, 150)
    frequencies_hz = np.concatenate([images_hz, edges_hz, everywhere_hz])
    frequencies_hz = frequencies_hz[frequencies_hz < nyquist_hz]
    highest, _ = gains_db(frequencies_hz, rate_hz)
    for c, carrier_hz in enumerate(CARRIERS_HZ[rate_hz]):
        outside = np.abs(frequencies_hz - carrier_hz) >= 1_100
        assert highest[c][outside].max() < -80


def test_extremes_of_pcm_and_silence():
    full = np.full((8_000, 3), -(2**31), np.int32)
    assert np.abs(run(full, (40_000.0,), 192_000)[:, :, SETTLED:]).max() < 1e-4
    assert not run(np.zeros((8_000, 3), np.int32), (40_000.0,), 192_000).any()
    square = np.where(np.arange(8_000) * 40_000 / 192_000 % 1.0 < 0.5, 2**31 - 1, -(2**31)).astype(np.int32)[:, None]
    # The fundamental of a square wave of 1 is 4/pi; sampled at 4.8 a period the corners cost a little.
    assert 1.2 < np.abs(run(square, (40_000.0,), 192_000)[0, 0, -1]) < 1.3


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from([192_000, 96_000]),
    mics=st.integers(1, 8),
    carriers=st.integers(1, 4),
    first_frame=st.integers(0, 2**45),
    cuts=st.lists(st.integers(0, 3_000), max_size=12),
    seed=st.integers(0, 2**16),
)
def test_any_cut_gives_the_same_bits(rate_hz, mics, carriers, first_frame, cuts, seed):
    samples = noise(3_000, mics, seed)
    carriers_hz = CARRIERS_HZ[rate_hz][:carriers]
    whole = run(samples, carriers_hz, rate_hz, first_frame)
    assert whole.tobytes() == run(samples, carriers_hz, rate_hz, first_frame, cuts).tobytes()


@pytest.mark.parametrize("frames", [1, 7, 79, 81, 639, 641])
def test_blocks_of_any_length_give_the_same_bits(frames):
    samples = noise(2_000, 4, seed=frames)
    cuts = range(frames, len(samples), frames)
    assert run(samples, (40_000.0,), 192_000).tobytes() == run(samples, (40_000.0,), 192_000, 0, cuts).tobytes()


@pytest.mark.parametrize(
    ("samples", "iq", "error", "message"),
    [
        (np.zeros((80, 2), np.float32), None, TypeError, r"samples.*int32 \[any, 2\].*format 'f' \[80, 2\]"),
        (np.zeros((80, 2), np.int64), None, TypeError, "samples: wrong type"),
        (np.zeros((80, 2), ">i4"), None, TypeError, "samples: wrong type"),
        (np.zeros((80, 3), np.int32), None, ValueError, r"samples: wrong shape.*\[any, 2\].*\[80, 3\]"),
        (np.zeros(160, np.int32), None, ValueError, "samples: wrong number of dimensions"),
        (np.zeros((160, 2), np.int32)[::2], None, ValueError, "not C-contiguous"),
        (np.zeros((2, 80), np.int32).T, None, ValueError, "not C-contiguous"),
        (memoryview(bytearray(641))[1:].cast("i", (80, 2)), None, ValueError, "not aligned"),
        (None, np.zeros((1, 2, 1), np.complex128), TypeError, r"iq.*complex64 \[1, 2, 1\].*format 'Zd'"),
        (None, np.zeros((1, 2, 2), np.complex64), ValueError, r"iq: wrong shape.*\[1, 2, 1\].*\[1, 2, 2\]"),
        (None, np.frombuffer(bytes(16), np.complex64).reshape(1, 2, 1), ValueError, "read-only"),
        ([1, 2], None, TypeError, "bytes-like"),
    ],
)
def test_a_buffer_that_does_not_fit_is_named_and_nothing_is_consumed(samples, iq, error, message):
    core = _core.DownConverter(rate_hz=192_000, mics=2, carriers_hz=[40_000.0])
    samples = np.zeros((80, 2), np.int32) if samples is None else samples
    with pytest.raises(error, match=message):
        core.process_into(samples, np.zeros((1, 2, 1), np.complex64) if iq is None else iq)
    assert core.output_samples(79) == 0


def test_negative_frames_are_refused():
    core = _core.DownConverter(rate_hz=192_000, mics=2, carriers_hz=[40_000.0])
    with pytest.raises(ValueError, match="got -1"):
        core.reset(-1)
    with pytest.raises(ValueError, match="got -1"):
        core.output_samples(-1)
    with pytest.raises(TypeError):
        _core.DownConverter(rate_hz=192_000, mics=2, carriers_hz=["loud"])


def test_a_second_thread_is_refused_while_the_first_is_inside():
    core = _core.DownConverter(rate_hz=192_000, mics=8, carriers_hz=CARRIERS_HZ[192_000])
    samples = np.zeros((480_000, 8), np.int32)
    iq = np.empty((4, 8, 6_000), np.complex64)
    for _ in range(20):
        worker = threading.Thread(target=core.process_into, args=(samples, iq))
        worker.start()
        try:
            while worker.is_alive():
                core.output_samples(0)
        except RuntimeError as refusal:
            assert "another thread" in str(refusal)  # noqa: PT017 - it may take several tries to meet
            return
        finally:
            worker.join()
    pytest.fail("two threads never met inside the converter")
