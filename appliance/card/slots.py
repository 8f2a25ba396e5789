"""The slots file: which of two systems U-Boot starts, and how many tries each has left.

Its form is U-Boot's own of a checked environment (`env export -c`): the CRC-32 of what follows, in four bytes with the
lowest first, then `name=value` texts that end with a zero byte each, filled up with zeros. Two copies are written one
after the other, so that one of both is whole whenever the power goes; the first whole one counts.

Only the standard library is imported: RAUC starts this for each question that it has.
"""

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

FILE_BYTES = 4096
FILE_NAMES = ("slots", "slots.bak")
MAX_TRIES = 3

_SLOTS = ("A", "B")
_NO_TRIAL = "none"


class SlotsFileBroken(Exception):
    """No copy of the slots file is whole."""


@dataclass(frozen=True, slots=True)
class Slots:
    """What the file says.

    Attributes:
        order: both slots, the one to start first.
        tries_left: of each slot, 0 to `MAX_TRIES`; a slot without tries is passed over.
        trial: the slot that was installed and has not run well yet, or None.
    """

    order: tuple[str, str] = _SLOTS
    tries_left: Mapping[str, int] = field(default_factory=lambda: {"A": MAX_TRIES, "B": 0})
    trial: str | None = None

    def with_primary(self, slot: str) -> "Slots":
        """A new system is in this slot: it starts next, on trial."""
        other = _SLOTS[1 - _SLOTS.index(slot)]
        return replace(self, order=(slot, other), tries_left={**self.tries_left, slot: MAX_TRIES}, trial=slot)

    def with_state(self, slot: str, *, good: bool) -> "Slots":
        """The slot runs well and has all its tries again, or it shall not be started any more."""
        tries_left = {**self.tries_left, slot: MAX_TRIES if good else 0}
        order, trial = self.order, None if self.trial == slot else self.trial
        if not good and self.order[0] == slot:
            order = (self.order[1], self.order[0])
        return replace(self, order=order, tries_left=tries_left, trial=trial)

    def with_boot(self, slot: str) -> "Slots":
        """The slot has started; unless it is on trial that is all that it has to show."""
        return self if self.trial == slot else replace(self, tries_left={**self.tries_left, slot: MAX_TRIES})

    def primary(self) -> str:
        """The slot that starts next."""
        return next((slot for slot in self.order if self.tries_left[slot]), self.order[0])

    def is_good(self, slot: str) -> bool:
        """Whether it may be started."""
        return self.tries_left[slot] > 0

    def to_bytes(self) -> bytes:
        """The whole file."""
        texts = {
            "BOOT_A_LEFT": f"{self.tries_left['A']:x}",
            "BOOT_B_LEFT": f"{self.tries_left['B']:x}",
            "BOOT_ORDER": " ".join(self.order),
            "BOOT_TRIAL": self.trial or _NO_TRIAL,
        }
        lines = b"".join(f"{name}={text}".encode() + b"\0" for name, text in texts.items())
        body = lines.ljust(FILE_BYTES - 4, b"\0")
        return zlib.crc32(body).to_bytes(4, "little") + body

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Slots":
        """What a file says.

        Raises:
            SlotsFileBroken: it is not whole, or says what no slots file says.
        """
        check, body = raw[:4], raw[4:]
        if len(raw) != FILE_BYTES or zlib.crc32(body).to_bytes(4, "little") != check:
            raise SlotsFileBroken("the check value is wrong")
        try:
            texts = dict(line.decode("ascii").split("=", 1) for line in body.split(b"\0\0")[0].split(b"\0"))
            first, second = texts["BOOT_ORDER"].split()
            tries_left = {slot: int(texts[f"BOOT_{slot}_LEFT"], 16) for slot in _SLOTS}
            trial = None if texts["BOOT_TRIAL"] == _NO_TRIAL else texts["BOOT_TRIAL"]
        except (KeyError, ValueError) as error:
            raise SlotsFileBroken(f"it says nothing that can be understood: {error!r}") from error
        if {first, second} != set(_SLOTS) or trial not in {None, *_SLOTS} or not _are_tries(tries_left):
            raise SlotsFileBroken("it says what no slots file says")
        return cls((first, second), tries_left, trial)


def _are_tries(tries_left: Mapping[str, int]) -> bool:
    return all(0 <= tries <= MAX_TRIES for tries in tries_left.values())


def read_slots(directory: Path) -> Slots:
    """The first whole copy in a directory.

    Raises:
        SlotsFileBroken: there is none.
    """
    faults = []
    for name in FILE_NAMES:
        try:
            return Slots.from_bytes((directory / name).read_bytes())
        except (OSError, SlotsFileBroken) as error:
            faults.append(f"{name}: {error}")
    raise SlotsFileBroken("; ".join(faults))


def write_slots(directory: Path, slots: Slots) -> None:
    """Both copies, one after the other, each in its place on the card: the file system's own tables stay untouched."""
    for name in FILE_NAMES:
        descriptor = os.open(directory / name, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, slots.to_bytes(), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
