"""From the first start with the owner's file to `occupied` at a broker outside: the boot test."""

import time
from dataclasses import dataclass

from emulator.broker import Listener
from emulator.guest import BROKER_IN_GUEST, Guest, GuestError

NAME = "kitchen"
ARGUMENTS = (
    # four microphones at 192 kHz without a sound card
    "modules-load=snd-aloop snd-aloop.pcm_substreams=1 "
    # no processor of a Pi 3 or Zero 2 W needs it, and the emulator forgets its translations at each change of tables
    "kpti=off "
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

PACED_MIPS = 125
"""While the walk is heard: about a twentieth of a Zero 2 W, and no more than a busy computer can emulate."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a start took; with an emulated processor times say nothing of a Pi's.

    Attributes:
        service_up_s: from systemd's start to the service's first block of sound.
        memory_mb: of all that runs, the service among it.
        share: processors that the emulator was given.
    """

    service_up_s: float
    memory_mb: float
    share: float


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
    # the service itself waits for a sound card, and so does what comes after it
    guest.wait_until("the start to count", lambda: _active(guest, "pipistrelle-booted"), timeout_s=900)
    _expect("what failed", guest.run("systemctl", "--failed", "--plain", "--no-legend").strip(), "")
    _expect(
        "what is mounted for writing",
        _writable(guest),
        "/data /etc/pipistrelle /var/lib/pipistrelle /var/lib/systemd/timesync",
    )
    _expect("swap", guest.run("cat", "/proc/swaps").count("\n"), 1)


def _active(guest: Guest, unit: str) -> bool:
    return guest.try_run("systemctl", "is-active", unit).stdout.strip() == "active"


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


def timed_start(guest: Guest, listener: Listener) -> Figures:
    """Starts again with a card of four microphones, and reads what that takes.

    Nobody logs in before the service is heard of outside: in an emulator a login takes seconds of a processor.

    Raises:
        GuestError: the service does not come up.
    """
    config = guest.directory / "audio.yaml"
    config.write_text(_CONFIG, encoding="ascii")
    guest.run("cat >> /etc/pipistrelle/appliance.yaml", stdin=config)
    guest.run("sync")
    guest.cut()
    listener.forget()
    guest.start()
    began_s = time.monotonic()
    guest.wait_until("the service", lambda: any("online" in said for said in listener.on("status")), timeout_s=600)
    share = guest.busy_s / (time.monotonic() - began_s)
    guest.wait_for_ssh()
    up_s = service_up_s(guest)
    memory = dict(line.split(":") for line in guest.run("cat", "/proc/meminfo").splitlines())
    used_kib = int(memory["MemTotal"].split()[0]) - int(memory["MemAvailable"].split()[0])
    return Figures(up_s, used_kib * 1024 / 1e6, share)


def service_up_s(guest: Guest) -> float:
    """From systemd's start to the service's first block of sound, in s of the guest's clock."""
    up_us = int(_property(guest, "ActiveEnterTimestampMonotonic"))
    began_us = int(guest.run("systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value"))
    return (up_us - began_us) / 1e6


def hear_a_walk(guest: Guest, listener: Listener) -> tuple[float, float]:
    """Starts again, paced, plays the walk that is on the second disk, and waits for `occupied` outside.

    Returns:
        seconds from the walk's end to `occupied` (0 where it came before), and the service's share of the paced
        processor meanwhile.

    Raises:
        GuestError: nothing was heard.
    """
    guest.cut()
    guest.paced_mips = PACED_MIPS
    guest.start()
    guest.wait_for_ssh()
    guest.wait_until("the service", lambda: _active(guest, "pipistrelle"), timeout_s=600)
    listener.forget()
    cpu_ns, began_us = int(_property(guest, "CPUUsageNSec")), _uptime_s(guest)
    guest.run(f"aplay -q -D hw:Loopback,0 {guest.disk}", timeout_s=1200)
    cpu_ns = int(_property(guest, "CPUUsageNSec")) - cpu_ns
    share = cpu_ns / 1e9 / (_uptime_s(guest) - began_us)
    heard_s = guest.wait_until("occupied", lambda: '"occupied"' in "".join(listener.on("presence")), timeout_s=120)
    return heard_s, share


def _uptime_s(guest: Guest) -> float:
    return float(guest.run("cat", "/proc/uptime").split()[0])


def _property(guest: Guest, name: str) -> str:
    return guest.run("systemctl", "show", "pipistrelle", f"--property={name}", "--value").strip()
