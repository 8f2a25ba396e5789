"""The two threads of audio: nothing waits for thought that must not, nothing is lost unseen, and the tone fades."""

import asyncio
import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from support.audio import DEADLINE_S, RATE_HZ, FakeAudio, block, wait_for

from appliance.emission.player import EmissionPlayer
from appliance.errors import DeviceLost, SourceError
from appliance.events import EmissionChanged
from appliance.loop import _QUEUE_BLOCKS, DRAIN_BLOCKS, AudioLoop
from appliance.pipeline import Step
from appliance.types import Emission, Tones

FRAMES = 1920
TONES = Emission(tones=Tones((40_000.0,), 75.0))


class Thinker:
    """Stands for the pipeline: notes the blocks it gets, and does with each what the test says."""

    def __init__(self, think=lambda _block: None):
        self.emission = TONES
        self.blocks = []
        self._think = think

    def process(self, taken):
        self.blocks.append(taken)
        self._think(taken)
        return Step((), (), ())


def run(audio, thinker, *, live=False, player=None, deliver=lambda _step, _t_s: None, begin=lambda _loop: None):
    """Run to the end; a loop that does not end fails."""

    async def bounded():
        loop = AudioLoop(audio=audio, pipeline=thinker, player=player, deliver=deliver, live=live)
        begin(loop)
        async with asyncio.timeout(DEADLINE_S):
            await loop.run()

    asyncio.run(bounded())


def blocks(count, first=0, **more):
    for number in range(first, first + count):
        yield block(number * FRAMES, FRAMES, **more)


def player(outputs=1, fade_s=0.1):
    return EmissionPlayer(rate_hz=RATE_HZ, outputs=outputs, fade_s=fade_s, full_scale_db_spl=90.0)


def test_a_live_source_never_waits_and_each_lost_frame_is_counted():
    # The first block holds thought up; the queue takes its fill, and all behind it is lost, with what the card had
    # lost itself. The card gives one block more when thought has caught up.
    excess = 50
    full = 1 + _QUEUE_BLOCKS
    thinking, all_read, caught_up = threading.Event(), threading.Event(), threading.Event()

    def source():
        yield block(0, FRAMES)
        wait_for(thinking)
        yield from blocks(_QUEUE_BLOCKS + excess - 1, first=1)
        yield block((full + excess) * FRAMES - FRAMES + 7, FRAMES, lost_frames_before=7)
        all_read.set()
        wait_for(caught_up)
        yield block((full + excess) * FRAMES + 7, FRAMES)
        yield block((full + excess + 1) * FRAMES + 7, FRAMES)

    def think(taken):
        if taken.first_frame == 0:
            thinking.set()
            wait_for(all_read)
        if len(thinker.blocks) == full:
            caught_up.set()

    thinker = Thinker(think)
    run(FakeAudio(source()), thinker, live=True)
    assert [taken.lost_frames_before for taken in thinker.blocks] == [0] * full + [excess * FRAMES + 7, 0]
    ends = [taken.first_frame + len(taken.samples) for taken in thinker.blocks]
    assert all(
        taken.first_frame == end + taken.lost_frames_before
        for end, taken in zip(ends, thinker.blocks[1:], strict=False)
    )


def test_a_recording_waits_and_loses_nothing():
    read_ahead, given = threading.Event(), []

    def source():
        for taken in blocks(200):
            given.append(taken.first_frame)
            if len(given) > _QUEUE_BLOCKS:
                read_ahead.set()
            yield taken

    def think(taken):
        if taken.first_frame == 0:
            wait_for(read_ahead)

    thinker = Thinker(think)
    run(FakeAudio(source()), thinker)
    assert [taken.first_frame for taken in thinker.blocks] == given
    assert sum(taken.lost_frames_before for taken in thinker.blocks) == 0
    assert len(given) == 200


def test_the_end_of_a_recording_ends_the_loop_and_closes_it():
    audio, delivered = FakeAudio(blocks(3)), []
    run(audio, Thinker(), deliver=lambda _step, t_s: delivered.append(t_s))
    assert delivered == [0.01, 0.02, 0.03]
    assert audio.closed == 1


def failing_after(count, error):
    yield from blocks(count)
    raise error


@pytest.mark.parametrize("error", [DeviceLost("fake: lost"), SourceError("a.wav: damaged")])
def test_a_fault_of_reading_is_raised_behind_what_was_heard(error):
    audio, thinker = FakeAudio(failing_after(5, error)), Thinker()
    with pytest.raises(type(error), match=str(error)):
        run(audio, thinker, live=True)
    assert len(thinker.blocks) == 5
    assert audio.closed == 1


def test_a_card_lost_in_writing_is_raised():
    audio, thinker = FakeAudio(blocks(1000), outputs=1, write_fails_at=3), Thinker()
    with pytest.raises(DeviceLost, match="playing"):
        run(audio, thinker, live=True, player=player())
    assert [taken.first_frame for taken in thinker.blocks] == [number * FRAMES for number in range(4)]
    assert audio.closed == 1


@pytest.mark.parametrize("live", [True, False])
def test_a_fault_of_thought_fades_out_and_ends_the_loop(live):
    def think(taken):
        if taken.first_frame == 5 * FRAMES:
            raise ZeroDivisionError("a fault of ours")

    audio = FakeAudio((block(number * FRAMES, FRAMES) for number in itertools.count()), outputs=1)
    with pytest.raises(ZeroDivisionError, match="ours"):
        run(audio, Thinker(think), live=live, player=player())
    assert audio.closed == 1
    assert not np.concatenate(audio.written[1 - DRAIN_BLOCKS :]).any()


def envelope(samples, carrier_hz):
    """Amplitude of a tone every 24 frames, which are five periods of 40 kHz."""
    phase = np.exp(-2j * np.pi * carrier_hz / RATE_HZ * np.arange(len(samples)))
    whole = len(samples) // 24 * 24
    return 2.0 * np.abs((samples * phase)[:whole].reshape(-1, 24).mean(axis=1))


def test_stop_fades_out_and_ends_in_silence():
    fade_s = 0.1
    loops = []

    def source():
        for taken in (block(number * FRAMES, FRAMES) for number in itertools.count()):
            if taken.first_frame == 30 * FRAMES:
                loops[0].stop()
            yield taken

    audio = FakeAudio(source(), outputs=2)
    run(audio, Thinker(), player=player(2, fade_s), begin=loops.append)
    played = np.concatenate(audio.written)
    assert (played[:, 0] == played[:, 1]).all()
    level = envelope(played[:, 0] / 2.0**31, 40_000.0)
    full = 10.0 ** ((75.0 - 90.0) / 20.0)
    assert level.max() == pytest.approx(full, rel=0.01)
    # A raised cosine's steepest step; a tone that is cut off changes by `full` from one value to the next.
    steepest = full * np.pi / 2.0 * 24 / RATE_HZ / fade_s
    assert np.abs(np.diff(level)).max() < 1.2 * steepest
    assert not played[(1 - DRAIN_BLOCKS) * FRAMES :].any()
    assert len(played) == pytest.approx((30 + DRAIN_BLOCKS) * FRAMES + fade_s * RATE_HZ, abs=2 * FRAMES)
    assert audio.closed == 1


def test_stop_without_a_tweeter_ends_with_the_next_block():
    loops = []

    def source():
        yield from blocks(3)
        loops[0].stop()
        yield from blocks(1000, first=3)

    thinker = Thinker()
    run(FakeAudio(source()), thinker, begin=loops.append)
    assert len(thinker.blocks) == 4


def test_the_tone_follows_the_wanted_emission():
    off_at, on_at = 40, 80
    # What is wanted is known once a block was thought about, so that the card waits for that here.
    thought = threading.Semaphore(0)

    def source():
        yield block(0)
        for taken in blocks(119, first=1):
            assert thought.acquire(timeout=DEADLINE_S)
            yield taken

    def think(taken):
        thinker.emission = replace(TONES, on=not off_at <= taken.first_frame // FRAMES < on_at)

    audio, thinker = FakeAudio(source(), outputs=1), Thinker(think)
    run(audio, thinker, player=player(), deliver=lambda _step, _t_s: thought.release())
    level = [np.abs(written).max() > 0 for written in audio.written]
    assert not any(level[off_at + 12 : on_at])
    assert all(level[:off_at])
    assert all(level[on_at + 3 :])


def test_requests_run_in_order_between_blocks_and_their_events_come_first():
    order, loops = [], []
    changed = [EmissionChanged(0.0, TONES, cause) for cause in ("first", "second")]

    def asked(event):
        def request(pipeline, t_s):
            order.append((event.cause, pipeline is thinker, t_s))
            return [event]

        return request

    def think(taken):
        order.append(taken.first_frame // FRAMES)
        if taken.first_frame == FRAMES:
            for event in changed:
                loops[0].request(asked(event))

    steps = []
    thinker = Thinker(think)
    run(FakeAudio(blocks(4)), thinker, begin=loops.append, deliver=lambda step, _t_s: steps.append(step.events))
    assert order == [0, 1, ("first", True, 0.03), ("second", True, 0.03), 2, 3]
    assert steps == [(), (), tuple(changed), ()]
