"""Texts that hold values: `{name}` and `{name.step.step}`, and nothing cleverer.

A value is looked up by its name, then by keys of mappings and indices of lists: no attributes, no calls, no formats.
Braces that hold no name stay as they are, so that JSON can be written as text.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic_core import PydanticCustomError

from appliance.errors import RoutineError

NAME = r"[a-z][a-z0-9_]{0,63}"
_PLACE = re.compile(rf"\{{({NAME}(?:\.[A-Za-z0-9_-]{{1,64}}){{0,15}})\}}")

MAX_RENDERED = 65_536
"""Characters that a text may have with its values in it."""

Lookup = Callable[[str], Any]
"""Gives the value of a name with its steps, or raises RoutineError where there is none."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A value as JSON has them, whose texts may hold `{name}`."""

    value: Any


def check_text(text: str, *, strict: bool = False) -> None:
    """Refuses Jinja's braces; a strict text may hold no other braces than those around names, for it is spoken.

    Raises:
        PydanticCustomError: in plain words.
    """
    if "{{" in text or "{%" in text:
        raise PydanticCustomError("plain", "may hold values as {name}; templates in {{ }} or {% %} are not supported")
    if strict and re.search(r"[{}]", _PLACE.sub("", text)):
        raise PydanticCustomError("plain", "holds a brace that is no value; values are written {name} or {name.step}")


def names_of(text: str) -> list[str]:
    """The names in a text, each with its steps."""
    return _PLACE.findall(text)


def names_of_tree(tree: Tree) -> list[str]:
    """The names in all texts of a value."""
    return list(_names_within(tree.value))


def _names_within(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from names_of(value)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _names_within(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names_within(inner)


def render(text: str, lookup: Lookup) -> str:
    """The text with its values in their places.

    Raises:
        RoutineError: a value is missing, or the text becomes too long.
    """
    return _bounded(_PLACE.sub(lambda match: as_text(lookup(match[1])), text))


def render_tree(tree: Tree, lookup: Lookup) -> Any:
    """The value with those of its names; a text that is nothing but `{name}` becomes that value with its own type.

    Raises:
        RoutineError: a value is missing, or a text becomes too long.
    """
    return _rendered(tree.value, lookup)


def _rendered(value: Any, lookup: Lookup) -> Any:
    if isinstance(value, str):
        whole = _PLACE.fullmatch(value)
        return lookup(whole[1]) if whole else render(value, lookup)
    if isinstance(value, dict):
        return {key: _rendered(inner, lookup) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rendered(inner, lookup) for inner in value]
    return value


def render_url(text: str, lookup: Lookup) -> str:
    """The address with its values percent-encoded, so that none can change its host, path or other parameters.

    Raises:
        RoutineError: a value is missing, or would be a step to another folder.
    """

    def encoded(match: re.Match[str]) -> str:
        value = as_text(lookup(match[1]))
        if set(value) <= {"."}:
            # Servers read /../ as the folder above, encoded or not; an empty value would join two slashes.
            raise RoutineError(f"the value {match[1]} is {value!r}, which an address must not hold")
        return quote(value, safe="")

    return _bounded(_PLACE.sub(encoded, text))


def _bounded(text: str) -> str:
    if len(text) > MAX_RENDERED:
        raise RoutineError(f"has {len(text)} characters with its values, at most {MAX_RENDERED}")
    return text


def step_into(value: Any, steps: list[str], name: str) -> Any:
    """What stands at the end of the way through mappings and lists.

    Raises:
        RoutineError: a step leads nowhere.
    """
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif (
            isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(value)
        ):
            value = value[int(step)]
        else:
            raise RoutineError(f"{name} has no value {step}")
    return value


def as_text(value: Any) -> str:
    """A value as it is said, sent or compared: words as they are, numbers without needless zeros, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError as error:
        raise RoutineError("a value is nested too deeply to be written") from error


def shown(text: str, limit: int = 60) -> str:
    """Text from outside as part of one line that is logged or printed: bounded, and without control characters."""
    line = "".join(
        sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(text[:1000].split())
    )
    return (line if len(line) <= limit else f"{line[:limit]}...") or '""'


def from_payload(payload: bytes) -> Any:
    """A payload as a value: JSON where it is JSON, else its text; bytes that are no text become replacement signs."""
    text = payload.decode("utf-8", "replace")
    try:
        value = json.loads(text, parse_constant=_no_constant)
        if "\\u" in text:
            # Half of a surrogate pair passes as JSON, but can neither be sent nor printed.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return value


def _no_constant(word: str) -> None:
    """NaN and Infinity are no JSON, though Python reads them."""
    raise ValueError(word)
