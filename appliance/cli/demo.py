"""`pipistrelle demo`: the main job, end to end, in a virtual room."""

import argparse
import asyncio
import contextlib
import errno
import logging
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table

from appliance.app import Service
from appliance.cli.broker import PrivateBroker
from appliance.cli.timeline import WIDTH, Timeline
from appliance.clock import StreamClock, WallClock
from appliance.config.load import load_config
from appliance.events import Event, MotionStarted, MotionStopped, MotionUpdated, PresenceChanged
from appliance.outputs.broker import BrokerSettings
from appliance.outputs.subscriber import Subscriber
from appliance.pipeline import Step
from appliance.simulation.scenes import Scene, visit
from appliance.sources import Source, open_source
from appliance.types import Presence

_DESCRIPTION = """\
Plays a scripted visit to a virtual room (empty, someone walks in, sits and reads, leaves) through the same service
that runs on the Pi, with a private Mosquitto, and shows what it hears, decides, publishes and switches. The room
reacts to what the service really emits: without its tone there is no echo."""

_LIGHT = "home/light/set"
_NODE = "demo"
_HOLD_S = 8
_REFRESH_S = 0.1

_CONFIG = """\
node: {node}
sensing: {{hold_s: {hold_s}}}
mqtt: {{host: {host}, port: {port}}}
routines: {{file: routines.yaml}}
"""
_SVG = re.sub(r"(@font-face \{\{.*?\}\}|<!--.*?-->)\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Rich's picture without the fonts that a viewer would have to fetch from elsewhere, and without its advertisement."""

_ROUTINES = """\
- id: light_on
  triggers: [{{trigger: presence, to: occupied}}]
  actions: [{{action: mqtt.publish, topic: {light}, payload: "ON"}}]
- id: light_off
  triggers: [{{trigger: presence, to: vacant}}]
  actions: [{{action: mqtt.publish, topic: {light}, payload: "OFF"}}]
"""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        help="a scripted visit to a virtual room, no hardware needed",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fast", action="store_true", help="as fast as it can be heard, not in real time")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="save the last picture of the terminal")
    parser.set_defaults(run=demo)


def demo(args: argparse.Namespace) -> int:
    """Run the visit; 1 if nobody was noticed, 2 if there is no place for its picture."""
    if args.picture and not _can_be_written(args.picture):
        return 2
    logging.getLogger().setLevel(logging.ERROR)  # the picture says it all
    scene = visit()
    console = Console(record=args.picture is not None, width=WIDTH if args.picture else None)
    stage = _Stage(scene, width=min(WIDTH, console.width))
    with tempfile.TemporaryDirectory(prefix="pipistrelle-demo-") as name, PrivateBroker(Path(name)) as broker:
        topics = [f"pipistrelle/{_NODE}/{topic}" for topic in ("status", "presence", "motion", "event")]
        subscriber = Subscriber(
            BrokerSettings(broker.host, broker.port),
            topics=[*topics, _LIGHT],
            on_message=lambda topic, payload, _retained: stage.message(topic, payload),
        )
        with contextlib.closing(subscriber):
            config = load_config(_write_files(Path(name), broker))
            service = Service(config, clock=StreamClock() if args.fast else WallClock(), observe=stage.observe)
            source = open_source(config, f"room:{scene.name}", fast=args.fast)
            asyncio.run(_play(service, source, stage, console))
    console.print("", stage.summary(fast=args.fast))
    if args.picture:
        args.picture.write_text(console.export_svg(title="pipistrelle demo", code_format=_SVG), encoding="utf-8")
    return 0 if stage.occupied_s is not None else 1


def _can_be_written(path: Path) -> bool:
    """Looked at before the visit, which takes its time; leaves no file behind."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent):
            pass
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        print(f"pipistrelle: {path}: cannot be written ({error.strerror}); choose another", file=sys.stderr)
        return False
    return True


def _write_files(folder: Path, broker: PrivateBroker) -> Path:
    path = folder / "appliance.yaml"
    path.write_text(_CONFIG.format(node=_NODE, hold_s=_HOLD_S, host=broker.host, port=broker.port), encoding="utf-8")
    (folder / "routines.yaml").write_text(_ROUTINES.format(light=_LIGHT), encoding="utf-8")
    return path


async def _play(service: Service, source: Source, stage: "_Stage", console: Console) -> None:
    """Run the service and draw what happens."""
    with Live(stage.picture(), console=console, auto_refresh=False) as live:
        serving = asyncio.create_task(service.run(source))
        while not serving.done():
            await asyncio.wait([serving], timeout=_REFRESH_S)
            live.update(stage.picture(), refresh=True)
        await serving


class _Stage:
    """What is seen of the visit: by the pipeline's observer, by a subscriber, and by those who wrote the script."""

    def __init__(self, scene: Scene, *, width: int) -> None:
        self._lock = threading.Lock()  # the pipeline's and the subscriber's threads write, the drawing one reads
        self._timeline = Timeline(title="a visit to a virtual room", duration_s=scene.duration_s, width=width)
        inside = scene.inside_s()
        assert inside is not None
        self._entered_s, self._left_s = inside
        self._motion_s: float | None = None
        self.occupied_s: float | None = None
        self._vacant_s: float | None = None
        self._decided: float | None = None
        self._told_ms: float | None = None
        self._switched: list[str] = []

    def picture(self) -> RenderableType:
        """The timeline as it is now."""
        with self._lock:
            return self._timeline.draw()

    def observe(self, step: Step, t_s: float) -> None:
        """Take what the pipeline found."""
        with self._lock:
            for frame in step.frames:
                self._timeline.hear(frame)
            for event in step.events:
                self._note(event)
            self._timeline.advance(t_s)

    def _note(self, event: Event) -> None:
        match event:
            case MotionStarted() | MotionUpdated():
                self._timeline.moving, self._timeline.radial_mps = True, event.radial_mps
                if self._motion_s is None:
                    self._motion_s = event.t_s
            case MotionStopped():
                self._timeline.moving, self._timeline.radial_mps = False, None
            case PresenceChanged():
                self._timeline.presence = event.presence
                if event.presence is Presence.OCCUPIED and self.occupied_s is None:
                    self.occupied_s, self._decided = event.t_s, time.monotonic()
                if event.presence is Presence.VACANT and event.t_s > self._left_s:
                    self._vacant_s = event.t_s

    def message(self, topic: str, payload: bytes) -> None:
        """Take a message that the subscriber got."""
        arrived = time.monotonic()
        with self._lock:
            self._timeline.message(topic, payload)
            if topic == _LIGHT:
                self._timeline.light = payload == b"ON"
                self._switched.append(f"{payload.decode()} at {self._timeline.now_s:.2f} s")
            elif topic.endswith("/presence") and b'"occupied"' in payload and self._told_ms is None and self._decided:
                self._told_ms = (arrived - self._decided) * 1000.0

    def summary(self, *, fast: bool) -> Table:
        """What happened when, beside what was noticed when."""

        def after(t_s: float | None, since_s: float) -> tuple[str, str]:
            return ("-", "never") if t_s is None else (f"{t_s:.2f} s", f"{t_s - since_s:.2f} s later")

        table = Table(box=None, title="the visit", title_justify="left", title_style="bold", show_header=False)
        table.add_row("the person entered", f"{self._entered_s:.2f} s", "")
        table.add_row("motion was noticed", *after(self._motion_s, self._entered_s))
        table.add_row("`occupied` was published", *after(self.occupied_s, self._entered_s))
        if self._told_ms is not None and not fast:
            table.add_row("  the subscriber had it", "", f"{self._told_ms:.1f} ms after the decision")
        table.add_row("the person left", f"{self._left_s:.2f} s", "")
        table.add_row("`vacant` was published", *after(self._vacant_s, self._left_s))
        table.add_row("", "", f"the hold time is {_HOLD_S} s")
        table.add_row("the light", ", ".join(self._switched) or "-", "by two routines")
        return table
