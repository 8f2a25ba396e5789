"""What the owner may change while the appliance runs, and the small file in which it survives a restart."""

import json
import logging
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from appliance.errors import OutputError
from appliance.outputs.commands import COMMANDS, Value
from appliance.outputs.payloads import Mode, SettingsState
from appliance.presence.sensitivity import false_alarms_per_day

_log = logging.getLogger(__name__)

_AWAY_SENSITIVITY = 20.0
"""Away, an alarm calls somebody home: it shall be false ten times more rarely."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold time in s, sensitivity in 0..100, whether the tweeter plays, and the mode, which never contradict."""

    hold_s: float
    sensitivity: float
    emission: bool
    mode: Mode = Mode.NORMAL

    @property
    def false_alarms_per_day(self) -> float:
        """What the detector may accept, the mode considered."""
        reduced = self.sensitivity - (_AWAY_SENSITIVITY if self.mode is Mode.AWAY else 0.0)
        return false_alarms_per_day(reduced)

    @property
    def state(self) -> SettingsState:
        """As it is published."""
        return SettingsState(**asdict(self))

    def after(self, command: str, value: Value) -> "Settings":
        """These settings after a command of `COMMANDS` that names one of them.

        To rest is to be silent: mode and emission follow each other.
        """
        match command:
            case "hold_s":
                return replace(self, hold_s=float(value))
            case "sensitivity":
                return replace(self, sensitivity=float(value))
            case "emission":
                woken = bool(value) and self.mode is Mode.REST
                return replace(self, emission=bool(value), mode=Mode.NORMAL if woken else self.mode)
            case "mode":
                mode = Mode(str(value))
                resting = (self.mode is Mode.REST, mode is Mode.REST)
                return replace(self, mode=mode, emission=self.emission if resting[0] == resting[1] else not resting[1])
        raise ValueError(command)


class SettingsFile:
    """Keeps settings that differ from the configuration, until the configuration itself says something new.

    Args:
        path: of the JSON file, which is replaced as a whole.
        configured: what the configuration says.
    """

    def __init__(self, path: Path, configured: Settings) -> None:
        self._path = path
        self._configured = configured

    def load(self) -> Settings:
        """What the owner last wanted; the configuration where that is not known, wrong or older."""
        try:
            content = json.loads(self._path.read_bytes())
            kept: dict[str, Any] = {
                field.name: _checked(field.name, content["wanted"][field.name])
                for field in fields(Settings)
                if content["configured"][field.name] == getattr(self._configured, field.name)
            }
        except FileNotFoundError:
            return self._configured
        except (OSError, OutputError, ValueError, LookupError, TypeError, RecursionError) as error:
            _log.error("%s: is not used (%s); the configuration's settings hold", self._path, error)
            return self._configured
        settings = replace(self._configured, **kept)
        if settings.mode is Mode.REST and settings.emission:
            return replace(settings, mode=Mode.NORMAL)
        return settings

    def save(self, settings: Settings) -> None:
        """Replace the file, so that a power cut leaves the old one or the new one."""
        content = json.dumps({"configured": asdict(self._configured), "wanted": asdict(settings)})
        new = self._path.with_name(self._path.name + ".new")
        try:
            with new.open("w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            _log.error("%s: cannot be written (%s); a restart would forget what was set", self._path, error.strerror)


def _checked(name: str, value: Any) -> Value:
    """A value as the command of the same name would take it."""
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    parsed = COMMANDS[name].parse(text)
    return Mode(str(parsed)) if name == "mode" else parsed
