"""`pipistrelle routines`: check them, have them explained, and try them out under a virtual clock."""

import argparse
import contextlib
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue

from rich.console import Console
from rich.text import Text

from appliance.cli.run import add_config, config_path
from appliance.config.happenings import load_happenings
from appliance.config.load import load_config, load_routines
from appliance.config.schema import Config
from appliance.errors import OutputError, RoutineError, SourceError
from appliance.fields import did_you_mean
from appliance.outputs.broker import broker_settings
from appliance.outputs.payloads import ErrorMessage, RoutineMessage, Status
from appliance.outputs.subscriber import Subscriber
from appliance.routines.effects import Instant
from appliance.routines.explain import explain
from appliance.routines.host import local_zone
from appliance.routines.outcome import Outcome
from appliance.routines.schema import Routine
from appliance.routines.simulate import KINDS, ByHand, End, Happening, Kind, Told, simulate
from appliance.routines.sun import SunTimes
from appliance.routines.wall import is_set

_DESCRIPTION = """\
Routines say what the device does by itself: when a trigger comes and all conditions hold, actions run in order.
`check`, `explain`, `simulate` and `run --dry-run` look at the file without the service, and nothing is really done by
them; `run` alone asks the running service."""

_EPILOG = """\
the file is routines.file of the configuration, or the one that --file names. One routine:

  - id: light_off
    triggers:
      - {trigger: presence, to: vacant, for: 0:10:00}
    conditions:
      - {condition: time, after: sunset, before: sunrise}
    actions:
      - {action: mqtt.publish, topic: home/light/set, payload: "OFF"}

try it:
  pipistrelle routines check                                    every fault at once, with line and column
  pipistrelle routines explain light_off                        what it says, in plain words
  pipistrelle replay --json evening.flac > evening.jsonl        what happened one evening, and
  pipistrelle routines simulate --events evening.jsonl --from 2026-11-23T18:00    what they would have done
  pipistrelle routines run light_off --dry-run                  what it would do now
  pipistrelle routines run light_off                            do it: the running service is asked to"""

_SIMULATE = """\
Runs all routines under a virtual clock over a file of events, and prints what would happen, and why not: which
condition was false, what a mode or a cooldown dropped. Every action is taken to succeed at once; nothing is done.
Behind the last event the clock runs on until no timer is pending, for a day at most."""

_EVENTS = """\
the events file holds JSON lines, as `pipistrelle replay --json` prints them, or the same as a YAML list:

  - {t_s: 0, type: presence_changed, presence: occupied}
  - {t_s: 12.5, type: motion_started, kind: major, radial_mps: 1.2}
  - {t_s: 20, type: motion_stopped}
  - {t_s: 30, type: mqtt_message, topic: home/weather, payload: {temperature: 4}, retained: true}
  - {t_s: 40, type: stream_health, faults: [silence]}
  - {t_s: 50, type: answer, url: "http://192.0.2.10/traffic", json: {minutes: 25}}
  - {t_s: 1:00:00, type: end}

t_s is the time behind --from, in seconds or as H:MM:SS, and never goes back. An answer is what requests to its address
get from then on. Without an end the simulation goes on while anything is pending."""


_RUN = """\
Asks the running service, over the MQTT broker of the configuration, to start a routine, and prints what becomes of it
until it has ended. Conditions, cooldown and mode decide as though its trigger had come. Ctrl-C ends the looking on
alone. With --dry-run the service is not asked and nothing is done: a virtual clock shows what would happen."""

_RUN_EXIT = """
exit code: 0 it ran to its end (or it was a dry run), 1 it did not start, failed or was ended, or no service answers."""

_ANSWER_S = 5.0
_ONLINE = ("status", Status.ONLINE.value.encode())
_ENDS = {Outcome.DONE, Outcome.FAILED, Outcome.FORGOTTEN, Outcome.CONDITION, Outcome.COOLDOWN, Outcome.DROPPED}


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "routines",
        help="check, explain and try out routines",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    checking = _add(parts, "check", "tell every fault of the file", "Reads the file as the service would.")
    checking.set_defaults(run=_check)
    explaining = _add(
        parts, "explain", "say a routine in plain words", "Says what a routine does, and when it comes next."
    )
    explaining.add_argument("id", nargs="?", metavar="ID", help="of the routine (default: all of them)")
    _add_from(explaining)
    explaining.set_defaults(run=_explain)
    simulating = _add(parts, "simulate", "what they would do on a file of events", _SIMULATE, epilog=_EVENTS)
    simulating.add_argument("--events", type=Path, required=True, metavar="FILE", help="what happens")
    _add_from(simulating)
    simulating.set_defaults(run=_simulate)
    running = _add(
        parts,
        "run",
        "start one of them by hand",
        _RUN,
        epilog=f"{_EVENTS}\n{_RUN_EXIT}",
    )
    running.add_argument("id", metavar="ID", help="of the routine")
    running.add_argument("--dry-run", action="store_true", help="nothing is done, only said")
    running.add_argument(
        "--events", type=Path, metavar="FILE", help="what happened before a dry run: presence, values, answers"
    )
    _add_from(running)
    running.set_defaults(run=_run)


def _add(
    parts: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    words: str,
    description: str,
    *,
    epilog: str = "",
) -> argparse.ArgumentParser:
    parser = parts.add_parser(
        name, help=words, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--file", type=Path, metavar="FILE", help="the routines (default: routines.file of the configuration)"
    )
    add_config(parser)
    return parser


def _add_from(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="start",
        type=_moment,
        metavar="TIME",
        help="the clock at the start: 18:00, or 2026-11-23T18:00, of this computer's zone (default: now)",
    )


def _moment(text: str) -> datetime:
    zone = local_zone()
    try:
        if "T" in text or "-" in text[1:]:
            at = datetime.fromisoformat(text)
        else:
            clock = datetime.strptime(text, "%H:%M:%S" if text.count(":") > 1 else "%H:%M")  # noqa: DTZ007
            at = datetime.combine(datetime.now(zone).date(), clock.time())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 18:00 or 2026-11-23T18:00") from None
    at = at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)
    if not is_set(at):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time at which the clock counts as set")
    return at


class _Loaded:
    """The file of routines, and what of the configuration it needs."""

    def __init__(self, args: argparse.Namespace, *, can_play: bool) -> None:
        self.config: Config = load_config(config_path(args))
        settings = self.config.routines
        path = args.file or settings.file
        if path is None:
            raise SourceError("no routines: name a file by --file, or by routines.file in the configuration")
        self.path: Path = path
        self.sun = SunTimes(*settings.position) if settings.position else None
        # A file that is looked at without its configuration may name commands that nobody knows here.
        commands = settings.commands if args.file is None or settings.commands else None
        can_play = can_play or bool(self.config.audio.music_outputs)
        self.routines = load_routines(path, commands=commands, place_known=self.sun is not None, can_play=can_play)
        self.start: datetime = getattr(args, "start", None) or datetime.now(local_zone())

    def named(self, name: str) -> Routine:
        for routine in self.routines:
            if routine.id == name:
                return routine
        raise SourceError(f"{self.path}: no routine {name}{did_you_mean(name, [one.id for one in self.routines])}")


def _check(args: argparse.Namespace) -> int:
    loaded = _Loaded(args, can_play=False)
    count = len(loaded.routines)
    print(f"ok\n{loaded.path}: {count} routine{'' if count == 1 else 's'}")
    return 0


def _explain(args: argparse.Namespace) -> int:
    loaded = _Loaded(args, can_play=True)
    console = Console(highlight=False)
    at = Instant(0.0, loaded.start)
    for number, routine in enumerate(loaded.routines if args.id is None else [loaded.named(args.id)]):
        if number:
            console.print()
        for depth, words in explain(routine, at, loaded.sun):
            style = "bold" if depth == 0 else "grey62" if depth == 1 else ""
            _say(console, Text("  " * depth), words, style)
    return 0


def _simulate(args: argparse.Namespace) -> int:
    loaded = _Loaded(args, can_play=True)
    happenings = load_happenings(args.events)
    _tell(simulate(loaded.routines, happenings, start=loaded.start, sun=loaded.sun), loaded)
    return 0


def _run(args: argparse.Namespace) -> int:
    if args.dry_run:
        return _dry_run(args)
    if not (args.file is args.events is args.start is None):
        raise SourceError("--file, --events and --from are for --dry-run; the service has its own file and clock")
    config = load_config(config_path(args))
    mqtt = config.mqtt
    if not mqtt.enabled:
        raise SourceError("the service is asked over MQTT, and mqtt.enabled is false; --dry-run says what it would do")
    root = f"{mqtt.base_topic}/{config.node}"
    said: SimpleQueue[tuple[str, bytes]] = SimpleQueue()
    with contextlib.closing(
        Subscriber(
            broker_settings(mqtt),
            topics=[f"{root}/{name}" for name in ("status", "routine", "error")],
            on_message=lambda topic, payload, _retained: said.put((topic.removeprefix(f"{root}/"), payload)),
        )
    ) as broker:
        try:
            # The retained status is the first to come, and shows that the answers will come as well.
            while said.get(timeout=_ANSWER_S) != _ONLINE:
                pass
            broker.publish(f"{root}/set/routine", args.id.encode())
            return _look_on(args.id, said, refused=f"{root}/set/routine")
        except Empty:
            raise OutputError(
                f"no service of {config.node} answers on this broker; start it, or try --dry-run"
            ) from None


def _look_on(routine_id: str, said: "SimpleQueue[tuple[str, bytes]]", *, refused: str) -> int:
    """Print what becomes of a routine; the exit code."""
    console = Console(highlight=False)
    begun = False
    while True:
        name, payload = said.get(timeout=None if begun else _ANSWER_S)
        if name == "error":
            error = ErrorMessage.model_validate_json(payload)
            if error.topic == refused and not begun:
                raise RoutineError(error.message)
        elif name == "status":
            if (name, payload) != _ONLINE:
                raise OutputError("the service has ended")
        else:
            told = RoutineMessage.model_validate_json(payload)
            if told.routine == routine_id:
                begun = True
                mark, style = _MARKS[KINDS.get(told.outcome, Kind.STEP)]
                line = Text(f"{told.at.astimezone(local_zone()):%H:%M:%S}  ", "grey62")
                line.append(f"{mark} {routine_id}  ", style)
                _say(console, line, ": ".join(filter(None, (told.outcome.value, told.message))), "")
                if told.outcome in _ENDS:
                    return 0 if told.outcome is Outcome.DONE else 1


def _dry_run(args: argparse.Namespace) -> int:
    loaded = _Loaded(args, can_play=True)
    loaded.named(args.id)
    happened = load_happenings(args.events) if args.events else ()
    before = [happening for happening in happened if not isinstance(happening.what, End)]
    t_s = before[-1].t_s if before else 0.0
    story = simulate(loaded.routines, [*before, Happening(t_s, ByHand(args.id))], start=loaded.start, sun=loaded.sun)
    _tell(story, loaded)
    return 0


_MARKS = {
    Kind.EVENT: ("", "bold"),
    Kind.FIRED: ("✓", "green"),
    Kind.EFFECT: ("→", "cyan"),
    Kind.STEP: ("·", "grey62"),
    Kind.NOT: ("✗", "yellow"),
    Kind.FAILED: ("!", "bold red"),
}


def _tell(story: Iterable[Told], loaded: _Loaded) -> None:
    console = Console(highlight=False)
    start = loaded.start
    console.print(Text(f"{start:%A %-d %B %Y, %H:%M:%S %Z}", "bold"))
    width = max((len(routine.id) for routine in loaded.routines), default=0)
    fired: Counter[str] = Counter()
    shown: datetime | None = None
    for told in story:
        wall = told.at.wall
        moment = wall.replace(microsecond=0)
        clock = "" if moment == shown else _clock(wall, shown or start)
        shown = moment
        mark, style = _MARKS[told.kind]
        line = Text(f"{clock:>12}  ", "grey62")
        if told.kind is not Kind.EVENT:
            line.append(f"{mark} {told.routine_id:<{width}}  ", style)
        _say(console, line, told.words, style if told.kind in {Kind.EVENT, Kind.EFFECT, Kind.FAILED} else "")
        fired[told.routine_id] += told.kind is Kind.FIRED
    _sum_up(console, fired, [routine.id for routine in loaded.routines])


def _say(console: Console, before: Text, words: str, style: str) -> None:
    """Words as one block that hangs behind what stands before them."""
    indent = len(before)
    words = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in words)
    first, *rest = textwrap.wrap(words, max(20, console.width - indent)) or [""]
    before.append(first, style)
    for line in rest:
        before.append("\n" + " " * indent).append(line, style)
    console.print(before, soft_wrap=True)


def _clock(wall: datetime, before: datetime) -> str:
    return f"{wall:%a %H:%M:%S}" if wall.date() != before.date() else f"{wall:%H:%M:%S}"


def _sum_up(console: Console, fired: Counter[str], ids: Sequence[str]) -> None:
    did = [f"{name} {fired[name]} times" if fired[name] > 1 else f"{name} once" for name in ids if fired[name]]
    _say(console, Text("fired: ", "bold"), ", ".join(did) or "nothing", "bold")
    still = [name for name in ids if not fired[name]]
    if still:
        _say(console, Text("never: ", "grey62"), ", ".join(still), "grey62")
