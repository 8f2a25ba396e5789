"""One sound on its way to the playback: a thread decodes it ahead, the audio thread takes what is ready."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.errors import SourceError

FADE_S = 0.05
"""Of a sound that is ended, that runs dry and that goes on again."""

_AHEAD_S = 0.75
_ENOUGH_S = 0.25
_CHECK_S = 1.0


class Sound(Protocol):
    """What is decoded piece by piece."""

    rate_hz: int
    channels: int

    def read(self) -> NDArray[np.float32]:
        """The next [frames, channels] of full scale 1.0; none at the end.

        Raises:
            SourceError: the rest cannot be read.
        """

    def close(self) -> None:
        """Let go of it; may be called twice."""


class Track:
    """A bounded ring between the thread that decodes and the one that plays.

    Each side alone moves its own counter, so that the audio thread never waits. When a stream runs dry what is left
    fades out; the sound goes on when a quarter of a second is there again.

    Args:
        open_sound: opens it, in the track's thread; raises SourceError.
        rate_hz: of the playback.
        outputs: indices of the channels that carry it; left and right by turns.
        peak: what the sound's full scale becomes, of the playback's.
        ended: is told once, by the audio thread, that all is heard, with what went wrong or None.
    """

    def __init__(
        self,
        open_sound: Callable[[], Sound],
        *,
        rate_hz: int,
        outputs: Sequence[int],
        peak: float,
        ended: Callable[[str | None], None],
    ) -> None:
        self._open = open_sound
        self._rate_hz, self._outputs, self._peak = rate_hz, tuple(outputs), peak
        self._ended = ended
        self._fade_frames = round(FADE_S * rate_hz)
        self._enough_frames = round(_ENOUGH_S * rate_hz)
        self._ring = np.zeros((round(_AHEAD_S * rate_hz), min(2, len(outputs))), np.int32)
        self._written = self._taken = 0
        self._space = threading.Event()
        self._complete = self._released = False
        self._playing = False
        self._gain = 1.0
        self._fault: str | None = "the decoder failed; the log tells why"
        self.over = False
        """All that will be heard was taken."""
        self._thread = threading.Thread(target=self._fill, name="sound", daemon=True)

    def start(self) -> None:
        """Begin to decode."""
        self._thread.start()

    def release(self) -> None:
        """Fade out and end; from any thread."""
        self._released = True
        self._space.set()

    def finish(self) -> None:
        """Count as heard, whatever is left; in the audio thread."""
        if not self.over:
            self.over = True
            self.release()
            self._ended(self._fault if self._complete else None)

    def join(self, timeout_s: float) -> None:
        """Wait for the track's thread, which may hang on a stream."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def silent(self) -> bool:
        """Whether nothing more will be heard of it: released, failed or run dry at its end; in the audio thread."""
        complete = self._complete
        return not self._playing and (self._released or (complete and self._written == self._taken))

    @property
    def ready(self) -> bool:
        """Whether `add_to` has all that is asked for, up to a quarter of a second; in the audio thread."""
        return self._complete or self._written - self._taken >= self._enough_frames

    def add_to(self, samples: NDArray[np.int32], begin: float, end: float) -> None:
        """Add the next frames to `samples` int32 [frames, outputs], at a gain that goes so; in the audio thread."""
        complete = self._complete  # looked at before what was written, so that nothing comes behind it
        filled = self._written - self._taken
        if not self._playing and not self._begin(complete=complete, filled=filled):
            return
        left = min(filled, round(self._gain * self._fade_frames)) if self._released else filled
        taken = min(len(samples), left)
        gain = self._gain
        if not self._released and (complete or filled >= self._fade_frames + len(samples)):
            self._gain = min(1.0, gain + taken / self._fade_frames)
        else:
            self._gain = gain * (left - taken) / left if left else 0.0
        self._mix(samples[:taken], begin * gain, end * self._gain)
        if self._released:
            if not self._gain:
                self.finish()
        elif complete and taken == filled:
            self.finish()
        elif not self._gain:
            self._playing = False

    def _begin(self, *, complete: bool, filled: int) -> bool:
        if complete or filled >= self._enough_frames:
            self._gain = 0.0 if self._taken else 1.0  # the sound's own beginning fades in by itself
            self._playing = True
        return self._playing

    def _mix(self, samples: NDArray[np.int32], begin: float, end: float) -> None:
        """Straight from the ring: while nothing fades no array is made."""
        ramp = np.linspace(begin, end, len(samples), endpoint=False)[:, None] if min(begin, end) < 1.0 else None
        done = 0
        while done < len(samples):
            start = self._taken % len(self._ring)
            part = self._ring[start : start + len(samples) - done]
            into = samples[done : done + len(part)]
            if ramp is not None:
                part = (part * ramp[done : done + len(part)]).astype(np.int32)
            if self._outputs == tuple(range(into.shape[1])) and part.shape == into.shape:
                into += part
            else:
                for place, output in enumerate(self._outputs):
                    into[:, output] += part[:, place % part.shape[1]]
            done += len(part)
            self._taken += len(part)
        self._space.set()

    # In the track's own thread

    def _fill(self) -> None:
        try:
            self._decode()
            self._fault = None
        except SourceError as error:
            self._fault = str(error)
        finally:
            self._complete = True

    def _decode(self) -> None:
        from appliance.hardware.conditioner import Conditioner  # libsndfile and soxr, once something is played

        sound = self._open()
        try:
            conditioner = Conditioner(
                source_rate_hz=sound.rate_hz,
                source_channels=sound.channels,
                rate_hz=self._rate_hz,
                channels=self._ring.shape[1],
                peak=self._peak,
            )
            nothing = np.empty((0, sound.channels), np.float32)
            try:
                while len(samples := sound.read()) and not self._released:
                    self._put(conditioner.process(samples))
            finally:
                self._put(conditioner.process(nothing, last=True))  # it ends softly, whatever ends it
        finally:
            sound.close()

    def _put(self, samples: NDArray[np.int32]) -> None:
        """Waits until all of it fits; of a sound that was released nothing more is kept."""
        while len(samples) and not self._released:
            self._space.clear()
            free = len(self._ring) - (self._written - self._taken)
            start = self._written % len(self._ring)
            part = samples[: min(free, len(self._ring) - start)]
            self._ring[start : start + len(part)] = part
            self._written += len(part)
            samples = samples[len(part) :]
            if len(samples) and len(part) == free:
                self._space.wait(_CHECK_S)
