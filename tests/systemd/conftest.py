"""One container for all tests here, each with a broker outside it and a service of its own configuration inside."""

import json
import subprocess
from pathlib import Path

import pytest
from support import container as containers
from support.container import Container, say
from support.mosquitto import Subscriber, wait_until

from appliance.cli.broker import PrivateBroker, find_mosquitto

NODE = "cellar"
TOPIC = f"pipistrelle/{NODE}"
UNIT = "pipistrelle.service"
DROP_IN = "/run/systemd/system/pipistrelle.service.d/test.conf"
ROOM = "/run/quiet.yaml"
STATE = "/var/lib/pipistrelle"
RESTART_S = 60.0
"""Far longer than anything here takes: what is asserted is that it happens."""


def pytest_collection_modifyitems(items):
    reason = containers.missing() or ("mosquitto is not installed" if find_mosquitto() is None else "")
    for item in items:
        if item.path.parent.name == "systemd":
            item.add_marker(pytest.mark.slow)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def container(tmp_path_factory):
    """Debian with the service installed by the README's command."""
    folder = tmp_path_factory.mktemp("container")
    folder.chmod(0o755)
    with containers.alone():
        root, wheels = containers.debian(), containers.wheels()
        wheel = containers.wheel(folder)
    for source in Path(__file__).parent.glob("*.c"):
        library = folder / source.with_suffix(".so").name
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    binds = {"/checkout": containers.ROOT, "/wheels": wheels, "/wheel": folder}
    with Container(root, folder, binds) as container:
        say("booted; make install")
        offline = ("env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/wheels")
        install = ("make", "-C", "/checkout", "install", f"FROM=/wheel/{wheel.name}")
        container.run(*offline, *install)
        container.write(ROOM, "duration_s: 86400\n")
        say("installed")
        yield container


@pytest.fixture
def broker(tmp_path):
    with PrivateBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def live(broker):
    """Who listens outside."""
    subscriber = Subscriber(broker)
    yield subscriber
    subscriber.close()


class ServiceUnit:
    """The installed unit; `configure` before `start`."""

    def __init__(self, container, broker):
        self.container = container
        self._broker = broker

    def configure(self, configuration="", *, drop_in=(), source=f"room:{ROOM}", broker=None):
        """Write the configuration and what the unit has besides; the broker's place is added."""
        host = broker or f"{{host: 127.0.0.1, port: {self._broker.port}}}"
        self.container.write("/etc/pipistrelle/appliance.yaml", f"node: {NODE}\nmqtt: {host}\n{configuration}")
        lines = ["[Service]", "ExecStart=", f"ExecStart=pipistrelle run --source {source}", *drop_in]
        self.container.write(DROP_IN, "\n".join(lines) + "\n")
        self.container.run("systemctl", "daemon-reload")

    def start(self):
        self.container.run("systemctl", "start", UNIT)

    def show(self, name):
        return self.container.show(UNIT, name)

    @property
    def pid(self):
        return int(self.show("MainPID"))

    @property
    def starts_failed(self):
        """Of the count that leads to safe mode."""
        return len(json.loads(self.container.run("cat", "/run/pipistrelle/starts.json", check=False).stdout or "[]"))

    def wait_for_start(self, restarts):
        """Until systemd has seen so many restarts and the service is ready again."""
        wait_until(
            lambda: int(self.show("NRestarts")) >= restarts and self.show("ActiveState") == "active",
            f"restart {restarts}",
            RESTART_S,
        )

    def signal(self, name):
        self.container.run("systemctl", "kill", "--kill-whom=main", f"--signal={name}", UNIT)

    def wait_for_line(self, words, deadline_s=RESTART_S):
        wait_until(lambda: words in self.log, f"{words!r} in the journal", deadline_s)

    @property
    def log(self):
        """What it and systemd said of it since this test began."""
        return self.container.journal(UNIT, f"--after-cursor={self._cursor}")

    def forget_log(self):
        said = self.container.run("journalctl", "--lines=0", "--show-cursor").stdout
        self._cursor = said.split("cursor: ")[1].strip()

    def clear(self):
        """Stop it, and leave nothing of this test."""
        self.container.run("systemctl", "stop", UNIT)
        self.container.run("systemctl", "reset-failed")
        self.container.run("rm", "-rf", "/run/systemd/system/pipistrelle.service.d", "/run/pipistrelle")
        self.container.run("find", STATE, "-mindepth", "1", "-delete")
        self.container.run("systemctl", "daemon-reload")


@pytest.fixture
def service(container, broker, request):
    say(request.node.name)
    unit = ServiceUnit(container, broker)
    unit.forget_log()
    unit.configure()
    yield unit
    unit.clear()
