"""`pipistrelle room`: a picture of what happens in a scene, and of what the microphones get of it."""

import argparse
import sys
from pathlib import Path

from appliance.physics import MAX_LEVEL_DB_SPL, MIN_CARRIER_HZ
from appliance.simulation.draw import draw_animation, draw_picture
from appliance.simulation.scene_file import scene_named
from appliance.types import Tones

_DESCRIPTION = """\
Draws a scene of the virtual room: its plan with people and things on their ways, and the spectrogram of radial
velocity that the microphones get. SCENE is a built-in one (empty, visit) or a YAML file of your own."""

_EPILOG = """\
examples:
  pipistrelle room visit                     writes visit.png
  pipistrelle room evening.yaml --gif        writes evening.gif, which moves
  pipistrelle run --source room:evening.yaml the service in that scene"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "room",
        help="draw a scene of the virtual room",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scene", metavar="SCENE", help="empty, visit, or a YAML file")
    parser.add_argument("--gif", action="store_true", help="a moving picture instead of a still one")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: the scene's name with .png or .gif")
    parser.add_argument("--carrier-hz", type=float, default=40_000.0, help="default: %(default)g")
    parser.add_argument("--level-db-spl", type=float, default=75.0, help="at 1 m; default: %(default)g")
    parser.set_defaults(run=room)


def room(args: argparse.Namespace) -> int:
    """Draw; 2 when the tone is none that may be played."""
    if not MIN_CARRIER_HZ <= args.carrier_hz <= 90_000.0 or not 0.0 <= args.level_db_spl <= MAX_LEVEL_DB_SPL:
        print(
            f"pipistrelle: carriers are {MIN_CARRIER_HZ:g} to 90000 Hz, levels 0 to {MAX_LEVEL_DB_SPL:g} dB SPL",
            file=sys.stderr,
        )
        return 2
    scene = scene_named(args.scene)
    path = args.output or Path(Path(args.scene).stem).with_suffix(".gif" if args.gif else ".png")
    tones = Tones(carriers_hz=(args.carrier_hz,), level_db_spl=args.level_db_spl)
    (draw_animation if args.gif else draw_picture)(scene, path, tones=tones)
    print(f"{path}: {scene.name}, {scene.duration_s:g} s")
    return 0
