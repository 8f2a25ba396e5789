"""The card: full-duplex capture and playback through ALSA, its faults told apart from its end."""

import errno
import functools
import os
import select
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import alsaaudio
import numpy as np
from numpy.typing import NDArray

from appliance.errors import DeviceBusy, DeviceLost, DeviceNotFound, HardwareError, UnsupportedFormat
from appliance.hardware.cards import (
    MAX_OUTPUTS,
    RATES_HZ,
    SAMPLE_FORMATS,
    CardInfo,
    DeviceChoice,
    PcmAbility,
    choose,
    what_is_there,
)
from appliance.hardware.samples import SAMPLE_BYTES, from_wire, to_wire
from appliance.types import MAX_MICS, PcmBlock

_MIN_PERIODS = 8
_STALL_S = 2.0
_PERIODS = 32
_PREFILL_BLOCKS = 12
"""At most, and at most half of playback's buffer: so long may thought hold up what is played."""

_PAUSE_S = 0.001
_FORMAT_CODES = {"S32_LE": alsaaudio.PCM_FORMAT_S32_LE, "S24_3LE": alsaaudio.PCM_FORMAT_S24_3LE}
_ERRNO_OF_TEXT = {os.strerror(code): code for code in errno.errorcode}
_DIRECTIONS = {alsaaudio.PCM_CAPTURE: "capture", alsaaudio.PCM_PLAYBACK: "playback"}


def list_devices() -> list[CardInfo]:
    """Every card there is, by its stable name, with what it can do.

    Raises:
        HardwareError: ALSA itself cannot be asked.
    """
    try:
        ids, indexes = alsaaudio.cards(), alsaaudio.card_indexes()
        names = {card: alsaaudio.card_name(index)[0] for card, index in zip(ids, indexes, strict=True)}
    except alsaaudio.ALSAAudioError as error:
        raise HardwareError(f"ALSA cannot list its cards: {error}; try again") from error
    cards = []
    for card in ids:
        device = f"hw:CARD={card}"
        capture, capture_busy = _ask(device, alsaaudio.PCM_CAPTURE)
        playback, playback_busy = _ask(device, alsaaudio.PCM_PLAYBACK)
        cards.append(CardInfo(device, names[card], capture, playback, capture_busy or playback_busy))
    return cards


def find_device(
    device: str = "auto",
    *,
    playback: str | None = None,
    rate_hz: int | None = None,
    mics: int | None = None,
    outputs: int = 2,
) -> DeviceChoice:
    """Choose the PCM to record from and the one to play to among the cards that are there.

    Arguments and errors are those of `cards.choose`; also raises what `list_devices` raises.
    """
    return choose(list_devices(), device, playback=playback, rate_hz=rate_hz, mics=mics, outputs=outputs)


def _ask(device: str, direction: int) -> tuple[PcmAbility | None, bool]:
    """What `device` can do in one direction, or None; and whether another program holds it."""
    try:
        pcm = alsaaudio.PCM(type=direction, mode=alsaaudio.PCM_NONBLOCK, device=device)
    except alsaaudio.ALSAAudioError as error:
        return None, _errno_of(error) == errno.EBUSY
    try:
        rates = pcm.getrates()  # one number, a list, or a tuple of the two ends of a range
        if isinstance(rates, tuple):
            ours = tuple(rate for rate in RATES_HZ if rates[0] <= rate <= rates[1])
        else:
            ours = tuple(rate for rate in RATES_HZ if rate in (rates if isinstance(rates, list) else [rates]))
        return PcmAbility(ours, tuple(pcm.getchannels()), tuple(pcm.getformats())), False
    except alsaaudio.ALSAAudioError:
        return None, False
    finally:
        pcm.close()


class AlsaAudio:
    """A card as an `Audio`: capture, and playback unless `outputs` is 0, kept in lockstep.

    Playback starts with some blocks of silence in hand, so that writing a block after reading one never comes too
    late. When the card loses frames in either direction both start anew, which keeps the way from what is written
    to what is heard at the same length; the loss is estimated by the clock and told in the next block.

    Args:
        capture: PCM to record from, such as `hw:CARD=NAME`, or any other that ALSA's configuration defines.
        playback: PCM to play to; by default the same name.
        rate_hz: 192000 or 96000.
        mics: 1-8.
        outputs: 0-8; with 0 no playback is opened.
        block_ms: length of a block, and the period asked of the card.
        periods: size of the card's buffer in blocks, at least 8; a card may grant less, down to 4.
        sample_formats: formats to try, best first.
        stall_s: without frames for so long the card counts as lost.
        monotonic_s: a clock that never jumps.

    Raises:
        DeviceNotFound: no such PCM.
        DeviceBusy: another program holds it.
        UnsupportedFormat: it does not grant rate, channels, one of the formats, or a buffer of 4 blocks.
        HardwareError: it cannot be opened for another reason.
        ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        capture: str,
        *,
        playback: str | None = None,
        rate_hz: int = 192_000,
        mics: int,
        outputs: int = 2,
        block_ms: float = 10.0,
        periods: int = _PERIODS,
        sample_formats: Sequence[str] = SAMPLE_FORMATS,
        stall_s: float = _STALL_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_arguments(
            rate_hz=rate_hz,
            mics=mics,
            outputs=outputs,
            block_ms=block_ms,
            periods=periods,
            sample_formats=sample_formats,
        )
        self.name, self.rate_hz, self.mics, self.outputs = capture, rate_hz, mics, outputs
        self.block_frames = round(rate_hz * block_ms / 1000.0)
        self._stall_s, self._monotonic_s = stall_s, monotonic_s

        def opened(device: str, direction: int, channels: int) -> _Stream:
            return _Stream(
                device,
                direction,
                rate_hz=rate_hz,
                channels=channels,
                sample_formats=sample_formats,
                period_frames=self.block_frames,
                periods=periods,
                stall_s=stall_s,
                monotonic_s=monotonic_s,
            )

        # Playback first: where a program stands behind both, it must run before capture can be fed.
        self._playback = opened(playback or capture, alsaaudio.PCM_PLAYBACK, outputs) if outputs else None
        try:
            self._capture = opened(capture, alsaaudio.PCM_CAPTURE, mics)
        except BaseException:
            if self._playback is not None:
                self._playback.close()
            raise
        self._frame_bytes = mics * SAMPLE_BYTES[self._capture.sample_format]
        self._pending = b""
        self._first_frame = 0
        self._lost_frames = 0
        self._last: tuple[float, int] | None = None  # time and unread frames at the last success
        self._interrupted = False
        self._started = False

    def read(self) -> PcmBlock | None:
        """The next block of `block_frames`, or what there was before frames were lost. Never None: a card has no end.

        Raises:
            DeviceLost: the card went away, or nothing came for `stall_s`.
        """
        if not self._started:
            # Not before: what the caller still has to prepare must not use up the silence in hand.
            self._started = True
            self._prefill()
        if self._interrupted and self._pending:
            return self._take_block()  # a gap lies between blocks, never within one
        since_s = self._monotonic_s()
        while len(self._pending) < self.block_frames * self._frame_bytes:
            try:
                data = self._capture.read()
            except _Interrupted:
                if self._interrupted and self._monotonic_s() - since_s > self._stall_s:
                    self._capture.lost(f"frames were lost again and again for {self._stall_s:g} s")
                self._restart()
                if self._pending:
                    break
                continue
            self._note_loss(len(data) // self._frame_bytes)
            self._pending += data
        return self._take_block()

    def write(self, samples: NDArray[np.int32]) -> None:
        """Play [frames, outputs] int32 of full scale 2^31 behind what was written before.

        Raises:
            DeviceLost: the card went away, or took nothing for `stall_s`.
            ValueError: the shape is not [frames, outputs], or there are no outputs.
        """
        if self._playback is None or samples.ndim != 2 or samples.shape[1] != self.outputs:
            raise ValueError(f"{self.name}: wanted [frames, {self.outputs}], got {samples.shape}")
        try:
            self._playback.write(to_wire(samples, sample_format=self._playback.sample_format))
        except _Interrupted:
            # This block gives way to the silence in hand, else every later one would be heard a block later.
            self._restart()

    def suspend(self) -> None:
        """Stop the card; the next read starts both directions anew, with the next frame's number."""
        self._capture.stop()
        if self._playback is not None:
            self._playback.stop()
        self._pending = b""
        self._lost_frames = 0
        self._last = None
        self._interrupted = self._started = False

    def close(self) -> None:
        """Give the card back when all is played; may be called twice, but not while another thread reads or writes."""
        # Capture first: a program that stands behind both must not wait for its reader while it is told to end.
        self._capture.close()
        if self._playback is not None:
            self._playback.close()

    def _take_block(self) -> PcmBlock:
        size = self.block_frames * self._frame_bytes
        data, self._pending = self._pending[:size], self._pending[size:]
        samples = from_wire(data, sample_format=self._capture.sample_format, channels=self.mics)
        lost_frames, self._lost_frames = self._lost_frames, 0
        self._first_frame += lost_frames
        block = PcmBlock(samples, self._first_frame, self.rate_hz, lost_frames)
        self._first_frame += len(samples)
        return block

    def _note_loss(self, frames: int) -> None:
        """Compare the frames that came since the last success with the time that went by."""
        now_s, unread = self._monotonic_s(), self._capture.unread_frames()
        if self._interrupted and self._last is not None:
            last_s, last_unread = self._last
            passed = (now_s - last_s) * self.rate_hz + last_unread - unread
            self._lost_frames += max(0, round(passed) - frames)
        self._interrupted = False
        self._last = now_s, unread

    def _restart(self) -> None:
        self._interrupted = True
        self._capture.stop()
        if self._playback is not None:
            self._playback.stop()
        self._prefill()

    def _prefill(self) -> None:
        if self._playback is not None:
            frames = min(_PREFILL_BLOCKS * self.block_frames, self._playback.buffer_frames // 2)
            silence = np.zeros((frames, self.outputs), np.int32)
            try:
                self._playback.write(to_wire(silence, sample_format=self._playback.sample_format))
            except _Interrupted:
                self._playback.lost("it does not start")


class _Interrupted(Exception):
    """The stream broke off but the card is there: an overrun, an underrun or a suspended machine."""


class _Stream:
    """One direction of a card: its format checked, its faults translated, never waiting longer than `stall_s`.

    Raises what `AlsaAudio` raises.
    """

    def __init__(
        self,
        device: str,
        direction: int,
        *,
        rate_hz: int,
        channels: int,
        sample_formats: Sequence[str],
        period_frames: int,
        periods: int,
        stall_s: float,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._device, self._direction = device, direction
        self._stall_s, self._monotonic_s = stall_s, monotonic_s
        offers = []
        for sample_format in sample_formats:
            # Not blocking, so that every wait is ours and has a limit; the binding's own read waits for ever.
            pcm = _opened(
                device,
                direction,
                mode=alsaaudio.PCM_NONBLOCK,
                rate=rate_hz,
                channels=channels,
                format=_FORMAT_CODES[sample_format],
                periodsize=period_frames,
                periods=periods,
            )
            if pcm is None:
                offers.append("no such combination")
                continue
            info = pcm.info()
            self.buffer_frames: int = info["buffer_size"]
            granted = (info["format_name"], info["channels"], info["rate"])
            if granted == (sample_format, channels, rate_hz) and 2 * self.buffer_frames >= period_frames * _MIN_PERIODS:
                break
            offers.append(_described(*granted, self.buffer_frames))
            pcm.close()
        else:
            wanted = _described(" or ".join(sample_formats), channels, rate_hz, period_frames * _MIN_PERIODS)
            raise UnsupportedFormat(f"{device} ({_DIRECTIONS[direction]})", wanted, " or ".join(dict.fromkeys(offers)))
        self._pcm = pcm
        self.sample_format = sample_format
        self._frame_bytes = channels * SAMPLE_BYTES[sample_format]
        self._poll = select.poll()
        for descriptor, events in pcm.polldescriptors():
            self._poll.register(descriptor, events)
        self._gone = False

    def read(self) -> bytes:
        """At least one frame, at most a period.

        Raises:
            _Interrupted: frames were lost; the stream must be started anew.
            DeviceLost: the card went away, or nothing came in time.
        """
        until_s = self._monotonic_s() + self._stall_s
        while True:
            if self._pcm.state() == alsaaudio.PCM_STATE_RUNNING:
                # Wait for a whole period, else each read would give the few frames that are just there. A stream
                # that does not run yet is started by the read itself.
                self._poll.poll(1000.0 * self._stall_s)
            frames, data = self._try(self._pcm.read, (0, b""))
            if self._check(frames):
                return bytes(data)
            self._wait(until_s)

    def write(self, data: bytes) -> None:
        """Hand over all of `data`.

        Raises:
            _Interrupted, DeviceLost: as in `read`.
        """
        rest = memoryview(data)
        until_s = self._monotonic_s() + self._stall_s
        while rest:
            frames = self._try(functools.partial(self._pcm.write, rest), 0)
            if self._check(frames):
                rest = rest[frames * self._frame_bytes :]
                until_s = self._monotonic_s() + self._stall_s
            else:
                self._wait(until_s)

    def stop(self) -> None:
        """Forget what the card holds; the next read or write starts it anew, also from suspension."""
        self._try(self._pcm.drop, 0)

    def unread_frames(self) -> int:
        """Frames the card holds for us."""
        try:
            return max(0, int(self._pcm.avail()))
        except alsaaudio.ALSAAudioError:
            return 0  # the next read says what is the matter

    def close(self) -> None:
        """Let the rest be played unless the card is gone, and give it back; may be called twice."""
        pcm, self._pcm = self._pcm, None
        if pcm is None:
            return
        try:
            if self._direction == alsaaudio.PCM_PLAYBACK and not self._gone:
                until_s = self._monotonic_s() + self._stall_s
                while 0 <= pcm.avail() < self.buffer_frames and self._monotonic_s() < until_s:
                    time.sleep(_PAUSE_S)
            pcm.close()
        except alsaaudio.ALSAAudioError:
            return  # a card that went away needs no closing

    def lost(self, reason: str) -> NoReturn:
        """Say so, once and for all."""
        self._gone = True
        doing = "recording" if self._direction == alsaaudio.PCM_CAPTURE else "playing"
        raise DeviceLost(f"{self._device}: lost while {doing}: {reason}; check its plug and power")

    def _try(self, call: Callable[[], Any], nothing: Any) -> Any:
        try:
            return call()
        except alsaaudio.ALSAAudioError as error:
            code = _errno_of(error)
            if code in (errno.EINTR, errno.EAGAIN):
                return nothing
            if code in (errno.EPIPE, errno.ESTRPIPE):
                raise _Interrupted from error
            self.lost(_text_of(error))

    def _check(self, frames: int) -> bool:
        """Whether anything was transferred."""
        if frames == -errno.EPIPE:
            raise _Interrupted
        if frames < 0:
            self.lost(os.strerror(-frames))
        return frames > 0

    def _wait(self, until_s: float) -> None:
        """Sleep until the card has or takes frames, at most until `until_s`."""
        if self._pcm.state() == alsaaudio.PCM_STATE_DISCONNECTED:
            self.lost("disconnected")
        left_s = until_s - self._monotonic_s()
        if left_s <= 0.0:
            self.lost(f"no frames for {self._stall_s:g} s")
        self._poll.poll(1000.0 * left_s)
        time.sleep(_PAUSE_S)  # some devices call themselves ready while they have nothing


def _opened(device: str, direction: int, **wanted: int) -> Any:
    """The binding's PCM, or None where the device refuses this combination of settings."""
    try:
        return alsaaudio.PCM(type=direction, device=device, **wanted)
    except alsaaudio.ALSAAudioError as error:
        code = _errno_of(error)
        if code == errno.EINVAL:
            return None
        if code in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            raise DeviceNotFound(f"{device}: no such sound card; {what_is_there(list_devices())}") from error
        if code == errno.EBUSY:
            raise DeviceBusy(f"{device}: held by another program; stop it (`fuser -v /dev/snd/*` names it)") from error
        cure = "add this user to the group audio" if code in (errno.EACCES, errno.EPERM) else "check its plug and power"
        raise HardwareError(
            f"{device}: cannot be opened for {_DIRECTIONS[direction]}: {_text_of(error)}; {cure}"
        ) from error


def _check_arguments(
    *, rate_hz: int, mics: int, outputs: int, block_ms: float, periods: int, sample_formats: Sequence[str]
) -> None:
    if rate_hz not in RATES_HZ:
        raise ValueError(f"rate_hz must be one of {RATES_HZ}, not {rate_hz}")
    if not 1 <= mics <= MAX_MICS:
        raise ValueError(f"mics must be 1 to {MAX_MICS}, not {mics}")
    if not 0 <= outputs <= MAX_OUTPUTS:
        raise ValueError(f"outputs must be 0 to {MAX_OUTPUTS}, not {outputs}")
    if not 1.0 <= block_ms <= 100.0:
        raise ValueError(f"block_ms must be 1 to 100, not {block_ms:g}")
    if periods < _MIN_PERIODS:
        raise ValueError(f"periods must be at least {_MIN_PERIODS}, not {periods}")
    if not sample_formats or not set(sample_formats) <= set(SAMPLE_FORMATS):
        raise ValueError(f"sample_formats must be of {SAMPLE_FORMATS}, not {tuple(sample_formats)}")


def _described(sample_format: str, channels: int, rate_hz: int, buffer_frames: int) -> str:
    plural = "s" * (channels != 1)
    return (
        f"{sample_format}, {channels} channel{plural} at {rate_hz} Hz, buffer {1000 * buffer_frames / rate_hz:.0f} ms"
    )


def _text_of(error: Exception) -> str:
    """ALSA's text without the device, which our messages begin with."""
    return str(error).rsplit(" [", 1)[0]


def _errno_of(error: Exception) -> int | None:
    """The binding tells the text only: `No such device [hw:CARD=X]`."""
    return _ERRNO_OF_TEXT.get(_text_of(error))
