"""Every key of the card's `pipistrelle.yaml`; the file itself says the same in words."""

import base64
import binascii
import re
import struct
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from appliance.fields import Matching, PlainModel, Range, Wanted, refusal

_KEY_TYPES = (
    "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
)  # fmt: skip
_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}"
_TEXT = r"[^\x00-\x1f\x7f]{1,1000}"
_MAX_SSID_BYTES = 32


def _network_name(found: str) -> str:
    if not 1 <= len(found.encode()) <= _MAX_SSID_BYTES or "\0" in found:
        raise PydanticCustomError("plain", f"must be 1 to {_MAX_SSID_BYTES} bytes")
    return found


def _public_key(found: str) -> str:
    """One line of an authorized_keys file, without options: what is taken for a key must be one."""
    kind, _, rest = found.strip().partition(" ")
    encoded, _, comment = rest.partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
        (length,) = struct.unpack_from(">I", raw)
        known = kind in _KEY_TYPES and raw[4 : 4 + length] == kind.encode() and len(raw) > 4 + length + 4
    except (binascii.Error, struct.error):
        known = False
    if "PRIVATE KEY" in found:
        raise PydanticCustomError(
            "plain", "is a private key: keep it, and put the public one here (its name ends in .pub)"
        )
    if not known or not re.fullmatch(r"[ -~]*", comment):
        raise PydanticCustomError("plain", "must be a public key, such as the one line of id_ed25519.pub")
    return found.strip()


def _zone(found: str) -> str:
    try:
        ZoneInfo(found)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("plain", "must be a time zone such as Europe/Berlin") from None
    return found


class Wifi(PlainModel):
    """A wireless network; `password` is None for one without."""

    name: Annotated[str, AfterValidator(_network_name)]
    password: Annotated[
        Annotated[str, Matching(r"[ -~]{8,63}", "")] | None,
        Wanted("8 to 63 plain letters, digits and signs, or null for a network without one"),
    ]
    country: Annotated[str, Matching(r"[A-Z]{2}", "a country's two capital letters, such as DE")]


class Broker(PlainModel):
    """The MQTT broker; `port` None is the usual one."""

    host: Annotated[str, Matching(_HOST, "a host name or address")]
    port: Annotated[Annotated[int, Range(1, 65_535)] | None, Wanted("a whole number from 1 to 65535")] = None
    username: Annotated[Annotated[str, Matching(_TEXT, "")] | None, Wanted("text")] = None
    password: Annotated[Annotated[str, Matching(_TEXT, "")] | None, Wanted("text (put a number in quotes)")] = None
    tls: bool = False

    @model_validator(mode="after")
    def _password_has_a_user(self) -> Self:
        if self.password is not None and self.username is None:
            raise ValidationError.from_exception_data("Broker", [refusal(("password",), "needs username too")])
        return self


class CardFile(PlainModel):
    """The whole of `pipistrelle.yaml`; None is what the owner did not write and so does not change."""

    name: Annotated[
        Annotated[str, Matching(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", "")] | None,
        Wanted("1 to 32 of a-z, 0-9 and -, the first and last no -"),
    ] = None
    wifi: Wifi | None = None
    broker: Broker | None = None
    ssh_key: Annotated[str, AfterValidator(_public_key)] | None = None
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    updates: Annotated[
        Annotated[str, Matching(r"https?://[!-~]{1,1000}", "")] | None, Wanted("a URL with http or https")
    ] = None
