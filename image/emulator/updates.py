"""Updates in the guest: taken, left again where they do not run, refused where they must be, and cut off anywhere."""

import json
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from builder.bundle import make_bundle, test_keys
from builder.steps import Workspace

from emulator.broker import Listener
from emulator.guest import SITE_IN_GUEST, Guest, GuestError

_BY_BUTTON, _BY_STICK, _BY_PLUG, _OLDER = "999.0.0", "999.0.1", "999.0.2", "0.0.1"
_SERVICE = "/usr/local/lib/python3.11/dist-packages/appliance/cli/run.py"
_BOOTLOADER = "/usr/lib/pipistrelle/bootloader"
_CONFIG_PATH = "/etc/pipistrelle/appliance.yaml"
_HOLD_S = 45
_IDLE_S = 60.0
_URL = f"http://{SITE_IN_GUEST[0]}"

# One microphone at the lowest rate: an emulated processor that is shared with others keeps up with that.
_CONFIG = f"""\
audio: {{capture: "plughw:CARD=Loopback,DEV=1", playback: none, mics: 1, rate_hz: 96000}}
updates: {{url: "{_URL}/"}}
"""


@dataclass(frozen=True, slots=True)
class Bundles:
    """Updates for the tests: each has one thing about it."""

    good: Path
    stick: Path
    plugged: Path
    failing: Path
    older: Path
    foreign: Path
    truncated: Path


def make_bundles(workspace: Workspace, directory: Path, *, certificate: Path, key: Path) -> Bundles:
    """All of them, from the root file system that was built; those of an older build are made again."""
    directory.mkdir(parents=True, exist_ok=True)
    image, stamp = workspace.path("root.ext4"), directory / "of"
    made_of = workspace.path("root.ext4.key").read_text(encoding="ascii")
    if not stamp.exists() or stamp.read_text(encoding="ascii") != made_of:
        for old in directory.glob("*.raucb"):
            old.unlink()
    foreign_certificate, foreign_key = test_keys(directory / "foreign", workspace)

    def bundle(name: str, *, version: str, broken: bool = False, own: bool = True) -> Path:
        path, changed = directory / f"{name}.raucb", directory / f"{name}.ext4"
        if not path.exists():
            print(f"making {path.name}", flush=True)
            subprocess.run(["cp", "--sparse=always", image, changed], check=True)
            _write_file(workspace, changed, "/usr/lib/pipistrelle/version", f"{version}\n")
            if broken:
                _write_file(workspace, changed, _SERVICE, "raise SystemExit('an update that does not run')\n")
                _remove_compiled(workspace, changed)
            make_bundle(
                workspace,
                path,
                image=changed,
                certificate=certificate if own else foreign_certificate,
                key=key if own else foreign_key,
                version=version,
            )
            changed.unlink()
        return path

    good = bundle(f"pipistrelle-{_BY_BUTTON}-arm64", version=_BY_BUTTON)
    truncated = directory / "truncated.raucb"
    truncated.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    bundles = Bundles(
        good=good,
        stick=bundle(f"pipistrelle-{_BY_STICK}-arm64", version=_BY_STICK),
        plugged=bundle(f"pipistrelle-{_BY_PLUG}-arm64", version=_BY_PLUG),
        failing=bundle("failing", version=_BY_BUTTON, broken=True),
        older=bundle("older", version=_OLDER),
        foreign=bundle("foreign", version=_BY_BUTTON, own=False),
        truncated=truncated,
    )
    (directory / "SHA256SUMS").write_text(f"{'0' * 64}  {good.name}\n", encoding="ascii")
    stamp.write_text(made_of, encoding="ascii")
    return bundles


def _write_file(workspace: Workspace, image: Path, path: str, text: str) -> None:
    source = image.with_suffix(".text")
    source.write_text(text, encoding="ascii")
    commands = f"rm {path}\nwrite {source} {path}\nset_inode_field {path} mode 0100644\n"
    workspace.run("debugfs", "-w", "-f", "-", image, stdin=commands)
    source.unlink()


def _remove_compiled(workspace: Workspace, image: Path) -> None:
    path = Path(_SERVICE)
    compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc"
    workspace.run("debugfs", "-w", "-R", f"rm {compiled}", image)


def make_stick(bundle: Path, path: Path) -> Path:
    """A USB stick as one buys it, with FAT, with a bundle on it."""
    size_kib = bundle.stat().st_size // 1024 + 64 * 1024
    path.unlink(missing_ok=True)
    subprocess.run(["mkfs.vfat", "-F", "32", "-C", path, str(size_kib)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", path, bundle, "::"], check=True)
    return path


def running_slot(guest: Guest) -> str:
    """Which of both systems runs."""
    return guest.run(_BOOTLOADER, "get-current").strip()


def configure(guest: Guest, listener: Listener) -> None:
    """The owner's configuration and one setting, which no update may touch."""
    lines = guest.run("cat", _CONFIG_PATH).splitlines(keepends=True)
    kept = "".join(line for line in lines if not line.startswith(("audio:", "sensing:", "updates:")))
    config = guest.directory / "appliance.yaml"
    config.write_text(kept + _CONFIG, encoding="utf-8")
    guest.run(f"cat > {_CONFIG_PATH}", stdin=config)
    guest.run("systemctl", "restart", "pipistrelle", timeout_s=600)
    listener.publish("set/hold_s", str(_HOLD_S))
    guest.wait_until("the setting", lambda: _kept(listener), timeout_s=120)
    guest.wait_until("its being kept", lambda: str(_HOLD_S) in _settings(guest), timeout_s=120)


def _kept(listener: Listener) -> bool:
    told = listener.on("settings")
    return bool(told) and bool(json.loads(told[-1])["hold_s"] == _HOLD_S)


def _settings(guest: Guest) -> str:
    return guest.try_run("cat", "/var/lib/pipistrelle/settings.json").stdout


def check_refusals(guest: Guest, bundles: Bundles) -> None:
    """What must not be installed is not, and the system that runs is still the one to start.

    Raises:
        GuestError: something was installed.
    """
    for bundle, why in ((bundles.foreign, "signature"), (bundles.truncated, ""), (bundles.older, "older")):
        done = guest.try_run("rauc", "install", f"{_URL}/{bundle.name}", timeout_s=900)
        told = done.stdout + done.stderr + guest.run("journalctl", "-b", "-u", "rauc", "-n", "40", "--no-pager")
        if done.returncode == 0 or why not in told:
            raise GuestError(f"{bundle.name} was not refused because of {why}: {told}")
        primary = guest.run(_BOOTLOADER, "get-primary").strip()
        if primary != running_slot(guest):
            raise GuestError(f"{bundle.name} was refused, but {primary} starts next")


def check_failing(guest: Guest, bundles: Bundles) -> float:
    """An update whose service does not run is left by itself; returns after how many seconds.

    Raises:
        GuestError: it was not left.
    """
    before = running_slot(guest)
    guest.run("rauc", "install", f"{_URL}/{bundles.failing.name}", timeout_s=1800)
    began_s = time.monotonic()
    guest.restart()
    if running_slot(guest) == before:
        raise GuestError("the update was installed, but the old system started")

    def back() -> bool:
        told = guest.try_run(_BOOTLOADER, "get-current")
        return told.returncode == 0 and told.stdout.strip() == before

    guest.wait_until("the old system", back, timeout_s=1800)
    return time.monotonic() - began_s


def check_button(guest: Guest, listener: Listener) -> list[int]:
    """Home Assistant's button: what is newest is found, told and installed, starts, and ends its trial.

    Returns:
        the percentages that were told.

    Raises:
        GuestError: it did not.
    """
    before, boot = running_slot(guest), guest.boot()
    guest.run("systemctl", "start", "pipistrelle-look", timeout_s=600)
    guest.wait_until("the newer version", lambda: _told(listener)[0] == _BY_BUTTON, timeout_s=300)
    listener.publish("set/update", "install")
    guest.wait_until("the installation", lambda: _told(listener)[1] is not None, timeout_s=300)
    guest.wait_for_restart(boot, timeout_s=1800)
    _check_started(guest, before, _BY_BUTTON)
    _check_trial(guest, listener)
    states = [json.loads(state) for state in listener.on("update")]
    return [state["update_percentage"] for state in states if state["update_percentage"] is not None]


def check_stick(guest: Guest, listener: Listener) -> None:
    """A stick that is there when the device starts is taken by itself, and stays.

    Raises:
        GuestError: it did not.
    """
    before = running_slot(guest)
    guest.cut()
    guest.start()
    guest.wait_for_ssh()
    guest.wait_for_restart(guest.boot(), timeout_s=1800)
    _check_started(guest, before, _BY_STICK)
    _check_trial(guest, listener)


def check_plug(guest: Guest, listener: Listener, stick: Path) -> None:
    """A stick that is plugged into the running device is taken by itself, and stays.

    Raises:
        GuestError: it did not.
    """
    before, boot = running_slot(guest), guest.boot()
    guest.plug(stick)
    guest.wait_for_restart(boot, timeout_s=1800)
    _check_started(guest, before, _BY_PLUG)
    _check_trial(guest, listener)


def _told(listener: Listener) -> tuple[str, int | None]:
    """The latest version and the progress, as the broker was told last."""
    told = listener.on("update")
    state = json.loads(told[-1]) if told else {"latest_version": "", "update_percentage": None}
    return state["latest_version"], state["update_percentage"]


def _check_started(guest: Guest, before: str, version: str) -> None:
    if running_slot(guest) == before:
        raise GuestError("the update was installed, but the old system started")
    if guest.try_run(_BOOTLOADER, "on-trial").returncode:
        raise GuestError("the update is not on trial")
    found = guest.run("cat", "/usr/lib/pipistrelle/version").strip()
    if found != version:
        raise GuestError(f"version {found} runs")


def _check_trial(guest: Guest, listener: Listener) -> None:
    """The trial ends well, and what was configured, set and called by name is what it was."""
    guest.wait_until(
        "the end of the trial", lambda: guest.try_run(_BOOTLOADER, "on-trial").returncode == 1, timeout_s=900
    )
    if _CONFIG not in guest.run("cat", _CONFIG_PATH) or not _kept(listener):
        raise GuestError("the configuration did not survive")


def check_power_cuts(guest: Guest, bundle: Path, *, cuts: int, seed: int) -> Iterator[str]:
    """Cuts the power at random moments of an installation; each time a system must start that somebody can log in to.

    A moment is a share of all that an installation writes: so it lies within, however fast the computer is just now.
    What was done already is noted beside the card: a test that was stopped goes on.

    Yields:
        a line for each cut: where it was, and which system started.

    Raises:
        GuestError: nothing started.
    """
    notes = guest.directory / "cuts.json"
    done: list[str] = json.loads(notes.read_text(encoding="ascii")) if notes.exists() else []
    yield from done
    rng = random.Random(seed)  # noqa: S311 -- moments of a test
    guest.start()
    guest.wait_for_ssh()
    if not done:
        before = guest.written_bytes
        _install(guest, bundle, "", timeout_s=1800)
        guest.run("sync")
        done.append(f"{guest.written_bytes - before} bytes are written by an installation of {bundle.name}")
        yield done[-1]
    whole = int(done[0].split()[0])
    for cut in range(1, cuts + 1):
        share = rng.random()
        if cut < len(done):
            continue
        slot = running_slot(guest)
        # nothing is installed while the system that runs is on trial
        guest.run("rauc", "status", "mark-good")
        guest.run("sync")
        end = guest.written_bytes + share * whole
        _install(guest, bundle, "</dev/null >/dev/null 2>&1 &", timeout_s=120)
        _wait_for_writes(guest, end)
        guest.cut()
        guest.start()
        guest.wait_for_ssh()
        done.append(f"cut {cut} of {cuts}, when {share:.1%} were written: {slot} ran, {running_slot(guest)} starts")
        notes.write_text(json.dumps(done), encoding="ascii")
        yield done[-1]
    guest.cut()


def _wait_for_writes(guest: Guest, end: float) -> None:
    """Until so many bytes are written, or for a minute no more are: no two installations write quite the same."""
    seen, since_s = guest.written_bytes, time.monotonic()

    def reached() -> bool:
        nonlocal seen, since_s
        if guest.written_bytes != seen:
            seen, since_s = guest.written_bytes, time.monotonic()
        return seen >= end or time.monotonic() - since_s > _IDLE_S

    guest.wait_until("the moment", reached, timeout_s=1800)


def _install(guest: Guest, bundle: Path, more: str, *, timeout_s: float) -> None:
    guest.run(f"mkdir -p /run/stick && {{ mountpoint -q /run/stick || mount -o ro {guest.disk} /run/stick; }}")
    guest.run(f"rauc install /run/stick/{bundle.name} {more}", timeout_s=timeout_s)
