"""`image/test`: the built image in an emulated machine."""

import argparse
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from builder.bundle import test_keys
from builder.machine import EMULATION_TOOLS, check_tools
from builder.steps import BuildError, Workspace

from emulator import updates
from emulator.boot import MEMORY_MB, UP_S, Listener, broker, first_start, hear_a_walk
from emulator.guest import Guest, GuestError

_CHECKOUT = Path(__file__).resolve().parents[2]
_STILL_S = 12.0


def main() -> int:
    """Run what is asked for; returns the exit code."""
    args = _arguments()
    try:
        check_tools(EMULATION_TOOLS)
        workspace = _workspace(args.directory)
        with broker(workspace.directory) as port:
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
    listener = Listener(port)
    try:
        with Guest(test, image=workspace.path("disk.img"), broker_port=port, stick=walk) as guest:
            first_start(guest)
            print("first start: the owner's file was taken up and wiped, the data partition has grown")
            figures = hear_a_walk(guest, listener, walk)
    finally:
        listener.close()
    print(f"occupied at the broker {figures.heard_s:.1f} s after the walk was played")
    print(f"service up {figures.service_up_s:.1f} s after systemd's start (bar: {UP_S:g} s)")
    print(f"memory in use {figures.memory_mb:.0f} MB (bar: {MEMORY_MB:g} MB)")
    print(f"processor: {figures.cpu_share:.2f} s for a second of sound, emulated")
    if figures.service_up_s > UP_S or figures.memory_mb > MEMORY_MB:
        raise GuestError("a bar was missed")


def _render_walk(path: Path, *, python: Path) -> None:
    """Somebody walks in a virtual room: rendered each time, never kept."""
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
    stick = updates.make_stick(
        [bundles.good, bundles.failing, bundles.older, bundles.foreign, bundles.truncated], workspace.path("stick.img")
    )
    test = workspace.path("update-test")
    with Guest(test, image=workspace.path("disk.img"), broker_port=port, stick=stick) as guest:
        first_start(guest)
        updates.plug_in(guest)
        updates.check_refusals(guest, bundles)
        print("a foreign signature, an older version and half a bundle were refused")
        print(f"an update that does not run was left after {updates.check_failing(guest, bundles):.0f} s")
        updates.plug_in(guest)
        updates.check_good(guest, bundles)
        print("a good update started from the other slot, ended its trial and stays")


def _cuts(args: argparse.Namespace, workspace: Workspace, port: int) -> None:
    bundles = _bundles(workspace)
    stick = updates.make_stick([bundles.good], workspace.path("stick.img"))
    test = workspace.path("cuts-test")
    print(f"seed {args.seed}")
    with Guest(test, image=workspace.path("disk.img"), broker_port=port, stick=stick) as guest:
        first_start(guest)
        guest.cut()
        for line in updates.check_power_cuts(guest, bundles.good, cuts=args.cuts, seed=args.seed):
            print(line)


if __name__ == "__main__":
    sys.exit(main())
