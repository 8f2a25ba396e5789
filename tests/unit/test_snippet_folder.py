"""Where snippets lie: bounded, whole or not at all, and harmless on any disk."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.mosquitto import wait_until
from support.service import ROOT
from support.snippets import small

from appliance.errors import SourceError
from appliance.snippets import folder as folder_module
from appliance.snippets.answer import Answer
from appliance.snippets.folder import SnippetFolder, read_facts, read_snippet
from appliance.snippets.snippet import Reason, encode
from appliance.snippets.writer import DAY_BYTES, SnippetWriter, WearLimit

PLENTY = 1_000_000


def names(path):
    return sorted(each.name for each in path.iterdir())


def test_files_are_numbered_private_and_readable(tmp_path):
    folder = SnippetFolder(tmp_path / "captures")
    assert folder.kept() == []
    for seed in range(3):
        folder.write(encode(small(seed)), max_bytes=PLENTY)
    kept = folder.kept()
    assert [each.number for each in kept] == [1, 2, 3]
    assert [read_snippet(each.path).identity for each in kept] == [small(seed).identity for seed in range(3)]
    assert read_facts(kept[0].path)[0] == small(0).facts
    assert all(stat.S_IMODE(each.path.stat().st_mode) == 0o600 for each in kept)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert abs(kept[0].at - datetime.now(UTC)) < timedelta(minutes=1)
    assert folder.one(2) == kept[1]
    with pytest.raises(SourceError, match="there is no capture 9"):
        folder.one(9)


@given(sizes=st.lists(st.integers(1, 400), max_size=30))
@settings(max_examples=40, deadline=None)
def test_all_together_never_take_more_than_they_may(tmp_path_factory, sizes):
    folder = SnippetFolder(tmp_path_factory.mktemp("captures"))
    for size in sizes:
        folder.write(b"x" * size, max_bytes=1000)
        kept = folder.kept()
        assert sum(each.bytes for each in kept) <= 1000
        assert kept[-1].bytes == size
        assert [each.number for each in kept] == list(range(kept[0].number, kept[-1].number + 1))
    expected, total = [], 0
    for size in reversed(sizes):
        total += size
        if total > 1000:
            break
        expected.insert(0, size)
    assert [each.bytes for each in folder.kept()] == expected


def test_one_that_is_larger_than_all_may_be_is_refused_and_nothing_lost(tmp_path):
    folder = SnippetFolder(tmp_path)
    folder.write(b"x" * 100, max_bytes=1000)
    with pytest.raises(OSError, match="larger"):
        folder.write(b"x" * 1001, max_bytes=1000)
    assert [each.bytes for each in folder.kept()] == [100]


def test_what_else_lies_there_is_left_alone(tmp_path):
    for name in ("notes.txt", "1.snippet", "00000007.snippet.bak"):
        (tmp_path / name).write_text("mine")
    folder = SnippetFolder(tmp_path)
    folder.write(b"x" * 10, max_bytes=10)
    folder.write(b"y" * 10, max_bytes=10)
    assert names(tmp_path) == ["00000002.snippet", "00000007.snippet.bak", "1.snippet", "notes.txt"]


def test_a_disk_that_is_full_keeps_what_was_there(tmp_path, monkeypatch):
    folder = SnippetFolder(tmp_path)
    folder.write(b"x" * 10, max_bytes=PLENTY)

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        folder.write(b"y" * 10, max_bytes=15)
    assert names(tmp_path) == ["00000001.snippet"]


def test_a_process_that_is_killed_while_it_writes_leaves_whole_files_alone(tmp_path):
    """At many places: it writes as fast as it can, and a kill comes at any instant."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from appliance.snippets.folder import SnippetFolder\n"
        "from support.snippets import small\n"
        "from appliance.snippets.snippet import encode\n"
        "content = encode(small(blocks=400))\n"
        "while True: SnippetFolder(Path(sys.argv[1])).write(content, max_bytes=500_000)\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    folder = SnippetFolder(tmp_path)
    for _ in range(3):
        newest = max((each.number for each in folder.kept()), default=0)
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment)
        try:
            wait_until(lambda n=newest: folder.kept() and folder.kept()[-1].number > n + 1, "some files", 60.0)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert all(read_snippet(each.path).identity for each in folder.kept())
        folder.sweep()
        assert all(name.endswith(".snippet") for name in names(tmp_path))


class Errors(list):
    def __call__(self, words):
        self.append(words)


def written(folder, *snippets, max_bytes=PLENTY, **more):
    """What a writer that gets these does, and what it tells."""
    errors = Errors()
    writer = SnippetWriter(folder, max_bytes=max_bytes, on_error=errors, **more)
    for snippet in snippets:
        writer.put(snippet)
        wait_until(writer._waiting.empty, "the thread has taken it", 60.0)
    writer.close()
    writer.close()
    return errors


def test_the_writer_writes_what_it_gets(tmp_path):
    assert written(tmp_path / "captures", small(1), small(2)) == []
    assert [each.number for each in SnippetFolder(tmp_path / "captures").kept()] == [1, 2]


def test_what_waits_is_written_before_the_end(tmp_path):
    writer = SnippetWriter(tmp_path, max_bytes=PLENTY, on_error=Errors())
    writer.put(small(1))
    writer.put(small(2))
    writer.close()
    assert len(SnippetFolder(tmp_path).kept()) >= 1
    assert not writer._thread.is_alive()


def test_a_writer_that_waits_for_the_disk_makes_nobody_wait(tmp_path, monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(SnippetFolder, "write", lambda _self, _content, **_more: held.wait(60) and tmp_path)
    errors = Errors()
    writer = SnippetWriter(tmp_path, max_bytes=PLENTY, on_error=errors)
    writer.put(small(0))
    wait_until(writer._waiting.empty, "the thread has taken it", 60.0)
    for seed in range(5):
        writer.put(small(seed))
    held.set()
    writer.close()
    assert errors == ["captures: the disk is too slow; a capture was left out; sensing goes on"]


def test_a_folder_that_cannot_be_written_is_told_once_and_then_used_again(tmp_path):
    place = tmp_path / "captures"
    place.write_text("a file, where a folder should be")
    errors = Errors()
    writer = SnippetWriter(place, max_bytes=PLENTY, on_error=errors)
    for _ in range(3):
        writer.put(small())
        wait_until(writer._waiting.empty, "the thread has taken it", 60.0)
    wait_until(lambda: errors, "an error", 60.0)
    place.unlink()
    writer.put(small())
    writer.close()
    assert len(errors) == 1
    assert "a capture cannot be written" in errors[0]
    assert errors[0].endswith("sensing goes on")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
@pytest.mark.parametrize("options", ["size=64k", "ro"])
def test_a_disk_that_is_full_or_read_only(tmp_path, options):
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        errors = written(place / "captures", *[small(seed, blocks=100) for seed in range(8)])
        assert len(errors) == 1
        assert "No space left" in errors[0] or "Read-only" in errors[0]
        for kept in SnippetFolder(place / "captures").kept():
            read_snippet(kept.path)
        assert not list(Path(place).rglob("*.new"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


class Clock:
    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


@given(st.lists(st.tuples(st.floats(0, 20_000), st.sampled_from(Reason), st.integers(1, 3_000_000)), max_size=200))
@settings(deadline=None)
def test_no_day_gets_more_bytes_than_a_days_and_one_snippet(asked):
    clock, spent = Clock(), []
    limit = WearLimit(0, clock)
    for later_s, why, size in asked:
        clock.s += later_s
        if limit.allows(why):
            limit.spend(size)
            spent.append((clock.s, size))
    for began_s, _ in spent:
        day = [size for at_s, size in spent if began_s <= at_s < began_s + 86_400]
        assert sum(day) <= DAY_BYTES + max(day)


def test_a_fan_leaves_something_for_what_somebody_asks_for():
    clock = Clock()
    limit = WearLimit(0, clock)
    while limit.allows(Reason.NEAR_THRESHOLD):
        limit.spend(500_000)
    assert limit.allows(Reason.WRONG)
    for _ in range(20):
        if limit.allows(Reason.WRONG):
            limit.spend(500_000)
    assert not limit.allows(Reason.WRONG)
    clock.s += 86_400
    assert limit.allows(Reason.NEAR_THRESHOLD)


def test_a_restart_saves_up_nothing(tmp_path):
    clock = Clock()
    assert not WearLimit(DAY_BYTES, clock).allows(Reason.WRONG)
    folder = SnippetFolder(tmp_path)
    for _ in range(3):
        # so much more than a day has that no time the test takes makes up for it
        folder.write(b"x" * (DAY_BYTES // 3 + 1_000_000), max_bytes=2 * DAY_BYTES)
    assert written(tmp_path, small(why=Reason.WRONG, answer=Answer.PET), max_bytes=2 * DAY_BYTES) == []
    assert len(folder.kept()) == 3
