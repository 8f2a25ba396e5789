"""The C range gate against its NumPy twin, and its promises: bands, any cut, exact buffers, one user at a time."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import design_filters as design
from reference.range_gate import range_gate

from appliance.dsp import _core

RATES_HZ = (192_000, 96_000)


def noise(frames, mics, seed):
    return np.random.default_rng(seed).integers(-(2**31), 2**31, (frames, mics), dtype=np.int32)


def smooth_replica(samples, seed=0):
    """Noise within the middle of the band that fades to nothing at both ends."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(samples) + 1j * rng.standard_normal(samples)
    return (np.convolve(values, np.hanning(9), "same") * np.hanning(samples + 2)[1:-1] / samples).astype(np.complex64)


def spec(rate_hz=192_000, mics=2, **other):
    return {
        "rate_hz": rate_hz,
        "mics": mics,
        "centre_hz": 39_012.3,
        "period_frames": 1_999,
        "bins": 30,
        "bin_samples": 2,
        "lead_samples": 5,
        "replica": smooth_replica(40),
        **other,
    }


def run(pcm, arguments, *, first_frame=0, offset_frames=0.0, cuts=()):
    """Frame of the first pulse and echoes of `pcm`, cut into blocks at the frames `cuts`."""
    core = _core.RangeGate(**arguments)
    core.reset(first_frame, offset_frames)
    first_pulse_frame = core.next_pulse_frame
    parts = []
    for start, stop in itertools.pairwise([0, *sorted(cuts), len(pcm)]):
        block = np.ascontiguousarray(pcm[start:stop])
        echoes = np.empty((core.output_pulses(len(block)), pcm.shape[1], arguments["bins"]), np.complex64)
        assert core.process_into(block, echoes) == len(echoes)
        parts.append(echoes)
    return first_pulse_frame, np.concatenate(parts)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("mics", range(1, 9))
def test_noise_gives_what_the_numpy_twin_gives(rate_hz, mics):
    arguments = spec(rate_hz, mics, bin_samples=1 + mics % 2, period_frames=[1_999, 1_600][mics // 4 % 2])
    where = {"first_frame": 7_654_321, "offset_frames": 321.3 * mics}
    pcm = noise(9_000, mics, seed=mics)
    frames, wanted = range_gate(pcm, **{name: value for name, value in arguments.items() if name != "mics"}, **where)
    first_pulse_frame, echoes = run(pcm, arguments, **where)
    assert len(wanted) > 2
    assert first_pulse_frame == frames[0]
    np.testing.assert_allclose(echoes, wanted, atol=3e-7)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_band_is_flat_to_1_7_db_and_what_folds_onto_it_is_70_db_down(rate_hz):
    stage_1, stage_2 = design.committed_band(rate_hz)
    offset_hz = np.arange(-rate_hz / 2, rate_hz / 2, 5.0)
    gain = design.zero_phase(stage_1, offset_hz, rate_hz) * design.zero_phase(stage_2, offset_hz, design.STAGE_1_HZ)
    gain_db = 20 * np.log10(np.abs(gain) + 1e-12)
    inside = np.abs(offset_hz) <= design.BAND_PASS_HZ
    folded_hz = (offset_hz + design.BAND_OUTPUT_HZ / 2) % design.BAND_OUTPUT_HZ - design.BAND_OUTPUT_HZ / 2
    assert np.abs(gain_db[inside]).max() < 1.7
    assert gain_db[~inside & (np.abs(folded_hz) <= design.BAND_PASS_HZ)].max() < -70


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_sine_in_the_band_has_its_amplitude_and_its_phase_when_the_pulse_left(rate_hz):
    # A replica of one sample gives the band itself.
    arguments = spec(rate_hz, 1, centre_hz=39_000.0, replica=np.ones(1, np.complex64), bins=40, period_frames=1_600)
    turns = 39_000.0 / rate_hz * (np.arange(8_000) - 1_600.0 - 800.0)
    pcm = np.rint(0.5 * np.cos(2 * np.pi * turns) * 2**31).astype(np.int32)[:, None]
    first_pulse_frame, echoes = run(pcm, arguments, offset_frames=800.0)
    at = (1_600 - first_pulse_frame) // 1_600
    # At the window's ends a part of a sample's shift rings on, since this replica is not smooth.
    np.testing.assert_allclose(echoes[at, 0, 10:30] / 0.5, 1.0, atol=0.3)
    np.testing.assert_allclose(np.angle(echoes[at, 0, 10:30]), 0.0, atol=0.02)


def test_extremes_of_pcm_and_silence():
    arguments = spec(mics=3)
    assert np.abs(run(np.full((9_000, 3), -(2**31), np.int32), arguments)[1]).max() < 1e-4
    assert not run(np.zeros((9_000, 3), np.int32), arguments)[1].any()
    assert np.isfinite(run(noise(9_000, 3, 1) | 0x7FFFFF00, arguments)[1]).all()


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    mics=st.integers(1, 8),
    period_frames=st.integers(200, 6_000),
    first_frame=st.integers(0, 2**45),
    offset_frames=st.floats(0, 9_000),
    cuts=st.lists(st.integers(0, 6_000), max_size=12),
    seed=st.integers(0, 2**16),
)
def test_any_cut_gives_the_same_bits(rate_hz, mics, period_frames, first_frame, offset_frames, cuts, seed):
    pcm = noise(6_000, mics, seed)
    arguments = spec(rate_hz, mics, period_frames=period_frames)
    where = {"first_frame": first_frame, "offset_frames": offset_frames}
    frame, whole = run(pcm, arguments, **where)
    again, parts = run(pcm, arguments, **where, cuts=cuts)
    assert frame == again
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("frames", [1, 7, 255, 257, 511, 513, 1_920])
def test_blocks_of_any_length_give_the_same_bits(frames):
    # Long pauses between windows, in which nothing is filtered.
    arguments = spec(mics=5, period_frames=4_000, bins=9)
    pcm = noise(16_000, 5, seed=frames)
    whole = run(pcm, arguments)[1]
    assert len(whole) == 3
    assert whole.tobytes() == run(pcm, arguments, cuts=range(frames, len(pcm), frames))[1].tobytes()


@pytest.mark.parametrize(
    ("samples", "echoes", "error", "message"),
    [
        (np.zeros((9_000, 2), np.float32), None, TypeError, r"samples.*int32 \[any, 2\].*format 'f' \[9000, 2\]"),
        (np.zeros((9_000, 3), np.int32), None, ValueError, r"samples: wrong shape.*\[any, 2\].*\[9000, 3\]"),
        (np.zeros((2, 9_000), np.int32).T, None, ValueError, "not C-contiguous"),
        (np.zeros((9_000, 2), np.int32)[::2], None, ValueError, "not C-contiguous"),
        (memoryview(bytearray(801))[1:].cast("i", (100, 2)), None, ValueError, "not aligned"),
        (None, np.zeros((3, 2, 30), np.complex128), TypeError, r"echoes.*complex64 \[3, 2, 30\].*format 'Zd'"),
        (None, np.zeros((4, 2, 30), np.complex64), ValueError, r"echoes: wrong shape.*\[3, 2, 30\].*\[4, 2, 30\]"),
        (None, np.frombuffer(bytes(1_440), np.complex64).reshape(3, 2, 30), ValueError, "read-only"),
        (b"", None, TypeError, "samples: wrong type"),
    ],
)
def test_a_buffer_that_does_not_fit_is_named_and_nothing_is_consumed(samples, echoes, error, message):
    core = _core.RangeGate(**spec())
    samples = np.zeros((8_000, 2), np.int32) if samples is None else samples
    expected = core.output_pulses(8_000)
    with pytest.raises(error, match=message):
        core.process_into(samples, np.zeros((expected, 2, 30), np.complex64) if echoes is None else echoes)
    assert core.output_pulses(8_000) == expected == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_hz", 44_100),
        ("mics", 0),
        ("mics", 9),
        ("centre_hz", 33_999.0),
        ("centre_hz", 46_001.0),
        ("centre_hz", float("nan")),
        ("period_frames", 191),
        ("period_frames", 192_001),
        ("bins", 0),
        ("bins", 2_021),
        ("bin_samples", 3),
        ("lead_samples", -1),
        ("replica", np.zeros(0, np.complex64)),
        ("replica", np.zeros(5_000, np.complex64)),
        ("replica", np.array([1, np.inf], np.complex64)),
    ],
)
def test_what_is_out_of_range_is_refused_with_its_name(name, value):
    with pytest.raises(ValueError, match="wanted"):
        _core.RangeGate(**spec(**{name: value}))


def test_replicas_and_frames_of_other_kinds_are_refused():
    with pytest.raises(TypeError, match="replica: wrong type"):
        _core.RangeGate(**spec(replica=np.zeros(5)))
    with pytest.raises(ValueError, match="wanted 34000 to 41000 at rate 96000"):
        _core.RangeGate(**spec(96_000, centre_hz=42_000.0))
    core = _core.RangeGate(**spec())
    for frame, offset_frames in ((-1, 0.0), (2**53 + 1, 0.0), (0, -0.1), (0, np.nan), (0, np.inf), (0, 2e6)):
        with pytest.raises(ValueError, match="wanted"):
            core.reset(frame, offset_frames)
    for frames in (-1, 2**53 + 1):
        with pytest.raises(ValueError, match="wanted"):
            core.output_pulses(frames)
    assert core.output_pulses(2**53) > 10**12


def test_a_second_thread_is_refused_while_the_first_is_inside():
    core = _core.RangeGate(**spec(mics=8))
    samples = np.zeros((480_000, 8), np.int32)
    for _ in range(20):
        core.reset()
        echoes = np.empty((core.output_pulses(len(samples)), 8, 30), np.complex64)
        worker = threading.Thread(target=core.process_into, args=(samples, echoes))
        worker.start()
        try:
            while worker.is_alive():
                core.output_pulses(0)
        except RuntimeError as refusal:
            assert "another thread" in str(refusal)  # noqa: PT017 - it may take several tries to meet
            return
        finally:
            worker.join()
    pytest.fail("two threads never met inside the gate")
