"""A paho client made from our settings that remembers why it could not connect, and one that only looks in."""

import re
import socket
import time
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from appliance.errors import BrokerUnavailable
from appliance.outputs.broker import BrokerSettings, meaning

_PROBE_S = 5.0
_HUNG_UP = re.compile(r"reset|EOF|[Bb]roken pipe|closed")


class BrokerClient(Client):
    """paho tells its callbacks that a connection failed, but not why; this one keeps the words."""

    def __init__(self, settings: BrokerSettings, *, client_id: str) -> None:
        five = settings.protocol == 5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            # MQTT 5 says with each connection whether it starts clean.
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
        )
        self.failure = ""
        """Why the last connection failed, in the system's or OpenSSL's words; empty where none were given."""
        if settings.user is not None or settings.password is not None:
            self.username_pw_set(settings.user or "", settings.password)
        if settings.tls is not None:
            self.tls_set_context(settings.tls)
        self.on_log = self._keep_error
        self.on_socket_open = _send_at_once

    def reconnect(self) -> MQTTErrorCode:
        """As paho does, but keep the words of a failure."""
        self.failure = ""
        try:
            return super().reconnect()
        except OSError as error:
            # OpenSSL's strerror is a tuple's second half; its whole text says more.
            self.failure = str(error)
            raise

    def _keep_error(self, _client: Client, _userdata: object, level: int, words: str) -> None:
        # An alert of TLS 1.3 comes behind the handshake, where paho only logs it.
        if level == LogLevel.MQTT_LOG_ERR and not self.failure:
            self.failure = words


def _send_at_once(_client: Client, _userdata: object, opened: Any) -> None:
    """Small messages do not wait for the acknowledgement of the one before, which takes up to 40 ms."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def refusal(settings: BrokerSettings, reason: ReasonCode) -> str:
    """What a broker's refusal means and how to cure it."""
    who = "a client without user" if settings.user is None else f"user {settings.user!r}"
    return f"broker {settings} refuses {who}: {reason}; check the user, the password file and the broker's access list"


def absence(settings: BrokerSettings, failure: str) -> str:
    """What it means that no connection came about, and how to cure it; `failure` as the client keeps it."""
    meant = meaning(failure, settings)
    if meant is not None:
        return f"broker {settings}: {meant}"
    why = re.sub(r"^.*\[Errno -?\d+\] |^failed to receive on socket: ", "", failure) or "it ends the connection at once"
    cure = "check host and port and whether it runs"
    if not failure or _HUNG_UP.search(failure):
        # Whoever hears what it does not understand hangs up, and a reset can overtake the alert that would say why.
        cure += ", whether it wants " + ("TLS (mqtt.tls)" if settings.tls is None else "no TLS, or another certificate")
    return f"broker {settings} does not answer ({why}); {cure}"


def probe(settings: BrokerSettings, *, client_id: str) -> None:
    """Log in and out again, as the service would.

    Args:
        settings: the broker's.
        client_id: not the service's, which the broker would throw out.

    Raises:
        BrokerUnavailable: it does not answer or refuses us; says why.
    """
    answers: list[ReasonCode] = []
    client = BrokerClient(settings, client_id=client_id)
    client.connect_timeout = _PROBE_S

    def connected(*arguments: Any) -> None:
        answers.append(arguments[3])

    client.on_connect = connected
    deadline_s = time.monotonic() + _PROBE_S
    try:
        client.connect(settings.host, settings.port)
        while not answers and time.monotonic() < deadline_s:
            if client.loop(0.1) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
    except OSError as error:
        raise BrokerUnavailable(absence(settings, client.failure)) from error
    finally:
        client.disconnect()
    if not answers:
        raise BrokerUnavailable(absence(settings, client.failure))
    if answers[0].is_failure:
        raise BrokerUnavailable(refusal(settings, answers[0]))
