"""`pipistrelle fleet`: the units of a broker."""

import argparse
import contextlib
import json
import threading
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from appliance.cli.run import add_config, config_path
from appliance.config.load import load_config
from appliance.outputs.broker import broker_settings
from appliance.outputs.fleet import Fleet, Unit
from appliance.outputs.payloads import check_topic
from appliance.outputs.subscriber import Subscriber

_DESCRIPTION = """\
`fleet status` lists the units of a broker, one a line: whether it is online, presence, motion, health, version, and
when it last spoke. The list changes in place until Ctrl-C."""

_EPILOG = """\
examples:
  pipistrelle fleet status                                 live
  pipistrelle fleet status --json                          once, as a JSON list
  pipistrelle fleet status --json --expect kitchen attic   both are listed even if they were never there

Broker, base topic, user, password and TLS are those of the service's configuration; the user must be allowed to read
<base>/#, which a single unit's user is not.

exit code: 0 well, 1 the broker does not answer, or an expected unit is not online, 78 the configuration
has faults."""

_QUIET_S = 1.0
_SNAPSHOT_S = 15.0
_REFRESH_S = 0.25
_AVAILABILITY = {"online": ("● online", "steel_blue1"), "offline": ("○ offline", "dark_orange")}


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "fleet",
        help="the units of a broker, live",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=("status",), help="list them")
    parser.add_argument("--expect", nargs="+", default=[], metavar="NODE", help="units that shall be there")
    parser.add_argument("--json", action="store_true", help="one snapshot as a JSON list")
    parser.add_argument("--for", type=float, dest="for_s", metavar="SECONDS", help="end after so long")
    add_config(parser)
    parser.set_defaults(run=fleet)


def fleet(args: argparse.Namespace) -> int:
    """Look at the broker until told to end."""
    mqtt = load_config(config_path(args)).mqtt
    check_topic(mqtt.base_topic)
    units = _Watched(Fleet(mqtt.base_topic, args.expect))
    with contextlib.closing(
        Subscriber(broker_settings(mqtt), topics=units.fleet.filters(), on_message=units.message, qos=0)
    ) as subscriber:
        if args.json:
            units.settle(args.for_s)
            print(json.dumps([unit.as_json() for unit in units.listed()], indent=2))
        else:
            _show(units, subscriber, args.for_s)
    named = [unit for unit in units.listed() if unit.node in args.expect]
    return 0 if all(unit.online for unit in named) else 1


class _Watched:
    """A fleet that the network thread fills and the screen reads."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._lock = threading.Lock()
        self._heard_s = time.monotonic()

    def message(self, topic: str, payload: bytes, retained: bool) -> None:
        with self._lock:
            self.fleet.message(topic, payload, datetime.now(UTC), retained=retained)
            if retained:
                self._heard_s = time.monotonic()

    def listed(self) -> list[Unit]:
        with self._lock:
            return self.fleet.units

    def settle(self, for_s: float | None) -> None:
        """Wait for so long, or until the broker has told all that it retains."""
        end_s = time.monotonic() + (_SNAPSHOT_S if for_s is None else for_s)
        while (now_s := time.monotonic()) < end_s and (for_s is not None or now_s - self._heard_s < _QUIET_S):
            time.sleep(0.05)


def _show(units: _Watched, subscriber: Subscriber, for_s: float | None) -> None:
    console = Console(highlight=False)
    end_s = float("inf") if for_s is None else time.monotonic() + for_s
    with Live(console=console, auto_refresh=False) as live:
        while True:
            live.update(table(units.listed(), datetime.now(UTC), connected=subscriber.connected), refresh=True)
            if time.monotonic() >= end_s:
                return
            time.sleep(min(_REFRESH_S, max(0.0, end_s - time.monotonic())))


def table(units: list[Unit], now: datetime, *, connected: bool) -> Table:
    """The list as it stands on the screen."""
    online = sum(unit.online for unit in units)
    title = f"{len(units)} units, {online} online" + ("" if connected else "   the broker is gone; trying again")
    found = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for name in ("unit", "", "presence", "motion", "health", "version", "last seen"):
        found.add_column(name, header_style="grey62", no_wrap=True)
    for unit in units:
        # What a unit that is gone said last is not known to hold.
        gone = "" if unit.online else "grey50"
        found.add_row(
            unit.node,
            Text(*_AVAILABILITY.get(unit.availability, (f"? {unit.availability}", "grey62"))),
            Text(unit.presence or "-", gone or ("bold" if unit.presence == "occupied" else "")),
            Text({True: "yes", False: "no", None: "-"}[unit.motion], gone),
            Text(", ".join(unit.faults) or unit.health or "-", gone),
            Text(unit.version or "-", gone),
            _ago(unit.last_seen, now),
        )
    return found


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = max(0, int((now - at).total_seconds()))
    for unit_s, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit_s:
            return f"{seconds // unit_s} {name} ago"
    return f"{seconds} s ago"
