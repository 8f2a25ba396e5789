"""A small Debian that systemd boots in a container, with the checkout's service installed as the README says.

The root file system is made once, in build/container, from Debian's packages and from Python's; everything that a test
does to it lies in memory and is gone with the container.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from support.mosquitto import wait_until

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "image"))

from builder import machine  # noqa: E402
from builder.steps import BuildError  # noqa: E402

CACHE = ROOT / "build" / "container"
PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "kmod", "make", "python3", "python3-venv"),
    *("libasound2", "libasound2-data", "procps", "mosquitto"),
)
BOOT_S = 60.0


def missing():
    """Why no container can be booted here; empty where one can."""
    if os.geteuid() != 0:
        return "a container is booted by root only"
    for program, package in (("systemd-nspawn", "systemd-container"), ("mmdebstrap", "mmdebstrap")):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install {package}"
    if sys.version_info[:2] != (3, 11):
        return "Debian 12's Python is 3.11, this one makes wheels for another"
    try:
        machine.debian_sources(None)
    except BuildError as error:
        return str(error)
    return ""


def say(words):
    print(f"[container] {words}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def alone():
    """While another process of the tests makes something here, wait."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(name, key, make):
    """The folder `name` for this key in the cache; `make` fills a new one; one that was interrupted does not count."""
    folder = CACHE / f"{name}-{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}"
    if not folder.exists():
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        began_s = time.monotonic()
        unfinished = CACHE / f"{name}-unfinished-{os.getpid()}"
        make(unfinished)
        unfinished.rename(folder)
        say(f"{folder.relative_to(ROOT)} made in {time.monotonic() - began_s:.0f} s")
    return folder


def debian():
    """A root file system of Debian 12."""

    def make(folder):
        say("making a Debian 12 (two or three minutes, once)")
        excluded = ("doc", "man", "locale", "info")
        command = ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(PACKAGES)}"]
        command += ['--aptopt=APT::Install-Recommends "false"', "--dpkgopt=force-unsafe-io"]
        command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in excluded]
        subprocess.run([*command, "--quiet", machine.RELEASE, str(folder), *machine.debian_sources(None)], check=True)

    return made("debian", PACKAGES, make)


def wheels():
    """The Python packages that the service needs."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]

    def make(folder):
        say("fetching the service's Python packages")
        subprocess.run([*pip("wheel"), f"--wheel-dir={folder}", *needed], check=True)

    return made("wheels", needed, make)


def wheel(folder):
    """The checkout as a wheel."""
    say("compiling the checkout")
    command = [*pip("wheel"), "--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", "."]
    subprocess.run(command, cwd=ROOT, check=True)
    (path,) = folder.glob("*.whl")
    return path


def pip(command):
    return [sys.executable, "-m", "pip", command, "--quiet", "--disable-pip-version-check"]


class Container:
    """A booted container that shares the host's network, and thereby its loopback. A context manager.

    Args:
        root: file system, which is never written to.
        folder: for its log.
        binds: folders of the host that are to be seen read-only, by their paths inside.
    """

    def __init__(self, root, folder, binds):
        self._log = folder / "container.log"
        self._command = ["systemd-nspawn", "--quiet", f"--directory={root}", "--volatile=overlay", "--boot"]
        self._command += ["--register=no", "--keep-unit", "--console=pipe", f"--machine=pipistrelle-{os.getpid()}"]
        self._command += [f"--bind-ro={outside}:{inside}" for inside, outside in binds.items()]
        self._nspawn = None
        self._leader = None

    def __enter__(self):
        with self._log.open("ab") as log:
            self._nspawn = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._leader = wait_until(self._first_process, "systemd's start", BOOT_S)
            wait_until(self._booted, "the end of the boot", BOOT_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGRTMIN + 4)  # systemd's sign for "switch off"
        try:
            self._nspawn.wait(BOOT_S)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()

    def _first_process(self):
        """The child that is process 1 inside; another one comes before it."""
        assert self._nspawn.poll() is None, self._log.read_text()
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(FileNotFoundError):
                if re.search(r"^NSpid:.*\t1$", Path(f"/proc/{child}/status").read_text(), re.MULTILINE):
                    return int(child)
        return None

    def _booted(self):
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        assert state != "degraded", self.run("systemctl", "--failed").stdout
        return state == "running"

    def run(self, *command, check=True, limit_s=120.0, **more):
        """Run a command inside to its end."""
        entered = ["nsenter", f"--target={self._leader}", "--all", "--", "env", "-i"]
        entered += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]
        done = subprocess.run(
            [*entered, *map(str, command)], capture_output=True, text=True, timeout=limit_s, check=False, **more
        )
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def write(self, path, text):
        """Write a file inside."""
        self.run("mkdir", "-p", Path(path).parent)
        self.run("tee", path, input=text)

    def read(self, path):
        """The text of a file inside."""
        return self.run("cat", path).stdout

    def show(self, unit, name):
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).stdout.strip()

    def journal(self, unit, *more):
        """What a unit and systemd have said of it."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit", unit, *more).stdout
