"""YAML 1.2 as plain values, with the line and column of each: `no`, `OFF` and `1:30` stay text.

Built on the parser's events and not on its constructors: the depth is bounded before anything recurses, every value
keeps its place, and the types are the core schema's and no others. Duplicate keys are collected, so that they are
reported beside whatever else is wrong.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from appliance.errors import ConfigError, Problem

MAX_DEPTH = 32
MAX_SHOWN = 60

Place = tuple[str | int, ...]
"""The way to a value: keys of mappings, indices of lists."""

_FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
# The length is bounded because Python refuses to read whole numbers of more than 4,300 digits.
_WHOLE = re.compile(r"[-+]?[0-9]{1,4000}")
_OCTAL = re.compile(r"0o[0-7]{1,4000}")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,3000}")
_REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = re.compile(r"\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """What a file says: `data` is None when it says nothing.

    `keys` and `values` give the mark of each place's key and value. `problems` are the faults that did not hinder
    the reading.
    """

    data: Any = None
    keys: dict[Place, Mark] = field(default_factory=dict)
    values: dict[Place, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def dotted(place: Place) -> str:
    """`emission.carriers_hz[0]`; the file as a whole is `file`."""
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in place)
    return name.removeprefix(".") or "file"


def shown(text: str) -> str:
    """The owner's text as part of a one-line message."""
    short = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return short if short.isprintable() and short else repr(short)


def parse(text: str, *, path: str) -> Document:
    """Reads one YAML 1.2 document.

    Raises:
        ConfigError: with one problem where the reading cannot go on.
    """
    reader = _Reader(path)
    if fault := _FORBIDDEN.search(text):
        line = text.count("\n", 0, fault.start()) + 1
        column = fault.start() - text.rfind("\n", 0, fault.start())
        raise ConfigError(path, [Problem(line, column, "yaml", "a control character is not allowed")])
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            reader.take(event)
    except MarkedYAMLError as error:
        reader.refuse(error.problem_mark or error.context_mark, _syntax(error))
    except (YAMLError, ValueError, OverflowError):
        # The scanner turns escapes and directives into characters and numbers unchecked; these errors have no mark.
        reader.refuse(None, "an escape behind this place is out of range")
    return reader.document


def _syntax(error: MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem or error.context or "cannot be understood").split())
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces"
    if problem.startswith("mapping values are not allowed"):
        return "a second `key:` on this line; put the text in quotes"
    context = " ".join(str(error.context).split()) if error.context and error.problem else ""
    return f"is not valid YAML: {problem}{', ' + context if context else ''}"


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    place: Place
    into: dict[str, Any] | list[Any]
    key: str | None = None
    is_duplicate: bool = False


class _Reader:
    """Takes the parser's events one by one; recursion would let a deeply nested file end the process."""

    def __init__(self, path: str) -> None:
        self.document = Document()
        self._path = path
        self._open: list[_Open] = []
        self._documents = 0
        self._last_mark: Any = None

    def take(self, event: Any) -> None:
        self._last_mark = event.start_mark
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.refuse(event.start_mark, "only one YAML document is allowed in a file")
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._open.pop()
        elif isinstance(event, NodeEvent):
            self._take_node(event)

    def refuse(self, mark: Any, message: str) -> NoReturn:
        mark = mark or self._last_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigError(self._path, [Problem(line, column, "yaml", message)])

    def _take_node(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            self.refuse(event.start_mark, "anchors (&) and aliases (*) are not supported; write the value out")
        if tag := getattr(event, "tag", None):
            self.refuse(event.start_mark, f"tags are not supported (found {shown(str(tag))})")
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.into, dict) and parent.key is None:
            self._take_key(parent, event)
            return
        value: Any
        if isinstance(event, ScalarEvent):
            value = self._scalar(event)
        else:
            value = {} if isinstance(event, MappingStartEvent) else []
        place = self._put(parent, value, event)
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            if len(self._open) >= MAX_DEPTH:
                self.refuse(event.start_mark, f"nested deeper than {MAX_DEPTH} levels")
            self._open.append(_Open(place, value))

    def _take_key(self, parent: _Open, event: NodeEvent) -> None:
        if not isinstance(event, ScalarEvent):
            self.refuse(event.start_mark, "a key must be plain text")
        key = self._text(event)
        parent.key = key
        place = (*parent.place, key)
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
        first = self.document.keys.get(place)
        parent.is_duplicate = first is not None
        if first is not None:
            message = f"is given twice; the first is on line {first.line}"
            self.document.problems.append(Problem(mark.line, mark.column, dotted(place), message))
        else:
            self.document.keys[place] = mark

    def _put(self, parent: _Open | None, value: Any, event: NodeEvent) -> Place:
        mark = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
        place: Place = ()
        if parent is None:
            self.document.data = value
        elif isinstance(parent.into, list):
            place = (*parent.place, len(parent.into))
            parent.into.append(value)
        else:
            assert parent.key is not None
            key, parent.key = parent.key, None
            if parent.is_duplicate:
                # Read to its end, so that nothing behind it is lost, but kept apart from the first.
                return (*parent.place, f"{key} (again, line {mark.line})")
            place = (*parent.place, key)
            parent.into[key] = value
        nothing_written = isinstance(event, ScalarEvent) and event.implicit[0] and not event.value
        # To the parser nothing stands where the next thing begins, which may be lines below.
        self.document.values[place] = self.document.keys.get(place, mark) if nothing_written else mark
        return place

    def _text(self, event: ScalarEvent) -> str:
        try:
            # Two escapes may be the halves of one character, as in JSON; a half alone is none.
            return str(event.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self.refuse(event.start_mark, "half a surrogate pair is not a character")

    def _scalar(self, event: ScalarEvent) -> Any:
        text = self._text(event)
        is_plain = event.implicit[0]
        return plain_value(text) if is_plain else text


def plain_value(text: str) -> bool | int | float | str | None:
    """The value of an unquoted word by YAML 1.2's core schema."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    for pattern, base in ((_WHOLE, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
        if pattern.fullmatch(text):
            return int(text.removeprefix("0o").removeprefix("0x"), base)
    if _REAL.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if _NOT_A_NUMBER.fullmatch(text):
        return float("nan")
    return text
