"""TLS with a real Mosquitto: what works, and in which words each fault is told, by the service and by the doctor."""

import json
import ssl
import subprocess

import pytest
from support.certificates import Authority
from support.mosquitto import wait_until

from appliance.cli.broker import PrivateBroker
from appliance.cli.main import main
from appliance.config.schema import MqttConfig
from appliance.errors import BrokerSettingsError, BrokerUnavailable
from appliance.outputs.broker import BrokerSettings, broker_settings, tls_context
from appliance.outputs.client import probe


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "home")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
def start(tmp_path, authority):
    """A broker with a certificate; with `clients` it wants one of everybody."""
    started = []

    def make(*, names="IP:127.0.0.1", days=30, clients=False, version="tlsv1.3"):
        certificate, key = authority.issue(f"broker{len(started)}", names, days=days)
        lines = [f"certfile {certificate}", f"keyfile {key}", f"cafile {authority.certificate}"]
        lines += ["require_certificate true"] * clients + [f"tls_version {version}"]
        started.append(PrivateBroker(tmp_path / f"broker{len(started)}", settings=lines).__enter__())
        return started[-1]

    yield make
    for broker in started:
        broker.stop()


def settings(broker, authority, certificate=None, key=None, **more):
    context = tls_context(authority.certificate, certificate, key)
    return BrokerSettings(broker.host, broker.port, tls=context, authorities=str(authority.certificate), **more)


def complaint(make_output, caplog, broker, wanted):
    """What the service and the doctor tell of a connection that does not come about.

    A reset may overtake the alert in which the broker says why: then they tell what it may be.
    """
    output = make_output(broker, settings=wanted)
    tries = []
    output._connection._client.on_pre_connect = lambda *_: tries.append(1)
    output.start()
    wait_until(lambda: len(tries) >= 2, "two tries")
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert said
    assert not output.connected
    with pytest.raises(BrokerUnavailable) as told:
        probe(wanted, client_id="doctor")
    assert all(f"{broker.host}:{broker.port}" in words for words in [*said, str(told.value)])
    return [*said, str(told.value)]


def all_told(said, *words):
    return all(any(each in line for each in words) for line in said)


@pytest.mark.parametrize("protocol", [5, "3.1.1"])
def test_encrypted_and_with_a_client_certificate(start, authority, make_output, protocol):
    broker = start(clients=True)
    wanted = settings(broker, authority, *authority.issue("attic"), protocol=protocol)
    probe(wanted, client_id="doctor")
    output = make_output(broker, settings=wanted)
    output.start()
    wait_until(lambda: output.connected, "our connection")
    heard = []
    output.subscribe("pipistrelle/attic/#", lambda *message: heard.append(message))
    wait_until(lambda: ("pipistrelle/attic/status", b"online") in [message[:2] for message in heard], "our own status")
    broker.restart()
    wait_until(lambda: not output.connected, "the loss seen")
    wait_until(lambda: output.connected, "our return")
    assert output.counts().callback_errors == 0


def fleet_status(capsys, folder, broker, authority, **more):
    """Exit code, the units listed and what was said of a fault, with the broker's settings as an owner writes them."""
    mqtt = {"host": broker.host, "port": broker.port, "tls": True, "tls_ca_file": str(authority.certificate)} | more
    (folder / "appliance.yaml").write_text(json.dumps({"mqtt": mqtt}))
    code = main(["fleet", "status", "--json", "--config", str(folder / "appliance.yaml")])
    out, err = capsys.readouterr()
    return code, json.loads(out or "[]"), err


def test_the_fleet_is_listed_with_a_client_certificate_and_not_without(start, authority, make_output, capsys, tmp_path):
    broker = start(clients=True)
    unit = make_output(broker, settings=settings(broker, authority, *authority.issue("attic")))
    unit.start()
    wait_until(lambda: unit.connected, "the unit's connection")
    certificate, key = map(str, authority.issue("overseer"))
    ours = {"tls_certificate_file": certificate, "tls_key_file": key}
    wait_until(lambda: fleet_status(capsys, tmp_path, broker, authority, **ours)[1], "the unit's status")
    code, listed, err = fleet_status(capsys, tmp_path, broker, authority, **ours)
    assert (code, err) == (0, "")
    assert [(unit["node"], unit["availability"]) for unit in listed] == [("attic", "online")]

    code, listed, err = fleet_status(capsys, tmp_path, broker, authority)
    assert (code, listed) == (1, [])
    assert all_told(err.splitlines(), "it wants a certificate of us", "or another certificate")


def test_a_broker_signed_by_somebody_else(start, stranger, make_output, caplog):
    said = complaint(make_output, caplog, broker := start(), settings(broker, stranger))
    assert all_told(said, f"signed by none of {stranger.certificate}; correct mqtt.tls_ca_file")


def test_a_certificate_that_is_over(start, authority, make_output, caplog):
    said = complaint(make_output, caplog, broker := start(days=-1), settings(broker, authority))
    assert all_told(said, "has expired, or this clock is wrong")


@pytest.mark.parametrize("names", ["DNS:broker.example", "IP:127.0.0.2"])
def test_a_certificate_of_another_name(start, authority, make_output, caplog, names):
    said = complaint(make_output, caplog, broker := start(names=names), settings(broker, authority))
    assert all_told(said, "other names than 127.0.0.1; set mqtt.host")


@pytest.mark.parametrize("version", ["tlsv1.3", "tlsv1.2"])
def test_a_client_certificate_that_is_missing(start, authority, make_output, caplog, version):
    said = complaint(make_output, caplog, broker := start(clients=True, version=version), settings(broker, authority))
    assert all_told(said, "it wants a certificate of us", "or another certificate")


def test_a_client_certificate_of_somebody_else(start, authority, stranger, make_output, caplog):
    broker = start(clients=True)
    said = complaint(make_output, caplog, broker, settings(broker, authority, *stranger.issue("attic")))
    assert all_told(said, "does not accept our certificate (tlsv1 alert unknown ca)", "or another certificate")


def test_a_client_certificate_that_is_over(start, authority, make_output, caplog):
    broker = start(clients=True)
    said = complaint(make_output, caplog, broker, settings(broker, authority, *authority.issue("old", days=-1)))
    assert all_told(said, "does not accept our certificate", "or another certificate")


def test_a_port_without_tls(broker, authority, make_output, caplog):
    said = complaint(make_output, caplog, broker, settings(broker, authority))
    assert all_told(said, "does not speak TLS on this port", "whether it wants no TLS")


def test_a_port_with_tls_that_we_do_not_speak(start, make_output, caplog):
    broker = start()
    said = complaint(make_output, caplog, broker, BrokerSettings(broker.host, broker.port))
    assert all_told(said, "whether it wants TLS (mqtt.tls)")


# The files


def test_a_key_others_can_read_is_refused_with_the_cure(authority):
    certificate, key = authority.issue("open")
    key.chmod(0o644)
    with pytest.raises(BrokerSettingsError, match=f"chmod 600 {key}"):
        tls_context(authority.certificate, certificate, key)


def test_a_key_that_belongs_to_another_certificate(authority):
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    with pytest.raises(BrokerSettingsError, match=f"{key}: is not the key of {certificate}"):
        tls_context(authority.certificate, certificate, key)


def test_an_encrypted_key_is_refused_and_nobody_is_asked(authority, tmp_path):
    certificate, key = authority.issue("locked")
    locked = tmp_path / "locked.key"
    subprocess.run(["openssl", "ec", "-in", key, "-aes128", "-passout", "pass:x", "-out", locked], check=True)
    locked.chmod(0o600)
    with pytest.raises(BrokerSettingsError, match="is encrypted; store the key without a password"):
        tls_context(authority.certificate, certificate, locked)


@pytest.mark.parametrize(("content", "words"), [(b"", "PEM"), (b"\x00\xff" * 100, "PEM"), (None, "cannot be read")])
def test_files_that_are_none(authority, tmp_path, content, words):
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    _, key = authority.issue("fine")
    with pytest.raises(BrokerSettingsError, match=words):
        tls_context(path, None, None)
    with pytest.raises(BrokerSettingsError, match=words):
        tls_context(authority.certificate, path, key)


def test_what_the_configuration_means(authority, tmp_path, monkeypatch):
    for name, secret in (("mqtt-username", "bat\n"), ("mqtt-password", "flap\n")):
        (tmp_path / name).write_text(secret)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    plain = broker_settings(MqttConfig(), environ)
    assert (plain.user, plain.password, plain.tls, plain.protocol) == ("bat", "flap", None, 5)
    assert broker_settings(MqttConfig(username="owl"), environ).user == "owl"
    assert broker_settings(MqttConfig(), {}).user is None
    tls = broker_settings(MqttConfig(tls=True, tls_ca_file=authority.certificate, protocol="3.1.1"), {})
    assert tls.tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.tls.check_hostname
    assert tls.tls.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls.protocol == "3.1.1"
