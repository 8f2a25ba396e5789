"""Which triggers an event brings: an index, so that only routines that wait for such an event are looked at. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from appliance.errors import RoutineError
from appliance.events import MotionStarted, MotionUpdated
from appliance.routines.facts import Message
from appliance.routines.runs import Found, Rule, Trigger
from appliance.routines.schema import (
    HealthTrigger,
    MotionTrigger,
    MqttTrigger,
    PresenceTrigger,
    SunTrigger,
    TimeTrigger,
)
from appliance.routines.template import as_text, shown, step_into
from appliance.types import Presence


class Watched(NamedTuple):
    """One trigger of a rule; `place` counts the rule's triggers."""

    rule: Rule
    place: int


class Watch:
    """The triggers of all rules by what brings them.

    Motion triggers that ask for the same are looked at once, whichever number of routines has them.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.presence: defaultdict[Presence, list[tuple[PresenceTrigger, Watched]]] = defaultdict(list)
        self.daytime: list[tuple[TimeTrigger | SunTrigger, Watched]] = []
        self.motions: defaultdict[MotionTrigger, list[Rule]] = defaultdict(list)
        self._mqtt: defaultdict[str, list[tuple[MqttTrigger, Rule]]] = defaultdict(list)
        self._health: defaultdict[tuple[str, str | None], list[Rule]] = defaultdict(list)
        self.variable_topics: set[str] = set()
        self.moving = False
        self.of_this_motion: dict[MotionTrigger, list[Rule]] = {}
        self.faults: frozenset[str] = frozenset()
        for rule in rules:
            self._add(rule)
        # Each rule once and in the order of the file, as it fires.
        self.at_once = {
            presence: list(
                {watched.rule.order: watched.rule for trigger, watched in found if not trigger.for_s}.values()
            )
            for presence, found in self.presence.items()
        }
        # In the order of their deadlines a list is a heap already.
        self.waits = {
            presence: sorted(
                (trigger.for_s, watched.rule.order, watched.place, watched.rule, trigger)
                for trigger, watched in found
                if trigger.for_s
            )
            for presence, found in self.presence.items()
        }

    def _add(self, rule: Rule) -> None:
        self.variable_topics.update(variable.topic for variable in rule.routine.variables.values())
        for place, trigger in enumerate(rule.routine.triggers):
            match trigger:
                case PresenceTrigger():
                    self.presence[trigger.to].append((trigger, Watched(rule, place)))
                case MotionTrigger():
                    self.motions[trigger].append(rule)
                case MqttTrigger():
                    self._mqtt[trigger.topic].append((trigger, rule))
                case TimeTrigger() | SunTrigger():
                    self.daytime.append((trigger, Watched(rule, place)))
                case HealthTrigger():
                    self._health[trigger.event, trigger.fault].append(rule)

    @property
    def topics(self) -> frozenset[str]:
        """All topics that anything here listens to."""
        return frozenset(self.variable_topics | self._mqtt.keys())

    def follow(self, earlier: "Watch") -> None:
        """Go on where an earlier watch was: a motion that goes on has fired what it fired."""
        self.faults = earlier.faults
        self.moving = earlier.moving
        if self.moving:
            fired = earlier.motions.keys() - earlier.of_this_motion.keys()
            self.of_this_motion = {trigger: rules for trigger, rules in self.motions.items() if trigger not in fired}

    def motion(self, event: MotionStarted | MotionUpdated) -> list[Found]:
        """Triggers that this motion meets for the first time."""
        if isinstance(event, MotionStarted):
            self.moving = True
            self.of_this_motion = dict(self.motions)
        if not self.moving:
            return []
        met = [trigger for trigger in self.of_this_motion if _moves_so(trigger, event)]
        if not met:
            return []
        info: dict[str, Any] = {"kind": event.kind.value}
        cause = f"motion {event.kind}"
        if event.radial_mps is not None:
            info |= {"direction": _direction(event.radial_mps), "speed_mps": round(abs(event.radial_mps), 2)}
            cause += f" {info['direction']} at {info['speed_mps']:g} m/s"
        why = Trigger(cause, info)
        return [(rule, why) for trigger in met for rule in self.of_this_motion.pop(trigger)]

    def motion_stopped(self) -> None:
        """The next motion is a new one."""
        self.moving = False
        self.of_this_motion = {}

    def message(self, message: Message) -> list[Found]:
        """Triggers that wait for such a message."""
        waiting = self._mqtt.get(message.topic)
        if not waiting:
            return []
        info = {"topic": message.topic, "payload": message.value}
        why = Trigger(f"message {shown(message.text)} on {message.topic}", info)
        return [(rule, why) for trigger, rule in waiting if _says_so(trigger, message)]

    def health(self, faults: Iterable[str]) -> list[Found]:
        """Triggers that wait for these changes of faults."""
        before, self.faults = self.faults, frozenset(faults)
        found = []
        for event, changed in (("appears", self.faults - before), ("goes", before - self.faults)):
            for fault in sorted(changed):
                why = Trigger(f"fault {fault} {event}", {"fault": fault})
                found += [(rule, why) for rule in self._health.get((event, fault), ())]
        any_before, any_now = bool(before), bool(self.faults)
        if any_before != any_now:
            event = "appears" if any_now else "goes"
            fault = ", ".join(sorted(self.faults or before))
            why = Trigger(f"fault {fault} {event}", {"fault": fault})
            found += [(rule, why) for rule in self._health.get((event, None), ())]
        return found


def _direction(radial_mps: float) -> str:
    return "towards" if radial_mps > 0 else "away"


def _moves_so(trigger: MotionTrigger, event: MotionStarted | MotionUpdated) -> bool:
    if trigger.kind is not None and trigger.kind is not event.kind:
        return False
    if trigger.direction is None and trigger.speed_above_mps is None and trigger.speed_below_mps is None:
        return True
    if event.radial_mps is None:
        return False
    speed_mps = abs(event.radial_mps)
    return (
        (trigger.direction is None or trigger.direction == _direction(event.radial_mps))
        and (trigger.speed_above_mps is None or speed_mps > trigger.speed_above_mps)
        and (trigger.speed_below_mps is None or speed_mps < trigger.speed_below_mps)
    )


def _says_so(trigger: MqttTrigger, message: Message) -> bool:
    if trigger.payload is None:
        return True
    wanted = as_text(trigger.payload)
    if trigger.value is None:
        return message.text == wanted
    try:
        return as_text(step_into(message.value, trigger.value.split("."), message.topic)) == wanted
    except RoutineError:
        return False
