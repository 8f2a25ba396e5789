"""`image/test`: the built image in an emulated machine."""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from builder.bundle import test_keys
from builder.machine import EMULATION_TOOLS, check_tools
from builder.steps import BuildError, Workspace

from emulator import updates
from emulator.boot import (
    ARGUMENTS,
    MEMORY_MB,
    NAME,
    PACED_MIPS,
    UP_S,
    first_start,
    hear_a_walk,
    service_up_s,
    timed_start,
)
from emulator.broker import Listener, broker, site
from emulator.guest import Guest, GuestError

_CHECKOUT = Path(__file__).resolve().parents[2]
_STILL_S = 12.0


def main() -> int:
    """Run what is asked for; returns the exit code."""
    args = _arguments()
    try:
        check_tools(EMULATION_TOOLS)
        workspace = _workspace(args.directory)
        with broker() as port:
            args.run(args, workspace, port)
    except (BuildError, GuestError) as error:
        print(f"image/test: {error}", file=sys.stderr)
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="image/test",
        description="Starts what image/build made in QEMU's `virt` machine. Nothing here tells how fast a Pi is.",
    )
    directory = _CHECKOUT / "build/image"
    parser.add_argument("--directory", type=Path, default=directory, help="of the build, default: build/image")
    parser.add_argument("--python", type=Path, default=_CHECKOUT / ".venv/bin/python", help="the project's interpreter")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    boot = commands.add_parser("boot", help="first start, then a walk that must be heard")
    boot.set_defaults(run=_boot)
    update = commands.add_parser("update", help="updates: refused, taken, and left again")
    update.set_defaults(run=_update)
    cuts = commands.add_parser("cuts", help="the power goes at random moments of an installation")
    cuts.add_argument("--cuts", type=int, default=20, help="how often, default: %(default)s")
    cuts.add_argument("--seed", type=int, default=1, help="of the moments, default: %(default)s")
    cuts.add_argument("--anew", action="store_true", help="do not go on where an earlier test was stopped")
    cuts.set_defaults(run=_cuts)
    return parser.parse_args()


def _workspace(directory: Path) -> Workspace:
    if not (directory / "disk.img").exists():
        raise BuildError(f"{directory} has no image: run image/build first")
    project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Workspace(_CHECKOUT, directory.resolve(), project["version"], 0, 1)


def _boot(args: argparse.Namespace, workspace: Workspace, port: int) -> None:
    test = workspace.path("boot-test")
    test.mkdir(exist_ok=True)
    walk = test / "walk.wav"
    _render_walk(walk, python=args.python)
    listener = Listener(port, NAME)
    try:
        with Guest(test, image=workspace.path("disk.img"), broker_port=port, disk=walk, processors=2) as guest:
            first_start(guest)
            _keep_started(guest, workspace)
            _say("first start: the owner's file was taken up and wiped, the data partition has grown")
            figures = timed_start(guest, listener)
            _say(f"the emulator was given {figures.share:.2f} of the {guest.processors} processors that it wanted")
            _say(f"service up {figures.service_up_s:.1f} s after systemd's start (bar: {UP_S:g} s)")
            _say(f"memory in use {figures.memory_mb:.0f} MB (bar: {MEMORY_MB:g} MB)")
            heard_s, share = hear_a_walk(guest, listener)
            instructions = service_up_s(guest) * PACED_MIPS * 1e6
    finally:
        listener.close()
    _say(f"occupied at the broker {heard_s:.1f} s after the walk was played")
    _say(f"the service takes {share:.2f} of a processor of {PACED_MIPS} MIPS")
    _say(f"from systemd's start to the service up: at most {instructions / 1e9:.1f} thousand million instructions")
    if figures.service_up_s > UP_S or figures.memory_mb > MEMORY_MB:
        raise GuestError("a bar was missed")


def _keep_started(guest: Guest, workspace: Workspace) -> None:
    """Others need not wait for a first start again."""
    guest.keep(workspace.path("started.img"))
    shutil.copy(workspace.path("disk.img.key"), workspace.path("started.img.key"))


def _started(workspace: Workspace, port: int) -> Path:
    """A card that has started once."""
    card, stamp = workspace.path("started.img"), workspace.path("started.img.key")
    if not stamp.exists() or stamp.read_bytes() != workspace.path("disk.img.key").read_bytes():
        with Guest(workspace.path("first-test"), image=workspace.path("disk.img"), broker_port=port) as guest:
            first_start(guest)
            _keep_started(guest, workspace)
    return card


def _render_walk(path: Path, *, python: Path) -> None:
    """Somebody walks in a virtual room: rendered each time, never kept."""
    if not python.exists():
        raise BuildError(f"{python} is not there: run `make setup`, or name an interpreter with the project: --python")
    for old in (path, path.with_suffix(".json")):
        old.unlink(missing_ok=True)
    script = Path(__file__).with_name("render_walk.py")
    environment = {**os.environ, "PYTHONPATH": str(_CHECKOUT)}
    subprocess.run([python, script, path, str(_STILL_S)], check=True, env=environment)


def _bundles(workspace: Workspace) -> updates.Bundles:
    certificate, key = test_keys(workspace.directory.parent / "image-keys", workspace)
    return updates.make_bundles(workspace, workspace.path("test-bundles"), certificate=certificate, key=key)


def _update(_args: argparse.Namespace, workspace: Workspace, port: int) -> None:
    bundles = _bundles(workspace)
    stick = updates.make_stick(bundles.stick, workspace.path("usb-stick.img"))
    plugged = updates.make_stick(bundles.plugged, workspace.path("plugged-stick.img"))
    listener = Listener(port, NAME)
    try:
        with (
            site(bundles.good.parent) as site_port,
            Guest(
                workspace.path("update-test"),
                image=_started(workspace, port),
                broker_port=port,
                site_port=site_port,
                processors=2,
            ) as guest,
        ):
            guest.start()
            guest.wait_for_ssh()
            updates.configure(guest, listener)
            updates.check_refusals(guest, bundles)
            _say("a foreign signature, an older version and half a bundle were refused")
            _say(f"an update that does not run was left after {updates.check_failing(guest, bundles):.0f} s")
            told = updates.check_button(guest, listener)
            _say(f"Home Assistant's button: installed ({told} %), started from the other slot, ended its trial")
            guest.stick = stick
            updates.check_stick(guest, listener)
            _say("a stick that was there at the start: installed, started, ended its trial; the configuration survived")
            updates.check_plug(guest, listener, plugged)
            _say("a stick that was plugged in: installed, started, ended its trial; the configuration survived")
    finally:
        listener.close()


def _cuts(args: argparse.Namespace, workspace: Workspace, port: int) -> None:
    bundle = _bundles(workspace).good
    stick = updates.make_stick(bundle, workspace.path("stick.img"))
    test = workspace.path("cuts-test")
    begun = (test / "cuts.json").exists() and not args.anew
    if not begun:
        (test / "cuts.json").unlink(missing_ok=True)
    image = None if begun else _started(workspace, port)
    with Guest(test, image=image, broker_port=port, disk=stick) as guest:
        # what is cut is an installation: the service would only take the emulator's time
        guest.write_on_card("arguments.txt", f"arguments={ARGUMENTS} systemd.mask=pipistrelle.service\n")
        for line in updates.check_power_cuts(guest, bundle, cuts=args.cuts, seed=args.seed):
            _say(line)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
