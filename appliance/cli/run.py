"""`pipistrelle run`: the service."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from appliance.app import Service
from appliance.clock import WallClock
from appliance.config.load import CONFIG_PATH, load_config
from appliance.config.safe import COPY_NAME, keep_copy, safe_config
from appliance.controls import state_directory
from appliance.errors import ApplianceError, HardwareError
from appliance.sources import open_source
from appliance.starts import SAFE_MODE_S, SETTLED_S, Starts, runtime_directory

_log = logging.getLogger(__name__)

_DESCRIPTION = """\
Listens, decides, publishes over MQTT and runs routines, until it is told to stop (SIGTERM, Ctrl-C) or the
sound card goes away. A broker that is away stops neither sensing nor routines."""

_EPILOG = """\
examples:
  pipistrelle run                                   the card and the broker of /etc/pipistrelle/appliance.yaml
  pipistrelle run --config my.yaml --source room:visit   a virtual room instead of a card
  pipistrelle run --source evening.flac             a recording, in real time"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "run",
        help="the service: listen, decide, publish, run routines",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config(parser)
    parser.add_argument(
        "--source",
        default="alsa",
        metavar="alsa|room:SCENE|FILE",
        help="a sound card, a virtual room (visit, empty) or a recording (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add `--config` as all commands have it."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the configuration (default: {CONFIG_PATH} if it is there, else the built-in defaults)",
    )


def config_path(args: argparse.Namespace) -> Path | None:
    """The configuration file that `--config` means."""
    if args.config is None and CONFIG_PATH.exists():
        return CONFIG_PATH
    path: Path | None = args.config
    return path


def run(args: argparse.Namespace) -> int:
    """Serve until the end."""
    starts = Starts(runtime_directory(os.environ))
    safe_mode = starts.begin()
    try:
        restart_wanted = _serve(args, starts, safe_mode)
    except HardwareError:
        starts.excused()
        raise
    except Exception as error:
        starts.failed(str(error) if isinstance(error, ApplianceError) else repr(error))
        raise
    starts.succeeded()
    if restart_wanted:
        # In the same process, so that it works with and without systemd, which sees no end.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    return 0


def _serve(args: argparse.Namespace, starts: Starts, safe_mode: str) -> bool:
    """Serve; returns whether to begin anew."""
    path, directory = config_path(args), state_directory(os.environ)
    copy = directory / COPY_NAME if directory else None
    config = safe_config(path, copy) if safe_mode else load_config(path)
    service = Service(config, clock=WallClock(), safe_mode=safe_mode)

    def settled() -> None:
        starts.succeeded()
        if copy:
            keep_copy(path, copy)

    async def serve() -> None:
        source = await service.wait_for(lambda: open_source(config, args.source))
        audio = source.audio
        carriers = ", ".join(f"{carrier / 1000:g} kHz" for carrier in source.carriers_hz)
        _log.info("%s, microphones: %d, at %d Hz, listening at %s", audio.name, audio.mics, audio.rate_hz, carriers)
        loop = asyncio.get_running_loop()
        if safe_mode:
            loop.call_later(SAFE_MODE_S, service.restart)
        else:
            loop.call_later(SETTLED_S, settled)
        await service.run(source)

    asyncio.run(serve())
    return service.restart_wanted
