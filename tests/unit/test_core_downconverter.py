"""The C down-converter against its NumPy twin, and its promises: bands, any cut, exact buffers, one user at a time."""

import functools
import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.downconvert import downconvert

from appliance.dsp import _core

CARRIERS_HZ = {
    384_000: (30_000.0, 40_000.0, 123_456.7, 180_000.0),
    192_000: (30_000.0, 40_000.0, 61_234.5, 90_000.0),
    96_000: (30_000.0, 36_123.4, 40_000.0, 45_000.0),
}
SETTLED = 45
"""Samples after which the filters have forgotten the silence before."""

rates = pytest.mark.parametrize("rate_hz", CARRIERS_HZ)


def is_present(instruction_set):
    try:
        _core.DownConverter(rate_hz=96_000, mics=1, carriers_hz=[40_000.0], instruction_set=instruction_set)
    except ValueError:
        return False
    return True


PRESENT = [name for name in ("generic", "avx2", "neon") if is_present(name)]


@pytest.fixture(params=["generic", "avx2", "neon"])
def instruction_set(request):
    if request.param not in PRESENT:
        pytest.skip(f"this processor has no {request.param}")
    return request.param


def run(samples, carriers_hz, rate_hz, first_frame=0, cuts=(), instruction_set="auto"):
    """iq of `samples`, cut into blocks at the frames `cuts`."""
    core = _core.DownConverter(
        rate_hz=rate_hz, mics=samples.shape[1], carriers_hz=carriers_hz, instruction_set=instruction_set
    )
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


def gains_db(frequencies_hz, rate_hz, instruction_set):
    """Highest gain of each sine around each carrier, [carriers, frequencies]."""
    gains = []
    for first in range(0, len(frequencies_hz), 8):
        some = frequencies_hz[first : first + 8]
        samples = sines(some, (SETTLED + 25) * rate_hz // 2400, rate_hz)
        iq = run(samples, CARRIERS_HZ[rate_hz], rate_hz, instruction_set=instruction_set)
        gains.append(np.abs(iq[:, :, SETTLED:]) / 0.9)
    magnitude = np.concatenate(gains, axis=1)
    return 20 * np.log10(magnitude.max(axis=2) + 1e-12), 20 * np.log10(magnitude.min(axis=2) + 1e-12)


@functools.lru_cache(maxsize=1)
def noise_and_twin(rate_hz, mics):
    samples = noise(50 * rate_hz // 2400 + 17, mics, seed=mics)
    carriers_hz = CARRIERS_HZ[rate_hz][: 1 + mics % 4]
    return samples, carriers_hz, downconvert(samples, carriers_hz, rate_hz, 123_457)


@pytest.mark.parametrize("mics", range(1, 9))
@rates
def test_noise_gives_what_the_numpy_twin_gives(rate_hz, mics):
    samples, carriers_hz, wanted = noise_and_twin(rate_hz, mics)
    for instruction_set in PRESENT:
        iq = run(samples, carriers_hz, rate_hz, first_frame=123_457, instruction_set=instruction_set)
        np.testing.assert_allclose(iq, wanted, atol=1e-6, err_msg=instruction_set)


@pytest.mark.parametrize("carriers", range(1, 5))
@pytest.mark.parametrize("mics", range(1, 9))
@rates
def test_instruction_sets_differ_by_rounding_alone(rate_hz, mics, carriers):
    samples = noise(30 * rate_hz // 2400, mics, seed=carriers)
    plain, *others = (run(samples, CARRIERS_HZ[rate_hz][:carriers], rate_hz, instruction_set=name) for name in PRESENT)
    for other in others:
        assert np.sqrt(np.mean(np.abs(other - plain) ** 2)) < 5e-7


def test_the_fastest_instruction_set_is_chosen_and_one_that_is_not_there_is_refused():
    core = _core.DownConverter(rate_hz=192_000, mics=1, carriers_hz=[40_000.0])
    assert core.instruction_set == PRESENT[-1]
    absent = next(name for name in ("neon", "avx2") if name not in PRESENT)
    with pytest.raises(ValueError, match=f"instruction_set: wanted auto or .*got {absent}"):
        _core.DownConverter(rate_hz=192_000, mics=1, carriers_hz=[40_000.0], instruction_set=absent)
    with pytest.raises(TypeError):
        _core.DownConverter(rate_hz=192_000, mics=1, carriers_hz=[40_000.0], instruction_set=None)


@rates
def test_pass_band_is_flat_to_a_tenth_of_a_db(rate_hz, instruction_set):
    offsets_hz = np.array([-900.0, -777.7, -500.0, -100.0, 0.0, 1.0, 250.0, 600.0, 850.0, 900.0])
    for c, carrier_hz in enumerate(CARRIERS_HZ[rate_hz]):
        highest, lowest = gains_db(carrier_hz + offsets_hz, rate_hz, instruction_set)
        assert highest[c].max() < 0.1
        assert lowest[c].min() > -0.1


@rates
def test_nothing_else_comes_through_wherever_it_would_alias_to(rate_hz, instruction_set):
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
    highest, _ = gains_db(frequencies_hz, rate_hz, instruction_set)
    for c, carrier_hz in enumerate(CARRIERS_HZ[rate_hz]):
        outside = np.abs(frequencies_hz - carrier_hz) >= 1_100
        assert highest[c][outside].max() < -80


def test_extremes_of_pcm_and_silence(instruction_set):
    full = np.full((8_000, 3), -(2**31), np.int32)
    only = {"carriers_hz": (40_000.0,), "rate_hz": 192_000, "instruction_set": instruction_set}
    assert np.abs(run(full, **only)[:, :, SETTLED:]).max() < 1e-4
    assert not run(np.zeros((8_000, 3), np.int32), **only).any()
    square = np.where(np.arange(8_000) * 40_000 / 192_000 % 1.0 < 0.5, 2**31 - 1, -(2**31)).astype(np.int32)[:, None]
    # The fundamental of a square wave of 1 is 4/pi; sampled at 4.8 a period the corners cost a little.
    assert 1.2 < np.abs(run(square, **only)[0, 0, -1]) < 1.3


def test_one_bit_of_pcm_is_far_above_the_smallest_number(instruction_set):
    samples = np.zeros((8_000, 2), np.int32)
    samples[3_210] = 1
    iq = run(samples, (40_000.0, 48_000.0), 192_000, instruction_set=instruction_set)
    parts = np.abs(iq.view(np.float32))
    assert 1e-12 < parts.max() < 1e-10
    assert parts[parts > 0].min() > 1e6 * np.finfo(np.float32).tiny
    assert not iq[:, :, -1].any()


@pytest.mark.parametrize("mics", [1, 2, 3, 4, 7, 8])
def test_a_block_may_begin_at_any_sample(instruction_set, mics):
    samples = noise(2_000, mics, seed=5)
    for shift in (1, 2, 3):
        memory = np.empty(samples.size + shift, np.int32)
        moved = memory[shift:].reshape(samples.shape)
        moved[:] = samples
        core = _core.DownConverter(rate_hz=192_000, mics=mics, carriers_hz=[40_000.0], instruction_set=instruction_set)
        iq = np.empty((1, mics, 25), np.complex64)
        core.process_into(moved, iq)
        assert iq.tobytes() == run(samples, [40_000.0], 192_000, instruction_set=instruction_set).tobytes()


@settings(max_examples=60, deadline=None)
@given(
    rate_hz=st.sampled_from(list(CARRIERS_HZ)),
    mics=st.integers(1, 8),
    carriers=st.integers(1, 4),
    first_frame=st.integers(0, 2**45),
    cuts=st.lists(st.integers(0, 4_000), max_size=12),
    seed=st.integers(0, 2**16),
    instruction_set=st.sampled_from(PRESENT),
)
def test_any_cut_gives_the_same_bits(rate_hz, mics, carriers, first_frame, cuts, seed, instruction_set):
    samples = noise(4_000, mics, seed)
    carriers_hz = CARRIERS_HZ[rate_hz][:carriers]
    whole = run(samples, carriers_hz, rate_hz, first_frame, (), instruction_set)
    assert whole.tobytes() == run(samples, carriers_hz, rate_hz, first_frame, cuts, instruction_set).tobytes()


@pytest.mark.parametrize("mics", [1, 2, 4, 8])
@pytest.mark.parametrize("frames", [1, 7, 79, 81, 639, 641])
def test_blocks_of_any_length_give_the_same_bits(instruction_set, frames, mics):
    samples = noise(2_000, mics, seed=frames)
    cuts = range(frames, len(samples), frames)
    whole = run(samples, (40_000.0,), 192_000, instruction_set=instruction_set)
    assert whole.tobytes() == run(samples, (40_000.0,), 192_000, 0, cuts, instruction_set).tobytes()


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


def test_a_second_thread_is_refused_while_the_first_is_inside(instruction_set):
    core = _core.DownConverter(
        rate_hz=192_000, mics=8, carriers_hz=CARRIERS_HZ[192_000], instruction_set=instruction_set
    )
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
