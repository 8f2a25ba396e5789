"""`pipistrelle update`: the image's system, looked after and replaced."""

import argparse
import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.card.update import Offer, UpdateError, Updater, newest, offer_of_folder
from appliance.config.load import CONFIG_PATH, load_config
from appliance.errors import ConfigError
from appliance.updates import TOLD

VERSION = Path("/usr/lib/pipistrelle/version")
TRIED = Path("/data/system/stick-tried")
"""The version that a stick brought last: an update that was left again is not taken a second time by itself."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "update",
        help="the image's system: look for a newer one, or install one",
        description="Updates of the SD-card image. What is installed starts next, on trial, and is left again "
        "by itself if it does not run well.",
    )
    parser.add_argument("--no-reboot", action="store_true", help="what is installed waits for the next start")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    look = commands.add_parser("look", help="ask the folder of updates.url for a newer version")
    look.set_defaults(run=_look)
    install = commands.add_parser("install", help="install one, and start it")
    install.add_argument(
        "bundle", nargs="?", metavar="FILE|URL", help="default: the newest in the folder of updates.url"
    )
    install.set_defaults(run=_install)
    stick = commands.add_parser("stick", help="install a newer one from a folder, once; for a USB stick")
    stick.add_argument("folder", type=Path, metavar="FOLDER")
    stick.set_defaults(run=_stick)


def _look(_args: argparse.Namespace) -> int:
    with _alone() as updater:
        offer = updater.look(_url())
    print(f"version {offer.version} can be installed" if offer else "there is nothing newer")
    return 0


def _install(args: argparse.Namespace) -> int:
    with _alone() as updater:
        if args.bundle is None:
            try:
                offer = updater.look(_url())
            except ConfigError as error:
                raise updater.refuse(
                    f"the configuration has faults, so that nobody knows where to look: {error}"
                ) from error
            if offer is None:
                raise updater.refuse("there is nothing newer to install")
        else:
            named = newest([args.bundle.rpartition("/")[2]])
            offer = Offer(named[0] if named else "unknown", args.bundle)
        updater.install(offer)
    return _restart(offer, reboot=not args.no_reboot)


def _stick(args: argparse.Namespace) -> int:
    with _alone() as updater:
        offer = offer_of_folder(args.folder)
        if offer is None or not updater.is_newer(offer.version):
            print("nothing newer is on it")
            return 0
        if TRIED.exists() and TRIED.read_text(encoding="ascii").strip() == offer.version:
            raise updater.refuse(f"version {offer.version} was tried already and did not stay")
        updater.install(offer)
        _remember(offer.version)
    return _restart(offer, reboot=not args.no_reboot)


def _remember(version: str) -> None:
    with TRIED.open("w", encoding="ascii") as file:
        file.write(f"{version}\n")
        file.flush()
        os.fsync(file.fileno())


def _restart(offer: Offer, *, reboot: bool) -> int:
    print(f"version {offer.version} is installed and starts next")
    if reboot:
        # `systemctl reboot` would first ask logind, which the image does without
        subprocess.run(["systemctl", "--no-block", "start", "reboot.target"], check=True)
    return 0


def _url() -> str | None:
    return load_config(CONFIG_PATH if CONFIG_PATH.exists() else None).updates.url


@contextmanager
def _alone() -> Iterator[Updater]:
    """One updater at a time: the daily look does not talk into an installation."""
    if not VERSION.exists():
        raise UpdateError("only the SD-card image updates itself")
    TOLD.parent.mkdir(parents=True, exist_ok=True)
    with (TOLD.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Updater(running=VERSION.read_text(encoding="ascii").strip(), told=TOLD)
