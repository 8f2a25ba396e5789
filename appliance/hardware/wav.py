"""Recordings in the place of a card: WAV and FLAC files read block by block, and FLAC files written."""

import json
import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from appliance.dsp.carriers import carrier_limits_hz, find_carriers
from appliance.errors import SourceError
from appliance.hardware.cards import RATES_HZ
from appliance.hardware.riff import check_wav_is_whole
from appliance.types import MAX_CARRIERS, MAX_MICS, PcmBlock

FULL_SCALE = 2.0**31
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 96_000, 384_000
_SHORTEST_S = 1.0
_BLOCK_S = 0.01
_INTEGER_SUBTYPES = {"PCM_16", "PCM_24", "PCM_32"}
_FLOAT_SUBTYPES = {"FLOAT", "DOUBLE"}
_FLAC_LENGTH_OFFSET = 18  # eight bytes of STREAMINFO: rate, channels and bits in 28 bits, then the length in 36
_FLAC_HELD_BACK_FRAMES = 8192  # the encoder keeps less than two of its blocks of 4096 to itself
_SEARCH_SEGMENTS = 16
_SEARCH_SEGMENT_S = 0.34
_SEARCH_RUN_S = 4.0


class WavAudio:
    """A recording as an `Audio` without outputs.

    192000 and 96000 Hz are taken as they are, any other rate is resampled to 192000 Hz.

    Args:
        path: WAV or FLAC, 16, 24, 32 bit or float, 1-8 microphones, 96-384 kHz.
        carriers_hz: the tones that were emitted; by default those of the JSON file of the same stem
            (`carrier_hz`, a number or a list), else the steady lines found in the recording.
        block_frames: frames of each block but the last; by default 10 ms.

    Raises:
        SourceError: the recording is missing, broken, truncated, empty, shorter than 1 s, of a kind not listed
            above, or its carriers are neither told nor to be found.
    """

    outputs = 0

    def __init__(
        self, path: str | Path, *, carriers_hz: Sequence[float] | None = None, block_frames: int | None = None
    ) -> None:
        self._path = Path(path)
        self.name = str(path)
        self._file = _open(self._path)
        try:
            self._check()
            self.mics: int = self._file.channels
            source_rate_hz: int = self._file.samplerate
            self.rate_hz = source_rate_hz if source_rate_hz in RATES_HZ else RATES_HZ[0]
            self._resampler = None
            if self.rate_hz != source_rate_hz:
                self._resampler = soxr.ResampleStream(
                    source_rate_hz, self.rate_hz, self.mics, dtype="float64", quality="VHQ"
                )
            self._carriers_hz = self._find_carriers(carriers_hz)
        except BaseException:
            self._file.close()
            raise
        self._block_frames = block_frames or round(_BLOCK_S * self.rate_hz)
        self._source_frame = 0
        self._first_frame = 0
        self._pending = np.empty((0, self.mics), np.int32)
        self._flushed = False

    @property
    def carriers_hz(self) -> tuple[float, ...]:
        """The tones in this recording, from the caller, its JSON file or the recording itself."""
        return self._carriers_hz

    @property
    def duration_s(self) -> float:
        """Length of the recording."""
        return float(self._file.frames / self._file.samplerate)

    def read(self) -> PcmBlock | None:
        """The next block, shorter only at the end; None behind it.

        Raises:
            SourceError: this part of the file is damaged or holds values that are no numbers.
        """
        while len(self._pending) < self._block_frames and not self._flushed:
            self._pending = np.concatenate((self._pending, self._next_samples()))
        samples, self._pending = self._pending[: self._block_frames], self._pending[self._block_frames :]
        if not len(samples):
            return None
        block = PcmBlock(samples, self._first_frame, self.rate_hz)
        self._first_frame += len(samples)
        return block

    def write(self, samples: NDArray[np.int32]) -> None:
        """Always refused: a recording plays nothing.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.name}: a recording has no outputs, yet {len(samples)} frames were written")

    def suspend(self) -> None:
        """A recording waits by itself."""

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()
        self._flushed = True
        self._pending = self._pending[:0]

    def _next_samples(self) -> NDArray[np.int32]:
        """Up to one block's worth of source frames at the output rate, [frames, mics]."""
        wanted = min(self._block_frames, self._file.frames - self._source_frame)
        last = wanted == self._file.frames - self._source_frame
        samples = _read(self._file, self._path, self._source_frame, wanted)
        self._source_frame += wanted
        self._flushed = last
        if self._resampler is None:
            return _as_int32(samples)
        return _as_int32(self._resampler.resample_chunk(_as_float(samples), last=last))

    def _check(self) -> None:
        file, path = self._file, self._path
        if (
            file.format not in ("WAV", "WAVEX", "RF64", "FLAC")
            or file.subtype not in _INTEGER_SUBTYPES | _FLOAT_SUBTYPES
        ):
            kind = f"{file.format} {file.subtype}"
            raise SourceError(f"{path}: {kind} is not read here; save it as WAV or FLAC of 16, 24 or 32 bit or float")
        check_wav_is_whole(path)
        rate_hz = file.samplerate
        if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ:
            raise SourceError(
                f"{path}: {rate_hz} Hz cannot carry our tones; record at 192000 Hz (96000 to 384000 work)"
            )
        if file.channels > MAX_MICS:
            raise SourceError(f"{path}: {file.channels} channels; keep at most {MAX_MICS}, one for each microphone")
        if file.frames == 0:
            raise SourceError(f"{path}: no audio in it; record it again")
        if file.frames > 1 << 48:
            raise SourceError(
                f"{path}: its header lacks the length, as of a killed recorder; save it again with `flac`"
            )
        if file.frames < _SHORTEST_S * rate_hz:
            raise SourceError(f"{path}: only {file.frames / rate_hz:.3f} s long; at least {_SHORTEST_S:g} s are needed")

    def _find_carriers(self, told_hz: Sequence[float] | None) -> tuple[float, ...]:
        if told_hz is not None:
            return self._checked(told_hz, str(self._path))
        beside = self._path.with_suffix(".json")
        if beside.is_file() and (beside_hz := _read_json(beside)) is not None:
            return self._checked(beside_hz, str(beside))
        found_hz = self._search()
        if not found_hz:
            raise SourceError(
                f"{self._path}: no steady tone above 30 kHz found; "
                f'give the carrier, or write it to {beside.name} as {{"carrier_hz": 40000}}'
            )
        return found_hz

    def _checked(self, carriers_hz: Sequence[float], where: str) -> tuple[float, ...]:
        if not 1 <= len(carriers_hz) <= MAX_CARRIERS:
            raise SourceError(f"{where}: {len(carriers_hz)} carriers; give 1 to {MAX_CARRIERS}")
        lowest_hz, highest_hz = carrier_limits_hz(self.rate_hz)
        for carrier_hz in carriers_hz:
            if not lowest_hz <= carrier_hz <= highest_hz:
                raise SourceError(
                    f"{where}: carrier {carrier_hz:g} Hz is outside {lowest_hz:g} to {highest_hz:g} Hz, "
                    f"which {self.rate_hz} Hz can hold; correct carrier_hz"
                )
        return tuple(float(carrier_hz) for carrier_hz in carriers_hz)

    def _search(self) -> tuple[float, ...]:
        """Look for carriers in segments spread over the whole file and in some seconds of its middle."""
        rate_hz, frames = self._file.samplerate, self._file.frames
        length = round(_SEARCH_SEGMENT_S * rate_hz)
        starts = np.linspace(0, frames - length, _SEARCH_SEGMENTS).astype(int)
        segments = (self._floats(int(start), length) for start in starts)
        run_length = min(frames, round(_SEARCH_RUN_S * rate_hz))
        run = self._floats((frames - run_length) // 2, run_length)
        found_hz = find_carriers(segments, run, rate_hz=rate_hz)
        return tuple(round(hz, 3) for hz in found_hz)

    def _floats(self, start: int, frames: int) -> NDArray[np.float64]:
        """[frames, mics], full scale 1.0; what is no number counts as silence here and is told when it is read."""
        samples = _as_float(_read(self._file, self._path, start, frames, check_finite=False))
        return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


class FlacWriter:
    """A new FLAC file of 24 bit whose header is brought up to date by `flush()`.

    Raises:
        OSError: by every method, where the file system refuses; FileExistsError where `path` is there already.
    """

    def __init__(self, path: Path, *, rate_hz: int, channels: int) -> None:
        path.open("xb").close()
        self._path = path
        self._frames = 0
        self._file = soundfile.SoundFile(path, "w", rate_hz, channels, subtype="PCM_24", format="FLAC")

    def write(self, samples: NDArray[np.int32]) -> None:
        """Append [frames, channels] int32 of full scale 2^31; the lowest byte is dropped."""
        try:
            self._file.write(samples)
        except soundfile.LibsndfileError as error:
            raise OSError(_reason(error)) from error
        self._frames += len(samples)

    def flush(self) -> None:
        """Write the length so far into the header.

        The encoder does so only when it is closed, and a file without a length cannot be read here.
        """
        encoded = self._frames - _FLAC_HELD_BACK_FRAMES
        if encoded <= 0:
            return
        self._file.flush()
        with self._path.open("r+b") as file:
            file.seek(_FLAC_LENGTH_OFFSET)
            packed = int.from_bytes(file.read(8), "big")
            file.seek(_FLAC_LENGTH_OFFSET)
            file.write((packed >> 36 << 36 | encoded).to_bytes(8, "big"))

    def close(self) -> None:
        """Finish the file; may be called twice."""
        self._file.close()


def _open(path: Path) -> soundfile.SoundFile:
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{path}: no such file; check the path") from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SourceError(f"{path}: cannot be read ({reason}); check the path") from error
    if not stat.S_ISREG(about.st_mode):
        raise SourceError(f"{path}: not a file; name one recording")
    if about.st_size == 0:
        raise SourceError(f"{path}: empty file; record it again")
    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise SourceError(f"{path}: not readable as WAV or FLAC ({_reason(error)}); record or copy it again") from error


def _read(file: soundfile.SoundFile, path: Path, start: int, frames: int, *, check_finite: bool = True) -> NDArray[Any]:
    """Exactly `frames` frames from `start`: [frames, mics] int32 of full scale 2^31, or float64 of full scale 1.0."""
    floating = file.subtype in _FLOAT_SUBTYPES
    try:
        if file.tell() != start:
            file.seek(start)
        samples = file.read(frames, dtype="float64" if floating else "int32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SourceError(
            f"{path}: damaged near {start / file.samplerate:.3f} s ({_reason(error)}); copy or record it again"
        ) from error
    if len(samples) < frames:
        at_s = (start + len(samples)) / file.samplerate
        raise SourceError(f"{path}: ends at {at_s:.3f} s, before its header says; copy or record it again")
    if floating and check_finite:
        bad = ~np.isfinite(samples).all(axis=1)
        if bad.any():
            at = start + int(bad.argmax())
            raise SourceError(
                f"{path}: not a number in frame {at} ({at / file.samplerate:.3f} s); cut that part out or record again"
            )
    return np.asarray(samples)


def _reason(error: Exception) -> str:
    """What libsndfile says, on one line."""
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else error
    return " ".join(str(text).split()).rstrip(".")


def _as_int32(samples: NDArray[Any]) -> NDArray[np.int32]:
    """Float of full scale 1.0 to int32 of full scale 2^31; what is louder is clipped, never wrapped."""
    if samples.dtype == np.int32:
        return np.asarray(samples, np.int32)
    clipped = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1.0)
    return np.asarray(clipped, np.int32)


def _as_float(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Int32 of full scale 2^31 to float of full scale 1.0."""
    return samples / FULL_SCALE if samples.dtype == np.int32 else samples


def _read_json(path: Path) -> tuple[float, ...] | None:
    """The carriers a JSON file names, None where it does not speak of them.

    Raises:
        SourceError: it is no JSON object, or its `carrier_hz` is neither number nor list of numbers.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path}:{error.lineno}:{error.colno}: not JSON ({error.msg}); correct or remove it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: not readable ({error}); correct or remove it") from error
    if not isinstance(content, dict):
        raise SourceError(f'{path}: not a JSON object; write {{"carrier_hz": 40000}} or remove it')
    if "carrier_hz" not in content:
        return None
    value = content["carrier_hz"]
    values: list[Any] = value if isinstance(value, list) else [value]
    if not values or not all(type(v) in (int, float) and math.isfinite(v) for v in values):
        raise SourceError(f'{path}: carrier_hz must be a number or a list of numbers; write {{"carrier_hz": 40000}}')
    return tuple(float(v) for v in values)
