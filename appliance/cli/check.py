"""`pipistrelle check`: reads the owner's files as the service would, and tells every fault of both."""

import argparse
import sys
from pathlib import Path

from appliance.config.load import CONFIG_PATH, load_config, load_routines
from appliance.config.schema import Config
from appliance.errors import ConfigError


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "check",
        help="check the configuration and the routines",
        description="Checks both files and prints every fault as file:line:column: key: what is wrong.",
    )
    fallback = f"default: {CONFIG_PATH} if it is there, else the built-in defaults"
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help=fallback)
    parser.add_argument("routines", nargs="?", type=Path, metavar="ROUTINES", help="default: routines.file of CONFIG")
    parser.set_defaults(run=check)


def check(args: argparse.Namespace) -> int:
    """Prints `ok` and what was read, or all faults on standard error; returns the exit code."""
    faults: list[ConfigError] = []
    read: list[str] = []
    config: Config | None = None
    config_path = CONFIG_PATH if args.config is None and CONFIG_PATH.exists() else args.config
    try:
        config = load_config(config_path)
        read.append(f"{config_path or 'built-in defaults'}: node {config.node}")
    except ConfigError as error:
        faults.append(error)
    routines_path = args.routines or (config.routines.file if config else None)
    if routines_path is not None:
        # Without a configuration its allow list is not known: no command is called wrong for that.
        commands = config.routines.commands if config else None
        try:
            known = config is None or config.routines.position is not None
            can_play = config is None or bool(config.audio.music_outputs)
            routines = load_routines(routines_path, commands=commands, place_known=known, can_play=can_play)
            read.append(f"{routines_path}: {len(routines)} routine{'' if len(routines) == 1 else 's'}")
        except ConfigError as error:
            faults.append(error)
    if faults:
        print(*faults, sep="\n", file=sys.stderr)
        return ConfigError.exit_code
    print("ok", *read, sep="\n")
    return 0
