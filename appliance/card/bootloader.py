"""What RAUC and systemd ask of the boot loader, as a command: the handler of `bootloader=custom` in RAUC's system.conf.

get-primary | set-primary SLOT | get-state SLOT | set-state SLOT good|bad      RAUC's questions
get-current                                                                    the slot that runs
booted                 this start came far enough: its slot has all its tries again, unless it is on trial
on-trial               exit code 0 while the slot that runs is on trial
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from appliance.card.slots import MAX_TRIES, Slots, SlotsFileBroken, read_slots, write_slots

_log = logging.getLogger("bootloader")

CARD = Path("/boot/firmware")


def running_slot(kernel_arguments: str) -> str:
    """The slot that U-Boot named to the kernel.

    Raises:
        ValueError: it named none.
    """
    for argument in kernel_arguments.split():
        name, _, slot = argument.partition("=")
        if name == "rauc.slot" and slot in {"A", "B"}:
            return slot
    raise ValueError("the kernel was told no rauc.slot")


def answer(question: Sequence[str], slots: Slots, running: str) -> tuple[str, Slots]:
    """The line to print and the slots as they are afterwards.

    Raises:
        ValueError: nobody asks that.
    """
    match question:
        case ["get-primary"]:
            return slots.primary(), slots
        case ["get-current"]:
            return running, slots
        case ["get-state", ("A" | "B") as slot]:
            return "good" if slots.is_good(slot) else "bad", slots
        case ["set-primary", ("A" | "B") as slot]:
            return "", slots.with_primary(slot)
        case ["set-state", ("A" | "B") as slot, ("good" | "bad") as state]:
            return "", slots.with_state(slot, good=state == "good")
        case ["booted"]:
            return f"slot {running} has started", slots.with_boot(running)
    raise ValueError(f"nobody asks {' '.join(question) or 'nothing'}")


@contextmanager
def writable(card: Path) -> Iterator[None]:
    """The card's first partition, which is mounted read-only, open for writing meanwhile."""
    if not os.path.ismount(card):
        yield
        return
    subprocess.run(["mount", "-o", "remount,rw", str(card)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,ro", str(card)], check=False)


def main(argv: Sequence[str], *, card: Path = CARD) -> int:
    """Answers one question; returns the exit code."""
    try:
        running = running_slot(Path("/proc/cmdline").read_text(encoding="ascii"))
        slots = _slots_of(card, running)
        if list(argv) == ["on-trial"]:
            return 0 if slots.trial == running else 1
        line, changed = answer(argv, slots, running)
        if changed != slots:
            with writable(card):
                write_slots(card, changed)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        _log.error("%s", error)
        return 1
    if line:
        sys.stdout.write(f"{line}\n")
    return 0


def _slots_of(card: Path, running: str) -> Slots:
    """What the card says; where both copies are broken, what is known for sure: this slot runs."""
    try:
        return read_slots(card)
    except SlotsFileBroken as error:
        _log.warning("%s", error)
        other = "B" if running == "A" else "A"
        return Slots((running, other), {running: MAX_TRIES, other: 0})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
