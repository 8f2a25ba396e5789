"""Whatever array is handed to the C extension, it takes it or refuses it with TypeError or ValueError."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from appliance.dsp import _core

NEARLY_RIGHT = st.sampled_from(["i4", "u4", ">i4", "i8", "f4", "f8", "c8", "c16", "?", "S4"])
ARRAYS = st.tuples(NEARLY_RIGHT, st_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)).map(
    lambda drawn: np.zeros(drawn[1], drawn[0])
)
VIEWS = st.tuples(ARRAYS, st.sampled_from([lambda a: a, lambda a: a.T, lambda a: a[::2] if a.ndim else a]))
ANYTHING = st.one_of(
    VIEWS.map(lambda drawn: drawn[1](drawn[0])), st.floats(), st.none(), st.binary(max_size=40), st.lists(st.integers())
)
GATE = {"rate_hz": 192_000, "mics": 2, "centre_hz": 39_000.0, "period_frames": 192, "bin_samples": 1, "lead_samples": 0}


CHIRP = {"rate_hz": 192_000, "start_hz": 34e3, "stop_hz": 43e3, "pulse_s": 0.005, "fade_s": 0.001}


@pytest.fixture(scope="module")
def cores():
    return (
        (_core.DownConverter(rate_hz=192_000, mics=2, carriers_hz=[40_000.0]), 2),
        (_core.ToneSynthesiser(rate_hz=192_000, outputs=2, max_amplitude=0.1, fade_s=0.1), 1),
        (_core.MultipathChannel(paths=2, mics=2, max_delay_frames=20), 4),
        (_core.RangeGate(**GATE, bins=4, replica=np.ones(3, np.complex64)), 2),
        (_core.ChirpSynthesiser(**CHIRP, outputs=2, max_amplitude=0.1), 1),
        (_core.PhasorSum(mics=2, segment_samples=3), 5),
        (_core.EchoPaths(mics=2, nearest_m=0.2), 9),
        (_core.EchoTones(mics=2, segment_samples=3, nearest_m=0.2), 15),
    )


@settings(max_examples=150, deadline=None)
@given(arguments=st.lists(ANYTHING, min_size=15, max_size=15))
def test_any_argument_is_taken_or_refused(cores, arguments):
    for core, count in cores:
        with contextlib.suppress(TypeError, ValueError):
            core.process_into(*arguments[:count])
        with contextlib.suppress(TypeError, ValueError, AttributeError):
            core.pulse_into(*arguments[:1])


@settings(max_examples=150, deadline=None)
@given(
    rate_hz=st.sampled_from([192_000, 96_000, 0, -1]),
    count=st.integers(-1, 9) | st.integers(),
    carriers_hz=st.lists(st.floats() | st.floats(30_000, 90_000), max_size=6) | st.text(max_size=2) | st.none(),
    number=st.floats(),
)
def test_any_specification_is_taken_or_refused(rate_hz, count, carriers_hz, number):
    refusals = (TypeError, ValueError, OverflowError)
    with contextlib.suppress(*refusals):
        _core.DownConverter(rate_hz=rate_hz, mics=count, carriers_hz=carriers_hz)
    with contextlib.suppress(*refusals):
        tone = _core.ToneSynthesiser(rate_hz=rate_hz, outputs=count, max_amplitude=number, fade_s=0.1)
        tone.play(carriers_hz, number)
    for name in CHIRP:
        with contextlib.suppress(*refusals):
            chirp = _core.ChirpSynthesiser(**{**CHIRP, name: number}, outputs=count, max_amplitude=0.1)
            chirp.begin(number)
    with contextlib.suppress(*refusals):
        chirp = _core.ChirpSynthesiser(**{**CHIRP, "rate_hz": rate_hz}, outputs=1, max_amplitude=number)
        chirp.begin(number)
    with contextlib.suppress(*refusals):
        _core.MultipathChannel(paths=count, mics=count, max_delay_frames=count)
    with contextlib.suppress(*refusals):
        _core.PhasorSum(mics=count, segment_samples=count)
    with contextlib.suppress(*refusals):
        _core.EchoPaths(mics=count, nearest_m=number)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(GATE)),
    value=st.integers() | st.integers(-5, 5_000) | st.floats(),
    bins=st.integers() | st.integers(0, 4_100),
    replica=ANYTHING | st.integers(0, 4_100).map(lambda samples: np.ones(samples, np.complex64)),
    frames=st.lists(st.integers() | st.integers(0, 2**53), min_size=2, max_size=2),
    offset_frames=st.floats(),
)
def test_any_range_gate_is_made_or_refused(name, value, bins, replica, frames, offset_frames):
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        gate = _core.RangeGate(**{**GATE, name: value}, bins=bins, replica=replica)
        with contextlib.suppress(ValueError, OverflowError):
            gate.reset(frames[0], offset_frames)
        gate.output_pulses(frames[1])
