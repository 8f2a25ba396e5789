"""Music and speech beside the tones, in one stream: samples are added, and the tones are not touched."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.errors import RoutineError
from appliance.hardware.track import FADE_S, Sound, Track

DUCKED_DB = -20.0
"""Music while somebody speaks."""

MAX_WAITING = 8
"""Announcements that wait for their turn."""

_DUCKED = 10.0 ** (DUCKED_DB / 20.0)
_CLOSE_S = 1.0
_ROUNDING = 1e-6
"""Of full scale: how much rounding to integers can add to a sum."""


def _open_media(media: str) -> Sound:
    from appliance.hardware.media import open_media

    return open_media(media)


def _open_speech(text: str, language: str) -> Sound:
    from appliance.hardware.speech import open_speech

    return open_speech(text, language=language)


class Mixer:
    """One piece of music and one announcement at a time, with a headroom that is fixed.

    Music and speech together never exceed what the tones' cap leaves of full scale, so that nothing clips whatever
    plays, and no limiter stands behind the sum, so that no tone can be turned down. New music takes the place of what
    plays. Announcements wait for each other; music steps back for them by 20 dB.

    `play`, `announce` and `stop` are called in the event loop, `add_to` and `close` in the audio thread.

    Args:
        rate_hz: of the playback.
        outputs: indices of the channels that carry sounds; left and right by turns.
        peak: what all sounds together may reach, of full scale.
        wake: called when a sound was asked for, so that the playback runs.
    """

    def __init__(
        self, *, rate_hz: int, outputs: Sequence[int], peak: float, wake: Callable[[], None] = lambda: None
    ) -> None:
        self._rate_hz = rate_hz
        self._outputs = outputs
        self._peak = peak - _ROUNDING
        self._wake = wake
        self._music: deque[Track] = deque()
        self._speech: deque[Track] = deque()
        self._speaking = asyncio.Lock()
        self._waiting = 0
        self._stops = 0
        self._duck = 1.0
        self._duck_step = (1.0 - _DUCKED) / (FADE_S * rate_hz)
        self._closing = threading.Lock()
        self._closed = False

    @property
    def sounding(self) -> bool:
        """Whether something is, or is about to be, heard."""
        return bool(self._music or self._speech)

    async def play(self, media: str, *, level_db: float) -> None:
        """Play a file (its path) or a stream (its http or https address) to its end, or until `stop`.

        Args:
            media: a path or address.
            level_db: relative to the sound's own level, from -60 to 0.

        Raises:
            RoutineError: it is missing or cannot be played.
        """
        for playing in tuple(self._music):
            playing.release()
        await self._hear(self._music, lambda: _open_media(media), level_db, 1.0)

    async def announce(self, text: str, *, language: str, level_db: float) -> None:
        """Speak a text to its end, or until `stop`; what is being said is not interrupted.

        Args:
            text: up to 2000 characters.
            language: such as en, de or en-gb.
            level_db: relative to the voice's own level, from -60 to 0.

        Raises:
            RoutineError: it cannot be spoken, or too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise RoutineError(f"{MAX_WAITING} announcements wait already; say less, or give the routine a cooldown")
        stops = self._stops
        self._waiting += 1
        try:
            await self._speaking.acquire()
        finally:
            self._waiting -= 1
        try:
            if stops == self._stops:
                await self._hear(self._speech, lambda: _open_speech(text, language), level_db, 1.0 - _DUCKED)
        finally:
            self._speaking.release()

    def stop(self) -> None:
        """End whatever is played or spoken, or waits to be."""
        self._stops += 1
        for track in (*self._music, *self._speech):
            track.release()

    async def _hear(self, queue: deque[Track], open_sound: Callable[[], Sound], level_db: float, share: float) -> None:
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[str | None] = loop.create_future()

        def tell(fault: str | None) -> None:
            loop.call_soon_threadsafe(lambda: None if heard.done() else heard.set_result(fault))

        track = Track(
            open_sound,
            rate_hz=self._rate_hz,
            outputs=self._outputs,
            peak=self._peak * share * 10.0 ** (min(level_db, 0.0) / 20.0),
            ended=tell,
        )
        queue.append(track)
        if self._closed:
            self.close()
            raise RoutineError("nothing can be played any more: the playback has ended")
        track.start()
        self._wake()
        try:
            fault = await heard
        finally:
            track.release()
        if fault is not None:
            raise RoutineError(fault)

    # In the audio thread

    def add_to(self, samples: NDArray[np.int32]) -> None:
        """Add what sounds to `samples` int32 [frames, outputs], which hold the tones."""
        if not (self._music or self._speech):
            return
        music, speech = _first(self._music), _first(self._speech)
        duck = begin = self._duck
        if speech is None or music is None:
            duck = begin + self._duck_step * len(samples) if speech is None else _DUCKED
        elif speech.ready:
            duck = begin - self._duck_step * len(samples)
        self._duck = duck = min(1.0, max(_DUCKED, duck))
        if music is not None:
            music.add_to(samples, begin, duck)
        if speech is not None and duck <= _DUCKED:
            speech.add_to(samples, 1.0, 1.0)

    def close(self) -> None:
        """Nothing will be heard any more: whoever waits is told."""
        self._closed = True
        with self._closing:
            tracks = [*self._music, *self._speech]
            self._music.clear()
            self._speech.clear()
        for track in tracks:
            track.finish()
            track.join(_CLOSE_S)


def _first(queue: deque[Track]) -> Track | None:
    """What is heard now; what is over is forgotten."""
    while queue:
        if queue[0].silent:
            queue[0].finish()
        if not queue[0].over:
            break
        queue.popleft()
    return queue[0] if queue else None
