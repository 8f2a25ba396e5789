"""What may be asked of the appliance over MQTT: the table of commands, and how text becomes a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.errors import OutputError
from appliance.fields import ROUTINE_ID, one_of
from appliance.outputs.payloads import TOPICS, Mode
from appliance.presence.machine import MAX_HOLD_S, MIN_HOLD_S
from appliance.presence.sensitivity import MAX_SENSITIVITY, MIN_SENSITIVITY
from appliance.snippets.answer import Answer

Value = float | bool | str
"""Of a command: a number, on or off, or a word."""

MAX_COMMAND_BYTES = 256
"""No valid command comes near; a longer one is refused before it is decoded."""


class CommandRejected(OutputError):
    """A command from the broker cannot be used; the message says what would be accepted."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number between two others, both allowed, in plain decimals."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}"

    def parse(self, text: str) -> float:
        """The number.

        Raises:
            CommandRejected: it is none, or out of range.
        """
        value = float(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,20})?", text) else float("nan")
        if not self.low <= value <= self.high:
            raise CommandRejected(f"wants {self}")
        return value


@dataclass(frozen=True, slots=True)
class Words:
    """One of a few words, in small letters or large."""

    meaning: Mapping[str, bool | str]

    def __str__(self) -> str:
        return one_of(f"`{word}`" for word in self.meaning)

    def parse(self, text: str) -> bool | str:
        """What the word means.

        Raises:
            CommandRejected: it is another word.
        """
        wanted = self.meaning.get(text.lower())
        if wanted is None:
            raise CommandRejected(f"wants {one_of(self.meaning)}")
        return wanted


@dataclass(frozen=True, slots=True)
class RoutineIds:
    """The name of a routine; which there are is for others to know."""

    def __str__(self) -> str:
        return "the `id` of a routine"

    def parse(self, text: str) -> str:
        """The id.

        Raises:
            CommandRejected: no routine can be called so.
        """
        if not re.fullmatch(ROUTINE_ID, text):
            raise CommandRejected("wants the id of a routine, 1 to 64 of a-z, 0-9 and _")
        return text


@dataclass(frozen=True, slots=True)
class Command:
    """One topic we listen to, below `set/`: what it takes, and what it does."""

    name: str
    takes: Numbers | Words | RoutineIds
    meaning: str

    def parse(self, text: str) -> Value:
        """The value that a text means.

        Raises:
            CommandRejected: it means none.
        """
        return self.takes.parse(text)


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        command.name: command
        for command in (
            Command("hold_s", Numbers(MIN_HOLD_S, MAX_HOLD_S), "Seconds without a person until the room is vacant"),
            Command(
                "sensitivity",
                Numbers(MIN_SENSITIVITY, MAX_SENSITIVITY),
                "How easily motion is believed; 20 more accept ten times as many false alarms, 60 is one a day",
            ),
            Command("emission", Words({"on": True, "off": False}), "Whether the tweeter plays"),
            Command(
                "mode",
                Words({mode.value: mode.value for mode in Mode}),
                "`away` has ten times fewer false alarms, `rest` is silent and knows nothing of the room",
            ),
            Command("routine", RoutineIds(), "Start a routine; what becomes of it is told on `routine`"),
            Command(
                "wrong",
                Words({answer.value: answer.value for answer in Answer}),
                "Say that motion was just now judged wrongly, and who or what was there: a capture is kept; "
                "needs `captures.on`",
            ),
            Command(
                "update",
                Words({"install": "install"}),
                "On the SD-card image: install the newest version and start it; what is in the way is told on `error`",
            ),
            Command("restart", Words({"restart": True}), "End the service and start it anew"),
        )
    }
)


def parse_command(name: str, payload: bytes) -> Value:
    """The value of a command: a number for `hold_s` and `sensitivity`, True or False for `emission`, or a word.

    Raises:
        CommandRejected: the name is unknown, or the payload too long, not text or no value of this command.
    """
    command = COMMANDS.get(name)
    if command is None:
        raise CommandRejected(f"unknown command; known are {', '.join(COMMANDS)}")
    if len(payload) > MAX_COMMAND_BYTES:
        raise CommandRejected(f"payload of {len(payload)} bytes; at most {MAX_COMMAND_BYTES} are read")
    try:
        text = payload.decode("ascii")
    except UnicodeDecodeError:
        raise CommandRejected(f"payload is not plain text; {command.name} takes {command.takes}") from None
    return command.parse(text.strip())


def topic_table_markdown() -> str:
    """The table of topics for the README, one row for each topic and command, with a final newline."""
    rows = ["| Topic | Direction | Retained | QoS | Payload | Meaning |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{topic.name}` | out | {'yes' if topic.retained else 'no'} | {topic.qos} | {topic.payload} "
        f"| {topic.meaning} |"
        for topic in TOPICS.values()
    ]
    rows += [
        f"| `set/{command.name}` | in | no | 1 | {command.takes} | {command.meaning} |" for command in COMMANDS.values()
    ]
    return "\n".join(rows) + "\n"
