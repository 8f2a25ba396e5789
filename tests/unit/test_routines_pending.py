"""What is pending over a restart: in the engine, on disk, and when neither the file nor the clock is what it was."""

import json
import logging
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.routines import NOON, Bench, becomes, bench, delay, mqtt, presence, routine, set_value

from appliance.routines.effects import Instant
from appliance.routines.engine import Engine
from appliance.routines.snapshot import Snapshot, restore, take
from appliance.routines.store import PendingFile, WriteBudget

LIGHT = routine(presence("vacant", 600), name="light")


def restarted(table, *routines, down_s=100, wall=None, through=None):
    """The engine of a new process, `down_s` later or at another wall clock time, and what was lost."""
    saved = take(table.engine, table.at(table.t_s))
    if through is not None:
        through.save(saved)
        saved = through.load()
    saved = Snapshot.model_validate(json.loads(saved.model_dump_json()))
    began = wall or table.at(table.t_s).wall + timedelta(seconds=down_s)
    after = Bench(*routines, began=began)
    lost = restore(after.engine, saved, after.at(0))
    after.start()
    return after, lost


def vacant_since(t_s, *routines):
    table = bench(*routines)
    table.event(becomes("vacant"), 0)
    table.look(t_s)
    return table


def test_a_for_goes_on_when_the_room_is_found_as_it_was(tmp_path):
    after, lost = restarted(vacant_since(200, LIGHT), LIGHT, through=PendingFile(tmp_path / "pending.json"))
    assert lost == []
    assert after.event(becomes("vacant"), 120) == []
    assert after.look(299.9) == []
    assert after.look(300) == ["light"]
    assert after.look(3000) == []


def test_a_for_that_was_over_while_nobody_ran_fires_when_the_room_is_found_as_it_was():
    after, _ = restarted(vacant_since(200, LIGHT), LIGHT, down_s=10_000)
    assert after.look(119) == [], "nobody knows yet whether the room is still vacant"
    assert after.event(becomes("vacant"), 120) == ["light"]
    assert after.look(3000) == []


def test_a_for_ends_when_the_room_is_found_otherwise():
    after, _ = restarted(vacant_since(200, LIGHT), LIGHT)
    assert after.event(becomes("occupied"), 10) == []
    assert after.look(1000) == []
    after.event(becomes("vacant"), 2000)
    assert after.look(2600) == ["light"]


def test_a_for_that_has_fired_does_not_fire_again():
    after, _ = restarted(vacant_since(700, LIGHT), LIGHT)
    assert after.event(becomes("vacant"), 10) == []
    assert after.look(5000) == []


def test_two_restarts_before_anything_is_sensed_lose_nothing():
    after, _ = restarted(vacant_since(200, LIGHT), LIGHT)
    after, _ = restarted(after, LIGHT)
    assert after.event(becomes("vacant"), 10) == []
    assert after.look(200) == ["light"]


def test_unknown_needs_no_sensing():
    rule = routine(presence("unknown", 600))
    table = bench(rule)
    table.look(200)
    after, _ = restarted(table, rule)
    assert after.look(299) == []
    assert after.look(300) == ["r"]


@pytest.mark.parametrize(
    ("years", "left_s"), [(-56, 400), (-1, 400), (50, 0)], ids=["clock not set", "clock set back", "clock set on"]
)
def test_nobody_waits_longer_than_was_left_whatever_the_clock_says(years, left_s):
    table = vacant_since(200, LIGHT)
    after, _ = restarted(table, LIGHT, wall=NOON + timedelta(days=365 * years))
    fired = after.event(becomes("vacant"), 0)
    assert fired == (["light"] if left_s == 0 else [])
    assert after.look(left_s) == ([] if left_s == 0 else ["light"])


LATER = [delay(60), set_value("done", "{trigger.payload}")]
CHOOSE = {
    "action": "choose",
    "options": [
        {
            "conditions": [{"condition": "presence", "state": "unknown"}],
            "actions": [delay(1), *LATER, set_value("a", 1)],
        }
    ],
    "default": LATER,
}


@pytest.mark.parametrize("actions", [LATER, [CHOOSE, set_value("b", 2)], [CHOOSE, CHOOSE]])
def test_a_wait_goes_on_where_it_was(actions):
    rule = routine(mqtt(), actions=actions)
    table = bench(rule)
    table.message(payload=b'"x"')
    table.look(20)
    after, lost = restarted(table, rule, down_s=10)
    assert lost == []
    after.look(1000)
    straight = bench(rule)
    straight.message(payload=b'"x"')
    straight.look(1000)
    assert after.engine.facts.values == straight.engine.facts.values
    assert after.engine.facts.values["done"] == "x"


def test_values_queues_and_cooldowns_go_on():
    queued = routine(mqtt(), name="queued", mode="queued", actions=LATER)
    cool = routine(mqtt(), name="cool", cooldown=100)
    table = bench(queued, cool)
    for payload in (b"1", b"2"):
        table.message(payload=payload, t_s=1)
    table.engine.facts.values["armed"] = True
    after, _ = restarted(table, queued, cool, down_s=30)
    assert after.message(payload=b"3") == []
    assert after.message(payload=b"4", t_s=90) == ["queued", "queued", "cool"]
    after.look(1000)
    assert after.engine.facts.values == {"armed": True, "done": 4}


@pytest.mark.parametrize(
    "changed",
    [
        [],
        [routine(presence("vacant", 300), name="light"), routine(mqtt(), actions=[set_value("x", 1), *LATER])],
        [routine(mqtt(), name="light"), routine(mqtt(), actions=[delay(61)])],
    ],
)
def test_what_was_changed_meanwhile_is_dropped_and_said(changed):
    table = bench(LIGHT, routine(mqtt(), actions=LATER))
    table.event(becomes("vacant"), 0)
    table.message(t_s=5)
    after, lost = restarted(table, *changed)
    assert [words.split(":")[0] for words in lost] == ["routine light", "routine r"]
    assert after.event(becomes("vacant"), 0) == []
    assert after.look(1000) == []


# The file


@pytest.fixture
def file(tmp_path):
    return PendingFile(tmp_path / "pending.json")


def snapshot():
    return take(vacant_since(5, LIGHT).engine, Instant(5.0, NOON))


def test_a_file_that_is_not_there_is_no_fault(file, caplog):
    assert file.load() is None
    assert caplog.records == []


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[1]", b"\xff", b'{"version": 2}', b"[" * 100_000, b'{"stays": "' + b"9" * 5_000_000, b"\0" * 4096],
)
def test_a_damaged_file_is_said_and_set_aside(file, caplog, raw):
    file.path.write_bytes(raw)
    assert file.load() is None
    assert "is damaged" in caplog.text
    assert not file.path.exists()
    assert file.path.with_suffix(".damaged").read_bytes() == raw
    file.save(snapshot())
    assert file.load() == snapshot()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_file_with_anything_in_it_ends_nobody(data):
    """Whatever fits the form is taken up or dropped; no way into a routine is trusted."""
    saved = json.loads(snapshot().model_dump_json())
    number = st.integers(-5, 5) | st.integers(-(2**70), 2**70)
    saved["runs"] = data.draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "routine": st.sampled_from(["light", "r", "x"]),
                    "cause": st.text(max_size=3),
                    "own": st.dictionaries(st.sampled_from(["trigger", "x"]), st.just({}), max_size=2),
                    "way": st.lists(number, max_size=4),
                    "next": number,
                    "for_s": st.sampled_from([1.0, 60.0, -1.0]),
                    "deadline": st.sampled_from(
                        ["2026-11-23T12:10:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
                    ),
                }
            ),
            max_size=4,
        )
    )
    saved["stays"] = saved["stays"] * data.draw(st.integers(0, 3))
    rules = [LIGHT, routine(mqtt(), actions=[CHOOSE, *LATER], mode="parallel")]
    try:
        read = Snapshot.model_validate(saved)
    except ValueError:
        return
    engine = Engine(rules)
    restore(engine, read, Instant(0.0, NOON))
    engine.start(Instant(0.0, NOON))
    for moment in engine.moments_until(Instant(1e9, NOON)):
        engine.advance(moment)


SAVES_FOREVER = """
import sys, pathlib
sys.path[:0] = sys.argv[2:]
from test_routines_pending import PendingFile, snapshot
file, saved = PendingFile(pathlib.Path(sys.argv[1])), snapshot()
file.save(saved)
print("ready", flush=True)
while True:
    file.save(saved)
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(file):
    here = Path(__file__).parent
    roots = [str(folder) for folder in (here, here.parent, here.parent.parent)]
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", SAVES_FOREVER, str(file.path), *roots], stdout=subprocess.PIPE)
        assert writer.stdout.readline() == b"ready\n"
        for _ in range(50):
            loaded = file.load()
            assert loaded is None or loaded == snapshot()
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert file.load() == snapshot()


def test_writes_are_bounded_over_a_day():
    budget, written = WriteBudget(), 0
    for second in range(86_400):
        if budget.allows(float(second)):
            budget.spend(8192)
            written += 8192
    assert 3e6 < written < 5e6
    assert budget.allows(1e6), "after a quiet time there is room for a burst"


def test_a_folder_that_went_away_is_said(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    with pytest.raises(FileNotFoundError):
        PendingFile(tmp_path / "gone" / "pending.json").save(snapshot())
