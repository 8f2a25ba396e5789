"""`pipistrelle doctor`: is everything in place?"""

import argparse
import platform
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from rich.console import Console
from rich.markup import escape

from appliance import __version__
from appliance.classify.tflite import probe_runtime
from appliance.cli.run import add_config, config_path
from appliance.config.load import load_config, load_routines_of
from appliance.config.schema import Config
from appliance.dsp.downconvert import DownConverter
from appliance.errors import ApplianceError, SourceError
from appliance.outputs.broker import broker_settings
from appliance.outputs.client import probe
from appliance.routines.checks import parts
from appliance.routines.schema import AnnounceAction, PlayAction, Routine
from appliance.sources import choose_card
from appliance.starts import RUNTIME_DIRECTORY, safe_mode_reason
from appliance.types import PcmBlock


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="is everything in place?",
        description="Looks at all that the service needs, one line each, and says what to do about what is missing. "
        "Exit code 0 if the service can do its work here, else 1.",
    )
    add_config(parser)
    parser.set_defaults(run=doctor)


def doctor(args: argparse.Namespace) -> int:
    """Make all checks, whatever the others found."""
    console = Console(highlight=False, soft_wrap=True)
    path = config_path(args)
    found: list[bool] = []

    def check(name: str, look: Callable[[], str]) -> None:
        try:
            well = look()
            console.print(f"[green]ok  [/] {name}: {escape(well)}")
            found.append(True)
        except ApplianceError as error:
            found.append(False)
            for line in str(error).splitlines():
                console.print(f"[red]bad [/] {name}: {escape(line)}")

    check("software", lambda: f"pipistrelle {__version__}, Python {platform.python_version()}, {platform.machine()}")
    check("signal path", _signal_path)
    check("model runtime", probe_runtime)
    check("configuration", lambda: f"{path or 'built-in defaults'}, node {load_config(path).node}")
    try:
        config = load_config(path)
    except ApplianceError:
        config = Config()
    check("routines", lambda: _routines(config))
    check("sound card", lambda: _card(config))
    check("broker", lambda: _broker(config))
    check("service", _service)
    return 0 if all(found) else 1


def _signal_path() -> str:
    """Down-converts half a second of a known tone in C."""
    rate_hz, carrier_hz, amplitude = 192_000, 40_000.0, 0.25
    wave = amplitude * np.cos(2.0 * np.pi * carrier_hz / rate_hz * np.arange(rate_hz // 2))
    samples = np.ascontiguousarray(np.round(wave * 2.0**31).astype(np.int32)[:, None])
    down = DownConverter(rate_hz=rate_hz, mics=1, carriers_hz=(carrier_hz,))
    level = float(np.abs(down.process(PcmBlock(samples, 0, rate_hz)).iq[0, 0, -1]))
    if abs(level / amplitude - 1.0) > 0.02:
        raise ApplianceError(f"a tone of {amplitude} reads {level:.4f}; the C extension is broken, install it anew")
    return f"a tone of {20 * np.log10(amplitude):.1f} dBFS at 40 kHz reads {20 * np.log10(level):.2f} dBFS"


def _routines(config: Config) -> str:
    path = config.routines.file
    if path is None:
        return "none configured"
    routines = load_routines_of(config)
    _hear(routines)
    return f"{path}: {len(routines)}"


def _hear(routines: Sequence[Routine]) -> None:
    """Begin to play every file and to speak every language that routines name; streams are left alone."""
    from appliance.hardware.media import is_stream, open_media  # libsndfile, where something is played
    from appliance.hardware.speech import open_speech

    named = [part for routine in routines for _, part in parts(routine)]
    files = {part.media for part in named if isinstance(part, PlayAction) and not is_stream(part.media)}
    languages = {part.language for part in named if isinstance(part, AnnounceAction)}
    faults = []
    for begin in (
        *(partial(open_media, file) for file in sorted(files)),
        *(partial(open_speech, "ready", language=language) for language in sorted(languages)),
    ):
        try:
            begin().close()
        except SourceError as error:
            faults.append(str(error))
    if faults:
        raise SourceError("\n".join(faults))


def _card(config: Config) -> str:
    choice = choose_card(config.audio)
    return f"{choice.capture}, microphones: {choice.mics}, at {choice.rate_hz} Hz, playing to {choice.playback}"


def _service() -> str:
    """What the service under systemd has left for whoever looks."""
    if not RUNTIME_DIRECTORY.is_dir():
        return "does not run under systemd here"
    reason = safe_mode_reason(RUNTIME_DIRECTORY)
    if reason:
        cure = "correct that and `systemctl restart pipistrelle`; more in `journalctl -u pipistrelle`"
        raise ApplianceError(f"runs in safe mode: {reason}\n{cure}")
    return "runs as configured"


def _broker(config: Config) -> str:
    mqtt = config.mqtt
    if not mqtt.enabled:
        return "off by the configuration"
    settings = broker_settings(mqtt)
    probe(settings, client_id=f"pipistrelle-doctor-{config.node}")
    who = "without a user" if settings.user is None else f"as {settings.user}"
    how = "TLS" if settings.tls else "not encrypted"
    return f"{settings} lets us in {who}, MQTT {settings.protocol}, {how}"
