"""History on disk: what is written and read again, what a day costs the card, and files and disks that fail."""

import os
import resource
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.mosquitto import wait_until

from appliance.outputs import history as history_module
from appliance.outputs.history import DAY_BYTES, MAX_FILE_BYTES, Entry, History, HistoryFile, read_history
from appliance.outputs.outbox import OutputCounts
from appliance.outputs.payloads import (
    HealthLevel,
    HealthState,
    MotionState,
    MotionStoppedMessage,
    PresenceState,
)
from appliance.types import MotionClass, Presence

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
EVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ROW = '{"motion":true,"kind":"major","radial_mps":-1.25,"score":0.967,"cause":"6 dB above the quiet room"}'


class Clock:
    def __init__(self, now_s=0.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.sqlite"


def presence(value, since=NOON):
    return PresenceState(presence=value, since=since, confidence=1.0, cause="motion")


def motion(value, kind=None, radial_mps=None):
    return MotionState(motion=value, kind=kind, radial_mps=radial_mps, score=None)


def health(uptime_s, *, faults=()):
    level = HealthLevel.DEGRADED if faults else HealthLevel.OK
    counts = dict.fromkeys(("lost_frames", "events_waiting", "events_dropped", "events_expired", "callback_errors"), 0)
    return HealthState(state=level, faults=faults, uptime_s=uptime_s, version="1", at=NOON, **counts)


def stopped(t_s):
    return MotionStoppedMessage(at=NOON, t_s=t_s, cause="test", score=0.1, radial_mps=None)


class ListSink:
    def __init__(self):
        self.sent = []

    def publish_state(self, name, state):
        self.sent.append((name, state))

    def publish_event(self, event):
        self.sent.append(("event", event))

    def counts(self):
        return OutputCounts(1, 2, 3, 4)


def test_what_passes_through_reaches_the_broker_and_the_file(path):
    sink = ListSink()
    history = History(path, sink=sink, clock=lambda: NOON)
    history.publish_state("presence", presence(Presence.OCCUPIED))
    history.publish_event(stopped(1.5))
    assert history.counts() == OutputCounts(1, 2, 3, 4)
    history.close()
    history.close()
    assert sink.sent == [("presence", presence(Presence.OCCUPIED)), ("event", stopped(1.5))]
    entries = list(read_history(path, *EVER))
    assert [entry.topic for entry in entries] == ["presence", "event"]
    assert entries[1] == Entry(NOON, "event", stopped(1.5).model_dump(mode="json"))
    assert path.stat().st_mode & 0o777 == 0o600


def test_only_what_says_something_new_is_written(path, monkeypatch):
    history = History(path, sink=None, clock=lambda: NOON)
    seconds = Clock(1000.0)
    monkeypatch.setattr(history_module.time, "monotonic", seconds)
    for speed in range(5):
        history.publish_state("motion", motion(True, MotionClass.MAJOR, speed / 10))
    history.publish_state("motion", motion(True, MotionClass.MINOR))
    waits = presence(Presence.VACANT)
    for state in (waits, waits.model_copy(update={"no_occupancy_since": 60}), presence(Presence.OCCUPIED)):
        history.publish_state("presence", state)
    for minute in range(25):
        seconds.now_s = 1000.0 + 60 * minute
        history.publish_state("health", health(minute * 60.0))
    history.publish_state("health", health(1.0, faults=("silence",)))
    monkeypatch.undo()
    history.close()
    topics = [entry.topic for entry in read_history(path, *EVER)]
    assert topics == ["motion"] * 2 + ["presence"] * 2 + ["health"] * 4


def test_a_span_is_read_by_its_ends(path):
    file = HistoryFile(path)
    assert file.append([(NOON_MS + 1000 * second, "motion", "{}") for second in range(10)])
    file.close()
    span = NOON + timedelta(seconds=3), NOON + timedelta(seconds=5)
    assert [entry.at for entry in read_history(path, *span)] == [NOON + timedelta(seconds=s) for s in (3, 4)]


def test_it_can_be_read_while_it_is_written(path):
    file = HistoryFile(path)
    for number in range(300):
        file.append([(NOON_MS + number, "motion", ROW)])
        if number % 50 == 0:
            reader = read_history(path, *EVER)
            next(reader)  # stays in the middle of it
    assert len(list(read_history(path, *EVER))) == 300


# What it costs


def written_bytes():
    """What this process gave the kernel to write, by the kernel's own count."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["wchar"])


def busy_day(file, clock, rows_per_s, hours):
    """Feeds a file as `History` does, in virtual time; how many rows were kept."""
    end_s, waiting, kept = clock.now_s + hours * 3600, 0.0, 0
    while clock.now_s < end_s:
        wait_s = max(1.5, file.wait_s)
        clock.now_s += wait_s
        waiting = min(512.0, waiting + wait_s * rows_per_s)
        assert file.append([(NOON_MS + int(clock.now_s * 1000), "motion", ROW)] * int(waiting))
        kept += int(waiting)
        waiting -= int(waiting)
    return kept


def test_however_much_happens_a_day_writes_no_more_than_its_bytes(path):
    """Ten changes a second, all day. The kernel's count must not exceed ours, nor ours a day's."""
    clock = Clock()
    file = HistoryFile(path, monotonic_s=clock, wall_s=NOON.timestamp)
    before_bytes = written_bytes()
    kept = busy_day(file, clock, 10.0, 24)
    told_bytes = written_bytes() - before_bytes
    print(f"{kept} rows, {told_bytes} bytes by the kernel, {file.written_bytes} counted")
    assert told_bytes < file.written_bytes + 65_536  # opening it
    assert file.written_bytes < DAY_BYTES
    assert file.written_bytes > DAY_BYTES // 4  # it was spent
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < MAX_FILE_BYTES


def test_a_restart_saves_up_nothing(path):
    """A service that begins anew again and again has what the day has left, not a new day."""
    clock = Clock()
    total_bytes = 0
    for _ in range(60):
        file = HistoryFile(path, monotonic_s=clock, wall_s=NOON.timestamp)
        file.open()
        if file.wait_s <= 1.5:
            clock.now_s += 1.5
            file.append([(NOON_MS, "motion", ROW)] * 400)
        total_bytes += file.written_bytes
        file.close()
    assert total_bytes < DAY_BYTES


def test_the_oldest_makes_room(path, monkeypatch):
    monkeypatch.setattr(history_module, "MAX_FILE_BYTES", 200 * 1024)
    file = HistoryFile(path)
    for number in range(200):
        assert file.append([(NOON_MS + number * 20 + each, "motion", ROW) for each in range(20)])
    file.close()
    assert path.stat().st_size <= 200 * 1024
    kept = [entry.at for entry in read_history(path, *EVER)]
    assert kept[-1] == NOON + timedelta(milliseconds=199 * 20 + 19)
    assert len(kept) > 500


def test_what_is_a_month_old_goes_and_a_clock_that_jumps_takes_nothing(path):
    clock = Clock()
    file = HistoryFile(path, monotonic_s=clock, wall_s=NOON.timestamp)
    file.append([(NOON_MS, "motion", "{}")] * 3)
    jumped_ms = NOON_MS + round(50 * 365.25 * 86_400_000)
    for _ in range(5):
        file.append([(jumped_ms, "motion", "{}")])
    assert len(list(read_history(path, *EVER))) == 8
    clock.now_s = 32 * 86_400.0
    for _ in range(5):
        file.append([(NOON_MS + 32 * 86_400_000, "motion", "{}")])
    ats = [entry.at for entry in read_history(path, *EVER)]
    assert NOON not in ats
    assert len(ats) == 10


# Files and disks that fail


@pytest.mark.parametrize("damage", ["nonsense", "torn", "foreign", "newer"])
def test_a_damaged_file_is_put_aside_and_said(path, damage, caplog):
    file = HistoryFile(path)
    file.append([(NOON_MS, "motion", ROW)] * 200)
    file.close()
    whole = path.read_bytes()
    if damage == "nonsense":
        path.write_bytes(b"nonsense" * 1000)
    elif damage == "torn":
        path.write_bytes(whole[:2048] + b"\xff" * 4096 + whole[6144:])
    else:
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE other (x)" if damage == "foreign" else "PRAGMA user_version = 2")
            database.execute(f"PRAGMA user_version = {0 if damage == 'foreign' else 2}")
    file = HistoryFile(path)
    file.open()
    assert file.append([(NOON_MS, "motion", "{}")])
    assert not file.failed
    assert file.set_aside.exists()
    assert str(file.set_aside) in caplog.text
    assert len(list(read_history(path, *EVER))) == 1


def test_a_directory_that_is_gone_is_told_in_health_and_what_waits_is_bounded(tmp_path, caplog):
    history = History(tmp_path / "here" / "is" / "nothing", sink=None, clock=lambda: NOON)
    wait_until(lambda: history.counts().storage_failed, "the fault")
    for number in range(2000):
        history.publish_event(stopped(float(number)))
    history.close()
    assert len(history._waiting) <= 512
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "history is not kept" in caplog.text


def test_a_disk_that_can_be_written_again_gets_what_waited(tmp_path):
    clock, place = Clock(), tmp_path / "later"
    file = HistoryFile(place / "history.sqlite", monotonic_s=clock)
    assert not file.append([(NOON_MS, "motion", "{}")])
    assert file.wait_s == 60.0
    place.mkdir()
    clock.now_s = 61.0
    assert file.wait_s == 0.0
    assert file.append([(NOON_MS, "motion", "{}")])
    assert not file.failed


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root writes everywhere")
def test_a_file_that_is_read_only_is_told(path):
    HistoryFile(path).append([(NOON_MS, "motion", "{}")])
    database = sqlite3.connect(path)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for each in (path.parent, *path.parent.iterdir()):
        each.chmod(0o555)
    program = (
        "import sys; from pathlib import Path; from appliance.outputs.history import HistoryFile; "
        "file = HistoryFile(Path(sys.argv[1])); print(file.append([(0, 't', '{}')]), file.failed)"
    )
    plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    told = subprocess.run([*plain, sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    path.parent.chmod(0o755)
    assert told.stdout == "False True\n"


FULL = """
import resource, signal, sys, time
from pathlib import Path
from appliance.outputs.history import HistoryFile
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = HistoryFile(Path(sys.argv[1]))
file.open()
NOW_MS = round(time.time() * 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
told = [(file.append([(NOW_MS + number, "motion", "x" * 500)]), file.failed) for number in range(200)]
assert all(done is not failed for done, failed in told)
print(sum(done for done, _ in told), any(failed for _, failed in told))
"""


def test_a_disk_that_is_full_stops_nothing(path):
    told = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    kept, failed = told.stdout.split()
    assert failed == "True"
    assert "Traceback" not in told.stderr
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM entries").fetchone() == (int(kept),)
    assert 0 < int(kept) < 200


WRITER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from appliance.outputs.history import History
from appliance.outputs.payloads import MotionStoppedMessage
now = lambda: datetime.now(UTC)
history = History(Path(sys.argv[1]), sink=None, clock=now)
for number in range(100_000):
    history.publish_event(MotionStoppedMessage(at=now(), t_s=number, cause="", score=0.1, radial_mps=None))
    print(number, time.monotonic(), flush=True)
    time.sleep(0.006)
"""


@pytest.mark.parametrize("after", [700, 873])
def test_killed_in_the_middle_of_writing_all_but_the_last_two_seconds_survive(path, after):
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True) as writer:
        told = [writer.stdout.readline().split() for _ in range(after)]
        writer.kill()
        killed_s = time.monotonic()
    older = [int(number) for number, at_s in told if killed_s - float(at_s) > 2.0]
    assert older
    kept = [entry.payload["t_s"] for entry in read_history(path, *EVER)]
    assert kept == list(range(len(kept)))
    assert len(kept) > older[-1]
    file = HistoryFile(path)
    assert file.append([(NOON_MS, "motion", "{}")])
    assert file.set_aside is None


def test_memory_stays_small(path):
    file = HistoryFile(path)
    file.append([(NOON_MS, "motion", ROW)])
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(60):
        file.append([(NOON_MS, "motion", ROW)] * 500)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 4096
