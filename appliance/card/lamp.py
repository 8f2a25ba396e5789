"""The lamp of the Pi as the only thing a device without a screen can show: so many blinks, a pause, and again."""

import logging
from enum import IntEnum
from pathlib import Path

_log = logging.getLogger(__name__)

LEDS = Path("/sys/class/leds")
_NAMES = ("ACT", "led0", "*:act", "*:activity", "*:indicator")
_ON_MS, _OFF_MS, _PAUSE_MS = 200, 300, 1500


class Blinks(IntEnum):
    """What a number of blinks tells."""

    CARD_FILE = 2
    """The card's file has faults; `pipistrelle-errors.txt` tells them."""

    NOT_KEPT = 3
    """The card cannot be written to: nothing is kept."""

    NO_NETWORK = 4
    """The device is on no network; `pipistrelle-errors.txt` tells why."""


def pattern(blinks: int) -> str:
    """The kernel's notation for a lamp's course: brightness and milliseconds, twice for a step without a ramp."""
    step = f"255 {_ON_MS} 255 0 0 {_OFF_MS} 0 0 "
    return step * (blinks - 1) + f"255 {_ON_MS} 255 0 0 {_PAUSE_MS} 0 0"


def dark(*, leds: Path = LEDS) -> None:
    """Blink no more."""
    for name in _NAMES:
        for lamp in leds.glob(name):
            try:
                (lamp / "trigger").write_text("none", encoding="ascii")
                (lamp / "brightness").write_text("0", encoding="ascii")
            except OSError as error:
                _log.warning("%s cannot be switched off: %s", lamp, error)


def blink(blinks: Blinks, *, leds: Path = LEDS) -> bool:
    """Blink until the next start; returns whether there is a lamp that can."""
    for name in _NAMES:
        for lamp in leds.glob(name):
            try:
                (lamp / "trigger").write_text("pattern", encoding="ascii")
                (lamp / "repeat").write_text("-1", encoding="ascii")
                (lamp / "pattern").write_text(pattern(blinks), encoding="ascii")
            except OSError as error:
                _log.warning("%s cannot blink: %s", lamp, error)
            else:
                return True
    return False
