"""A routine in plain words, and what an effect would do. Pure."""

from collections.abc import Iterator, Sequence

from appliance.routines.daytime import clock_words, next_occurrence, window_words
from appliance.routines.effects import (
    Announce,
    Effect,
    Instant,
    Play,
    Publish,
    Request,
    Start,
    StopPlaying,
    SwitchEmission,
)
from appliance.routines.notation import duration_words, offset_words
from appliance.routines.schema import (
    Action,
    AnnounceAction,
    ChooseAction,
    CommandAction,
    Condition,
    DelayAction,
    EmissionAction,
    ExpressionCondition,
    HealthTrigger,
    MotionTrigger,
    MqttTrigger,
    PlayAction,
    PresenceCondition,
    PresenceTrigger,
    PublishAction,
    Routine,
    RoutineAction,
    SetValueAction,
    StateCondition,
    StopPlayingAction,
    SunTrigger,
    TimeCondition,
    TimeTrigger,
    Trigger,
    Variable,
    WebhookAction,
)
from appliance.routines.sun import SunTimes
from appliance.routines.template import as_text, shown
from appliance.types import Presence

Line = tuple[int, str]
"""Depth, and words."""

_DAYS = dict(
    zip(
        ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        strict=True,
    )
)
_IF_ALREADY = {
    "start": "counted from the start where it is so already",
    "fire": "at once where it is so already",
    "ignore": "not where it is so already",
}


def explain(routine: Routine, at: Instant, sun: SunTimes | None) -> list[Line]:
    """The routine in plain words; the next times of its triggers are those behind `at`."""
    return list(_lines(routine, at, sun))


def _lines(routine: Routine, at: Instant, sun: SunTimes | None) -> Iterator[Line]:
    yield 0, f"{routine.id}{f': {routine.alias}' if routine.alias else ''}"
    yield 1, "When" if len(routine.triggers) == 1 else "When any of these comes"
    for trigger in routine.triggers:
        yield 2, trigger_words(trigger) + _next_words(trigger, at, sun)
    if routine.conditions:
        yield 1, "if"
        for condition in routine.conditions:
            yield 2, condition_words(condition)
    yield 1, "then"
    yield from _numbered(routine.actions, 2)
    if routine.variables:
        yield 1, "with the values"
        for name, variable in routine.variables.items():
            yield 2, f"{name}: {_variable_words(variable)}"
    if routine.mode != "single" or _takes_time(routine.actions):
        yield 1, _mode_words(routine)
    if routine.cooldown_s:
        yield 1, f"After it fired it does not fire again for {duration_words(routine.cooldown_s)}."


def trigger_words(trigger: Trigger) -> str:
    """'the room becomes vacant and stays so for 10 minutes'."""
    match trigger:
        case PresenceTrigger():
            what = (
                "it becomes unknown whether anybody is there"
                if trigger.to is Presence.UNKNOWN
                else f"the room becomes {trigger.to}"
            )
            stays = f" and stays so for {duration_words(trigger.for_s)}" if trigger.for_s else ""
            already = f" ({_IF_ALREADY[trigger.if_already]})" if trigger.for_s or trigger.if_already == "fire" else ""
            return what + stays + already
        case MotionTrigger():
            return _motion_words(trigger)
        case MqttTrigger():
            what = "" if trigger.payload is None else f" that says {as_text(trigger.payload)}"
            return f"a message{what} comes on {trigger.topic}" + (f", at {trigger.value}" if trigger.value else "")
        case TimeTrigger():
            return f"it is {clock_words(trigger.at)}{_days_words(trigger.weekday)}"
        case SunTrigger():
            return f"it is {offset_words(trigger.offset_s, trigger.event)}"
        case HealthTrigger():
            which = f"the fault {trigger.fault}" if trigger.fault else "the first fault"
            gone = f"the fault {trigger.fault} goes" if trigger.fault else "the last fault goes"
            return f"{which} appears" if trigger.event == "appears" else gone


def _motion_words(trigger: MotionTrigger) -> str:
    direction = {None: "", "towards": " towards the device", "away": " away from the device"}[trigger.direction]
    limits = [
        f"{word} {limit_mps:g} m/s"
        for word, limit_mps in (("faster than", trigger.speed_above_mps), ("slower than", trigger.speed_below_mps))
        if limit_mps is not None
    ]
    kind = f"{trigger.kind} motion" if trigger.kind else "motion"
    return f"{kind} is seen{direction}{', ' if limits else ''}{' and '.join(limits)}"


def _days_words(days: Sequence[str]) -> str:
    return f" on {', '.join(_DAYS[day] for day in days)}" if days else ""


def _next_words(trigger: Trigger, at: Instant, sun: SunTimes | None) -> str:
    if not isinstance(trigger, (TimeTrigger, SunTrigger)):
        return ""
    found = next_occurrence(trigger, at.wall, sun)
    if found is None:
        return " (never within the coming year: the sun does not do that here)"
    return f" (next: {found.astimezone(at.wall.tzinfo):%a %-d %b %H:%M})"


def condition_words(condition: Condition) -> str:
    """'it is between 18:00 and 06:00'."""
    match condition:
        case TimeCondition():
            days = _days_words(condition.weekday)
            if condition.after is None and condition.before is None:
                return f"it is{days.removeprefix(' on') or ' any day'}"
            return f"it is {window_words(condition)}{days}"
        case PresenceCondition():
            return f"presence is {condition.state}"
        case StateCondition():
            return f"the value {condition.name} is {as_text(condition.state)}"
        case ExpressionCondition():
            return condition.expression.text


def _numbered(actions: Sequence[Action], depth: int) -> Iterator[Line]:
    for number, action in enumerate(actions, start=1):
        mark = f"{number}. " if len(actions) > 1 else ""
        yield depth, mark + action_words(action)
        if isinstance(action, ChooseAction):
            for option in action.options:
                yield depth + 1, "if " + " and ".join(condition_words(condition) for condition in option.conditions)
                yield from _numbered(option.actions, depth + 2)
            if action.default:
                yield depth + 1, "else"
                yield from _numbered(action.default, depth + 2)


def action_words(action: Action) -> str:
    """'publish ON to home/light/set', with its values as they stand in the file."""
    match action:
        case PublishAction():
            kept = ", kept by the broker" if action.retain else ""
            return f"publish {shown(as_text(action.payload.value))} to {action.topic}{kept}"
        case WebhookAction():
            answer = f"; its answer is the value {action.response_variable}" if action.response_variable else ""
            return f"{action.method} {action.url}{answer}"
        case CommandAction():
            values = ", ".join(f"{name}: {text}" for name, text in action.values.items())
            return f"start the command {action.command}{f' with {values}' if values else ''}"
        case PlayAction():
            return f"play {action.media}"
        case StopPlayingAction():
            return "stop playing"
        case AnnounceAction():
            return f'say "{action.text}"'
        case EmissionAction():
            return "let the tweeter play" if action.state == "on" else "let the tweeter rest (presence becomes unknown)"
        case SetValueAction():
            return f"set the value {action.name} to {shown(as_text(action.value.value))}"
        case DelayAction():
            return f"wait {duration_words(action.for_s)}"
        case RoutineAction():
            return f"start the routine {action.routine}, if its own conditions hold"
        case ChooseAction():
            return "the first of these that holds"


def effect_words(effect: Effect) -> str:
    """'publish ON to home/light/set', with its values."""
    match effect:
        case Publish():
            kept = ", kept by the broker" if effect.retain else ""
            return f"publish {shown(effect.payload.decode('utf-8', 'replace'))} to {effect.topic}{kept}"
        case Request():
            body = f" with {shown(effect.body.decode())}" if effect.body else ""
            return f"{effect.method} {effect.url}{body}"
        case Start():
            values = ", ".join(f"{name}: {text}" for name, text in effect.values.items())
            return f"start the command {effect.command}{f' with {values}' if values else ''}"
        case Play():
            return f"play {effect.media}"
        case StopPlaying():
            return "stop playing"
        case Announce():
            return f'say "{effect.text}"'
        case SwitchEmission():
            return f"switch the tweeter {'on' if effect.on else 'off'}"


def _variable_words(variable: Variable) -> str:
    inside = f"{variable.value} of " if variable.value else ""
    return f"{inside}the last message on {variable.topic}"


def _takes_time(actions: Sequence[Action]) -> bool:
    at_once = (PublishAction, StopPlayingAction, EmissionAction, SetValueAction, RoutineAction)
    return any(
        any(_takes_time(within) for within in (action.default, *(option.actions for option in action.options)))
        if isinstance(action, ChooseAction)
        else not isinstance(action, at_once)
        for action in actions
    )


def _mode_words(routine: Routine) -> str:
    match routine.mode:
        case "single":
            return "While it runs, further triggers are dropped."
        case "restart":
            return "A further trigger ends what runs and begins anew."
        case "queued":
            return f"Further triggers wait for their turn, up to {routine.max} in all."
        case "parallel":
            return f"Further triggers run beside it, up to {routine.max} in all."
