"""Which broker, who we are to it, and what a connection that failed means in plain words."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from appliance.config.schema import MqttConfig
from appliance.errors import BrokerSettingsError
from appliance.outputs.credentials import check_private, credential, read_secret

Protocol = Literal[5, "3.1.1"]

_CA = "its certificate is signed by none of {authorities}; correct mqtt.tls_ca_file"
_NAME = "its certificate is for other names than {host}; set mqtt.host to a name that stands in it"
_EXPIRED = "its certificate has expired, or this clock is wrong"
_CLIENT = "it does not accept our certificate ({detail}); see mqtt.tls_certificate_file and the broker's list"
_NO_TLS = "it does not speak TLS on this port; correct mqtt.port (8883 is usual) or mqtt.tls"
_TLS_MEANINGS = (
    ("certificate has expired", _EXPIRED),
    ("certificate is not yet valid", "its certificate is not valid yet, or this clock is wrong"),
    ("hostname mismatch", _NAME),
    ("ip address mismatch", _NAME),
    ("certificate verify failed", _CA),
    ("alert certificate required", "it wants a certificate of us; set mqtt.tls_certificate_file and mqtt.tls_key_file"),
    ("alert handshake failure", "it wants a certificate of us, or other ciphers; see mqtt.tls_certificate_file"),
    (" alert ", _CLIENT),
    ("wrong version number", _NO_TLS),
    ("record layer failure", _NO_TLS),
)
"""OpenSSL's words in lower case, the first that fit count, and what they mean to the owner."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """How to reach a broker and log in; `user` and `password` are None for a broker that asks for none.

    Raises:
        BrokerSettingsError: host or port cannot be used.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    protocol: Protocol = 5
    tls: ssl.SSLContext | None = None
    authorities: str = "the system's authorities"

    def __post_init__(self) -> None:
        try:
            # paho's thread would die of a name that cannot be encoded.
            encodable = bool(self.host.encode("idna"))
        except UnicodeError:
            encodable = False
        if not encodable or not 0 < self.port < 65_536:
            raise BrokerSettingsError(f"broker {self}: is no host and port; correct mqtt.host and mqtt.port")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def broker_settings(mqtt: MqttConfig, environ: Mapping[str, str] = os.environ) -> BrokerSettings:
    """The settings that the configuration means, with what systemd's credentials add to it.

    A user or password that the configuration leaves out is taken from the credentials `mqtt-username` and
    `mqtt-password`.

    Raises:
        BrokerSettingsError: a file cannot be used, or a name.
    """
    password = read_secret(mqtt.password_file) if mqtt.password_file else credential("mqtt-password", environ)
    return BrokerSettings(
        host=mqtt.host,
        port=mqtt.port,
        user=mqtt.username if mqtt.username is not None else credential("mqtt-username", environ),
        password=password,
        protocol=mqtt.protocol,
        tls=tls_context(mqtt.tls_ca_file, mqtt.tls_certificate_file, mqtt.tls_key_file) if mqtt.tls else None,
        authorities=str(mqtt.tls_ca_file or "the system's authorities"),
    )


def tls_context(ca_file: Path | None, certificate_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later that checks the broker's certificate and name, and shows ours if there is one.

    Args:
        ca_file: PEM of the authorities to trust; None for the system's.
        certificate_file: PEM of our own; None for a broker that wants none.
        key_file: PEM of its key, of mode 0600 and without a password.

    Raises:
        BrokerSettingsError: a file cannot be read, is no PEM, or key and certificate do not belong together.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise BrokerSettingsError(f"{ca_file}: {_unreadable(error, 'certificates')}") from error
    if certificate_file and key_file:
        check_private(key_file)
        wanted: list[None] = []

        def password() -> str:  # without one of ours OpenSSL would ask for it at the terminal
            wanted.append(None)
            return ""

        try:
            context.load_cert_chain(certificate_file, key_file, password)
        except OSError as error:
            if "mismatch" in str(error).lower():
                raise BrokerSettingsError(f"{key_file}: is not the key of {certificate_file}") from error
            if wanted:
                raise BrokerSettingsError(f"{key_file}: is encrypted; store the key without a password") from error
            fault = _unreadable(error, "a certificate and its key")
            raise BrokerSettingsError(f"{certificate_file} with {key_file}: {fault}") from error
    return context


def _unreadable(error: OSError, wanted: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"holds no {wanted} in PEM form".replace("no a ", "no ")
    return f"cannot be read: {error.strerror}"


def meaning(words: str, settings: BrokerSettings) -> str | None:
    """What a failure of the connection, in the system's or OpenSSL's words, means; None where they say nothing."""
    lower = words.lower()
    for sign, meant in _TLS_MEANINGS:
        if sign in lower:
            detail = lower.partition("] ")[2].partition(" (")[0] or lower
            return meant.format(host=settings.host, authorities=settings.authorities, detail=detail)
    return None
