"""Conditions as functions: made once from what the file says, asked at each event. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from appliance.routines.daytime import Refusal, outside
from appliance.routines.effects import Instant
from appliance.routines.facts import Facts, finder
from appliance.routines.schema import (
    Condition,
    ExpressionCondition,
    PresenceCondition,
    StateCondition,
    TimeCondition,
    Variable,
)
from appliance.routines.template import as_text, shown

Judge = Callable[[Facts, Mapping[str, Any], Instant], Refusal | None]
"""Says why conditions do not hold, None where they do; the mapping holds the run's own values.

Raises RoutineError where they cannot be judged, because a value is missing or does not fit.
"""

Variables = Mapping[str, Variable]


class Judges:
    """Makes judges, and the same one for what asks the same, so that many routines may share its answer."""

    def __init__(self) -> None:
        self._judges: dict[str, Judge] = {}

    def of(self, conditions: Iterable[Condition], variables: Variables) -> Judge | None:
        """The judge of a routine's conditions; None where there are none."""
        # Models would not do as keys: to them 1 and true are equal.
        asked = tuple(conditions)
        if not asked:
            return None
        used = {name: variables[name] for name in sorted(variables) if any(name in _names(each) for each in asked)}
        return self._judges.setdefault(repr((asked, used)), judge(asked, variables))


def judge(conditions: Iterable[Condition], variables: Variables) -> Judge:
    """Asks one condition after the other, and tells the first that does not hold with its number."""
    judges = [_judge(condition, variables, place + 1) for place, condition in enumerate(conditions)]
    if len(judges) == 1:
        return judges[0]

    def ask(facts: Facts, own: Mapping[str, Any], at: Instant) -> Refusal | None:
        for each in judges:
            why = each(facts, own, at)
            if why is not None:
                return why
        return None

    return ask


def _names(condition: Condition) -> set[str]:
    """The first steps of the names that a condition asks for."""
    match condition:
        case StateCondition():
            return {condition.name.split(".")[0]}
        case ExpressionCondition():
            return {name.split(".")[0] for name in condition.expression.names}
        case _:
            return set()


def _judge(condition: Condition, variables: Variables, number: int) -> Judge:
    match condition:
        case PresenceCondition():
            return _presence(condition, number)
        case TimeCondition():
            return _time(condition, number)
        case StateCondition():
            return _state(condition, variables, number)
        case ExpressionCondition():
            return _expression(condition, variables, number)


def _presence(condition: PresenceCondition, number: int) -> Judge:
    wanted = condition.state

    def ask(facts: Facts, _own: Mapping[str, Any], _at: Instant) -> Refusal | None:
        found = facts.presence
        return None if found is wanted else lambda: f"condition {number}: presence is {found}, not {wanted}"

    return ask


def _time(condition: TimeCondition, number: int) -> Judge:
    why_outside = outside(condition)

    def ask(facts: Facts, _own: Mapping[str, Any], at: Instant) -> Refusal | None:
        why = why_outside(facts.daytime(at))
        return None if why is None else lambda: f"condition {number}: {why()}"

    return ask


def _state(condition: StateCondition, variables: Variables, number: int) -> Judge:
    name, find = condition.name, finder(condition.name, variables)
    wanted = as_text(condition.state)

    def ask(facts: Facts, own: Mapping[str, Any], _at: Instant) -> Refusal | None:
        found = as_text(find(facts, own))
        if found == wanted:
            return None
        return lambda: f"condition {number}: {name} is {shown(found)}, not {shown(wanted)}"

    return ask


def _expression(condition: ExpressionCondition, variables: Variables, number: int) -> Judge:
    expression = condition.expression
    finders = [finder(name, variables) for name in expression.names]

    def false() -> str:
        return f"condition {number}: {expression.text} is false"

    def ask(facts: Facts, own: Mapping[str, Any], _at: Instant) -> Refusal | None:
        return None if expression.value([find(facts, own) for find in finders]) else false

    return ask
