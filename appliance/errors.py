"""One root, branches by what the caller can do about it; the command line turns each branch into an exit code."""

import dataclasses
from collections.abc import Sequence


class ApplianceError(Exception):
    """Everything this project raises on purpose. The message names the thing and the cure, on one line."""

    exit_code = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a file: 1-based line and column, the dotted key it belongs to, and what is wrong."""

    line: int
    column: int
    key: str
    message: str


class ConfigError(ApplianceError):
    """A file the owner wrote cannot be used; carries every problem at once."""

    exit_code = 78  # EX_CONFIG of sysexits.h: systemd units can refuse to restart on it

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}:{p.line}:{p.column}: {p.key}: {p.message}" for p in self.problems))


class ModelError(ApplianceError):
    """A model or its runtime cannot be used."""


class SourceError(ApplianceError):
    """A recording cannot be read: broken, empty, too short or without a carrier."""

    exit_code = 2


class HardwareError(ApplianceError):
    """The audio device cannot be used."""

    exit_code = 69  # EX_UNAVAILABLE


class DeviceNotFound(HardwareError):
    """No card matches what was asked for."""


class DeviceBusy(HardwareError):
    """Another program holds the card."""


class UnsupportedFormat(HardwareError):
    """The card does not grant what was asked; says what was wanted and what was offered."""

    def __init__(self, device: str, wanted: str, offered: str) -> None:
        self.device, self.wanted, self.offered = device, wanted, offered
        super().__init__(f"{device}: wanted {wanted}, but the card offers {offered}")


class DeviceLost(HardwareError):
    """The card went away while it was used; the process ends and systemd starts it again."""


class OutputError(ApplianceError):
    """An event could not be delivered."""


class BrokerSettingsError(OutputError):
    """The owner's settings of the broker cannot be used: its name, or the password's file."""

    exit_code = ConfigError.exit_code


class BrokerUnavailable(OutputError):
    """The MQTT broker does not answer or refuses us."""


class PublishRejected(OutputError):
    """The broker or our own rules refuse a message."""


class RoutineError(ApplianceError):
    """A routine's action failed; names the routine."""
