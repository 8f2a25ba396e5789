"""What the engine knows of the world, and whether a condition holds in it."""

import functools
from collections.abc import Mapping
from typing import Any

from appliance.errors import RoutineError
from appliance.routines.daytime import why_outside
from appliance.routines.effects import Instant
from appliance.routines.schema import (
    Condition,
    ExpressionCondition,
    PresenceCondition,
    Routine,
    StateCondition,
    TimeCondition,
)
from appliance.routines.sun import SunTimes
from appliance.routines.template import Lookup, as_text, from_payload, shown, step_into
from appliance.types import Presence

MAX_PAYLOAD_BYTES = 65_536


class Message:
    """An MQTT message; read as JSON once, when somebody asks."""

    def __init__(self, topic: str, payload: bytes) -> None:
        self.topic = topic
        self.payload = payload

    @functools.cached_property
    def value(self) -> Any:
        """What the payload says: JSON where it is JSON, else its text."""
        return from_payload(self.payload)

    @property
    def text(self) -> str:
        """The payload as text."""
        return self.payload.decode("utf-8", "replace")


class Facts:
    """Presence, named values, and the last message of each topic that a variable reads."""

    def __init__(self, sun: SunTimes | None) -> None:
        self.sun = sun
        self.presence = Presence.UNKNOWN
        self.values: dict[str, Any] = {}
        self.messages: dict[str, Message] = {}

    def lookup(self, routine: Routine, own: Mapping[str, Any]) -> Lookup:
        """The way from a name to its value, for a routine with values of its own.

        The nearest wins: the run's own values, the routine's variables, values that routines have set.
        """

        def find(way: str) -> Any:
            name, *steps = way.split(".")
            if name in own:
                return step_into(own[name], steps, name)
            if name in routine.variables:
                variable = routine.variables[name]
                message = self.messages.get(variable.topic)
                if message is None:
                    raise RoutineError(f"the value {name} is missing: {variable.topic} has sent no message yet")
                inside = variable.value.split(".") if variable.value else []
                return step_into(message.value, inside + steps, f"{name} ({variable.topic})")
            if name == "presence" and not steps:
                return self.presence.value
            if name in self.values:
                return step_into(self.values[name], steps, name)
            raise RoutineError(f"the value {name} was never set")

        return find

    def why_not(self, condition: Condition, lookup: Lookup, at: Instant) -> str:
        """Why a condition does not hold, in words; empty where it does.

        Raises:
            RoutineError: it cannot be judged, because a value is missing or does not fit.
        """
        match condition:
            case PresenceCondition():
                return "" if condition.state is self.presence else f"presence is {self.presence}, not {condition.state}"
            case TimeCondition():
                return why_outside(condition, at.wall, self.sun)
            case StateCondition():
                found = as_text(lookup(condition.name))
                wanted = as_text(condition.state)
                return "" if found == wanted else f"{condition.name} is {shown(found)}, not {shown(wanted)}"
            case ExpressionCondition():
                return "" if condition.expression.evaluate(lookup) else f"{condition.expression.text} is false"
