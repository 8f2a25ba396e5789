"""One emulated machine with a card, a network that reaches nothing but what is named, and a way in by ssh."""

import json
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from builder.disk import FAT_START_MIB

_FIRMWARE = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
_MEMORY_MIB = 512
"""As much as a Zero 2 W has."""

_CARD_BYTES = 4 * 10**9
BROKER_IN_GUEST, SITE_IN_GUEST = ("10.0.2.100", 1883), ("10.0.2.101", 80)
START_S = 1200.0
"""Longer than any start on a computer that does ten other things."""


class GuestError(Exception):
    """The guest did not do what it should; holds what it last said."""


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Guest:
    """A machine that may be started and cut off again and again; its card stays.

    Args:
        directory: for the card, the key and the log.
        image: the card as it was built; it is copied. None where `directory` has a card from before.
        broker_port: of the broker outside, on the loopback.
        site_port: of a web server outside, or None.
        disk: a file that is there as a second disk, or None.
        processors: how many it has; a Pi has four.
    """

    disk = "/dev/disk/by-id/virtio-disk"
    """Where the second disk is, in the guest."""

    def __init__(
        self,
        directory: Path,
        *,
        image: Path | None,
        broker_port: int,
        site_port: int | None = None,
        disk: Path | None = None,
        processors: int = 1,
    ) -> None:
        self.directory = directory
        self.card = directory / "card.img"
        self.log = directory / "serial.log"
        self._control = directory / "control"
        self.stick: Path | None = None
        """A file that is plugged in as a USB stick at the next start, or None."""

        self.paced_mips: int | None = None
        """None for a machine as fast as the emulator is; else, from the next start on, it has one processor and a clock
        that counts instructions, so that a busy computer makes everything slower and loses nothing."""

        self.processors = processors
        self._outside = {BROKER_IN_GUEST: broker_port} | ({SITE_IN_GUEST: site_port} if site_port else {})
        self._disk = disk
        self._ssh_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._key = directory.parent / "test-ssh-key"
        if not self._key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)
        if image:
            subprocess.run(["cp", "--sparse=always", image, self.card], check=True)
            os.truncate(self.card, _CARD_BYTES // 2**20 * 2**20)

    @property
    def public_key(self) -> str:
        """For the owner's file."""
        return self._key.with_suffix(".pub").read_text(encoding="ascii").strip()

    def keep(self, path: Path) -> None:
        """Copy the card as it would be found if the power went now."""
        self.run("sync")
        subprocess.run(["cp", "--sparse=always", self.card, path], check=True)

    def write_on_card(self, name: str, text: str) -> None:
        """What the owner does in another computer: a file on the first partition."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        subprocess.run(["mcopy", "-o", "-i", self._first_partition, path, f"::{name}"], check=True)

    def read_from_card(self, name: str) -> str | None:
        """A file of the first partition, or None where there is none."""
        done = subprocess.run(["mtype", "-i", self._first_partition, f"::{name}"], capture_output=True, check=False)
        return None if done.returncode else done.stdout.decode()

    @property
    def _first_partition(self) -> str:
        return f"{self.card}@@{FAT_START_MIB}M"

    def start(self) -> None:
        """Plug the power in."""
        forwards = [f"hostfwd=tcp:127.0.0.1:{self._ssh_port}-:22"]
        for (host, port), outside in self._outside.items():
            forwards.append(f"guestfwd=tcp:{host}:{port}-cmd:nc 127.0.0.1 {outside}")
        # U-Boot looks at one disk of this kind alone, the one that is named last
        disks = [(self._disk, "disk"), (self.card, "card")]
        drives: list[str] = []
        for path, name in disks:
            if path:
                drives += ["-drive", f"if=none,file={path},id={name},format=raw", "-device"]
                drives += [f"virtio-blk-device,drive={name},serial={name}"]
        if self.stick:
            drives += ["-drive", f"if=none,file={self.stick},id=stick,format=raw,readonly=on"]
            drives += ["-device", "usb-storage,drive=stick"]
        self._control.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", *self._pace(), "-m", str(_MEMORY_MIB),
                "-bios", _FIRMWARE, "-display", "none", "-monitor", "none", "-serial", f"file:{self.log}",
                "-qmp", f"unix:{self._control},server=on,wait=off", "-device", "qemu-xhci", *drives,
                "-netdev", f"user,id=net,restrict=on,{','.join(forwards)}",
                "-device", "virtio-net-device,netdev=net",
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def plug(self, stick: Path) -> None:
        """Plug a USB stick into the running machine.

        Raises:
            GuestError: the emulator does not take it.
        """
        file = {"driver": "file", "filename": str(stick), "read-only": True}
        commands: list[tuple[str, dict[str, object]]] = [
            ("qmp_capabilities", {}),
            ("blockdev-add", {"driver": "raw", "node-name": "plugged", "read-only": True, "file": file}),
            ("device_add", {"driver": "usb-storage", "id": "plugged", "drive": "plugged"}),
        ]
        with socket.socket(socket.AF_UNIX) as control, control.makefile("r", encoding="utf-8") as answers:
            control.connect(str(self._control))
            answers.readline()  # its greeting
            for name, arguments in commands:
                control.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
                # events may come between
                answer = next(found for line in answers if not (found := json.loads(line)).keys() & {"event"})
                if "error" in answer:
                    raise GuestError(f"{name}: {answer['error']['desc']}")

    def _pace(self) -> list[str]:
        if self.paced_mips is None:
            return ["-smp", str(self.processors)]
        return ["-smp", "1", "-icount", f"shift={round(math.log2(1000 / self.paced_mips))}"]

    @property
    def busy_s(self) -> float:
        """Processor time that the emulator has had since this start."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def written_bytes(self) -> int:
        """What the emulator has written to its files since this start, the card above all."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/io").read_text(encoding="ascii").splitlines()
        return int(dict(line.split(": ") for line in lines)["wchar"])

    def restart(self) -> None:
        """As somebody with a shell does."""
        boot = self.boot()
        self.try_run("systemctl", "reboot")
        self.wait_for_restart(boot, timeout_s=300.0)

    def boot(self) -> str:
        """Which start this is; empty where nobody can log in."""
        return self.try_run("cat", "/proc/sys/kernel/random/boot_id", timeout_s=60).stdout.strip()

    def wait_for_restart(self, boot: str, *, timeout_s: float) -> None:
        """Until another start than `boot` lets somebody log in.

        Raises:
            GuestError: it did not come.
        """
        self.wait_until("another start", lambda: self.boot() not in ("", boot), timeout_s=timeout_s + START_S)

    def cut(self) -> None:
        """Pull the power's plug."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def run(self, *command: str, timeout_s: float = 120.0, stdin: Path | None = None) -> str:
        """A command in the guest; returns what it says.

        Raises:
            GuestError: it failed, or the guest cannot be reached.
        """
        done = self.try_run(*command, timeout_s=timeout_s, stdin=stdin)
        if done.returncode:
            raise GuestError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def try_run(
        self, *command: str, timeout_s: float = 120.0, stdin: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same for a command that may fail; 255 is the code of a guest that cannot be reached."""
        ssh: Sequence[str | Path] = (
            "ssh", "-q", "-p", str(self._ssh_port), "-i", self._key, "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30",
            "root@127.0.0.1", *command,
        )  # fmt: skip
        with (stdin or Path(os.devnull)).open("rb") as file:
            try:
                return subprocess.run(ssh, stdin=file, capture_output=True, text=True, timeout=timeout_s, check=False)
            except subprocess.TimeoutExpired:
                return subprocess.CompletedProcess(ssh, 255, "", f"no answer within {timeout_s:g} s")

    def wait_until(self, what: str, condition: Callable[[], bool], *, timeout_s: float) -> float:
        """Wait for something; returns for how long, in s.

        Raises:
            GuestError: it did not come.
        """
        began_s = time.monotonic()
        while not condition():
            if self._process is None or self._process.poll() is not None:
                raise GuestError(f"waiting for {what}: the machine is off")
            if time.monotonic() - began_s > timeout_s:
                raise GuestError(f"waiting for {what}: not within {timeout_s:g} s\n{self.last_words()}")
            time.sleep(0.5)
        return time.monotonic() - began_s

    def wait_for_ssh(self) -> float:
        """Until somebody can log in; returns how long that took, in s."""
        return self.wait_until("ssh", lambda: bool(self.boot()), timeout_s=START_S)

    def last_words(self) -> str:
        """The end of what the guest said on its serial line."""
        return "".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-30:])
