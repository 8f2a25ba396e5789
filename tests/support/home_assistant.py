"""A real Home Assistant without a head, set up by files alone: its MQTT integration, its API and a token for it.

It is looked for as `hass` in `$PIPISTRELLE_HOME_ASSISTANT` (a program, or a virtual environment) or on the PATH:

    python3.13 -m venv hass
    hass/bin/pip install homeassistant==2025.4.4 home-assistant-frontend==20250411.0 paho-mqtt==2.1.0
    PIPISTRELLE_HOME_ASSISTANT=hass make test-all
"""

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from support.mosquitto import wait_until

HOW = "no Home Assistant here; PIPISTRELLE_HOME_ASSISTANT can name one, see tests/support/home_assistant.py"
LIMIT_S = 90.0
_LONG_AGO = "2025-01-01T00:00:00+00:00"
_TOKEN_ID = "0" * 32
_KEY = "1" * 128


def find_hass():
    """Path of the program, None where there is none."""
    named = os.environ.get("PIPISTRELLE_HOME_ASSISTANT")
    if named and Path(named).is_dir():
        named = str(Path(named) / "bin" / "hass")
    return shutil.which(named or "hass")


@dataclass(frozen=True)
class Change:
    entity: str
    state: str
    attributes: dict
    at_s: float


class HomeAssistant:
    """Runs until the end of its context; `changes` holds every state since the stream was opened, in order."""

    def __init__(self, folder, broker):
        self._folder = folder
        self._process = None
        self.changes: list[Change] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._write_files(broker)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        # Its own debugger port, analytics and packages from the network are not wanted.
        with (self._folder / "hass.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_hass(), "-c", self._folder, "--skip-pip"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, f"Home Assistant's API; see {self._folder}/hass.log", LIMIT_S)
        threading.Thread(target=self._follow, daemon=True).start()
        wait_until(lambda: self._request("config")["state"] == "RUNNING", "Home Assistant", LIMIT_S)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.terminate()
        self._process.wait(LIMIT_S)

    @property
    def log(self):
        return (self._folder / "hass.log").read_text()

    def state(self, entity):
        """The state as text, None where the entity is not known."""
        return self.states().get(entity, {}).get("state")

    def states(self):
        """Every entity's state and attributes."""
        return {each["entity_id"]: each for each in self._request("states")}

    def wait_for(self, entity, *states, limit_s=LIMIT_S):
        wait_until(lambda: self.state(entity) in states, f"{entity} to be {states}, is {self.state(entity)}", limit_s)

    def call(self, domain, service, **data):
        self._request(f"services/{domain}/{service}", data)

    def _answers(self):
        assert self._process.poll() is None, self.log
        try:
            return self._request("")
        except OSError:
            return None

    def _request(self, path, data=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api/{path}",
            None if data is None else json.dumps(data).encode(),
            {"Authorization": f"Bearer {_token()}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.load(answer)

    def _follow(self):
        """Take down the stream of events, until Home Assistant goes away."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api/stream?restrict=state_changed",
            headers={"Authorization": f"Bearer {_token()}"},
        )
        try:
            with urllib.request.urlopen(request) as stream:
                for line in stream:
                    if line.startswith(b"data: {"):
                        self._note(json.loads(line.removeprefix(b"data: "))["data"])
        except OSError:
            return

    def _note(self, data):
        new = data["new_state"]
        if new is not None:
            self.changes.append(Change(new["entity_id"], new["state"], new["attributes"], time.monotonic()))

    def _write_files(self, broker):
        storage = self._folder / ".storage"
        storage.mkdir(parents=True)
        (self._folder / "configuration.yaml").write_text(
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self._port}\napi:\n"
            "logger:\n  default: warning\nhomeassistant:\n  time_zone: UTC\n"
        )
        user = {"id": "2" * 32, "group_ids": ["system-admin"], "is_owner": True, "is_active": True, "name": "test"}
        token = {"id": _TOKEN_ID, "user_id": user["id"], "client_id": None, "client_name": "test", "client_icon": None}
        token |= {"token_type": "long_lived_access_token", "created_at": _LONG_AGO, "token": "3" * 128}
        token |= {"access_token_expiration": 315_360_000.0, "jwt_key": _KEY, "last_used_at": None}
        token |= {"last_used_ip": None, "expire_at": None, "credential_id": None, "version": "2025.4.4"}
        groups = [{"id": f"system-{name}", "name": name} for name in ("admin", "users", "read-only")]
        self._store(
            "auth",
            {
                "users": [user | {"system_generated": False, "local_only": False}],
                "groups": groups,
                "credentials": [],
                "refresh_tokens": [token],
            },
        )
        entry = {"entry_id": "4" * 26, "domain": "mqtt", "title": "broker", "source": "user", "unique_id": None}
        entry |= {"data": {"broker": broker.host, "port": broker.port, "protocol": "5"}, "options": {}}
        entry |= {"version": 1, "minor_version": 2, "created_at": _LONG_AGO, "modified_at": _LONG_AGO}
        entry |= {"disabled_by": None, "discovery_keys": {}, "subentries": []}
        entry |= {"pref_disable_new_entities": False, "pref_disable_polling": False}
        self._store("core.config_entries", {"entries": [entry]}, minor_version=5)
        self._store("onboarding", {"done": ["user", "core_config", "analytics", "integration"]}, version=4)

    def _store(self, key, data, *, version=1, minor_version=1):
        content = {"version": version, "minor_version": minor_version, "key": key, "data": data}
        (self._folder / ".storage" / key).write_text(json.dumps(content))


def _token():
    """A JSON Web Token for the refresh token in the files."""
    now = int(time.time())
    parts = [{"alg": "HS256", "typ": "JWT"}, {"iss": _TOKEN_ID, "iat": now - 60, "exp": now + 86_400}]
    body = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return (body + b"." + _base64(hmac.digest(_KEY.encode(), body, hashlib.sha256))).decode()


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=")
