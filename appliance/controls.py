"""Commands of the owner: each is obeyed between two blocks, told, and kept over a restart."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from appliance.config.schema import Config
from appliance.events import Event
from appliance.loop import Request
from appliance.outputs.commands import Value
from appliance.outputs.payloads import SettingsState
from appliance.outputs.settings import Settings, SettingsFile
from appliance.pipeline import Pipeline
from appliance.presence.sensitivity import sensitivity

_KEEP_S = 1.5
"""Gathers what a slider sends on its way, and wears out no card however many commands come."""

STATE_DIRECTORY = Path("/var/lib/pipistrelle")
"""Where the service keeps what must survive a restart, as it is installed."""


def state_directory(environ: Mapping[str, str]) -> Path | None:
    """Where systemd lets the service keep what must survive a restart; None where it does not run under systemd."""
    first = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first) if first else None


def configured_settings(config: Config) -> Settings:
    """The settings with which the configuration wants to begin."""
    return Settings(
        hold_s=config.sensing.hold_s,
        # to a millionth, because a logarithm at the end of the range may lie beyond it by the last bit
        sensitivity=round(sensitivity(config.sensing.false_alarms_per_day), 6),
        emission=config.emission.on,
    )


class Controls:
    """Holds the settings of now. Commands may come from any thread.

    Args:
        config: with which settings to begin, unless the owner wanted others.
        directory: where they are kept; None to keep nothing.
        request: has something done to the pipeline between two blocks.
        tell: publishes the settings.
        restart: ends the service, to be started anew.
    """

    def __init__(
        self,
        config: Config,
        *,
        directory: Path | None,
        request: Callable[[Request], None],
        tell: Callable[[SettingsState], None],
        restart: Callable[[], None],
    ) -> None:
        self._request, self._tell, self._restart = request, tell, restart
        configured = configured_settings(config)
        self._file = SettingsFile(directory / "settings.json", configured) if directory else None
        self.settings = self._file.load() if self._file else configured
        self._lock = threading.Lock()
        self._saver: threading.Timer | None = None

    def applied(self, config: Config) -> Config:
        """The configuration as the settings want it; the detector is told apart, because a mode changes it too."""
        sensing = {"hold_s": self.settings.hold_s, "false_alarms_per_day": self.settings.false_alarms_per_day}
        return config.model_copy(
            update={
                "sensing": config.sensing.model_copy(update=sensing),
                "emission": config.emission.model_copy(update={"on": self.settings.emission}),
            }
        )

    def announce(self) -> None:
        """Publish the settings of now."""
        self._tell(self.settings.state)

    def command(self, name: str, value: Value) -> None:
        """Obey a command of `COMMANDS` that sets something, or the one to restart."""
        if name == "restart":
            self._restart()
            return
        with self._lock:
            self.settings = settings = self.settings.after(name, value)
            self._request(lambda pipeline, t_s: _obey(pipeline, t_s, settings))
            self._tell(settings.state)
            if self._file and self._saver is None:
                self._saver = threading.Timer(_KEEP_S, self._save)
                self._saver.daemon = True
                self._saver.start()

    def close(self) -> None:
        """Keep what was not kept yet."""
        if self._saver is not None:
            self._saver.cancel()
            self._save()

    def _save(self) -> None:
        with self._lock:
            if self._saver is not None and self._file is not None:
                self._saver = None
                self._file.save(self.settings)


def _obey(pipeline: Pipeline, t_s: float, settings: Settings) -> list[Event]:
    pipeline.presence.hold_s = settings.hold_s
    pipeline.tune(false_alarms_per_day=settings.false_alarms_per_day)
    return pipeline.switch_emission(on=settings.emission, t_s=t_s, cause="command")
