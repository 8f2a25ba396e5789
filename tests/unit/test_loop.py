"""The thread of audio: nothing is lost unseen, the tone fades whatever comes, and without a tone it rests."""

import asyncio
import itertools
import queue
import threading
from dataclasses import replace

import numpy as np
import pytest
from support.audio import DEADLINE_S, RATE_HZ, FakeAudio, block

from appliance.emission.player import EmissionPlayer
from appliance.errors import DeviceLost, SourceError
from appliance.events import EmissionChanged
from appliance.loop import DRAIN_BLOCKS, AudioLoop
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


def run(audio, thinker, *, player=None, sounds=None, deliver=lambda _step, _t_s: None, begin=lambda _loop: None):
    """Run to the end; a loop that does not end fails."""

    async def bounded():
        loop = AudioLoop(audio=audio, pipeline=thinker, player=player, deliver=deliver, sounds=sounds)
        begin(loop)
        async with asyncio.timeout(DEADLINE_S):
            await loop.run()

    asyncio.run(bounded())


def blocks(count, first=0, **more):
    for number in range(first, first + count):
        yield block(number * FRAMES, FRAMES, **more)


def player(outputs=1, fade_s=0.1):
    return EmissionPlayer(rate_hz=RATE_HZ, outputs=outputs, fade_s=fade_s, full_scale_db_spl=90.0)


def test_a_recording_waits_and_loses_nothing():
    thinker = Thinker()
    run(FakeAudio(blocks(200)), thinker)
    assert [taken.first_frame for taken in thinker.blocks] == [number * FRAMES for number in range(200)]


def test_what_is_played_does_not_wait_for_thought():
    audio = FakeAudio(blocks(20), outputs=1)
    written = []
    run(audio, Thinker(lambda _block: written.append(len(audio.written))), player=player())
    assert written == list(range(1, 21))


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
        run(audio, thinker)
    assert len(thinker.blocks) == 5
    assert audio.closed == 1


def test_a_card_lost_in_writing_is_raised():
    audio, thinker = FakeAudio(blocks(1000), outputs=1, write_fails_at=3), Thinker()
    with pytest.raises(DeviceLost, match="playing"):
        run(audio, thinker, player=player())
    assert [taken.first_frame for taken in thinker.blocks] == [number * FRAMES for number in range(3)]
    assert audio.closed == 1


def test_a_fault_of_thought_fades_out_and_ends_the_loop():
    def think(taken):
        if taken.first_frame == 5 * FRAMES:
            raise ZeroDivisionError("a fault of ours")

    audio = FakeAudio((block(number * FRAMES, FRAMES) for number in itertools.count()), outputs=1)
    with pytest.raises(ZeroDivisionError, match="ours"):
        run(audio, Thinker(think), player=player())
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


def switch(*, on):
    def request(pipeline, _t_s):
        pipeline.emission = replace(TONES, on=on)
        return [EmissionChanged(0.0, pipeline.emission, "asked")]

    return request


def test_without_a_wanted_tone_the_source_fades_out_and_rests_until_asked():
    off_at = 40
    loops, rests = [], []

    def think(taken):
        if taken.first_frame == off_at * FRAMES:
            thinker.emission = replace(TONES, on=False)

    def deliver(step, t_s):
        if loops[0].resting:
            rests.append((len(thinker.blocks), len(step.events), t_s))
            if len(rests) == 1:
                loops[0].request(lambda _pipeline, _t_s: [])
            elif len(rests) == 2:
                loops[0].request(switch(on=True))

    audio, thinker = FakeAudio(blocks(120), outputs=1), Thinker(think)
    run(audio, thinker, player=player(), deliver=deliver, begin=loops.append)
    assert audio.suspended == 1
    heard = rests[0][0]
    # One block until the wish is known, ten of the fade, the last of which counts as silent.
    assert heard == off_at + 1 + 10 + DRAIN_BLOCKS - 1
    assert rests == [(heard, 0, heard / 100), (heard, 0, heard / 100), (heard, 1, heard / 100)]
    level = [np.abs(written).max() > 0 for written in audio.written]
    assert all(level[: off_at + 10])
    assert not any(level[heard - DRAIN_BLOCKS + 1 : heard])
    assert all(level[heard + 2 :])
    assert len(thinker.blocks) == 120, "what comes after the rest follows what came before"


def test_a_tone_that_was_never_wanted_begins_with_rest():
    thinker, loops, rests = Thinker(), [], []
    thinker.emission = replace(TONES, on=False)

    def deliver(_step, t_s):
        rests.append(t_s)
        loops[0].stop()

    audio = FakeAudio(blocks(10), outputs=1)
    run(audio, thinker, player=player(), deliver=deliver, begin=loops.append)
    assert (rests, thinker.blocks, audio.written) == ([0.0], [], [])
    assert (audio.suspended, audio.closed) == (1, 1)


class Sounds:
    """A sound of so many blocks, once it is asked for."""

    def __init__(self):
        self.left = 0
        self.stopped = self.closed = 0

    @property
    def sounding(self):
        return self.left > 0

    def add_to(self, samples):
        if self.left:
            samples += 1_000
            self.left -= 1

    def stop(self):
        self.stopped += 1
        self.left = min(self.left, 5)

    def close(self):
        self.closed += 1


def test_a_sound_wakes_the_resting_source_for_as_long_as_it_lasts():
    thinker, loops, rests, sounds = Thinker(), [], [], Sounds()
    thinker.emission = replace(TONES, on=False)

    def deliver(_step, _t_s):
        if loops[0].resting:
            rests.append(len(thinker.blocks))
            if len(rests) == 1:
                sounds.left = 30
                loops[0].request(lambda _pipeline, _t_s: [])
            if rests[-1]:
                loops[0].stop()

    audio = FakeAudio(blocks(100), outputs=1)
    run(audio, thinker, player=player(), sounds=sounds, deliver=deliver, begin=loops.append)
    assert rests[-1] == 30 - 1 + DRAIN_BLOCKS
    assert [int(samples[0, 0]) for samples in audio.written] == [1_000] * 30 + [0] * (DRAIN_BLOCKS - 1)
    assert (audio.suspended, sounds.closed) == (2, 1)


@pytest.mark.parametrize("on", [True, False])
def test_a_stop_fades_sounds_out_too(on):
    thinker, loops, sounds = Thinker(), [], Sounds()
    thinker.emission = replace(TONES, on=on)
    sounds.left = 1_000

    def deliver(_step, _t_s):
        if len(thinker.blocks) == 20:
            loops[0].stop()

    audio = FakeAudio(blocks(200), outputs=1)
    run(audio, thinker, player=player(fade_s=0.05), sounds=sounds, deliver=deliver, begin=loops.append)
    assert (sounds.stopped, sounds.closed) == (1, 1)
    assert not any(samples.any() for samples in audio.written[-DRAIN_BLOCKS + 1 :])
    assert all(samples.any() for samples in audio.written[:25])


def test_a_lost_card_ends_sounds():
    sounds = Sounds()
    sounds.left = 100
    audio = FakeAudio(blocks(100), outputs=1, write_fails_at=5)
    with pytest.raises(DeviceLost):
        run(audio, Thinker(), player=player(), sounds=sounds)
    assert sounds.closed == 1


@pytest.mark.parametrize("how", ["stop", "request"])
def test_what_is_asked_just_before_it_sleeps_is_not_missed(how):
    thinker, loops, delivered = Thinker(), [], []
    thinker.emission = replace(TONES, on=False)

    class Source(FakeAudio):
        def suspend(self):
            super().suspend()
            loops[0].stop() if how == "stop" else loops[0].request(switch(on=True))

    audio = Source(blocks(5), outputs=1)
    run(audio, thinker, player=player(), deliver=lambda *step: delivered.append(step), begin=loops.append)
    assert (audio.suspended, audio.closed) == (1, 1)
    assert len(thinker.blocks) == (0 if how == "stop" else 5)
    assert delivered


def test_a_source_that_plays_nothing_never_rests():
    thinker = Thinker()
    thinker.emission = replace(TONES, on=False)
    audio = FakeAudio(blocks(10))
    run(audio, thinker)
    assert (len(thinker.blocks), audio.suspended) == (10, 0)


def test_requests_from_other_threads_wake_a_resting_source():
    thinker, loops, answers = Thinker(), [], queue.Queue()
    thinker.emission = replace(TONES, on=False)
    asked = 50

    def ask():
        for number in range(asked):
            loops[0].request(lambda _pipeline, _t_s, number=number: answers.put(number) or [])
            assert answers.get(timeout=DEADLINE_S) == number
        loops[0].stop()

    asking = threading.Thread(target=ask)

    def begin(loop):
        loops.append(loop)
        asking.start()

    run(FakeAudio(blocks(10), outputs=1), thinker, player=player(), begin=begin)
    asking.join(DEADLINE_S)
    assert not asking.is_alive()
    assert answers.empty()


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
