"""Field types and a model whose refusals are plain words: what the owner of a file reads is written here.

Shared by the configuration and the routines, which may not import each other's rooms.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

MISSING_KEY = "missing_key"
UNKNOWN_KEY = "unknown_key"
"""Types of the two refusals that concern a key itself and not its value."""

MAX_TOPIC_BYTES = 65_535

ROUTINE_ID = r"[a-z0-9_]{1,64}"
"""What the `id` of a routine looks like."""

LANGUAGE = r"[a-z]{2,3}(-[a-z0-9]{2,8})*"
"""What a language looks like that a text is spoken in."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """' (did you mean X?)' with the nearest of the known words, or nothing when none is near."""
    by_lower_case = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(word)[:100].lower(), by_lower_case, n=1, cutoff=0.6)
    return f" (did you mean {by_lower_case[near[0]]}?)" if near else ""


def one_of(words: Iterable[str]) -> str:
    """'a, b or c'."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def refusal(place: tuple[str | int, ...], message: str, *, kind: str = "plain") -> InitErrorDetails:
    """A fault to raise from a validator at one of the keys below it."""
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=place, input=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Replaces every refusal of the type it annotates by 'must be ...'."""

    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The source's own schema under one message."""
        return _under_one_message(handler(source), self.what)


@dataclass(frozen=True, slots=True)
class Range:
    """A whole (`int`) or real (`float`) number from `low` to `high`, both allowed."""

    low: float
    high: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A strict number: neither text nor a boolean passes."""
        del handler
        if source is int:
            number: CoreSchema = core_schema.int_schema(ge=int(self.low), le=int(self.high), strict=True)
            kind = "a whole number"
        else:
            number = core_schema.float_schema(ge=self.low, le=self.high, allow_inf_nan=False, strict=True)
            kind = "a number"
        return _under_one_message(number, f"{kind} from {self.low:.10g} to {self.high:.10g}")


@dataclass(frozen=True, slots=True)
class Matching:
    """Text that matches a regular expression from its first to its last character."""

    pattern: str
    what: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Python's own expressions, so that `$` and newlines mean what the reader of the schema expects."""
        del source, handler
        compiled = re.compile(self.pattern)

        def check(found: str) -> str:
            if not compiled.fullmatch(found):
                raise ValueError(self.what)
            return found

        checked = core_schema.no_info_after_validator_function(check, core_schema.str_schema(strict=True))
        return _under_one_message(checked, self.what)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a `Literal`'s or a text enum's values, with the nearest one suggested."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Values are compared with their type, so that `true` is not 1."""
        del handler
        values = get_args(source) or tuple(source)

        def choose(found: object) -> object:
            for value in values:
                if found == value and (isinstance(found, str) or type(found) is type(value)):
                    return value
            words = [str(value) for value in values]
            hint = did_you_mean(found, words) if isinstance(found, str) else ""
            raise PydanticCustomError("plain", f"must be {one_of(words)}{hint}")

        return core_schema.no_info_plain_validator_function(choose)


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """A list with something in it; asked only when all that is in it is right, or it would be called empty too."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Looks at the list behind the source's own checks."""

        def check(found: tuple[object, ...]) -> tuple[object, ...]:
            if not found:
                raise PydanticCustomError("plain", "must not be empty")
            return found

        return core_schema.no_info_after_validator_function(check, handler(source))


def _topic(found: str) -> str:
    """Refuses what no broker accepts as the topic of a message."""
    length_bytes = len(found.encode())
    if not 0 < length_bytes <= MAX_TOPIC_BYTES or any(sign in found for sign in "+#\0"):
        raise ValueError(found)
    return found


@dataclass(frozen=True, slots=True)
class Topic:
    """An MQTT topic to publish to."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The rules of MQTT 5, section 4.7."""
        checked = core_schema.no_info_after_validator_function(_topic, handler(source))
        return _under_one_message(checked, f"an MQTT topic: 1 to {MAX_TOPIC_BYTES} bytes without +, # or NUL")


class PlainModel(BaseModel):
    """A strict, frozen model that refuses unknown keys and says each refusal in plain words."""

    # Built when it is first used: most are never used by a device without routines.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="wrap")
    @classmethod
    def _speak_plainly(cls, found: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(found)
        except ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise ValidationError.from_exception_data(
                cls.__name__, [_plain(dict(problem), known) for problem in error.errors(include_url=False)]
            ) from None


@dataclass(frozen=True, slots=True)
class KindBy:
    """One of several `PlainModel`s, told apart by the word under a key.

    Not pydantic's tagged union: that puts the word among the steps to a fault, where it cannot be told from a key.
    """

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Looks at the key's word, then validates by the one model that has it."""
        del handler
        by_word: dict[str, type[PlainModel]] = {
            get_args(model.model_fields[self.key].annotation)[0]: model for model in get_args(source)
        }

        def check(found: object, info: core_schema.ValidationInfo) -> object:
            if isinstance(found, source):
                return found
            if not isinstance(found, dict):
                raise PydanticCustomError("plain", _PLAIN_WORDS["model_type"])
            word = found.get(self.key)
            if isinstance(word, str) and word in by_word:
                return by_word[word].model_validate(found, context=info.context)
            fault = refusal((self.key,), f"must be {one_of(by_word)}{did_you_mean(word, by_word)}")
            if self.key not in found:
                fault = refusal((self.key,), "is missing", kind=MISSING_KEY)
            raise ValidationError.from_exception_data(self.key, [fault])

        return core_schema.with_info_plain_validator_function(check)


_PLAIN_WORDS = {
    "model_type": "must be a mapping of keys",
    "dict_type": "must be a mapping of keys",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
    "string_type": "must be text",
}


def _plain(error: dict[str, Any], known: list[str]) -> InitErrorDetails:
    """One of pydantic's errors in our words; one that speaks them already is passed on."""
    kind, place, found = error["type"], error["loc"], error["input"]
    if kind == "extra_forbidden":
        kind, message = UNKNOWN_KEY, f"is not a known key{did_you_mean(place[-1], known)}"
    elif kind == "missing":
        kind, message = MISSING_KEY, "is missing"
    else:
        message = _PLAIN_WORDS.get(kind, error["msg"])
    return InitErrorDetails(type=PydanticCustomError(kind, message), loc=place, input=found)


def _under_one_message(schema: CoreSchema, what: str) -> CoreSchema:
    return core_schema.custom_error_schema(schema, custom_error_type="plain", custom_error_message=f"must be {what}")
