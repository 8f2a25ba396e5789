"""`pipistrelle replay`: what the appliance would have said of a recording."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.cli.run import add_config, config_path
from appliance.config.load import load_config
from appliance.config.schema import Config
from appliance.errors import SourceError
from appliance.events import Event, MotionStarted, MotionStopped, PresenceChanged, StreamHealth
from appliance.hardware.wav import WavAudio
from appliance.sensing import make_pipeline
from appliance.sources import Source
from appliance.types import Presence

_DESCRIPTION = """\
Runs recordings through the same pipeline as the service, as fast as they can be read, and prints what it finds in
stream time. WAV and FLAC, 16, 24, 32 bit or float, 1 to 8 microphones, 96 to 384 kHz."""

_EPILOG = """\
The carrier is taken from --carrier-hz, else from the JSON file beside the recording (evening.json for evening.flac,
{"carrier_hz": 40000}), else the strongest steady lines above 30 kHz are looked for.

With --json each line is one object: {"t_s": 5.12, "type": "motion_started", "score": ..., "radial_mps": ...,
"cause": ...}; types are motion_started, motion_stopped, presence_changed and stream_health; the last line of each
recording is {"type": "summary", "duration_s", "motion_s", "occupied_s", "carriers_hz", "faults"}. With several
recordings each object names its "file".

exit code: 0 when every recording was read whole, else 2; the others are still read."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        help="what would have been said of a recording",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, nothing else")
    parser.add_argument(
        "--carrier-hz", type=float, action="append", metavar="HZ", help="a carrier; repeat it for more than one"
    )
    add_config(parser)
    parser.set_defaults(run=replay)


def replay(args: argparse.Namespace) -> int:
    """Replay all files; 2 if one of them could not be read whole."""
    config = load_config(config_path(args))
    code = 0
    for path in args.files:
        about = {"file": str(path)} if len(args.files) > 1 else {}
        if about and not args.json:
            print(f"{path}:")
        try:
            for found in _findings(config, path, args.carrier_hz):
                print(json.dumps(found | about) if args.json else _line(found), flush=args.json)
        except SourceError as error:
            sys.stdout.flush()
            print(f"pipistrelle: {error}", file=sys.stderr)
            code = SourceError.exit_code
    return code


def _findings(config: Config, path: Path, carriers_hz: list[float] | None) -> Iterator[dict[str, Any]]:
    """Each event of a recording, then its summary, as plain objects."""
    audio = WavAudio(path, carriers_hz=carriers_hz)
    try:
        source = Source(audio, audio.carriers_hz)
        pipeline = make_pipeline(config, source)
        totals = _Totals()
        while (block := audio.read()) is not None:
            for event in pipeline.process(block).events:
                totals.note(event)
                if (found := _finding(event)) is not None:
                    yield found
            totals.end_s = block.end_s
    finally:
        audio.close()
    yield totals.summary(audio.carriers_hz)


class _Totals:
    """Adds up how long there was motion and presence."""

    def __init__(self) -> None:
        self.end_s = 0.0
        self._since_s: dict[str, float] = {}
        self._sum_s = {"motion": 0.0, "occupied": 0.0}
        self._faults: set[str] = set()

    def note(self, event: Event) -> None:
        match event:
            case MotionStarted():
                self._since_s["motion"] = event.t_s
            case MotionStopped():
                self._stop("motion", event.t_s)
            case PresenceChanged(presence=Presence.OCCUPIED):
                self._since_s["occupied"] = event.t_s
            case PresenceChanged():
                self._stop("occupied", event.t_s)
            case StreamHealth():
                self._faults.update(event.faults)

    def _stop(self, what: str, t_s: float) -> None:
        if what in self._since_s:
            self._sum_s[what] += t_s - self._since_s.pop(what)

    def summary(self, carriers_hz: tuple[float, ...]) -> dict[str, Any]:
        for what in self._sum_s:
            self._stop(what, self.end_s)
        return {
            "type": "summary",
            "duration_s": round(self.end_s, 3),
            "motion_s": round(self._sum_s["motion"], 3),
            "occupied_s": round(self._sum_s["occupied"], 3),
            "carriers_hz": [round(carrier, 2) for carrier in carriers_hz],
            "faults": sorted(self._faults),
        }


def _finding(event: Event) -> dict[str, Any] | None:
    """An event as a plain object; None for those that replay does not tell."""
    at: dict[str, Any] = {"t_s": round(event.t_s, 3)}
    match event:
        case MotionStarted():
            return at | {"type": "motion_started", "kind": event.kind.value} | _evidence(event)
        case MotionStopped():
            return at | {"type": "motion_stopped"} | _evidence(event)
        case PresenceChanged():
            return at | {
                "type": "presence_changed",
                "presence": event.presence.value,
                "confidence": round(event.confidence, 3),
                "cause": event.cause,
            }
        case StreamHealth():
            faults = list(event.faults)
            return at | {
                "type": "stream_health", "faults": faults, "lost_frames": event.lost_frames, "cause": event.cause
            }  # fmt: skip
    return None


def _evidence(event: MotionStarted | MotionStopped) -> dict[str, Any]:
    radial_mps = None if event.radial_mps is None else round(event.radial_mps, 2)
    return {"score": round(event.score, 3), "radial_mps": radial_mps, "cause": event.cause}


def _line(found: dict[str, Any]) -> str:
    """A finding for people."""
    match found["type"]:
        case "summary":
            carriers = ", ".join(f"{carrier / 1000:g}" for carrier in found["carriers_hz"])
            faults = ", ".join(found["faults"]) or "none"
            return (
                f"{found['duration_s']:9.2f} s  end: motion {found['motion_s']:.1f} s, occupied "
                f"{found['occupied_s']:.1f} s, carrier {carriers} kHz, faults: {faults}"
            )
        case "motion_started":
            radial = found["radial_mps"]
            way = "" if radial is None else f", {abs(radial):.2f} m/s {'towards' if radial > 0 else 'away'}"
            said = f"motion started ({found['kind']}, score {found['score']:.2f}{way})"
        case "motion_stopped":
            said = f"motion stopped ({found['cause']})"
        case "presence_changed":
            said = f"presence {found['presence']} ({found['cause']}, confidence {found['confidence']:.2f})"
        case _:
            said = f"stream: {', '.join(found['faults']) or 'well'} ({found['cause']})"
    return f"{found['t_s']:9.2f} s  {said}"
