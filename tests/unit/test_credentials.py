import os

import pytest

from appliance.errors import OutputError
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.credentials import credential, read_secret


@pytest.fixture
def write(tmp_path):
    def write(content, mode=0o600):
        path = tmp_path / "password"
        path.write_bytes(content)
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize(
    ("content", "password"),
    [(b"secret\n", "secret"), (b"secret", "secret"), (b" s\n\n", " s\n"), ("schlüssel\n".encode(), "schlüssel")],
)
def test_one_newline_goes(write, content, password):
    assert read_secret(write(content)) == password


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_others_must_not_reach_it(write, mode):
    path = write(b"secret\n", mode)
    with pytest.raises(OutputError, match=f"chmod 600 {path}") as caught:
        read_secret(path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_nothing_or_no_text(write, content):
    with pytest.raises(OutputError):
        read_secret(write(content))


def test_missing(tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        read_secret(tmp_path / "password")


def test_a_credential_of_systemd_shows_group_bits_and_is_fine(write, tmp_path, monkeypatch):
    path = write(b"secret\n", 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(path) == "secret"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "other"))
    with pytest.raises(OutputError):
        read_secret(path)


def test_a_credential_by_name(write, tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    write(b"secret\n", 0o440)
    assert credential("password", os.environ) == "secret"
    assert credential("gone", os.environ) is None
    assert credential("password", {}) is None


@pytest.mark.parametrize(("host", "port"), [("a..b", 1883), ("", 1883), ("a" * 64, 1883), ("b", 0), ("b", 65_536)])
def test_no_host_and_port(host, port):
    with pytest.raises(OutputError, match=r"correct mqtt\.host"):
        BrokerSettings(host, port)
