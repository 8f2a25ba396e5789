"""The host: effects as tasks, reload, and what outlives the process, with a clock that the test sets."""

import asyncio
import json
from datetime import timedelta

import pytest
from support.routines import NOON, becomes, delay, mqtt, presence

from appliance.config.load import load_routines
from appliance.errors import RoutineError
from appliance.routines.actions import ActionRunner
from appliance.routines.effects import Instant
from appliance.routines.facts import MAX_PAYLOAD_BYTES
from appliance.routines.host import RoutineHost, local_zone
from appliance.routines.outcome import Outcome
from appliance.routines.store import PendingFile


class SlowPlayer:
    """Plays until it is told to stop."""

    def __init__(self):
        self.playing, self.cut, self.fails = [], 0, False
        self.over = asyncio.Event()

    async def play(self, media, *, level_db):
        self.playing.append(media)
        try:
            await self.over.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        if self.fails:
            raise RoutineError(f"{media}: no such file")

    async def announce(self, text, *, language, level_db):
        self.playing.append(text)

    def stop(self):
        self.over.set()


class Home:
    """A host with everything around it."""

    def __init__(self, folder):
        self.file, self.pending = folder / "routines.yaml", PendingFile(folder / "pending.json")
        self.published, self.switched, self.errors, self.notes, self.listened = [], [], [], [], []
        self.t_s, self.zero = 0.0, 0.0
        self.player = SlowPlayer()
        self.host = None

    def now(self):
        return Instant(self.t_s - self.zero, NOON + timedelta(seconds=self.t_s))

    def write(self, *routines):
        self.file.write_text(json.dumps(list(routines)))

    def make(self):
        self.zero = self.t_s
        self.host = RoutineHost(
            load=lambda: load_routines(self.file, commands={}, can_play=True),
            file=self.file,
            runner=ActionRunner(
                publish=lambda topic, payload, **_: self.published.append((topic, payload)),
                commands={},
                switch_emission=self.switched.append,
                player=self.player,
            ),
            now=self.now,
            on_error=self.errors.append,
            on_note=self.notes.append,
            listen=self.listened.append,
            sun=None,
            pending=self.pending,
        )
        return self.host

    def at(self, t_s):
        self.t_s = t_s
        self.host.advance()


def publish(payload):
    return {"action": "mqtt.publish", "topic": "a", "payload": payload}


def rule(name, trigger, *actions, **more):
    return {"id": name, "triggers": [trigger], "actions": list(actions)} | more


PLAY = {"action": "play", "media": "/a"}


@pytest.fixture
def live(tmp_path):
    """Runs a scene in an event loop with a host that has begun."""

    def run(scene, *routines):
        async def main():
            home = Home(tmp_path)
            home.write(*routines)
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                home.make().start(tasks)
                await scene(home, tasks)
                await home.host.finish()
            return home

        return asyncio.run(main())

    return run


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_takes_no_time_is_done_before_the_call_returns(live):
    async def scene(home, _tasks):
        home.host.handle(becomes("occupied"))
        assert home.published == [("a", b"1"), ("a", b"2")]
        assert home.switched == [False]

    live(scene, rule("r", presence("occupied"), publish(1), {"action": "emission", "state": "off"}, publish(2)))


def test_what_takes_time_holds_only_its_own_run(live):
    async def scene(home, _tasks):
        home.host.message("go", b"x", retained=False)
        await turns()
        assert home.player.playing == ["/a"]
        home.host.message("go", b"x", retained=False)
        assert home.published == [("a", b"other"), ("a", b"other")]
        home.player.stop()
        await turns()
        assert home.published[2:] == [("a", b"behind")]

    live(scene, rule("r", mqtt(), PLAY, publish("behind")), rule("other", mqtt(), publish("other")))


def test_a_restarted_run_ends_what_it_plays(live):
    async def scene(home, _tasks):
        for _ in range(3):
            home.host.message("go", b"x", retained=False)
            await turns()
        assert (home.player.cut, len(home.player.playing)) == (2, 3)
        home.player.stop()

    home = live(scene, rule("r", mqtt(), PLAY, publish("behind"), mode="restart"))
    assert home.published == [("a", b"behind")]
    assert home.errors == []


def test_a_failure_is_said_with_its_routine_and_ends_its_run_only(live):
    async def scene(home, _tasks):
        home.player.fails = True
        home.host.message("go", b"x", retained=False)
        home.player.stop()
        await turns()

    home = live(scene, rule("r", mqtt(), PLAY, publish("never")), rule("other", mqtt(), delay(0), publish("other")))
    assert home.errors == ["routine r: action 1 (play): /a: no such file"]
    assert home.published == [("a", b"other")]


def test_what_is_started_by_hand_is_told_step_by_step_and_nothing_else(live):
    async def scene(home, _tasks):
        home.host.message("go", b"x", retained=False)
        home.host.begin("r")
        home.host.begin("r")
        home.player.stop()
        await turns()
        home.player.fails = True
        home.host.begin("r")
        await turns()
        with pytest.raises(RoutineError, match=r"^routine or: not known here \(did you mean r\?\)$"):
            home.host.begin("or")

    queued = rule("r", mqtt(), PLAY, publish("behind"), mode="queued", max=3)
    home = live(scene, queued, rule("other", mqtt(), publish("other")))
    told = [(note.routine_id, note.outcome) for note in home.notes]
    waits = [("r", Outcome.QUEUED), ("r", Outcome.QUEUED)]
    ran = [("r", Outcome.FIRED), ("r", Outcome.DONE)]
    assert told == [*waits, *ran, *ran, ("r", Outcome.FIRED), ("r", Outcome.FAILED)]
    assert home.notes[-1].words == home.errors[0] == "routine r: action 1 (play): /a: no such file"


def test_a_reload_tells_those_who_wait(live):
    async def scene(home, _tasks):
        home.host.message("go", b"x", retained=False)
        home.host.begin("r")
        home.write(rule("r", mqtt(), publish("new")))
        home.host.reload()
        await turns()

    home = live(scene, rule("r", mqtt(), PLAY, mode="queued", max=2))
    assert [note.outcome for note in home.notes] == [Outcome.QUEUED, Outcome.FORGOTTEN]


def test_a_huge_message_is_passed_over_and_said(live):
    async def scene(home, _tasks):
        home.host.message("go", b"x" * (MAX_PAYLOAD_BYTES + 1), retained=False)

    home = live(scene, rule("r", mqtt(), publish(1)))
    assert home.published == []
    assert home.errors == ["routines: a message of 65537 bytes on go is passed over; 65536 at most"]


def test_what_still_goes_on_at_the_end_is_cut_off_and_said(live, monkeypatch):
    monkeypatch.setattr("appliance.routines.host._LAST_ACTIONS_S", 0.01)

    async def scene(home, _tasks):
        home.host.message("go", b"x", retained=False)
        await turns()

    home = live(scene, rule("r", mqtt(), PLAY))
    assert home.errors == ["routine r: cut off, because the service ends"]
    assert home.player.cut == 1


def test_a_reload_with_a_fault_keeps_what_is_there_and_says_every_fault(live):
    async def scene(home, _tasks):
        home.host.handle(becomes("vacant"))
        home.at(5)
        home.write(rule("bad", {"trigger": "motoin"}), rule("light", presence("vacant", 10), publish("no")))
        home.host.look_at_file()
        assert [error.split(".yaml:")[1] for error in home.errors] == [
            "1:41: bad.triggers[0].trigger: must be presence, motion, mqtt, time, sun or health (did you mean motion?)",
            "1:64: bad.actions: must not be empty",
        ]
        home.host.look_at_file()
        assert len(home.errors) == 2, "said once"
        home.at(10)
        assert home.published == [("a", b"off")]

    live(scene, rule("light", presence("vacant", 10), publish("off")))


def test_a_reload_keeps_the_timers_of_what_is_unchanged(live):
    light = rule("light", presence("vacant", 10), publish("off"))

    async def scene(home, _tasks):
        home.host.handle(becomes("vacant"))
        home.at(5)
        home.write(rule("new", mqtt("door"), publish("new")), light)
        home.host.look_at_file()
        assert home.listened == [frozenset({"go"}), frozenset({"door"})]
        home.at(10)
        home.host.message("door", b"", retained=False)
        home.file.unlink()
        home.host.look_at_file()
        assert "cannot be read" in home.errors[0]
        home.host.message("door", b"", retained=False)

    home = live(scene, light, rule("old", mqtt(), publish("old")))
    assert home.published == [("a", b"off"), ("a", b"new"), ("a", b"new")]


def test_pending_timers_outlive_the_process(live):
    async def scene(home, tasks):
        home.host.handle(becomes("vacant"))
        home.host.message("go", b"x", retained=False)
        home.at(3)
        assert home.pending.load() is not None, "written while running, because a power cut says nothing before"
        home.t_s = 8.0
        home.make().start(tasks)
        home.at(9)
        assert home.published == []
        home.host.handle(becomes("vacant"))
        home.at(10)
        assert home.published == [("a", b"off")]
        home.at(20)
        assert home.published[1:] == [("a", b"waited")]

    live(scene, rule("light", presence("vacant", 10), publish("off")), rule("r", mqtt(), delay(20), publish("waited")))


def test_nothing_is_written_while_nothing_changes(live, monkeypatch):
    written = []
    monkeypatch.setattr(PendingFile, "save", lambda _self, snapshot: written.append(snapshot) or 8192)

    async def scene(home, _tasks):
        for second in range(1000):
            home.at(float(second))
        home.host.handle(becomes("vacant"))
        for second in range(1000, 2000):
            home.at(float(second))

    live(scene, rule("light", presence("vacant", 10_000), publish("off")))
    assert len(written) == 1


def test_a_disk_that_is_full_is_said_and_nothing_else(live, monkeypatch):
    def full(_self, _snapshot):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PendingFile, "save", full)

    async def scene(home, _tasks):
        home.host.handle(becomes("vacant"))
        home.at(5)
        home.at(10)

    home = live(scene, rule("light", presence("vacant", 10), publish("off")))
    assert home.published == [("a", b"off")]
    assert "cannot be written: No space left on device" in home.errors[0]


@pytest.mark.parametrize(
    ("name", "wanted"), [("Europe/Berlin", "Europe/Berlin"), ("../../etc/passwd", "UTC"), ("Nowhere", "UTC")]
)
def test_the_zone_is_the_computers(monkeypatch, name, wanted):
    monkeypatch.setenv("TZ", name)
    assert str(local_zone()) == wanted


def test_a_run_that_is_ended_by_another_at_the_same_moment_does_not_go_on_playing(live):
    call = {"action": "routine", "routine": "player"}

    async def scene(home, _tasks):
        home.host.message("go", b"x", retained=False)
        await turns()
        assert len(home.player.playing) - home.player.cut == 1
        home.player.stop()

    live(scene, rule("caller", mqtt(), publish(1), call), rule("player", mqtt(), PLAY, mode="restart"))
