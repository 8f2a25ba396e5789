"""Headers of WAV files: written so that a recording may be killed at any time, and checked for truncation."""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.errors import SourceError
from appliance.hardware.samples import SAMPLE_BYTES, to_wire

_EXTENSIBLE = 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
_SIZE_IN_DS64 = 0xFFFFFFFF
_DS64_BYTES = 28
_UNKNOWN_SIZE = 0x7FFF0000  # programs that write into a pipe claim about 2 or 4 GiB
HEADER_BYTES = 104


def wav_header(*, rate_hz: int, channels: int, sample_bytes: int, frames: int) -> bytes:
    """The 104 bytes in front of `frames` frames of little-endian integer PCM.

    Always of the same length, so that it can be written again in place: where the file fits 4 GiB it is RIFF with
    room left free, else that room becomes the ds64 chunk of RF64 (EBU Tech 3306).
    """
    frame_bytes = channels * sample_bytes
    data_bytes = frames * frame_bytes
    riff_bytes = HEADER_BYTES - 8 + data_bytes + data_bytes % 2
    large = riff_bytes > _SIZE_IN_DS64
    if large:
        ds64 = struct.pack("<4sIQQQI", b"ds64", _DS64_BYTES, riff_bytes, data_bytes, frames, 0)
    else:
        ds64 = struct.pack("<4sI28x", b"JUNK", _DS64_BYTES)
    bits = 8 * sample_bytes
    fmt = struct.pack(
        "<4sIHHIIHH", b"fmt ", 40, _EXTENSIBLE, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits
    )
    fmt += struct.pack("<HHI", 22, bits, 0) + _PCM_GUID
    riff = struct.pack("<4sI4s", b"RF64" if large else b"RIFF", _SIZE_IN_DS64 if large else riff_bytes, b"WAVE")
    return riff + ds64 + fmt + struct.pack("<4sI", b"data", _SIZE_IN_DS64 if large else data_bytes)


class WavWriter:
    """A new WAV file of 24 or 32 bit that may grow beyond 4 GiB.

    The header on disk never claims more than was written, and says all of it after `flush()`.

    Raises:
        OSError: by every method, where the file system refuses; FileExistsError where `path` is there already.
    """

    def __init__(self, path: Path, *, rate_hz: int, channels: int, sample_bytes: int) -> None:
        self._rate_hz, self._channels, self._sample_bytes = rate_hz, channels, sample_bytes
        self._sample_format = next(name for name, count in SAMPLE_BYTES.items() if count == sample_bytes)
        self._frames = 0
        self._file = path.open("xb")
        self._file.write(self._header())

    def write(self, samples: NDArray[np.int32]) -> None:
        """Append [frames, channels] int32 of full scale 2^31; lower bytes than the file's are dropped."""
        self._file.write(to_wire(samples, sample_format=self._sample_format))
        self._frames += len(samples)

    def flush(self) -> None:
        """Bring everything written so far to the file, its header last."""
        self._file.flush()
        self._file.seek(0)
        self._file.write(self._header())
        self._file.flush()
        self._file.seek(0, 2)

    def close(self) -> None:
        """Finish the file; may be called twice."""
        if self._file.closed:
            return
        with self._file:
            if self._frames * self._channels * self._sample_bytes % 2:
                self._file.write(b"\0")  # chunks of odd length are padded
            self.flush()

    def _header(self) -> bytes:
        return wav_header(
            rate_hz=self._rate_hz, channels=self._channels, sample_bytes=self._sample_bytes, frames=self._frames
        )


def check_wav_is_whole(path: Path) -> None:
    """Refuse a WAV file that ends before its header says; libsndfile reads such files without a word.

    Files that are no WAV, or whose header claims no definite length, pass: the reader has its own opinion of them.

    Raises:
        SourceError: the file is truncated.
    """
    with path.open("rb") as file:
        magic, _, wave = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
        if magic not in (b"RIFF", b"RF64") or wave != b"WAVE":
            return
        data_bytes_64 = None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"ds64":
                _, data_bytes_64 = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
                file.seek(size - 16, 1)
                continue
            if name == b"data":
                break
            file.seek(size + size % 2, 1)
        else:
            raise SourceError(f"{path}: truncated before its audio begins; copy or record it again")
        claimed = data_bytes_64 if size == _SIZE_IN_DS64 and data_bytes_64 is not None else size
        there = path.stat().st_size - file.tell()
    if there < claimed and (data_bytes_64 is not None or claimed < _UNKNOWN_SIZE):
        raise SourceError(f"{path}: truncated: {there} of {claimed} bytes of audio are there; copy or record it again")
