"""The appliance's own health, and what systemd is told of it.

The watchdog is fed by processed audio alone. A broker that is away is no reason to start again, and a network thread
that looks alive proves nothing about the ears.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping
from datetime import datetime

from appliance.events import DeviceLost, StreamHealth
from appliance.outputs.outbox import OutputCounts
from appliance.outputs.payloads import HealthLevel, HealthState
from appliance.routines.wall import is_set

_log = logging.getLogger(__name__)

_SILENT_S = 5.0
"""Audio comes many times a second; after this long without any the appliance has failed."""


class Notifier:
    """Tells systemd, by the datagram protocol of sd_notify(3); without systemd it says nothing.

    Args:
        environ: the process's environment, read once, for `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading @ stands for the null byte of Linux's abstract sockets.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.heard = bool(address)
        """Whether systemd waits for our words."""
        self.watchdog_interval_s = _watchdog_interval_s(environ)
        """How often to call `HealthMonitor.watchdog_tick`, in s: half of systemd's patience; None without watchdog."""

    def send(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`; a lost one is logged, for it must not stop the service."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto("\n".join(assignments).encode(), self._address)
        except OSError as error:
            _log.warning("systemd cannot be told %s: %s", " ".join(assignments), error)


def _watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for a parent of ours
    text = environ.get("WATCHDOG_USEC", "")
    return int(text) / 2e6 if text.isascii() and text.isdecimal() and int(text) > 0 else None


class HealthMonitor:
    """Gathers what is wrong, and feeds systemd's watchdog while audio is processed.

    Args:
        notifier: the way to systemd.
        version: of this software.
        monotonic_s: a clock in s that never jumps.
        safe_mode: whether the service runs without what it can do without.
    """

    def __init__(
        self, *, notifier: Notifier, version: str, monotonic_s: Callable[[], float], safe_mode: bool = False
    ) -> None:
        self._notifier = notifier
        self._version = version
        self._monotonic_s = monotonic_s
        self._started_s = self._audio_at_s = monotonic_s()
        self._audio_t_s: float | None = None
        self._ticked_t_s: float | None = None
        self._resting = self._rested = False
        self._faults: tuple[str, ...] = ()
        self._lost_frames = 0
        self._device_lost = False
        self._safe_mode = safe_mode

    def device_missing(self) -> None:
        """There is no card to begin with, for now."""
        self._device_lost = True

    def ready(self) -> None:
        """The service does its work now."""
        self._device_lost = False
        self._notifier.send("READY=1")

    def stopping(self) -> None:
        """The service was asked to end."""
        self._notifier.send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._notifier.send("STATUS=" + " ".join(text.split()))

    def audio_processed(self, t_s: float) -> None:
        """Audio up to stream time `t_s` went through the whole pipeline."""
        if self._resting or t_s != self._audio_t_s:
            self._resting = False
            self._audio_t_s = t_s
            self._audio_at_s = self._monotonic_s()

    def rested(self) -> None:
        """No audio is wanted, and the thread that would process it lives."""
        self._resting = self._rested = True

    def watchdog_tick(self) -> bool:
        """Feed the watchdog if audio was processed, or rested, since the last tick; returns whether it was fed."""
        fed = self._rested or self._audio_t_s != self._ticked_t_s
        self._rested = False
        self._ticked_t_s = self._audio_t_s
        if fed:
            self._notifier.send("WATCHDOG=1")
        return fed

    def observe(self, event: StreamHealth | DeviceLost) -> None:
        """Take over the faults of now and the frames lost since the stream began."""
        match event:
            case StreamHealth():
                self._faults = event.faults
                self._lost_frames = event.lost_frames
            case DeviceLost():
                self._device_lost = True

    def state(self, at: datetime, counts: OutputCounts) -> HealthState:
        """Health at wall-clock time `at`: failed without ears, degraded with any other fault."""
        now_s = self._monotonic_s()
        deaf = (["device_lost"] if self._device_lost else []) + (
            ["no_audio"] if not self._resting and now_s - self._audio_at_s > _SILENT_S else []
        )
        beside = {
            "storage_failed": counts.storage_failed,
            "clock_not_set": not is_set(at),
            "safe_mode": self._safe_mode,
        }
        faults = (*self._faults, *deaf, *(name for name, holds in beside.items() if holds))
        return HealthState(
            state=HealthLevel.FAILED if deaf else HealthLevel.DEGRADED if faults else HealthLevel.OK,
            faults=faults,
            lost_frames=self._lost_frames,
            uptime_s=round(now_s - self._started_s, 1),
            version=self._version,
            events_waiting=counts.events_waiting,
            events_dropped=counts.events_dropped,
            events_expired=counts.events_expired,
            callback_errors=counts.callback_errors,
            at=at,
        )
