"""Bytes that come once and in order, as the file in which libsndfile wants to move about."""

import io
import struct
import time
from typing import Final, Protocol

_LENGTH: Final = 1 << 40
"""What we say our length is. libsndfile reads near the end, and our end is far from all that comes."""

_HEAD_BYTES = 1 << 20
"""Kept until the decoder is content with the beginning, which may hold a picture of the album."""

_BACK_BYTES = 1 << 16
_PIECE_BYTES = 1 << 13
_PEEK_BYTES = 64
_STALL_S = 10.0

_OGG = b"OggS"
_OGG_HEADER = struct.Struct("<4sBBqIIIB")
_OGG_POLYNOMIAL = 0x04C11DB7
_LAST_PAGE = 4
_MOST_SAMPLES = 1 << 61


class Incoming(Protocol):
    """Where bytes come from."""

    def read(self, most: int) -> bytes:
        """What has come, at most so much, waiting for the first; nothing at the end.

        Raises:
            OSError: no more can come.
        """

    def close(self) -> None:
        """Let go of it."""


class EndlessFile(io.RawIOBase):
    """Remembers the beginning until `begun`, then the last 64 KiB, so that the decoder can go back as far.

    What goes wrong is kept in `fault`, since the decoder's callbacks cannot raise.
    """

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._kept = bytearray()
        self._kept_from = 0
        self._position = 0
        self._opening = True
        self.fault: str | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """As far as we remember."""
        return True

    def peek(self) -> bytes:
        """The first bytes."""
        self._fetch(_PEEK_BYTES)
        return bytes(self._kept[:_PEEK_BYTES])

    def begun(self) -> None:
        """The decoder has read the beginning and only goes on from here."""
        self._opening = False

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go anywhere; whether there is anything is seen when it is read."""
        self._position = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: _LENGTH}[whence] + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        """As many bytes as there are until the end; none where nothing is, or any more."""
        into = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        if self._position >= _LENGTH // 2:
            data = self._far_end(len(into))
        else:
            self._fetch(self._position + len(into))
            start = self._position - self._kept_from
            data = bytes(self._kept[start : start + len(into)]) if start >= 0 else b""
        into[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        """Let go of where the bytes come from; may be called twice."""
        if not self.closed:
            self._incoming.close()
        super().close()

    def _fetch(self, until: int) -> None:
        """Have all bytes before `until`, if they come.

        Behind the sound of a WAV file its header promises more chunks; nobody waits for these while it is opened.
        """
        if self._opening and until > _HEAD_BYTES:
            return
        until_s = time.monotonic() + _STALL_S
        while self.fault is None and self._kept_from + len(self._kept) < until:
            try:
                data = self._incoming.read(_PIECE_BYTES)
            except OSError as error:
                self.fault = f"breaks off ({error.strerror or error}); try again"
                return
            if not data:
                return
            self._kept += data
            if not self._opening and len(self._kept) > 2 * _BACK_BYTES:
                gone = min(len(self._kept) - _BACK_BYTES, self._position - self._kept_from)
                del self._kept[: max(0, gone)]
                self._kept_from += max(0, gone)
            if time.monotonic() > until_s:
                self.fault = f"stalls: less than one piece in {_STALL_S:g} s; try again"

    def _far_end(self, count: int) -> bytes:
        """The end that is not there: MP3 looks for a tag in it, Ogg for the page that tells the length."""
        left = max(0, _LENGTH - self._position)
        page = _last_page(self._kept) if self._kept.startswith(_OGG) else b""
        return (bytes(max(0, left - len(page))) + page)[-left:][:count] if left else b""


def _last_page(head: bytes | bytearray) -> bytes:
    """An Ogg page (RFC 3533, 6) without content that ends the stream of `head` after more samples than ever come."""
    serial = struct.unpack_from("<I", head, 14)[0]
    page = bytearray(_OGG_HEADER.pack(_OGG, 0, _LAST_PAGE, _MOST_SAMPLES, serial, 1 << 20, 0, 0))
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (_OGG_POLYNOMIAL if checksum & 1 << 31 else 0)) & 0xFFFFFFFF
    struct.pack_into("<I", page, 22, checksum)
    return bytes(page)
