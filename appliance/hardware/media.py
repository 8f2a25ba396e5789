"""Sounds to play: files, streams and whatever else comes as bytes, decoded piece by piece by libsndfile."""

import contextlib
import stat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile
from numpy.typing import NDArray

from appliance.errors import SourceError
from appliance.hardware.endless import EndlessFile, Incoming

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 384_000
MAX_CHANNELS = 8
_PIECE_FRAMES = 4096
_KINDS = "WAV, FLAC, Ogg or MP3"
_TIMEOUT_S = 5.0


class DecodedSound:
    """A sound of one of libsndfile's kinds.

    Args:
        name: begins every message.
        source: a path, or bytes as they come.

    Raises:
        SourceError: it cannot be decoded.
    """

    def __init__(self, name: str, source: Path | EndlessFile) -> None:
        self._name = name
        self._bytes = source if isinstance(source, EndlessFile) else None
        try:
            self._file = soundfile.SoundFile(source)
        except (soundfile.LibsndfileError, OSError, TypeError) as error:
            self._check_bytes()
            raise SourceError(f"{name}: not {_KINDS} ({_reason(error)}); save it as one of these") from error
        self._check_bytes()
        self.rate_hz: int = self._file.samplerate
        self.channels: int = self._file.channels
        if not LOWEST_RATE_HZ <= self.rate_hz <= HIGHEST_RATE_HZ:
            self._refuse(f"{self.rate_hz} Hz cannot be played; save it at 44100 or 48000 Hz")
        if self.channels > MAX_CHANNELS:
            self._refuse(f"{self.channels} channels; save it with 1 or 2")
        if not self._file.frames:
            self._refuse("no sound in it; record or copy it again")
        if self._bytes is not None:
            self._bytes.begun()

    def read(self) -> NDArray[np.float32]:
        """The next [frames, channels] of full scale 1.0; none at the end.

        Raises:
            SourceError: damaged, cut off, stalled, or holds values that are no numbers.
        """
        try:
            samples = self._file.read(_PIECE_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            self._check_bytes()
            raise SourceError(f"{self._name}: damaged ({_reason(error)}); copy or record it again") from error
        if not len(samples):
            self._check_bytes()
        if not np.isfinite(samples).all():
            raise SourceError(f"{self._name}: holds values that are no numbers; save it again")
        return np.asarray(samples, np.float32)

    def close(self) -> None:
        """Close the file or end the stream; may be called twice."""
        self._file.close()
        if self._bytes is not None:
            self._bytes.close()

    def _check_bytes(self) -> None:
        """Faults of the way here come before what the decoder thinks of their consequences."""
        if self._bytes is not None and self._bytes.fault is not None:
            raise SourceError(f"{self._name}: {self._bytes.fault}")

    def _refuse(self, message: str) -> None:
        self.close()
        raise SourceError(f"{self._name}: {message}")


def is_stream(media: str) -> bool:
    """Whether it is an address and not a file's path."""
    return media.startswith(("http://", "https://"))


def open_media(media: str) -> DecodedSound:
    """Open the file at a path, or the stream at an http or https address.

    Raises:
        SourceError: it is missing or cannot be played; an address is told by its host alone, since it may hold a token.
    """
    if is_stream(media):
        return _open_stream(media)
    path = Path(media)
    try:
        about = path.stat()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SourceError(f"{media}: cannot be read ({reason}); check the path") from error
    if not stat.S_ISREG(about.st_mode):
        raise SourceError(f"{media}: not a file; name one sound")
    if about.st_size == 0:
        raise SourceError(f"{media}: empty file; record or copy it again")
    return DecodedSound(media, path)


def _open_stream(address: str) -> DecodedSound:
    import http.client
    import urllib.error
    import urllib.request

    opener = urllib.request.OpenerDirector()  # http and https alone: no redirect leads to a file
    for handler in (
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.HTTPDefaultErrorHandler,
    ):
        opener.add_handler(handler())
    host = "the stream"
    try:
        host = urlsplit(address).hostname or host
        response = opener.open(address, timeout=_TIMEOUT_S)
        if response is None:
            raise SourceError(f"{host}: leads to an address of another kind; give the stream's own address")
    except urllib.error.HTTPError as error:
        error.close()
        raise SourceError(f"{host}: answers {error.code}; check the stream's address") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise SourceError(f"{host}: does not answer as a stream ({_reason(reason)}); check its address") from error
    return open_bytes(host, HttpBytes(response))


class HttpBytes:
    """The body of a response."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def read(self, most: int) -> bytes:
        """What has come, at most so much; nothing at the end.

        Raises:
            OSError: it broke off, or nothing came in time.
        """
        data: bytes = self._response.read1(most)
        if not data and self._response.length:
            raise OSError("cut off before its end")
        return data

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._response.close()


def open_bytes(name: str, incoming: Incoming) -> DecodedSound:
    """A sound that comes as bytes.

    Raises:
        SourceError: it is none of ours; `incoming` is closed.
    """
    source = EndlessFile(incoming)
    try:
        _check_head(name, source.peek())
        return DecodedSound(name, source)
    except BaseException:
        source.close()
        raise


def _check_head(name: str, head: bytes) -> None:
    if head.lstrip().lower().startswith((b"#extm3u", b"[playlist]", b"<")):
        raise SourceError(f"{name}: a page or playlist, not a sound; give the address that stands in it")


def _reason(error: Any) -> str:
    """What libsndfile or the network says, on one line."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else error
    return " ".join(str(text).split()).rstrip(".")
