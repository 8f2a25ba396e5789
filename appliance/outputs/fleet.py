"""Several units on one broker, as their retained states tell of them. No clock, thread or network in here."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from appliance.outputs.payloads import Status, rfc3339

WATCHED = ("status", "presence", "motion", "health", "event")


@dataclass(frozen=True, slots=True)
class Unit:
    """What is known of one unit; None is what it never told.

    `last_seen` is when it last spoke: by our clock where we heard it, by its own where a retained message tells.
    """

    node: str
    availability: str = "never seen"
    presence: str | None = None
    motion: bool | None = None
    health: str | None = None
    faults: tuple[str, ...] = ()
    version: str | None = None
    last_seen: datetime | None = None

    @property
    def online(self) -> bool:
        """Whether the broker has it online."""
        return self.availability == Status.ONLINE

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"last_seen": rfc3339(self.last_seen) if self.last_seen else None}


class Fleet:
    """The units of a broker.

    Args:
        base: the units' common first part of topics.
        expected: nodes that shall be listed even if they were never there.
    """

    def __init__(self, base: str, expected: Iterable[str] = ()) -> None:
        self._base = base
        self._units = {node: Unit(node) for node in expected}

    @property
    def units(self) -> list[Unit]:
        """All units, by name."""
        return [self._units[node] for node in sorted(self._units)]

    def filters(self) -> list[str]:
        """What to subscribe to."""
        return [f"{self._base}/+/{name}" for name in WATCHED]

    def message(self, topic: str, payload: bytes, at: datetime, *, retained: bool) -> None:
        """Take a message as it came; one that is none of ours, or nonsense, changes nothing."""
        node, _, name = topic.removeprefix(f"{self._base}/").partition("/")
        if not node or name not in WATCHED or (not payload and node not in self._units):
            return
        unit = self._units.get(node, Unit(node, availability="unknown"))
        if name == "status":
            if payload in {status.value.encode() for status in Status}:
                # The last will is the broker's word, not the unit's.
                spoke = payload == Status.ONLINE.value.encode() and not retained
                self._units[node] = replace(
                    unit, availability=payload.decode(), last_seen=at if spoke else unit.last_seen
                )
            return
        try:
            fields = json.loads(payload)
            changed = _changed(unit, name, fields)
            told = _time(fields) if retained else at
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return
        seen = max(filter(None, (unit.last_seen, told)), default=None)
        self._units[node] = replace(changed, last_seen=seen)


def _changed(unit: Unit, name: str, fields: dict[str, Any]) -> Unit:
    match name:
        case "presence":
            return replace(unit, presence=_text(fields["presence"]))
        case "motion":
            moving = fields["motion"]
            return replace(unit, motion=moving if isinstance(moving, bool) else None)
        case "health":
            faults = tuple(_text(fault) for fault in fields["faults"])
            return replace(unit, health=_text(fields["state"]), version=_text(fields["version"]), faults=faults)
    return unit


def _text(value: object) -> str:
    """Short and printable: it goes to a terminal."""
    return "".join(sign for sign in str(value)[:40] if sign.isprintable())


def _time(fields: dict[str, Any]) -> datetime | None:
    told = fields.get("at") or fields.get("since")
    at = datetime.fromisoformat(told) if told else None
    return at if at and at.tzinfo else None
