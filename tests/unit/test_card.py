"""What the owner writes on the SD card: read, refused in plain words, taken up whole or not at all, and wiped."""

import contextlib
import functools
import hashlib
import os
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from appliance.card import apply, network
from appliance.card import lamp as lamp_module
from appliance.card.apply import ERRORS_NAME, CardError, apply_card, read_card_file
from appliance.card.lamp import Blinks, blink, pattern
from appliance.card.plan import wireless_settings
from appliance.card.schema import CardFile, Wifi
from appliance.cli import card as card_cli
from appliance.cli.main import main
from appliance.config.load import load_config
from appliance.errors import ConfigError

FORM = files("appliance.card").joinpath("pipistrelle.yaml").read_text(encoding="utf-8")
EXAMPLE = files("appliance.card").joinpath("pipistrelle-example.yaml").read_text(encoding="utf-8")
SECRET = "correct horse battery"


@pytest.fixture
def card(tmp_path):
    path = tmp_path / "card"
    path.mkdir()
    return path


def write(card, text, name="pipistrelle.yaml"):
    (card / name).write_text(text, encoding="utf-8")


def current(tmp_path):
    return tmp_path / "owner/current"


def faults(text, tmp_path):
    path = tmp_path / "pipistrelle.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_card_file(path)
    return str(caught.value).replace(f"{path}:", "").splitlines()


def test_the_form_names_every_key_and_says_nothing(tmp_path, card):
    write(card, FORM)
    assert not apply_card(card, tmp_path / "owner")
    uncommented = "\n".join(
        line.removeprefix("# ") for line in FORM.splitlines() if line.startswith("# ") and is_key(line)
    )
    write(
        card,
        uncommented.replace("AAAAC3NzaC1lZDI1NTE5AAAA... me@laptop", EXAMPLE.split("ssh-ed25519 ")[1].split("\n")[0]),
    )
    wanted = read_card_file(card / "pipistrelle.yaml")
    assert all(getattr(wanted, name) is not None for name in CardFile.model_fields)
    for model in (wanted, wanted.wifi, wanted.broker):
        assert all(name in FORM for name in type(model).model_fields)


def is_key(line):
    return line.removeprefix("# ").split(":")[0] in CardFile.model_fields and ": " in line


def test_the_example_is_taken_up(tmp_path, card):
    write(card, EXAMPLE.replace("\n", "\r\n"))
    assert apply_card(card, tmp_path / "owner")
    new = current(tmp_path)
    assert (new / "hostname").read_text() == "kitchen\n"
    config = load_config(new / "pipistrelle/appliance.yaml")
    assert (config.node, config.mqtt.host, config.mqtt.port) == ("kitchen", "homeassistant.local", 1883)
    assert config.mqtt.password_file.read_text() == "bats, too, like secrets\n"
    assert config.mqtt.password_file.stat().st_mode & 0o777 == 0o600
    assert (new / "wpa_supplicant.conf").stat().st_mode & 0o777 == 0o600
    assert (new / "authorized_keys").read_text().startswith("ssh-ed25519 ")
    assert (new / "localtime").readlink() == Path("/usr/share/zoneinfo/Europe/London")


def test_no_secret_is_left_on_the_card(tmp_path, card):
    write(card, EXAMPLE)
    (card / ERRORS_NAME).write_text("of an earlier try")
    apply_card(card, tmp_path / "owner")
    assert sorted(path.name for path in card.iterdir()) == ["pipistrelle.yaml"]
    assert (card / "pipistrelle.yaml").read_bytes().decode() == FORM.replace("\n", "\r\n")


def test_what_is_not_written_does_not_change(tmp_path, card):
    write(card, EXAMPLE)
    apply_card(card, tmp_path / "owner")
    config = current(tmp_path) / "pipistrelle/appliance.yaml"
    config.write_text("# mine\nsensing:\n  hold_s: 300  # long\nmqtt:\n  host: old\n  base_topic: bats\n")
    (current(tmp_path) / "pipistrelle/routines.yaml").write_text("[]\n")
    write(card, "broker: {host: 192.168.1.2, tls: true}\n", "pipistrelle.yaml.txt")
    assert apply_card(card, tmp_path / "owner")
    text = config.read_text()
    assert text.startswith("# mine\n")
    assert "hold_s: 300  # long" in text
    loaded = load_config(config)
    assert (loaded.mqtt.host, loaded.mqtt.port, loaded.mqtt.base_topic, loaded.mqtt.username) == (
        "192.168.1.2", 8883, "bats", None,
    )  # fmt: skip
    assert not (current(tmp_path) / "pipistrelle/mqtt-password").exists()
    assert (current(tmp_path) / "pipistrelle/routines.yaml").exists()
    assert (current(tmp_path) / "hostname").read_text() == "kitchen\n"
    assert [path.name for path in (tmp_path / "owner").iterdir() if path.is_dir() and not path.is_symlink()] == ["2"]


def test_all_faults_are_told_with_their_lines_and_without_their_secrets(tmp_path):
    found = faults(
        "name: Kitchen!\nwifi: {name: x, password: short, country: de}\nbroker: {host: 'a b', pasword: hidden}\n"
        "ssh_key: -----BEGIN OPENSSH PRIVATE KEY-----\ntimezone: Mars/Olympus\ncountry: DE\n",
        tmp_path,
    )
    assert found == [
        "1:7: name: must be 1 to 32 of a-z, 0-9 and -, the first and last no -",
        "2:27: wifi.password: must be 8 to 63 plain letters, digits and signs, or null for a network without one",
        "2:43: wifi.country: must be a country's two capital letters, such as DE",
        "3:16: broker.host: must be a host name or address",
        "3:23: broker.pasword: is not a known key (did you mean password?)",
        "4:10: ssh_key: is a private key: keep it, and put the public one here (its name ends in .pub)",
        "5:11: timezone: must be a time zone such as Europe/Berlin",
        "6:1: country: is not a known key",
    ]
    assert "short" not in str(found)
    assert "hidden" not in str(found)


@pytest.mark.parametrize(
    "text",
    [
        "- a list", "just words", "name: [", "wifi:\n\t- tab", "name: *alias", "wifi: {name: x}", "broker: {port: 1}",
        "broker: {host: x, password: y}", "broker: {host: x, port: 0}", "ssh_key: ssh-ed25519 AAAA", "ssh_key: 'a\nb'",
        'ssh_key: "command=\\"id\\" ssh-ed25519 AAAA"', "timezone: ../../etc/passwd", "timezone: ''", "name: -a",
        'wifi: {name: "x\\0", password: null, country: DE}', "wifi: {name: '', password: null, country: DE}",
        f"wifi: {{name: {'ü' * 17}, password: null, country: DE}}", "name: 12", "name: kitchen\nname: hall",
        "broker: {host: 'x;reboot'}", "broker: {host: -x}", "\ud7ff", "name: " + "a" * 33,
    ],
)  # fmt: skip
def test_what_cannot_be_used_changes_nothing(tmp_path, card, text):
    write(card, EXAMPLE)
    apply_card(card, tmp_path / "owner")
    before = current(tmp_path).readlink()
    write(card, text)
    with pytest.raises(ConfigError):
        apply_card(card, tmp_path / "owner")
    assert current(tmp_path).readlink() == before
    assert (card / "pipistrelle.yaml").read_text() == text
    assert "was not used" in (card / ERRORS_NAME).read_text()
    assert (card / ERRORS_NAME).read_bytes().count(b"\r\n") >= 3


def test_a_configuration_that_was_broken_by_hand_is_told(tmp_path, card):
    write(card, EXAMPLE)
    apply_card(card, tmp_path / "owner")
    (current(tmp_path) / "pipistrelle/appliance.yaml").write_text("sensing: {hold: 3}\n")
    write(card, "name: hall\n")
    with pytest.raises(ConfigError, match=r"appliance.yaml on the device, line 1: sensing.hold: is not a known key"):
        apply_card(card, tmp_path / "owner")
    assert (current(tmp_path) / "hostname").read_text() == "kitchen\n"


def test_the_wireless_file_needs_no_quotes():
    text = wireless_settings(Wifi(name='"\n}', password=SECRET, country="GB"))
    key = hashlib.pbkdf2_hmac("sha1", SECRET.encode(), b'"\n}', 4096, 32).hex()
    assert text == (f"country=GB\nupdate_config=0\nnetwork={{\n    ssid=220a7d\n    psk={key}\n    scan_ssid=1\n}}\n")
    # the vector of IEEE 802.11i, J.4.2
    assert "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e" in wireless_settings(
        Wifi(name="IEEE", password="password", country="GB")
    )
    assert "key_mgmt=NONE" in wireless_settings(Wifi(name="open", password=None, country="GB"))


class PowerCut(BaseException):
    """Nothing runs after it."""


class Power:
    """Goes off before the n-th step that changes a disk."""

    def __init__(self, monkeypatch, steps):
        self.left, self.gone = steps, False
        # a step like the others, but the test need not wait for a disk
        monkeypatch.setattr(os, "fsync", self._counted(lambda _descriptor: None))
        for owner, name in (
            (os, "open"), (os, "unlink"), (os, "rename"), (os, "replace"), (os, "symlink"), (os, "mkdir"),
            (Path, "replace"), (Path, "unlink"), (Path, "symlink_to"), (Path, "mkdir"), (shutil, "copytree"),
            (shutil, "rmtree"),
        ):  # fmt: skip
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, function):
        def step(*args, **kwargs):
            self.left -= 1
            if self.gone or self.left < 0:
                self.gone = True
                raise PowerCut
            return function(*args, **kwargs)

        return step


def test_power_may_go_at_any_step(tmp_path, monkeypatch):
    """After each cut `current` is the old or the new one, and the next start comes to the same end."""
    before = tmp_path / "before"
    (before / "card").mkdir(parents=True)
    write(before / "card", "name: old\nbroker: {host: old}\n")
    apply_card(before / "card", before / "owner")
    write(before / "card", EXAMPLE)
    steps = 0
    while True:
        top = tmp_path / str(steps)
        card = top / "card"
        shutil.copytree(before, top, symlinks=True)
        with monkeypatch.context() as patched:
            power = Power(patched, steps)
            with contextlib.suppress(PowerCut):
                apply_card(card, top / "owner")
        name = (current(top) / "hostname").read_text()
        host = load_config(current(top) / "pipistrelle/appliance.yaml").mqtt.host
        assert (name, host) in {("old\n", "old"), ("kitchen\n", "homeassistant.local")}
        apply_card(card, top / "owner")
        assert (current(top) / "hostname").read_text() == "kitchen\n"
        left = {path.name: path.read_text() for path in card.iterdir()}
        assert all(SECRET not in text for text in left.values())
        assert set(left) <= {"pipistrelle.yaml", "pipistrelle.yaml.new"}
        if not power.gone:
            break
        steps += 1
    assert steps > 20


def test_a_card_that_cannot_be_written_is_said(tmp_path, card, monkeypatch):
    write(card, EXAMPLE)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device", "/data/owner")

    monkeypatch.setattr(apply, "_carry_out", full)
    with pytest.raises(CardError, match="/data/owner: cannot be written: No space left on device"):
        apply_card(card, tmp_path / "owner")
    assert (card / "pipistrelle.yaml").read_text() == EXAMPLE
    assert not current(tmp_path).exists()


def test_the_lamp_blinks_as_often_as_it_should(tmp_path):
    assert not blink(Blinks.CARD_FILE, leds=tmp_path)
    lamp = tmp_path / "ACT"
    lamp.mkdir()
    assert blink(Blinks.CARD_FILE, leds=tmp_path)
    assert (lamp / "trigger").read_text() == "pattern"
    for blinks in Blinks:
        numbers = [int(number) for number in pattern(blinks).split()]
        steps = list(zip(numbers[::2], numbers[1::2], strict=True))
        assert sum(level == 255 and ms > 0 for level, ms in steps) == blinks
        assert steps[-2] == (0, 1500)


def test_the_command_checks_and_applies(tmp_path, card, capsys):
    write(card, EXAMPLE)
    assert main(["card", "check", str(card / "pipistrelle.yaml")]) == 0
    assert "says name, wifi, broker, ssh_key, timezone" in capsys.readouterr().out
    arguments = ["card", "apply", "--card", str(card), "--owner", str(tmp_path / "owner")]
    assert main(arguments) == 0
    assert main(arguments) == 0
    assert capsys.readouterr().out == "taken up\nthe card's file says nothing\n"
    write(card, "name: No\n")
    assert main(arguments) == 78
    assert "must be 1 to 32" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"wireless": False, "device": True, "log": ""}, "no Wi-Fi is named"),
        ({"wireless": True, "device": False, "log": ""}, "no Wi-Fi adapter"),
        ({"wireless": True, "device": False, "log": "brcmfmac: Direct firmware load failed with error -2"}, "firmware"),
        ({"wireless": True, "device": True, "log": "CTRL-EVENT-SSID-TEMP-DISABLED reason=WRONG_KEY"}, "wifi.password"),
        ({"wireless": True, "device": True, "log": "4-Way Handshake failed - pre-shared key may"}, "wifi.password"),
        ({"wireless": True, "device": True, "log": "CTRL-EVENT-CONNECTED - Connection to"}, "no address"),
        ({"wireless": True, "device": True, "log": "CTRL-EVENT-ASSOC-REJECT bssid=00"}, "refuses the device"),
        ({"wireless": True, "device": True, "log": "CTRL-EVENT-NETWORK-NOT-FOUND"}, "wifi.name"),
    ],
)
def test_why_there_is_no_network(known, words):
    assert words in network.fault_of(**known)


def test_a_network_that_is_away_stands_on_the_card_until_it_is_back(tmp_path):
    errors = tmp_path / "pipistrelle-errors.txt"
    assert not network.report(tmp_path, None)
    assert network.report(tmp_path, "wifi.password: the Wi-Fi refuses it")
    assert not network.report(tmp_path, "wifi.password: the Wi-Fi refuses it"), "the card is not worn"
    assert errors.read_bytes() == b"The device is on no network:\r\nwifi.password: the Wi-Fi refuses it\r\n"
    assert network.report(tmp_path, "wifi.name: no such Wi-Fi")
    assert network.report(tmp_path, None)
    assert not list(tmp_path.iterdir())


def test_faults_of_the_cards_file_are_not_overwritten(tmp_path):
    errors = tmp_path / "pipistrelle-errors.txt"
    errors.write_text("pipistrelle.yaml was not used.")
    assert not network.report(tmp_path, "wifi.name: no such Wi-Fi")
    assert not network.report(tmp_path, None)
    assert errors.read_text() == "pipistrelle.yaml was not used."


@pytest.mark.parametrize(
    ("state", "is_online"), [("OPER_STATE=routable\n", True), ("OPER_STATE=off\nX=routable", False)]
)
def test_only_a_way_to_the_world_counts(state, is_online):
    assert network.online(state) == is_online


def test_the_lamp_is_dark_when_the_network_is_back(tmp_path, monkeypatch, capsys):
    state, lamp = tmp_path / "state", tmp_path / "ACT"
    lamp.mkdir()
    monkeypatch.setattr(card_cli, "NETWORK_STATE", state)
    monkeypatch.setattr(card_cli, "blink", functools.partial(lamp_module.blink, leds=tmp_path))
    monkeypatch.setattr(card_cli, "dark", functools.partial(lamp_module.dark, leds=tmp_path))
    card = tmp_path / "card"
    card.mkdir()
    assert main(["card", "network", "--card", str(card)]) == 0
    assert (lamp / "pattern").read_text().count("255 200") == 4
    state.write_text("OPER_STATE=routable\n")
    assert main(["card", "network", "--card", str(card)]) == 0
    assert (lamp / "trigger").read_text() == "none"
    assert "is on a network" in capsys.readouterr().out
