"""One emulated machine with a card, a network that reaches nothing but one broker, and a way in by ssh."""

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
BROKER_IN_GUEST = ("10.0.2.100", 1883)


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
        image: the card as it was built; it is copied.
        broker_port: of the broker outside, on the loopback.
        stick: a file that is plugged in as a USB stick would be, or None.
    """

    def __init__(self, directory: Path, *, image: Path, broker_port: int, stick: Path | None = None) -> None:
        self.directory = directory
        self.card = directory / "card.img"
        self.log = directory / "serial.log"
        self._broker_port = broker_port
        self._stick = stick
        self._ssh_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "--sparse=always", image, self.card], check=True)
        os.truncate(self.card, _CARD_BYTES // 2**20 * 2**20)
        self._key = directory / "key"
        if not self._key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)

    @property
    def public_key(self) -> str:
        """For the owner's file."""
        return self._key.with_suffix(".pub").read_text(encoding="ascii").strip()

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
        host, port = BROKER_IN_GUEST
        network = (
            f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self._ssh_port}-:22,"
            f"guestfwd=tcp:{host}:{port}-cmd:nc 127.0.0.1 {self._broker_port}"
        )
        stick = self._stick and (
            "-drive", f"if=none,file={self._stick},id=stick,format=raw,readonly=on",
            # U-Boot looks at one disk alone, which is the last that is named here
            "-device", "virtio-blk-device,drive=stick,serial=stick",
        )  # fmt: skip
        self._process = subprocess.Popen(
            [
                "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", str(_MEMORY_MIB),
                "-bios", _FIRMWARE, "-display", "none", "-monitor", "none", "-serial", f"file:{self.log}",
                *(stick or ()),
                "-drive", f"if=none,file={self.card},id=card,format=raw", "-device", "virtio-blk-device,drive=card",
                "-netdev", network, "-device", "virtio-net-device,netdev=net",
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

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

    def wait_for_ssh(self, *, timeout_s: float = 900.0) -> float:
        """Until somebody can log in; returns how long that took, in s."""
        return self.wait_until("ssh", lambda: self.try_run("true", timeout_s=60).returncode == 0, timeout_s=timeout_s)

    def last_words(self) -> str:
        """The end of what the guest said on its serial line."""
        return "".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-30:])
