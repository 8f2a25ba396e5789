"""`pipistrelle history`: what happened here, on the screen or for a table."""

import argparse
import csv
import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from appliance.cli.occupancy import chart, spans
from appliance.controls import STATE_DIRECTORY, state_directory
from appliance.errors import SourceError
from appliance.outputs.history import FILE_NAME, Entry, read_history
from appliance.outputs.payloads import rfc3339

_LINES = 20
_MOST_DAYS = 36_500

_DESCRIPTION = """\
Shows when somebody was here, a row a day and the hours across, and the last changes; or exports all that was
written down: events, presence, motion and health, for a month at most."""

_EPILOG = """\
examples:
  pipistrelle history                                     the last 7 days
  pipistrelle history --hours 3                           the last 3 hours
  pipistrelle history --since 2026-11-01 --until 2026-11-08
  pipistrelle history --days 31 --export csv --output month.csv
  pipistrelle history --export jsonl | jq 'select(.topic == "presence")'

Dates and times are local unless they carry a zone (2026-11-01T18:30, 2026-11-01T18:30+00:00); exported times are UTC.
Each exported entry has at, topic (event, presence, motion, health) and the fields of that MQTT topic; a CSV or Parquet
table has a column for every field that occurs, lists as JSON. Parquet wants pip install 'pipistrelle[parquet]'.

exit code: 0 well, 2 there is no history to read, or an argument cannot be used."""


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "history",
        help="when somebody was here; shows it or exports it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    span = parser.add_mutually_exclusive_group()
    span.add_argument("--hours", type=_positive, metavar="N", help="the last N hours")
    span.add_argument("--days", type=_positive, metavar="N", help="the last N days (default: 7)")
    span.add_argument("--since", type=_moment, metavar="TIME", help="from this day or time on")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="up to this day or time (default: now)")
    parser.add_argument("--export", choices=("csv", "jsonl", "parquet"), help="write entries and no chart")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to export to (default: standard output)")
    parser.add_argument(
        "--file",
        type=Path,
        metavar="FILE",
        help=f"the history (default: {FILE_NAME} in $STATE_DIRECTORY, else in {STATE_DIRECTORY})",
    )
    parser.set_defaults(run=history)


def _positive(text: str) -> float:
    number = float(text)
    if not 0.0 < number < _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and below {_MOST_DAYS}")
    return number


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no day or time such as 2026-11-01 or 2026-11-01T18:30") from None


def history(args: argparse.Namespace) -> int:
    """Show or export."""
    until = args.until or datetime.now().astimezone()
    back = timedelta(hours=args.hours) if args.hours else timedelta(days=args.days or 7)
    since = args.since or until - back
    path = args.file or (state_directory(os.environ) or STATE_DIRECTORY) / FILE_NAME
    entries = _read(path, since, until)
    if args.export == "parquet":
        _write_parquet(entries, args.output)
    elif args.export:
        with _opened(args.output) as out:
            (_write_csv if args.export == "csv" else _write_jsonl)(entries, out)
    else:
        _show(entries, since, until)
    return 0


def _read(path: Path, since: datetime, until: datetime) -> list[Entry]:
    if not path.exists():
        raise SourceError(f"{path}: there is no history; the service keeps one under systemd, or name it with --file")
    try:
        return list(read_history(path, since, until))
    except sqlite3.Error as error:
        raise SourceError(f"{path}: cannot be read as history: {error}") from error


def _show(entries: Sequence[Entry], since: datetime, until: datetime) -> None:
    console = Console(highlight=False)
    for line in chart(spans(entries, until), since, until, width=console.width):
        console.print(line, soft_wrap=True)
    told = _changes(entries)
    console.print()
    if len(told) > _LINES:
        console.print(f"the last {_LINES} of {len(told)} changes; --export jsonl has all", style="grey62")
    for entry in told[-_LINES:]:
        console.print(f"{entry.at.astimezone():%a %d %b %H:%M:%S}  {_words(entry.payload)}", markup=False)
    if not entries:
        console.print(f"nothing was written down from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}")


def _changes(entries: Sequence[Entry]) -> list[Entry]:
    """Events, and health where it is another than before: it is written down now and then while it stays the same."""
    found, last = [], ""
    for entry in entries:
        if entry.topic == "event":
            found.append(entry)
        elif entry.topic == "health" and (words := _words(entry.payload)) != last:
            last = words
            found.append(entry)
    return found


def _words(fields: dict[str, Any]) -> str:
    """What an event or the health says, in a few words."""
    kind = str(fields.get("type", f"health {fields.get('state')}")).replace("_", " ")
    detail = ", ".join(str(fields[key]) for key in ("presence", "kind", "cause") if fields.get(key))
    return f"{kind}: {', '.join(fields['faults']) or 'no fault'}" if "faults" in fields else f"{kind}: {detail}"


def _flat(entry: Entry) -> dict[str, Any]:
    """One level of fields; `at` is when the entry was written down, a list or mapping within becomes JSON."""
    fields = {
        key: json.dumps(value) if isinstance(value, list | dict) else value for key, value in entry.payload.items()
    }
    return {**fields, "at": rfc3339(entry.at), "topic": entry.topic}


def _columns(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(["at", "topic", *(key for row in rows for key in row)]))


def _opened(path: Path | None) -> Any:
    if path is None:
        return nullcontext(sys.stdout)
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise SourceError(f"{path}: cannot be written: {error.strerror}") from error


def _write_csv(entries: Sequence[Entry], out: TextIO) -> None:
    rows = [_flat(entry) for entry in entries]
    writer = csv.DictWriter(out, _columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _write_jsonl(entries: Sequence[Entry], out: TextIO) -> None:
    for entry in entries:
        told = {"topic": entry.topic, **entry.payload, "at": rfc3339(entry.at)}
        out.write(json.dumps(told, ensure_ascii=False) + "\n")


def _write_parquet(entries: Sequence[Entry], path: Path | None) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise SourceError("Parquet wants pyarrow: pip install 'pipistrelle[parquet]', or export csv or jsonl") from None
    rows = [_flat(entry) | {"at": entry.at.astimezone(UTC)} for entry in entries]
    kinds = {"at": pa.timestamp("ms", tz="UTC")}
    columns = {name: pa.array([row.get(name) for row in rows], kinds.get(name)) for name in _columns(rows)}
    try:
        parquet.write_table(pa.table(columns), path or sys.stdout.buffer)
    except OSError as error:
        raise SourceError(f"{path or 'standard output'}: cannot be written: {error.strerror or error}") from error
