"""Events on disk: what survives, what is said of a disk or file that fails, and how much is written."""

import random
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.outputs import store as store_module
from appliance.outputs.outbox import MAX_EVENT_BYTES, MAX_EVENTS, Outbox, Outgoing
from appliance.outputs.store import MAX_FILE_BYTES, EventStore

DAY_S = 86_400.0
SET_S = 1_790_000_000.0


def event(number, expires_s=3600.0, payload=None):
    return Outgoing("p/event", payload or b"%d" % number, retain=False, qos=1, expires_s=expires_s, number=number)


class Clock:
    def __init__(self, now_s):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.sqlite"


def written_bytes():
    """What this process gave the kernel to write, by the kernel's own count."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["wchar"])


def files(path):
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def again(path, **clocks):
    store = EventStore(path, **clocks)
    try:
        return store.load()
    finally:
        store.close()


def test_what_was_saved_is_there_again_and_what_was_sent_is_not(path):
    store = EventStore(path)
    assert store.load() == []
    store.save([event(1), event(2), event(3)])
    store.save([event(2), event(3), event(4)])
    assert again(path) == [event(2), event(3), event(4)]
    store.save([])
    assert store.empty
    assert again(path) == []
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_restored_outbox_goes_on_counting_where_it_was(path):
    EventStore(path).save([event(7), event(9)])
    outbox = Outbox(again(path))
    outbox.put_event(event(0))
    assert [each.number for each in outbox.events] == [7, 9, 10]


def test_nothing_is_written_while_nothing_changes(path):
    store = EventStore(path)
    store.load()
    store.save([event(1)])
    before = files(path)
    for _ in range(1000):
        store.save([event(1)])
    assert files(path) == before


def test_a_copy_of_the_disk_at_any_instant_holds_what_was_saved(path, tmp_path):
    """The log may be cut anywhere behind what the last commit wrote, as a power cut would."""
    random_ = random.Random(1)
    store = EventStore(path)
    store.load()
    for number in range(1, 60):
        store.save([event(each) for each in range(max(1, number - 20), number + 1)])
        log = path.with_name(path.name + "-wal")
        copy = tmp_path / str(number) / "events.sqlite"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        torn = log.read_bytes() + random_.randbytes(random_.randrange(2000))
        copy.with_name(copy.name + "-wal").write_bytes(torn)
        assert [each.number for each in again(copy)] == list(range(max(1, number - 20), number + 1))


@settings(deadline=None, max_examples=40)  # it waits for the disk
@given(cut=st.floats(0.0, 1.0))
def test_a_log_that_ends_early_loses_commits_from_its_end_only(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("cut")
    store = EventStore(folder / "a")
    store.load()
    for number in range(1, 6):
        store.save([event(each) for each in range(1, number + 1)])
    shutil.copy(folder / "a", folder / "b")
    log = (folder / "a-wal").read_bytes()
    (folder / "b-wal").write_bytes(log[: int(cut * len(log))])
    numbers = [each.number for each in again(folder / "b")]
    assert numbers == list(range(1, len(numbers) + 1))


# Time


def test_what_is_left_of_an_events_time_is_known_after_a_boot(path, monkeypatch):
    EventStore(path, monotonic_s=Clock(1000.0), wall_s=Clock(SET_S)).save([event(1, expires_s=4000.0)])
    (same_boot,) = again(path, monotonic_s=Clock(1500.0), wall_s=Clock(0.0))
    assert same_boot.expires_s == 4000.0
    monkeypatch.setattr(store_module, "_boot_id", lambda: "another")
    (later,) = again(path, monotonic_s=Clock(10.0), wall_s=Clock(SET_S + 600.0))
    assert later.expires_s - 10.0 == pytest.approx(3000.0 - 600.0)


@pytest.mark.parametrize(
    ("written_s", "now_s"), [(0.0, SET_S), (SET_S, 0.0), (SET_S, SET_S - 10.0)], ids=["1970 then", "1970 now", "back"]
)
def test_a_clock_that_was_never_set_makes_nothing_older(path, monkeypatch, written_s, now_s):
    EventStore(path, monotonic_s=Clock(1000.0), wall_s=Clock(written_s)).save([event(1, expires_s=4000.0)])
    monkeypatch.setattr(store_module, "_boot_id", lambda: "another")
    (kept,) = again(path, monotonic_s=Clock(10.0), wall_s=Clock(now_s))
    assert kept.expires_s == pytest.approx(3010.0)


def test_fifty_years_make_it_stale_and_that_is_all(path, monkeypatch):
    EventStore(path, monotonic_s=Clock(1000.0), wall_s=Clock(SET_S)).save([event(1, expires_s=4000.0)])
    monkeypatch.setattr(store_module, "_boot_id", lambda: "another")
    outbox = Outbox(again(path, monotonic_s=Clock(10.0), wall_s=Clock(SET_S + 50 * 365 * DAY_S)))
    assert outbox.take(10.0) is None
    assert outbox.events_expired == 1


# Files and disks that fail


def made_by_us(path):
    store = EventStore(path)
    store.load()
    store.save([event(number, payload=b"x" * 500) for number in range(1, 50)])
    store.close()


def break_header(path):
    path.write_bytes(b"what is this" + path.read_bytes()[12:])


def break_pages(path):
    content = bytearray(path.read_bytes())
    content[3000:6000] = bytes(3000)
    path.write_bytes(content)


def run_sql(*statements):
    def run(path):
        with sqlite3.connect(path) as database:
            for statement in statements:
                database.execute(statement)
        database.close()

    return run


@pytest.mark.parametrize(
    "damage",
    [
        break_header,
        break_pages,
        lambda path: path.write_bytes(b"\x00" * 5000),
        lambda path: path.write_bytes(b"no database"),
        run_sql("PRAGMA user_version = 7"),
        run_sql("DROP TABLE events"),
        run_sql("DELETE FROM moment"),
        run_sql("UPDATE moment SET wall_s = 'noon'"),
        run_sql("UPDATE events SET payload = 5 WHERE number = 3"),
        run_sql("UPDATE events SET qos = 'high' WHERE number = 3"),
        run_sql("UPDATE events SET topic = x'ff00' WHERE number = 3"),
        run_sql("UPDATE events SET topic = cast(x'ff00' AS TEXT) WHERE number = 3"),
    ],
)
def test_a_damaged_file_is_put_aside_and_said(path, damage, caplog):
    made_by_us(path)
    damage(path)
    store = EventStore(path)
    assert store.load() == []
    assert store.set_aside.exists()
    assert str(store.set_aside) in caplog.text
    assert not store.failed
    store.save([event(1)])
    assert again(path) == [event(1)]


def test_a_directory_that_is_none_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    clock = Clock(0.0)
    store = EventStore(tmp_path / "file" / "events.sqlite", monotonic_s=clock)
    assert store.load() == []
    store.save([event(1)])
    assert store.failed
    (tmp_path / "file").unlink()
    (tmp_path / "file").mkdir()
    clock.now_s = 61.0
    store.save([event(1)])
    assert not store.failed
    assert len(caplog.records) == 1
    assert "cannot be used" in caplog.text


def test_a_file_that_is_full_stops_nothing_and_goes_on_when_there_is_room(path):
    clock = Clock(0.0)
    store = EventStore(path, monotonic_s=clock)
    store.load()
    store.save([event(number, payload=b"x" * 65_536) for number in range(1, 100)])
    assert store.failed
    clock.now_s = 61.0
    store.save([event(1)])
    assert not store.failed
    assert again(path) == [event(1)]


FULL = """
import resource, signal, sys
from pathlib import Path
from appliance.outputs.outbox import Outgoing
from appliance.outputs.store import EventStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = EventStore(Path(sys.argv[1]))
store.load()
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
for number in range(1, 200):
    store.save([Outgoing("t", b"x" * 500, False, 1, 1e9, each) for each in range(1, number + 1)])
print(store.failed)
"""


def test_a_disk_that_is_full_stops_nothing(path):
    told = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert told.stdout == "True\n"
    assert "Traceback" not in told.stderr
    kept = [each.number for each in again(path)]
    assert kept
    assert kept == list(range(1, len(kept) + 1))


# Size


def test_a_day_without_a_broker_stays_small_on_disk(path):
    """One message a second, saved each 2 s as the connection would; the file never outgrows its bound."""
    outbox, store = Outbox(), EventStore(path)
    store.load()
    largest, before_bytes = 0, written_bytes()
    for number in range(0, int(DAY_S) // 60, 2):  # 1 in 60 of the day's commits: the ring turns 5 times
        for each in (number, number + 1):
            outbox.put_event(event(0, payload=b"%0200d" % each))
        store.save(outbox.events)
        largest = max(largest, sum(each.stat().st_size for each in path.parent.iterdir()))
    told_bytes = written_bytes() - before_bytes
    print(f"{largest} bytes on disk at most, {60 * told_bytes / 1e6:.0f} MB written in a day")
    assert largest < 5 << 20
    assert told_bytes < 400e6 / 60
    assert [each.payload for each in again(path)] == [each.payload for each in outbox.events]
    assert outbox.events_waiting == MAX_EVENTS


def test_the_largest_messages_fit_too(path):
    outbox, store = Outbox(), EventStore(path)
    store.load()
    for number in range(1, 400):
        outbox.put_event(event(0, payload=b"x" * 65_536))
        if number % 20 == 0:
            store.save(outbox.events)
    assert sum(each.size_bytes for each in outbox.events) <= MAX_EVENT_BYTES
    assert not store.failed
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < 5 << 20
    assert path.stat().st_size <= MAX_FILE_BYTES
