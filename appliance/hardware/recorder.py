"""Recordings to keep: what the microphones gave, without speech unless the owner asks for it."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from appliance.dsp.highpass import PASS_HZ, HighPass
from appliance.errors import SourceError
from appliance.hardware.riff import WavWriter
from appliance.hardware.wav import FULL_SCALE, FlacWriter
from appliance.types import PcmBlock

_FLUSH_S = 1.0
_SILENCE_FRAMES = 1 << 16
_HALF_STEP_24 = 128


class PcmRecorder:
    """Writes blocks to a new WAV or FLAC file, and their circumstances to the JSON file beside it.

    Only the band above 28 kHz is kept unless `keep_audible`. Lost frames are written as silence, so that the
    recording's time is the stream's. A recording that is killed can be read up to its last second.

    Args:
        path: ends in .wav or .flac; must not exist yet.
        rate_hz: frames a second, 192000 or 96000.
        mics: channels.
        carriers_hz: the tones that are emitted; may be empty where they are not known.
        keep_audible: keep everything, speech included.
        bits: 24, or 32 in a WAV file.

    Raises:
        SourceError: the file exists, cannot be written, or the kind is not one of these; also by `write`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rate_hz: int,
        mics: int,
        carriers_hz: Sequence[float] = (),
        keep_audible: bool = False,
        bits: int = 24,
    ) -> None:
        self._path = Path(path)
        self._rate_hz, self._mics, self._bits = rate_hz, mics, bits
        self._highpass = None if keep_audible else HighPass(rate_hz=rate_hz, channels=mics)
        self._to_skip = self._highpass.delay_frames if self._highpass else 0
        self._received_frames = self._flushed_frames = 0
        circumstances: dict[str, object] = {"carrier_hz": list(carriers_hz)} if carriers_hz else {}
        circumstances |= {"rate_hz": rate_hz, "mics": mics, "band_hz": [0 if keep_audible else PASS_HZ, rate_hz / 2]}
        beside = self._path.with_suffix(".json")
        try:
            if beside.exists():
                raise SourceError(f"{beside}: exists already; choose another name for the recording or remove it")
            self._sink = self._create()
            beside.write_text(json.dumps(circumstances, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise self._refused(error) from error
        self._open = True

    def write(self, block: PcmBlock) -> None:
        """Append one block, and the silence of the frames lost before it.

        Raises:
            ValueError: the block's rate or number of microphones is not this recording's.
            SourceError: the file cannot be written any more.
        """
        if block.rate_hz != self._rate_hz or block.samples.shape[1] != self._mics:
            wanted = f"{self._mics} microphones at {self._rate_hz} Hz"
            raise ValueError(f"wanted {wanted}, got {block.samples.shape[1]} at {block.rate_hz} Hz")
        if self._received_frames:
            for start in range(0, block.lost_frames_before, _SILENCE_FRAMES):
                frames = min(_SILENCE_FRAMES, block.lost_frames_before - start)
                self._append(np.zeros((frames, self._mics), np.int32))
        self._append(block.samples)
        if self._received_frames - self._flushed_frames >= _FLUSH_S * self._rate_hz:
            self._flushed_frames = self._received_frames
            try:
                self._sink.flush()
            except OSError as error:
                raise self._refused(error) from error

    def close(self) -> None:
        """Finish the file; may be called twice.

        Raises:
            SourceError: the file cannot be written any more.
        """
        if not self._open:
            return
        self._open = False
        try:
            if self._highpass is not None:
                # What the filter still holds back: the last frames of the recording.
                self._append(np.zeros((self._highpass.delay_frames, self._mics), np.int32))
        finally:
            try:
                self._sink.close()
            except OSError as error:
                raise self._refused(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, samples: NDArray[np.int32]) -> None:
        frames = len(samples)
        self._received_frames += frames
        if self._highpass is not None:
            filtered = np.rint(self._highpass.process(samples.astype(np.float64)))
            samples = np.clip(filtered, -FULL_SCALE, FULL_SCALE - 1.0).astype(np.int32)
        samples = samples[self._to_skip :]
        self._to_skip -= min(self._to_skip, frames)
        if self._bits == 24:
            # The file drops the lowest byte; half a step on top of it makes that a rounding.
            samples = np.minimum(samples, 2**31 - 1 - _HALF_STEP_24) + np.int32(_HALF_STEP_24)
        try:
            self._sink.write(samples)
        except OSError as error:
            raise self._refused(error) from error

    def _create(self) -> WavWriter | FlacWriter:
        kind = self._path.suffix.lower()
        if kind == ".wav" and self._bits in (24, 32):
            return WavWriter(self._path, rate_hz=self._rate_hz, channels=self._mics, sample_bytes=self._bits // 8)
        if kind == ".flac" and self._bits == 24:
            return FlacWriter(self._path, rate_hz=self._rate_hz, channels=self._mics)
        raise SourceError(f"{self._path}: {self._bits} bit cannot be recorded here; name a .wav (24, 32) or .flac (24)")

    def _refused(self, error: OSError) -> SourceError:
        if isinstance(error, FileExistsError):
            return SourceError(f"{self._path}: exists already; choose another name or remove it")
        return SourceError(f"{self._path}: cannot be written ({error.strerror or error}); free space or choose another")
