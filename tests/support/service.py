"""The command line of the checkout under test, in processes of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.mosquitto import wait_until

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0


def environment(**more):
    """This process's, with the checkout first where Python looks for packages."""
    # Buffered as in a user's shell: what fails when the buffer is flushed must be seen to fail.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"} | more


def pipistrelle(*arguments, cwd=ROOT, limit_s=LIMIT_S, env=None, **more):
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "appliance", *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        **more,
    )


class ServiceProcess:
    """`pipistrelle run` in the background. A context manager that leaves no process behind.

    Args:
        folder: for its log.
        arguments: behind `run`.
        env: instead of this process's.
    """

    def __init__(self, folder, *arguments, env=None):
        self._log = folder / "service.log"
        self._command = [sys.executable, "-m", "appliance", "run", *map(str, arguments)]
        self._env = env or environment()
        self.process = None

    def __enter__(self):
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    @property
    def log(self):
        return self._log.read_text()

    def lines(self, words):
        """Lines of the log that hold `words`."""
        return [line for line in self.log.splitlines() if words in line]

    def wait_for_line(self, words):
        def said():
            assert self.process.poll() is None or self.lines(words), f"ended without {words!r}:\n{self.log}"
            return self.lines(words)

        return wait_until(said, f"{words!r} in the log", LIMIT_S)

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Ask it to end; its exit code."""
        self.send(number)
        return self.process.wait(LIMIT_S)
