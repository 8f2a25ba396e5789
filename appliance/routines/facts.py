"""What the engine knows of the world: presence, named values, messages, and the way from a name to its value. Pure."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import RoutineError
from appliance.routines.daytime import Daytime
from appliance.routines.effects import Instant
from appliance.routines.schema import Variable
from appliance.routines.sun import SunTimes
from appliance.routines.template import Lookup, from_payload, step_into
from appliance.types import Presence

MAX_PAYLOAD_BYTES = 65_536


class Message:
    """An MQTT message; read as JSON once, when somebody asks, and each place in it is looked up once."""

    def __init__(self, topic: str, payload: bytes) -> None:
        self.topic = topic
        self.payload = payload
        self._found: dict[str, Any] = {}

    @functools.cached_property
    def value(self) -> Any:
        """What the payload says: JSON where it is JSON, else its text."""
        return from_payload(self.payload)

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.payload.decode("utf-8", "replace")

    def inside(self, way: str, name: str) -> Any:
        """What stands at the end of a way such as `sky.0`; the whole of it where the way is empty.

        Raises:
            RoutineError: the way leads nowhere; says it of `name`.
        """
        if way in self._found:
            return self._found[way]
        found = self._found[way] = step_into(self.value, way.split(".") if way else [], f"{name} ({self.topic})")
        return found


class Facts:
    """Presence, named values, and the last message of each topic that a variable reads."""

    def __init__(self, sun: SunTimes | None) -> None:
        self.sun = sun
        self.presence = Presence.UNKNOWN
        self.values: dict[str, Any] = {}
        self.messages: dict[str, Message] = {}
        self._daytime: tuple[Instant, Daytime] | None = None

    def daytime(self, at: Instant) -> Daytime:
        """The wall clock of an instant; the same object for the same instant, because it remembers what it found."""
        if self._daytime is None or self._daytime[0] is not at:
            self._daytime = at, Daytime(at.wall, self.sun)
        return self._daytime[1]

    def lookup(self, variables: Mapping[str, Variable], own: Mapping[str, Any]) -> Lookup:
        """The way from a name to its value, for a routine's variables and a run's own values."""
        return lambda way: finder(way, variables)(self, own)


Find = Callable[[Facts, Mapping[str, Any]], Any]
"""Gives the value of one name, with the run's own values; raises RoutineError where there is none."""


def finder(way: str, variables: Mapping[str, Variable]) -> Find:
    """How a name with its steps is looked up for a routine with these variables.

    The nearest wins: the run's own values, the routine's variables, values that routines have set.
    """
    name = way.partition(".")[0]
    variable = variables.get(name)
    return _finder(way, variable.topic, variable.value or "") if variable else _finder(way, None, "")


@functools.lru_cache(maxsize=1024)
def _finder(way: str, topic: str | None, value: str) -> Find:
    """The same for all routines that ask for the same, so that it stays near the processor."""
    name, *steps = way.split(".")
    inside = ".".join([*([value] if value else []), *steps])

    def find(facts: Facts, own: Mapping[str, Any]) -> Any:
        if name in own:
            return step_into(own[name], steps, name)
        if topic is not None:
            message = facts.messages.get(topic)
            if message is None:
                raise RoutineError(f"the value {name} is missing: {topic} has sent no message yet")
            return message.inside(inside, name)
        if way == "presence":
            return facts.presence.value
        if name in facts.values:
            return step_into(facts.values[name], steps, name)
        raise RoutineError(f"the value {name} was never set")

    return find
