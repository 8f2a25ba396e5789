"""A Mosquitto of our own on the loopback, for the demonstration and the tests; it touches no other broker."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from appliance.errors import BrokerUnavailable

_HOST = "127.0.0.1"
_ANSWER_S = 10.0
_PORT_TRIES = 5
# Protocol level 4, clean session, keepalive 10 s, client id "probe": any answer, a refusal too, shows a live broker.
_CONNECT = bytes.fromhex("1011") + b"\x00\x04MQTT\x04\x02\x00\x0a\x00\x05probe"


def find_mosquitto() -> str | None:
    """Path of the Mosquitto broker, None where it is not installed."""
    # Debian puts it where a plain user's PATH does not look.
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


class PrivateBroker:
    """A Mosquitto on a free port of the loopback; a context manager that starts and stops it.

    Args:
        directory: for its configuration and log; made where it is missing.
        users: name to password; None lets anybody in.
        acl: text of Mosquitto's access list; None allows everything.
        settings: further lines of its configuration for the listener, such as those of TLS.
        persistent: whether it writes what it holds to its directory, each change at once.
    """

    def __init__(
        self,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        settings: Sequence[str] = (),
        persistent: bool = False,
    ) -> None:
        self.host = _HOST
        self.port = 0
        self._directory = directory
        self._users = users
        self._acl = acl
        self._settings = tuple(settings)
        self._persistent = persistent
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where the broker writes what it does."""
        return self._directory / "mosquitto.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers; on the port of before, if it ran before.

        Raises:
            BrokerUnavailable: Mosquitto is not installed or does not come up.
        """
        program = find_mosquitto()
        if program is None:
            raise BrokerUnavailable("mosquitto is not installed; apt-get install mosquitto")
        # A port found free may be taken before Mosquitto has it.
        for _ in range(1 if self.port else _PORT_TRIES):
            port = self.port or _free_port()
            self._process = self._launch(program, port)
            if self._answers(self._process, port):
                self.port = port
                return
            self.kill()
        raise BrokerUnavailable(f"mosquitto does not come up; see {self.log}")

    def stop(self) -> None:
        """End it in an orderly way, so that it says goodbye to its clients."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_ANSWER_S)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would; what it held in memory is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it again on the same port."""
        self.kill()
        self.start()

    def _launch(self, program: str, port: int) -> subprocess.Popen[bytes]:
        self._directory.mkdir(parents=True, exist_ok=True)
        lines = [
            f"listener {port} {_HOST}",
            *self._settings,
            *self._persistence(),
            f"allow_anonymous {'true' if self._users is None else 'false'}",
        ]
        if os.geteuid() == 0:
            # Started by root it becomes another user, who could not read this directory.
            lines.append("user root")
        if self._users is not None:
            lines.append(f"password_file {self._write_passwords(self._users)}")
        if self._acl is not None:
            acl = self._directory / "acl"
            acl.write_text(self._acl)
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        config = self._directory / "mosquitto.conf"
        config.write_text("\n".join(lines) + "\n")
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def _persistence(self) -> list[str]:
        if not self._persistent:
            return ["persistence false"]
        place = f"persistence_location {self._directory}/"
        return ["persistence true", place, "autosave_on_changes true", "autosave_interval 1"]

    def _write_passwords(self, users: Mapping[str, str]) -> Path:
        path = self._directory / "passwords"
        path.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
        path.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
        return path

    def _answers(self, process: subprocess.Popen[bytes], port: int) -> bool:
        deadline_s = time.monotonic() + _ANSWER_S
        while time.monotonic() < deadline_s and process.poll() is None:
            try:
                with socket.create_connection((_HOST, port), timeout=1.0) as probe:
                    if any(line.startswith("certfile ") for line in self._settings):
                        return True  # it listens; what it says is encrypted
                    probe.sendall(_CONNECT)
                    if probe.recv(1) == b"\x20":
                        return True
            except OSError:
                time.sleep(0.01)
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
