"""The two threads that audio runs in: one waits for the card, one thinks.

The card must never wait for thought, so that a queue of bounded length lies between them. A live source that runs
ahead of it loses frames, which are counted; a recording waits.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from appliance.emission.player import EmissionPlayer
from appliance.events import Event
from appliance.pipeline import Pipeline, Step
from appliance.ports import Audio
from appliance.types import PcmBlock

_QUEUE_BLOCKS = 32
_POLL_S = 0.2
DRAIN_BLOCKS = 16
"""Played after the last fade, so that the card's buffer holds nothing but silence when it is closed."""

Request = Callable[[Pipeline, float], list[Event]]


class AudioLoop:
    """Runs a pipeline on an audio source until the source ends, fails or `stop` is called.

    Args:
        audio: where blocks come from and tones go to; closed at the end.
        pipeline: used in the thinking thread only.
        player: makes the tones and chirps; None where nothing can be played.
        deliver: gets each step with the stream time of its block's end, in the thinking thread.
        live: a source that does not wait.
    """

    def __init__(
        self,
        *,
        audio: Audio,
        pipeline: Pipeline,
        player: EmissionPlayer | None,
        deliver: Callable[[Step, float], None],
        live: bool,
    ) -> None:
        self._audio = audio
        self._pipeline = pipeline
        self._player = player
        self._deliver = deliver
        self._live = live
        self._blocks: queue.Queue[PcmBlock | None] = queue.Queue(_QUEUE_BLOCKS)
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._wanted = pipeline.emission
        self._stopping = threading.Event()
        self._missed_frames = 0
        self._thought_ended = threading.Event()

    async def run(self) -> None:
        """Listen and play until the source ends or `stop` is called.

        Raises:
            DeviceLost: the card went away.
            SourceError: the recording is damaged.
        """
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2, thread_name_prefix="audio") as threads:
            thinking = loop.run_in_executor(threads, self._think)
            capturing = loop.run_in_executor(threads, self._capture)
            try:
                ended = await asyncio.gather(capturing, thinking, return_exceptions=True)
            finally:
                self.stop()
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    def stop(self) -> None:
        """Fade out, then end; returns at once."""
        self._stopping.set()

    def request(self, request: Request) -> None:
        """Have something done to the pipeline between two blocks; from any thread."""
        self._requests.put(request)

    def _capture(self) -> None:
        try:
            drained = 0
            while drained < DRAIN_BLOCKS and (block := self._audio.read()) is not None:
                self._offer(block)
                # Looked at once a block: a tone that still plays must not count as drained.
                stopping = self._stopping.is_set()
                if self._player is None:
                    drained += DRAIN_BLOCKS if stopping else 0
                    continue
                self._player.follow(replace(self._wanted, on=False) if stopping else self._wanted)
                self._audio.write(self._player.process(len(block.samples), first_frame=block.first_frame))
                drained += stopping and self._player.settled
        finally:
            self._put(None)
            self._audio.close()

    def _offer(self, block: PcmBlock) -> None:
        if self._missed_frames:
            block = replace(block, lost_frames_before=block.lost_frames_before + self._missed_frames)
        if self._live:
            try:
                self._blocks.put_nowait(block)
                self._missed_frames = 0
            except queue.Full:
                self._missed_frames = block.lost_frames_before + len(block.samples)
            return
        self._put(block)

    def _put(self, block: PcmBlock | None) -> None:
        while not self._thought_ended.is_set():
            try:
                self._blocks.put(block, timeout=_POLL_S)
            except queue.Full:
                continue
            return

    def _think(self) -> None:
        try:
            while (block := self._blocks.get()) is not None:
                asked: list[Event] = []
                while not self._requests.empty():
                    asked += self._requests.get()(self._pipeline, block.end_s)
                step = self._pipeline.process(block)
                self._wanted = self._pipeline.emission
                self._deliver(replace(step, events=(*asked, *step.events)) if asked else step, block.end_s)
        finally:
            self._stopping.set()
            self._thought_ended.set()
