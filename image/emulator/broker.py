"""What is outside the guest: a broker with somebody who listens, and a folder on the network."""

import contextlib
import functools
import http.server
import re
import socket
import subprocess
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from emulator.guest import GuestError, free_port


@contextmanager
def broker() -> Iterator[int]:
    """A Mosquitto of our own on the loopback; gives its port."""
    port = free_port()
    # without a configuration it listens on the loopback alone, and knows everybody
    command = ["mosquitto", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
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
    """What a broker is told by a device, and who tells it things."""

    def __init__(self, port: int, node: str) -> None:
        self._said: dict[str, list[str]] = defaultdict(list)
        self._root = f"pipistrelle/{node}"
        self._at = ("-h", "127.0.0.1", "-p", str(port))
        self._process = subprocess.Popen(
            ["mosquitto_sub", *self._at, "-v", "-t", f"{self._root}/+"], stdout=subprocess.PIPE, text=True
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            topic, _, payload = line.rstrip("\n").partition(" ")
            self._said[topic.rpartition("/")[2]].append(payload)

    def on(self, name: str) -> list[str]:
        """All payloads on a topic of the device so far."""
        return list(self._said[name])

    def forget(self) -> None:
        """Nothing was heard so far."""
        self._said.clear()

    def publish(self, name: str, payload: str) -> None:
        """Tell the device something."""
        subprocess.run(["mosquitto_pub", *self._at, "-q", "1", "-t", f"{self._root}/{name}", "-m", payload], check=True)

    def close(self) -> None:
        """No more is listened to."""
        self._process.terminate()
        self._process.wait()


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """Python's own server, and parts of files, by which RAUC reads bundles."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        with contextlib.suppress(ConnectionError):  # RAUC hangs up when it has seen enough
            self._send(path)

    def _send(self, path: Path) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted or not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        with path.open("rb") as file:
            file.seek(first)
            cast("BinaryIO", self.wfile).write(file.read(last - first + 1))


@contextmanager
def site(folder: Path) -> Iterator[int]:
    """A folder on the network, for reading; gives its port on the loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Ranges, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
