"""From the first start with the owner's file to `occupied` at a broker outside: the boot test."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from emulator.guest import BROKER_IN_GUEST, Guest, GuestError, free_port

NAME = "kitchen"
ARGUMENTS = (
    # four microphones at 192 kHz without a sound card
    "modules-load=snd-aloop snd-aloop.pcm_substreams=1 "
    # an emulated processor on a busy machine is slower than any Pi
    "systemd.default_timeout_start_sec=1800"
)
# A loopback card tells nobody what it can do, so that a name is given that is believed: not the card's own.
_CONFIG = """\
audio: {capture: "plughw:CARD=Loopback,DEV=1", playback: none, mics: 4}
sensing: {hold_s: 30}
"""
UP_S, MEMORY_MB = 25.0, 250.0
"""The bars: from systemd's start to the service's readiness, and all memory in use."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read in the guest; with an emulated processor times say nothing of a Pi's."""

    service_up_s: float
    memory_mb: float
    cpu_share: float
    heard_s: float


@contextmanager
def broker(directory: Path) -> Iterator[int]:
    """A Mosquitto of our own on the loopback; gives its port."""
    port = free_port()
    config = directory / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", encoding="ascii")
    with subprocess.Popen(["mosquitto", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for_port(process, port)
            yield port
        finally:
            process.terminate()


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise GuestError("Mosquitto does not start")


class Listener:
    """What a broker is told about the guest's presence."""

    def __init__(self, port: int) -> None:
        self.presence: list[str] = []
        self._process = subprocess.Popen(
            ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", f"pipistrelle/{NAME}/presence"],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.presence.append(json.loads(line)["presence"])

    def close(self) -> None:
        """No more is listened to."""
        self._process.terminate()
        self._process.wait()


def owner_file(guest: Guest) -> str:
    """What the owner writes on the card."""
    host, port = BROKER_IN_GUEST
    return (
        f"name: {NAME}\nbroker: {{host: {host}, port: {port}}}\nssh_key: {guest.public_key}\ntimezone: Europe/Berlin\n"
    )


def first_start(guest: Guest) -> None:
    """A card with the owner's file; afterwards the file is an empty form, and the data partition has grown.

    Raises:
        GuestError: something of it is not so.
    """
    guest.write_on_card("arguments.txt", f"arguments={ARGUMENTS}\n")
    guest.write_on_card("pipistrelle.yaml", owner_file(guest))
    guest.start()
    guest.wait_for_ssh()
    _expect("the name", guest.run("hostname").strip(), NAME)
    form = guest.run("cat", "/boot/firmware/pipistrelle.yaml")
    if guest.public_key in form or any(not line.startswith("#") for line in form.split()[:1]):
        raise GuestError("the owner's file was not wiped")
    size_kib = int(guest.run("df", "--output=size", "/data").split()[-1])
    if size_kib < 10**6:
        raise GuestError(f"the data partition has {size_kib} KiB: it did not grow")
    guest.wait_until("the end of the start", lambda: "starting" not in _state(guest), timeout_s=900)
    _expect("the system", _state(guest), "running")
    _expect(
        "what is mounted for writing",
        _writable(guest),
        "/data /etc/pipistrelle /var/lib/pipistrelle /var/lib/systemd/timesync",
    )
    _expect("swap", guest.run("cat", "/proc/swaps").count("\n"), 1)


def _state(guest: Guest) -> str:
    return guest.try_run("systemctl", "is-system-running").stdout.strip()


def _writable(guest: Guest) -> str:
    mounts = (line.split() for line in guest.run("cat", "/proc/mounts").splitlines())
    return " ".join(
        sorted(
            place for source, place, _, options, *_ in mounts if source.startswith("/dev/") and options.startswith("rw")
        )
    )


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise GuestError(f"{what}: {found!r}, not {wanted!r}")


def hear_a_walk(guest: Guest, listener: Listener, walk: Path) -> Figures:
    """Starts again with a card of four microphones, plays the walk into it and waits for `occupied` outside.

    Raises:
        GuestError: nothing was heard.
    """
    config = guest.directory / "audio.yaml"
    config.write_text(_CONFIG, encoding="ascii")
    guest.run("cat >> /etc/pipistrelle/appliance.yaml", stdin=config)
    guest.run("sync")
    guest.cut()
    guest.start()
    guest.wait_for_ssh()
    guest.wait_until("the service", lambda: _property(guest, "ActiveState") == "active", timeout_s=600)
    up_us = int(_property(guest, "ActiveEnterTimestampMonotonic"))
    began_us = int(guest.run("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value").strip())
    listener.presence.clear()
    cpu_before_ns, heard_s = int(_property(guest, "CPUUsageNSec")), 0.0
    guest.run("aplay -q -D hw:Loopback,0 /dev/disk/by-id/virtio-stick", timeout_s=600)
    heard_s = guest.wait_until("occupied", lambda: "occupied" in listener.presence, timeout_s=60)
    cpu_ns = int(_property(guest, "CPUUsageNSec")) - cpu_before_ns
    played_s = walk.stat().st_size / (192_000 * 4 * 4)
    memory = dict(line.split(":") for line in guest.run("cat", "/proc/meminfo").splitlines())
    used_kib = int(memory["MemTotal"].split()[0]) - int(memory["MemAvailable"].split()[0])
    return Figures((up_us - began_us) / 1e6, used_kib * 1024 / 1e6, cpu_ns / 1e9 / played_s, heard_s)


def _property(guest: Guest, name: str) -> str:
    return guest.run("systemctl", "show", "pipistrelle", f"--property={name}", "--value").strip()
