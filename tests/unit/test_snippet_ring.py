"""The ring of baseband: what it gives is the end of what it got, however that was cut, and it takes no memory."""

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.snippets.ring import BasebandRing
from appliance.snippets.snippet import SCORE_COLUMNS
from appliance.types import BasebandBlock

RATE_HZ, GROUP, FIRST = 2400.0, 80, 79


def stream(samples, *, carriers=1, mics=2):
    """Samples that tell their place: [carriers, mics, samples]."""
    rows = np.arange(carriers * mics).reshape(carriers, mics, 1)
    return (np.arange(samples) + 1j * rows).astype(np.complex64)


def feed(ring, iq, cuts):
    at = 0
    for size in cuts:
        block = BasebandBlock(np.ascontiguousarray(iq[..., at : at + size]), FIRST + at * GROUP, RATE_HZ, (40_000.0,))
        at += size
        ring.add(block, end_frame=FIRST + (at - 1) * GROUP + 1)
    return at


@given(cuts=st.lists(st.integers(0, 130), max_size=60), seconds=st.floats(0.02, 0.5), mics=st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_it_gives_the_end_of_what_it_got_in_whole_blocks(cuts, seconds, mics):
    ring = BasebandRing(carriers=2, mics=mics, rate_hz=RATE_HZ, seconds=seconds)
    capacity = round(seconds * RATE_HZ)
    iq = stream(sum(cuts), carriers=2, mics=mics)
    feed(ring, iq, cuts)
    # what is larger than the ring is not kept, and nothing of what was before
    large = max((number for number, size in enumerate(cuts) if size > capacity), default=-1)
    behind = cuts[large + 1 :]
    kept, size = [], 0
    for cut in reversed(behind):
        if size + cut > capacity or len(kept) == round(seconds * 250):
            break
        kept.insert(0, cut)
        size += cut
    taken = ring.take()
    assert ring.held_s == min(sum(behind), capacity) / RATE_HZ
    if size == 0:
        assert taken is None
        return
    first_frame, got, blocks, _ = taken
    begin = len(iq[0, 0]) - size
    assert got.tobytes() == np.ascontiguousarray(iq[..., begin:]).tobytes()
    assert first_frame == FIRST + begin * GROUP
    assert blocks[:, 0].tolist() == kept
    assert blocks[:, 1].tolist() == [(end - 1) * GROUP + 1 for end in np.cumsum(kept).tolist()]


def test_scores_come_back_in_order_the_last_of_them():
    ring = BasebandRing(carriers=1, mics=1, rate_hz=RATE_HZ, seconds=1.0)
    feed(ring, stream(24, mics=1), [24])
    for number in range(100):
        ring.note((float(number), *[0.0] * (len(SCORE_COLUMNS) - 1)))
    scores = ring.take()[3]
    assert scores[:, 0].tolist() == list(range(36, 100))


def test_what_is_taken_is_a_copy():
    ring = BasebandRing(carriers=1, mics=2, rate_hz=RATE_HZ, seconds=0.1)
    iq = stream(480)
    feed(ring, iq, [240])
    taken = ring.take()[1]
    before = taken.copy()
    feed(ring, iq + 7, [240])
    assert (taken == before).all()


def test_nothing_is_there_after_a_reset():
    ring = BasebandRing(carriers=1, mics=2, rate_hz=RATE_HZ, seconds=0.1)
    feed(ring, stream(240), [24] * 10)
    ring.reset()
    assert ring.take() is None
    assert ring.held_s == 0.0


def test_memory_is_taken_once_and_bounded():
    ring = BasebandRing(carriers=1, mics=4, rate_hz=RATE_HZ, seconds=20.0)
    assert ring.bytes < 20 * 2400 * 4 * 8 * 1.2
    blocks = [BasebandBlock(stream(24, mics=4), FIRST + n * 24 * GROUP, RATE_HZ, (40_000.0,)) for n in range(100)]
    row = tuple([0.0] * len(SCORE_COLUMNS))
    ring.add(blocks[0], end_frame=1)
    ring.note(row)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(50):
            for block in blocks:
                ring.add(block, end_frame=1)
                ring.note(row)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 600, "nothing that stays but the counters' own numbers"
    assert peak - before < 6_000, "views of arrays, and no array"


@pytest.mark.parametrize("carriers", [1, 4])
def test_the_largest_ring_fits_the_service(carriers):
    ring = BasebandRing(carriers=carriers, mics=8, rate_hz=RATE_HZ, seconds=30.0)
    assert ring.bytes < 20_000_000
