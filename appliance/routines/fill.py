"""An action becomes an effect: its values are put in, and nothing in them leads anywhere but to their place. Pure."""

from typing import Any

from appliance.errors import RoutineError
from appliance.routines.effects import (
    Announce,
    Effect,
    Play,
    Publish,
    Request,
    Start,
    StopPlaying,
    SwitchEmission,
)
from appliance.routines.notation import json_bytes
from appliance.routines.schema import (
    Action,
    AnnounceAction,
    CommandAction,
    EmissionAction,
    PlayAction,
    PublishAction,
    StopPlayingAction,
    WebhookAction,
)
from appliance.routines.template import Lookup, render, render_tree, render_url

MAX_ARGUMENT = 4096
MAX_SPOKEN = 4000


def effect_of(action: Action, lookup: Lookup) -> Effect:
    """What an action does outside, with its values in it.

    Raises:
        RoutineError: a value is missing or cannot be used here.
    """
    match action:
        case PublishAction():
            payload = render_tree(action.payload, lookup)
            sent = payload.encode() if isinstance(payload, str) else _json(payload)
            return Publish(action.topic, sent, action.retain, action.qos)
        case WebhookAction():
            body = None if action.body is None else _json(render_tree(action.body, lookup))
            url = render_url(action.url, lookup)
            return Request(url, action.method, body, action.timeout_s, action.response_variable is not None)
        case CommandAction():
            values = {name: _argument(render(text, lookup), name) for name, text in action.values.items()}
            return Start(action.command, values, action.timeout_s)
        case PlayAction():
            return Play(action.media, action.level_db)
        case StopPlayingAction():
            return StopPlaying()
        case AnnounceAction():
            return Announce(_spoken(render(action.text, lookup)), action.language, action.level_db)
        case EmissionAction():
            return SwitchEmission(action.state == "on")
        case _:
            raise TypeError(f"{action.action} does nothing outside")


def _json(value: Any) -> bytes:
    try:
        return json_bytes(value)
    except (ValueError, RecursionError) as error:
        raise RoutineError("a value in it cannot be written as JSON") from error


def _argument(value: str, name: str) -> str:
    """A value from outside must stay an argument: it may not look like an option, nor end the text early."""
    if value.startswith("-") and not _is_number(value):
        raise RoutineError(f"the value {name} begins with a minus, and the program would take it for an option")
    if "\0" in value:
        raise RoutineError(f"the value {name} holds a NUL character")
    if len(value) > MAX_ARGUMENT:
        raise RoutineError(f"the value {name} has {len(value)} characters, at most {MAX_ARGUMENT}")
    return value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _spoken(text: str) -> str:
    """Text without control characters and of a length that somebody would listen to."""
    words = "".join(sign if sign.isprintable() else " " for sign in text)
    if len(words) > MAX_SPOKEN:
        raise RoutineError(f"has {len(words)} characters with its values, at most {MAX_SPOKEN}")
    return words
