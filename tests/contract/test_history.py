"""`pipistrelle history` as its users see it."""

import builtins
import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from appliance.cli import occupancy
from appliance.cli.main import main
from appliance.outputs.history import Entry, HistoryFile
from appliance.types import Presence

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SPAN = ("--since", "2026-11-20T00:00+00:00", "--until", "2026-11-21T00:00+00:00")


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TZ", "UTC")
    path = tmp_path / "history.sqlite"
    file = HistoryFile(path)
    rows = []
    for minute in range(0, 180, 10):
        presence = {"presence": "occupied" if minute < 90 else "vacant", "since": "x", "confidence": 1.0, "cause": "m"}
        health = {"state": "ok", "faults": [], "version": "1"}
        at_ms = round((NOON + timedelta(minutes=minute)).timestamp() * 1000)
        rows += [(at_ms, "presence", json.dumps(presence)), (at_ms, "health", json.dumps(health))]
    event = {"type": "motion_started", "kind": "major", "cause": "6 dB [above] the quiet room", "t_s": 1.5}
    file.append([*rows, (at_ms, "event", json.dumps(event))])
    file.close()
    return path


def run(capsys, *arguments):
    try:
        code = main(["history", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "a fault of the program" not in err
    return code, out, err


def test_it_shows_a_chart_and_what_changed(capsys, path):
    code, out, _ = run(capsys, "--file", path, *SPAN)
    assert code == 0
    assert "Fri 20 Nov" in out
    assert "1.5 h" in out
    assert "█" in out
    assert "motion started: major, 6 dB [above] the quiet room" in out
    assert out.count("health ok: no fault") == 1
    assert max(map(len, out.splitlines())) <= 120


def test_exports_hold_every_entry(capsys, path, tmp_path):
    code, out, _ = run(capsys, "--file", path, *SPAN, "--export", "jsonl")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(lines) == 37
    assert lines[0]["at"] == "2026-11-20T12:00:00.000Z"
    code, out, _ = run(capsys, "--file", path, *SPAN, "--export", "csv", "--output", tmp_path / "out.csv")
    assert (code, out) == (0, "")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert len(rows) == 37
    assert rows[-1]["cause"] == "6 dB [above] the quiet room"
    assert rows[1]["faults"] == "[]"


def test_parquet_holds_the_same(capsys, path, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="42 MB more: pip install 'pipistrelle[parquet]'")
    assert run(capsys, "--file", path, *SPAN, "--export", "parquet", "--output", tmp_path / "out")[0] == 0
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    assert len(rows) == 37
    assert rows[0]["at"] == NOON
    assert rows[-1]["t_s"] == 1.5


def test_parquet_without_its_library_says_what_to_install(capsys, path, monkeypatch):
    real = builtins.__import__

    def absent(name, *more):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", absent)
    code, _, err = run(capsys, "--file", path, "--export", "parquet")
    assert code == 2
    assert "pip install 'pipistrelle[parquet]'" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hours", "0"],
        ["--hours", "nan"],
        ["--days", "-1"],
        ["--days", "x"],
        ["--since", "yesterday"],
        ["--hours", "1", "--days", "2"],
        ["--export", "xls"],
    ],
)
def test_wrong_arguments_are_refused(capsys, path, arguments):
    code, _, err = run(capsys, "--file", path, *arguments)
    assert code == 2
    assert "error: " in err


def test_no_history_a_damaged_one_and_a_place_that_cannot_be_written(capsys, path, tmp_path):
    code, _, err = run(capsys, "--file", tmp_path / "none")
    assert code == 2
    assert "there is no history" in err
    (tmp_path / "damaged").write_bytes(b"nonsense" * 1000)
    assert run(capsys, "--file", tmp_path / "damaged")[0] == 2
    with sqlite3.connect(tmp_path / "other") as database:
        database.execute("CREATE TABLE x (y)")
    assert run(capsys, "--file", tmp_path / "other")[0] == 2
    for kind in ("csv", "jsonl"):
        assert run(capsys, "--file", path, "--export", kind, "--output", tmp_path / "no" / "where")[0] == 2


def test_presence_that_nobody_wrote_down_is_unknown():
    def at(minute, topic="health", **payload):
        return Entry(NOON + timedelta(minutes=minute), topic, payload)

    entries = [at(0, "presence", presence="occupied"), at(10), at(120), at(130)]
    found = occupancy.spans(entries, NOON + timedelta(hours=9))
    assert [
        ((first - NOON).total_seconds() / 60, (last - NOON).total_seconds() / 60, presence)
        for first, last, presence in found
    ] == [
        (0, 10, Presence.OCCUPIED),
        (10, 25, Presence.OCCUPIED),
        (120, 130, Presence.UNKNOWN),
        (130, 145, Presence.UNKNOWN),
    ]


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_the_chart_fits_and_each_day_has_its_row(width):
    found = [(NOON, NOON + timedelta(hours=1), Presence.OCCUPIED)]
    lines = occupancy.chart(found, NOON - timedelta(days=2), NOON + timedelta(days=1), width=width)
    assert len(lines) == 1 + 4 + 2
    assert max(len(line.plain) for line in lines[:5]) <= max(width, 44)
