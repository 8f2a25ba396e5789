"""Updates in the guest: taken, left again where they do not run, refused where they must be, and cut off anywhere."""

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from builder.bundle import make_bundle, test_keys
from builder.steps import Workspace

from emulator.guest import Guest, GuestError

_NEXT, _OLDER = "999.0.0", "0.0.1"
_SERVICE = "/usr/local/lib/python3.11/dist-packages/appliance/cli/run.py"


@dataclass(frozen=True, slots=True)
class Bundles:
    """Updates for the tests: each has one thing about it."""

    good: Path
    failing: Path
    older: Path
    foreign: Path
    truncated: Path


def make_bundles(workspace: Workspace, directory: Path, *, certificate: Path, key: Path) -> Bundles:
    """All of them, from the root file system that was built."""
    directory.mkdir(parents=True, exist_ok=True)
    image = workspace.path("root.ext4")
    foreign_certificate, foreign_key = test_keys(directory / "foreign", workspace)

    def bundle(name: str, *, version: str, broken: bool = False, own: bool = True) -> Path:
        path, changed = directory / f"{name}.raucb", directory / f"{name}.ext4"
        if not path.exists():
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

    good = bundle("good", version=_NEXT)
    truncated = directory / "truncated.raucb"
    truncated.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    return Bundles(
        good=good,
        failing=bundle("failing", version=_NEXT, broken=True),
        older=bundle("older", version=_OLDER),
        foreign=bundle("foreign", version=_NEXT, own=False),
        truncated=truncated,
    )


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


def make_stick(bundles: list[Path], path: Path) -> Path:
    """A USB stick as one buys it, with FAT, with the bundles on it."""
    size_kib = sum(bundle.stat().st_size for bundle in bundles) // 1024 + 64 * 1024
    path.unlink(missing_ok=True)
    subprocess.run(["mkfs.vfat", "-F", "32", "-C", path, str(size_kib)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", path, *bundles, "::"], check=True)
    return path


def plug_in(guest: Guest) -> None:
    """The stick is mounted in the guest."""
    guest.run("mkdir -p /run/stick && mount -o ro /dev/disk/by-id/virtio-stick /run/stick")


def running_slot(guest: Guest) -> str:
    """Which of both systems runs."""
    return guest.run("/usr/lib/pipistrelle/bootloader", "get-current").strip()


def check_refusals(guest: Guest, bundles: Bundles) -> None:
    """What must not be installed is not, and the system that runs is still the one to start.

    Raises:
        GuestError: something was installed.
    """
    for bundle, why in (
        (bundles.foreign, "signature"),
        (bundles.truncated, ""),
        (bundles.older, "older"),
    ):
        done = guest.try_run("rauc", "install", f"/run/stick/{bundle.name}", timeout_s=900)
        told = done.stdout + done.stderr + guest.run("journalctl", "-b", "-u", "rauc", "-n", "40", "--no-pager")
        if done.returncode == 0 or why not in told:
            raise GuestError(f"{bundle.name} was not refused because of {why}: {told}")
        primary = guest.run("/usr/lib/pipistrelle/bootloader", "get-primary").strip()
        if primary != running_slot(guest):
            raise GuestError(f"{bundle.name} was refused, but {primary} starts next")


def install(guest: Guest, bundle: Path) -> None:
    """Installs and starts again."""
    guest.run("rauc", "install", f"/run/stick/{bundle.name}", timeout_s=1800)
    guest.run("sync")
    guest.try_run("systemctl", "reboot")
    guest.wait_until("the end", lambda: guest.try_run("true", timeout_s=20).returncode != 0, timeout_s=300)
    guest.wait_for_ssh()


def check_good(guest: Guest, bundles: Bundles) -> None:
    """A good update starts, is on trial, shows that it runs, and stays.

    Raises:
        GuestError: it did not.
    """
    before = running_slot(guest)
    install(guest, bundles.good)
    if running_slot(guest) == before:
        raise GuestError("the update was installed, but the old system started")
    if guest.try_run("/usr/lib/pipistrelle/bootloader", "on-trial").returncode:
        raise GuestError("the update is not on trial")
    on_trial = "/usr/lib/pipistrelle/bootloader on-trial"
    guest.wait_until("the end of the trial", lambda: guest.try_run(on_trial).returncode == 1, timeout_s=900)
    version = guest.run("cat", "/usr/lib/pipistrelle/version").strip()
    if version != _NEXT:
        raise GuestError(f"version {version} runs")


def check_failing(guest: Guest, bundles: Bundles) -> float:
    """An update whose service does not run is left by itself; returns after how many seconds.

    Raises:
        GuestError: it was not left.
    """
    before = running_slot(guest)
    began_s = time.monotonic()
    install(guest, bundles.failing)

    def back() -> bool:
        told = guest.try_run("/usr/lib/pipistrelle/bootloader", "get-current")
        return told.returncode == 0 and told.stdout.strip() == before

    guest.wait_until("the old system", back, timeout_s=1800)
    return time.monotonic() - began_s


def check_power_cuts(guest: Guest, bundle: Path, *, cuts: int, seed: int) -> list[str]:
    """Cuts the power at random moments of an installation; each time a system must start that somebody can log in to.

    Returns:
        a line for each cut: after how many seconds, and which system started.

    Raises:
        GuestError: nothing started.
    """
    rng = random.Random(seed)  # noqa: S311 -- moments of a test
    guest.start()
    guest.wait_for_ssh()
    plug_in(guest)
    began_s = time.monotonic()
    guest.run("rauc", "install", f"/run/stick/{bundle.name}", timeout_s=1800)
    whole_s = time.monotonic() - began_s
    lines = [f"an installation takes {whole_s:.0f} s"]
    for cut in range(1, cuts + 1):
        after_s = rng.uniform(0.0, whole_s * 1.05)
        guest.run(f"nohup rauc install /run/stick/{bundle.name} >/dev/null 2>&1 &")
        time.sleep(after_s)
        guest.cut()
        guest.start()
        guest.wait_for_ssh()
        lines.append(f"cut {cut} after {after_s:.1f} s: {running_slot(guest)} starts")
        plug_in(guest)
    guest.cut()
    return lines
