"""The thread that audio runs in: read a block, play one, think about it.

One thread and not two: a second one would be woken for each block, and both would wait for the interpreter's lock. The
card must never wait for thought, so that its own buffer, of bounded length, lies between them: what thought took too
long for is read at once behind it, and what did not fit is lost and counted by the card's reader.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.emission.player import EmissionPlayer
from appliance.events import Event
from appliance.pipeline import Pipeline, Step
from appliance.ports import Audio
from appliance.types import PcmBlock

DRAIN_BLOCKS = 16
"""Played after the last fade, so that the card's buffer holds nothing but silence when it is closed."""

Request = Callable[[Pipeline, float], list[Event]]


class Sounds(Protocol):
    """Music and speech beside the tones; used in the audio thread."""

    @property
    def sounding(self) -> bool:
        """Whether something is, or is about to be, heard."""

    def add_to(self, samples: NDArray[np.int32]) -> None:
        """Add what sounds to `samples` int32 [frames, outputs]."""

    def stop(self) -> None:
        """Fade out."""

    def close(self) -> None:
        """Nothing will be heard any more."""


class AudioLoop:
    """Runs a pipeline on an audio source until the source ends, fails or `stop` is called.

    While no emission is wanted and nothing else sounds the source rests: nothing is read, and the thread sleeps until
    something is asked of it.

    Args:
        audio: where blocks come from and tones go to; closed at the end.
        pipeline: used in the audio thread only.
        player: makes the tones and chirps; None where nothing can be played.
        sounds: what is heard beside the tones.
        deliver: gets each step with the stream time of its block's end, in the audio thread; when the source begins to
            rest and for each request that comes while it does, a step without frames.
    """

    def __init__(
        self,
        *,
        audio: Audio,
        pipeline: Pipeline,
        player: EmissionPlayer | None,
        deliver: Callable[[Step, float], None],
        sounds: Sounds | None = None,
    ) -> None:
        self._audio = audio
        self._pipeline = pipeline
        self._player = player
        self._sounds = sounds
        self._deliver = deliver
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._silent_blocks = DRAIN_BLOCKS
        self._source_answers = False
        self._now_s = 0.0
        self.resting = False
        """Whether nothing is read because neither emission nor sound is wanted."""

    async def run(self) -> None:
        """Listen and play until the source ends or `stop` is called.

        Raises:
            DeviceLost: the card went away.
            SourceError: the recording is damaged.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="audio") as thread:
            running = asyncio.get_running_loop().run_in_executor(thread, self._run)
            try:
                await running
            finally:
                self.stop()

    def stop(self) -> None:
        """Fade out, then end; returns at once."""
        self._stopping.set()
        self._asked.set()

    def request(self, request: Request) -> None:
        """Have something done to the pipeline between two blocks, at once while the source rests; from any thread."""
        self._requests.put(request)
        self._asked.set()

    def _run(self) -> None:
        try:
            self._listen()
        finally:
            try:
                self._fade_out()
            finally:
                if self._sounds is not None:
                    self._sounds.close()
                self._audio.close()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            wanted = self._pipeline.emission
            if self._player is not None and self._silent_blocks >= DRAIN_BLOCKS and not self._awake:
                self._rest()
                continue
            block = self._exchange(on=wanted.on)
            if block is None:
                return
            self._now_s = block.end_s
            asked = self._obey()
            step = self._pipeline.process(block)
            self._deliver(replace(step, events=(*asked, *step.events)) if asked else step, block.end_s)

    def _exchange(self, *, on: bool) -> PcmBlock | None:
        """Read a block, then play one: thought that takes its time must not hold up what is heard."""
        self._source_answers = False
        block = self._audio.read()
        if block is None:
            return None
        if self._player is not None:
            wanted = self._pipeline.emission
            self._player.follow(wanted if on else replace(wanted, on=False))
            samples = self._player.process(len(block.samples), first_frame=block.first_frame)
            if self._sounds is not None:
                self._sounds.add_to(samples)
            self._audio.write(samples)
            silent = not on and self._player.settled and not self._sounding
            self._silent_blocks = self._silent_blocks + 1 if silent else 0
        self._source_answers = True
        return block

    def _fade_out(self) -> None:
        """No tone breaks off, whatever ended the loop: only a source that is gone plays nothing any more."""
        if self._sounds is not None:
            self._sounds.stop()
        while self._source_answers and self._player is not None and self._silent_blocks < DRAIN_BLOCKS:
            self._exchange(on=False)

    def _rest(self) -> None:
        """Sleep until the emission is wanted again, or a sound."""
        self._audio.suspend()
        self.resting = True
        while True:
            # Before anything is looked at: who asks or stops from now on is not missed.
            self._asked.clear()
            self._deliver(Step(tuple(self._obey())), self._now_s)
            if self._stopping.is_set() or self._awake:
                break
            self._asked.wait()
        self.resting = False

    @property
    def _sounding(self) -> bool:
        return self._sounds is not None and self._sounds.sounding

    @property
    def _awake(self) -> bool:
        return self._pipeline.emission.on or self._sounding

    def _obey(self) -> list[Event]:
        """Do what was asked for; the events that it brings."""
        events: list[Event] = []
        while not self._requests.empty():
            events += self._requests.get()(self._pipeline, self._now_s)
        return events
