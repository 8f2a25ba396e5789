"""The dispatcher: one parser, one file a command group, one place where errors become exit codes."""

import argparse
import errno
import gc
import importlib
import logging
import os
import sys
from collections.abc import Sequence

from appliance import __version__
from appliance.errors import ApplianceError, ConfigError

_log = logging.getLogger(__name__)

_COMMANDS = (
    "run", "demo", "room", "replay", "record", "devices", "check", "routines", "doctor", "history", "captures", "fleet",
    "card", "update", "evaluate", "asyncapi",
)  # fmt: skip

_DESCRIPTION = """\
Senses people by inaudible sound: a tweeter plays faint tones at or above 32 kHz, microphones hear them back,
and the Doppler shift of the echoes tells motion and presence. Events go out over MQTT; routines run here."""

_EPILOG = """\
first steps:
  pipistrelle demo                         a scripted visit to a virtual room, no hardware needed
  pipistrelle devices                      the sound cards here, and which can be used
  pipistrelle doctor                       is everything in place?
  pipistrelle run --config appliance.yaml  the service itself

exit codes: 0 well, 2 a recording or an argument cannot be used, 69 the sound card cannot be used or went away,
78 the configuration or the routines file has faults, 1 anything else."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    try:
        return _run(argv)
    except ConfigError as error:
        # as a compiler tells a fault, so that editors can jump to its place
        print(error, file=sys.stderr)
        return error.exit_code
    except ApplianceError as error:
        print(*(f"pipistrelle: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _forget_output()  # whoever read it went away
        return 141
    except Exception as error:  # noqa: BLE001 -- the last resort: a user gets a line, not a traceback
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            # Files of ours are written where their names are known.
            _forget_output()
            print(f"pipistrelle: standard output: {error.strerror}", file=sys.stderr)
            return 1
        _log.debug("traceback", exc_info=True)
        print(f"pipistrelle: a fault of the program: {error!r}; --verbose shows where", file=sys.stderr)
        return 1


def _run(argv: Sequence[str] | None) -> int:
    try:
        arguments = sys.argv[1:] if argv is None else argv
        args = _parser(arguments).parse_args(arguments)
    except SystemExit:  # argparse has given its help
        _flush()
        raise
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(levelname)s %(name)s: %(message)s" if args.verbose else "%(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    code: int = args.run(args)
    _flush()
    return code


def _flush() -> None:
    """Write what waits for standard output now, while its faults can still be told."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _forget_output() -> None:
    """Standard output leads nowhere from now on, else Python would try again at exit, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pipistrelle",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pipistrelle {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log more, with the place it comes from")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    named = next((argument for argument in argv if not argument.startswith("-")), None)
    # Modules stay: looking for garbage among them is a twentieth of the start, and would be part of each later search.
    gc.disable()
    # The service starts in half the time, and in less memory, without what only the others need.
    for command in [named] if named in _COMMANDS else _COMMANDS:
        importlib.import_module(f"appliance.cli.{command}").register(commands)
    gc.freeze()
    gc.enable()
    return parser
