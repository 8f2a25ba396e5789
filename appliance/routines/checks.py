"""Faults that lie between the parts of a routines file: names of values, of routines and of commands' arguments."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from appliance.fields import did_you_mean
from appliance.routines.daytime import NO_PLACE
from appliance.routines.schema import (
    Action,
    AnnounceAction,
    ChooseAction,
    CommandAction,
    Condition,
    ExpressionCondition,
    PublishAction,
    Routine,
    RoutineAction,
    SetValueAction,
    StateCondition,
    SunTrigger,
    TimeCondition,
    WebhookAction,
)
from appliance.routines.template import names_of, names_of_tree

Place = tuple[str | int, ...]
Fault = tuple[Place, str]
"""Where in the file, and what is wrong."""

_ALWAYS_THERE = ("presence", "trigger")


def faults_between(
    routines: Mapping[int, Routine],
    *,
    data: Sequence[Any],
    commands: Mapping[str, Sequence[str]] | None,
    place_known: bool,
) -> Iterator[Fault]:
    """All faults between routines.

    Args:
        routines: those without faults of their own, by their place in the file.
        data: the whole file as plain values, for what other routines offer although they have faults.
        commands: the allow list; None where it is not known.
        place_known: whether the device knows its position.
    """
    ids = {found["id"] for found in data if isinstance(found, dict) and isinstance(found.get("id"), str)}
    set_anywhere = set(_values_set(data))
    for index, routine in routines.items():
        known = {*_ALWAYS_THERE, *routine.variables, *set_anywhere, *_answers(routine.actions)}
        for place, part in parts(routine):
            for step, message in (
                *_unknown_names(part, known),
                *_unknown_routine(part, ids),
                *_wrong_arguments(part, commands),
                *(() if place_known else _wants_sun(part)),
            ):
                yield (index, *place, *step), message
    yield from _cycles(routines)


def _values_set(data: Any) -> Iterator[str]:
    """Names that `set_value` gives anywhere in the file."""
    if isinstance(data, dict):
        if data.get("action") == "set_value" and isinstance(data.get("name"), str):
            yield data["name"]
        data = list(data.values())
    if isinstance(data, (list, tuple)):
        for inner in data:
            yield from _values_set(inner)


def parts(routine: Routine) -> Iterator[tuple[Place, Any]]:
    """Every trigger, condition and action with its place in the routine."""
    for index, trigger in enumerate(routine.triggers):
        yield ("triggers", index), trigger
    yield from _conditions(routine.conditions, ())
    yield from _actions(routine.actions, ("actions",))


def _conditions(conditions: Sequence[Condition], place: Place) -> Iterator[tuple[Place, Any]]:
    for index, condition in enumerate(conditions):
        yield (*place, "conditions", index), condition


def _actions(actions: Sequence[Action], place: Place) -> Iterator[tuple[Place, Any]]:
    for index, action in enumerate(actions):
        yield (*place, index), action
        if isinstance(action, ChooseAction):
            for number, option in enumerate(action.options):
                yield from _conditions(option.conditions, (*place, index, "options", number))
                yield from _actions(option.actions, (*place, index, "options", number, "actions"))
            yield from _actions(action.default, (*place, index, "default"))


def _answers(actions: Sequence[Action]) -> Iterator[str]:
    for _, action in _actions(actions, ()):
        if isinstance(action, WebhookAction) and action.response_variable:
            yield action.response_variable


def _unknown_names(part: Any, known: Collection[str]) -> Iterator[Fault]:
    for step, way in _names(part):
        name = way.split(".")[0]
        if name not in known:
            hint = did_you_mean(name, known)
            yield step, f"the value {name} is given nowhere: by variables, set_value or response_variable{hint}"


def _names(part: Any) -> Iterator[tuple[Place, str]]:
    """The names that a part uses, each with its step within the part."""
    match part:
        case ExpressionCondition():
            found: list[tuple[Place, list[str]]] = [(("expression",), list(part.expression.names))]
        case StateCondition():
            found = [(("name",), [part.name])]
        case PublishAction():
            found = [(("payload",), names_of_tree(part.payload))]
        case WebhookAction():
            found = [(("url",), names_of(part.url)), (("json",), names_of_tree(part.body) if part.body else [])]
        case CommandAction():
            found = [(("values", name), names_of(text)) for name, text in part.values.items()]
        case AnnounceAction():
            found = [(("text",), names_of(part.text))]
        case SetValueAction():
            found = [(("value",), names_of_tree(part.value))]
        case _:
            found = []
    for step, names in found:
        for name in names:
            yield step, name


def _unknown_routine(part: Any, ids: Collection[str]) -> Iterator[Fault]:
    if isinstance(part, RoutineAction) and part.routine not in ids:
        yield ("routine",), f"there is no routine {part.routine}{did_you_mean(part.routine, ids)}"


def _wrong_arguments(part: Any, commands: Mapping[str, Sequence[str]] | None) -> Iterator[Fault]:
    if not isinstance(part, CommandAction) or commands is None or part.command not in commands:
        return
    places = {argument[1:-1] for argument in commands[part.command][1:] if argument[:1] == "{" and argument[-1:] == "}"}
    for name in part.values:
        if name not in places:
            hint = did_you_mean(name, places)
            yield ("values", name), f"the command {part.command} has no argument {{{name}}} in the configuration{hint}"


def _wants_sun(part: Any) -> Iterator[Fault]:
    words = f"{NO_PLACE}: give routines.position"
    if isinstance(part, SunTrigger):
        yield ("event",), words
    elif isinstance(part, TimeCondition):
        for name in ("after", "before"):
            if isinstance(getattr(part, name), str):
                yield (name,), words


def _cycles(routines: Mapping[int, Routine]) -> Iterator[Fault]:
    """Each action that starts a routine from which the way leads back; one fault a circle."""
    starts: dict[str, list[tuple[Place, str]]] = {
        routine.id: [
            ((index, "actions", *place, "routine"), action.routine)
            for place, action in _actions(routine.actions, ())
            if isinstance(action, RoutineAction)
        ]
        for index, routine in routines.items()
    }
    done: set[str] = set()
    for first, steps in starts.items():
        # Depth first without recursion: a chain may be as long as the file.
        way = [(first, iter(steps))]
        on_way = {first: None}
        while way:
            name, rest = way[-1]
            step = next(rest, None)
            if step is None or name in done:
                done.add(name)
                way.pop()
                del on_way[name]
                continue
            place, called = step
            if called in on_way:
                names = list(on_way)
                circle = " -> ".join([*names[names.index(called) :], called])
                yield place, f"routines start each other in a circle: {circle}"
            elif called in starts and called not in done:
                way.append((called, iter(starts[called])))
                on_way[called] = None
