"""From the card's file to the files that the system reads: pure, so that all of it can be tested without a device."""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from appliance.card.schema import CardFile, Wifi

CONFIG = "pipistrelle/appliance.yaml"
MQTT_PASSWORD = "pipistrelle/mqtt-password"  # noqa: S105 -- a file's name
WIRELESS = "wpa_supplicant.conf"
HOST_NAME = "hostname"
SSH_KEYS = "authorized_keys"
TIME_ZONE = "localtime"

_USUAL_PORTS = {False: 1883, True: 8883}


@dataclass(frozen=True, slots=True)
class FileText:
    """A file to write; `secret` ones are for their owner alone."""

    text: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link to make."""

    target: str


Plan = Mapping[str, FileText | Link | None]
"""What each file shall be, by its path below the owner's directory; None is for a file that shall go."""


def plan(card: CardFile, *, config_text: str) -> Plan:
    """What changes by the card's file.

    Args:
        card: checked.
        config_text: the `appliance.yaml` of now; its other keys and comments stay.
    """
    changes: dict[str, FileText | Link | None] = {}
    if card.name is not None:
        changes[HOST_NAME] = FileText(f"{card.name}\n")
    if card.wifi is not None:
        changes[WIRELESS] = FileText(wireless_settings(card.wifi), secret=True)
    if card.ssh_key is not None:
        changes[SSH_KEYS] = FileText(f"{card.ssh_key}\n")
    if card.timezone is not None:
        changes[TIME_ZONE] = Link(f"/usr/share/zoneinfo/{card.timezone}")
    if card.broker is not None:
        password = card.broker.password
        changes[MQTT_PASSWORD] = FileText(f"{password}\n", secret=True) if password is not None else None
    if card.name is not None or card.broker is not None or card.updates is not None:
        changes[CONFIG] = FileText(_with_keys(config_text, card))
    return changes


def wireless_settings(wifi: Wifi) -> str:
    """The file of wpa_supplicant(8). The name is written in hexadecimal and the password as the key that IEEE 802.11i
    derives from it (section J.4: PBKDF2 with SHA-1, 4096 rounds), so that neither needs quotes, nor is kept in clear.
    """
    name = wifi.name.encode()
    proof = "key_mgmt=NONE"
    if wifi.password is not None:
        proof = f"psk={hashlib.pbkdf2_hmac('sha1', wifi.password.encode(), name, 4096, 32).hex()}"
    # scan_ssid finds a hidden network, too
    network = "\n".join(f"    {line}" for line in (f"ssid={name.hex()}", proof, "scan_ssid=1"))
    return f"country={wifi.country}\nupdate_config=0\nnetwork={{\n{network}\n}}\n"


def _with_keys(config_text: str, card: CardFile) -> str:
    """The configuration with its node, broker and place of updates set, and everything else as its owner wrote it."""
    yaml = YAML()
    yaml.preserve_quotes = True
    config: Any = yaml.load(config_text) or yaml.map()
    if card.name is not None:
        config["node"] = card.name
    if card.broker is not None:
        mqtt: Any = config.get("mqtt") or yaml.map()
        mqtt["enabled"] = True
        mqtt["host"] = card.broker.host
        mqtt["port"] = card.broker.port or _USUAL_PORTS[card.broker.tls]
        mqtt["tls"] = card.broker.tls
        mqtt["username"] = card.broker.username
        mqtt["password_file"] = None if card.broker.password is None else MQTT_PASSWORD.rpartition("/")[2]
        config["mqtt"] = mqtt
    if card.updates is not None:
        config["updates"] = {"url": card.updates}
    out = io.StringIO()
    yaml.dump(config, out)
    return out.getvalue()
