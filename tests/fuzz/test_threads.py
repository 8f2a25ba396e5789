"""Several threads on one C object: each call is done wholly or refused, and nothing of the others is left behind."""

import threading

import numpy as np
import pytest

from appliance.dsp import _core

FRAMES = 19_200
THREADS = 4
CALLS = 60
PULSES = 4


def down_converter():
    core = _core.DownConverter(rate_hz=192_000, mics=4, carriers_hz=[40_000.0, 45_000.0])
    samples = np.random.default_rng(1).integers(-(2**31), 2**31, (FRAMES, 4), dtype=np.int32)
    return core, lambda: [samples, np.empty((2, 4, FRAMES // 80), np.complex64)]


def tone_synthesiser():
    core = _core.ToneSynthesiser(rate_hz=192_000, outputs=2, max_amplitude=0.1, fade_s=0.1)
    return core, lambda: [np.empty((FRAMES, 2), np.int32)]


def multipath_channel():
    core = _core.MultipathChannel(paths=2, mics=2, max_delay_frames=500)
    rng = np.random.default_rng(2)
    signal = rng.standard_normal(FRAMES).astype(np.float32)
    delay_frames = rng.uniform(20, 400, (2, 2, 2))
    gain = np.ones((2, 2, 2), np.float32)
    return core, lambda: [signal, delay_frames, gain, np.zeros((FRAMES, 2), np.float32)]


def chirp_synthesiser():
    core = _core.ChirpSynthesiser(
        rate_hz=192_000, outputs=2, max_amplitude=0.1, start_hz=34_000.0, stop_hz=43_000.0, pulse_s=0.04, fade_s=0.0015
    )
    return core, lambda: [np.zeros((FRAMES, 2), np.int32)]


def range_gate():
    core = _core.RangeGate(
        rate_hz=192_000,
        mics=4,
        centre_hz=40_000.0,
        period_frames=FRAMES // PULSES,
        bins=100,
        bin_samples=2,
        lead_samples=0,
        replica=np.ones(60, np.complex64),
    )
    samples = np.random.default_rng(1).integers(-(2**31), 2**31, (FRAMES, 4), dtype=np.int32)
    return core, lambda: [samples, np.empty((PULSES, 4, 100), np.complex64)]


MAKERS = [down_converter, tone_synthesiser, multipath_channel, chirp_synthesiser, range_gate]


def begin(core):
    """Make `core` do something that it has to remember."""
    core.reset()
    if hasattr(core, "play"):
        core.play([40_000.0], 0.05)
    if hasattr(core, "begin"):
        core.begin(0.05)
    if hasattr(core, "output_pulses"):
        # the first pulses come before the filters have settled; from then on each block completes as many
        samples = np.zeros((FRAMES, 4), np.int32)
        core.process_into(samples, np.empty((core.output_pulses(FRAMES), 4, 100), np.complex64))


@pytest.mark.parametrize("make", MAKERS)
def test_calls_are_done_or_refused_and_leave_no_trace(make):
    core, arguments = make()
    begin(core)
    core.process_into(*(alone := arguments()))
    start, answers = threading.Barrier(THREADS), []

    def hammer():
        mine = arguments()
        start.wait()
        for _ in range(CALLS):
            try:
                core.process_into(*mine)
                answers.append("done")
            except RuntimeError as refusal:
                answers.append(str(refusal))

    threads = [threading.Thread(target=hammer) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == THREADS * CALLS
    assert "done" in answers
    assert all(answer == "done" or "another thread" in answer for answer in answers)
    begin(core)
    core.process_into(*(again := arguments()))
    np.testing.assert_array_equal(again[-1], alone[-1])


@pytest.mark.parametrize("make", MAKERS)
def test_objects_in_different_threads_know_nothing_of_each_other(make):
    results = [None] * THREADS

    def work(place):
        core, arguments = make()
        begin(core)
        for _ in range(10):
            core.process_into(*(last := arguments()))
        results[place] = last[-1]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
