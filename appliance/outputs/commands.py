"""What may be asked of the appliance over MQTT: the table of commands, and how text becomes a value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from appliance.errors import OutputError
from appliance.outputs.payloads import TOPICS
from appliance.presence.machine import MAX_HOLD_S, MIN_HOLD_S

MAX_COMMAND_BYTES = 256
"""No valid command comes near; a longer one is refused before it is decoded."""


class CommandRejected(OutputError):
    """A command from the broker cannot be used; the message says what would be accepted."""


def _hold_s(text: str) -> float:
    hold_s = float(text) if re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text) else 0.0
    if not MIN_HOLD_S <= hold_s <= MAX_HOLD_S:
        raise CommandRejected(f"wants a number of seconds from {MIN_HOLD_S:g} to {MAX_HOLD_S:g}")
    return hold_s


def _on_off(text: str) -> bool:
    wanted = {"on": True, "off": False}.get(text.lower())
    if wanted is None:
        raise CommandRejected("wants on or off")
    return wanted


@dataclass(frozen=True, slots=True)
class Command:
    """One topic we listen to, below `set/`: how its text becomes a value, and what it does."""

    name: str
    parse: Callable[[str], float | bool]
    payload: str
    meaning: str


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        command.name: command
        for command in (
            Command(
                "hold_s",
                _hold_s,
                f"a number, {MIN_HOLD_S:g} to {MAX_HOLD_S:g}",
                "Seconds without a person until the room is vacant",
            ),
            Command("emission", _on_off, "`on` or `off`", "Whether the tweeter plays"),
        )
    }
)


def parse_command(name: str, payload: bytes) -> float | bool:
    """The value of a command: seconds for `hold_s`, True or False for `emission`.

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
        raise CommandRejected(f"payload is not plain text; {command.name} takes {command.payload}") from None
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
        f"| `set/{command.name}` | in | no | 1 | {command.payload} | {command.meaning} |"
        for command in COMMANDS.values()
    ]
    return "\n".join(rows) + "\n"
