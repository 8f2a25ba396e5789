import os
import socket
from datetime import UTC, datetime

import pytest

from appliance.events import DeviceLost, StreamHealth
from appliance.outputs.health import HealthMonitor, Notifier
from appliance.outputs.outbox import OutputCounts

AT = datetime(2026, 1, 2, tzinfo=UTC)
NONE = OutputCounts(0, 0, 0, 0)


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    """The receiving end, and the address as systemd writes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        if request.param == "path":
            address = str(tmp_path / "notify")
            receiver.bind(address)
        else:
            receiver.bind("")  # Linux gives it an abstract name of its own
            address = "@" + receiver.getsockname()[1:].decode()
        receiver.setblocking(False)
        yield receiver, address


def monitor(clock, environ):
    return HealthMonitor(notifier=Notifier(environ), version="1.2.3", monotonic_s=clock)


def received(receiver):
    messages = []
    while True:
        try:
            messages.append(receiver.recv(4096))
        except BlockingIOError:
            return messages


def test_rest_feeds_the_watchdog_and_is_not_deaf(clock):
    health = monitor(clock, {})
    health.audio_processed(1.0)
    assert health.watchdog_tick()
    health.rested()
    assert health.watchdog_tick()
    clock.now_s += 3600.0
    assert not health.watchdog_tick(), "a thread that does not answer is not fed"
    assert health.state(AT, NONE).faults == ()
    health.audio_processed(1.0)
    assert health.state(AT, NONE).faults == ()
    clock.now_s += 6.0
    assert health.state(AT, NONE).faults == ("no_audio",)


def test_systemd_hears_of_life_and_end(clock, systemd):
    receiver, address = systemd
    health = monitor(clock, {"NOTIFY_SOCKET": address})
    health.ready()
    health.status("room vacant\nREADY=0")
    health.stopping()
    assert received(receiver) == [b"READY=1", b"STATUS=room vacant READY=0", b"STOPPING=1"]


def test_the_watchdog_is_fed_by_audio_alone(clock, systemd):
    receiver, address = systemd
    health = monitor(clock, {"NOTIFY_SOCKET": address})
    assert not health.watchdog_tick()
    health.audio_processed(0.1)
    health.audio_processed(0.2)
    assert health.watchdog_tick()
    assert not health.watchdog_tick()
    health.audio_processed(0.2)
    assert not health.watchdog_tick()
    health.audio_processed(0.3)
    assert health.watchdog_tick()
    assert received(receiver) == [b"WATCHDOG=1"] * 2


def test_without_systemd_nothing_is_said_and_nothing_fails(clock):
    health = monitor(clock, {})
    health.ready()
    health.audio_processed(1.0)
    assert health.watchdog_tick()


def test_a_notification_nobody_takes_is_logged_and_stops_nothing(clock, tmp_path, caplog):
    monitor(clock, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
    assert "READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_to_feed(environ, interval_s):
    assert Notifier(environ).watchdog_interval_s == interval_s


def test_health_is_ok_with_audio_and_without_faults(clock):
    health = monitor(clock, {})
    clock.now_s += 60.04
    health.audio_processed(60.0)
    state = health.state(AT, OutputCounts(events_waiting=1, events_dropped=2, events_expired=3, callback_errors=4))
    assert state.model_dump(mode="json") == {
        "state": "ok",
        "faults": [],
        "lost_frames": 0,
        "uptime_s": 60.0,
        "version": "1.2.3",
        "events_waiting": 1,
        "events_dropped": 2,
        "events_expired": 3,
        "callback_errors": 4,
        "at": "2026-01-02T00:00:00.000Z",
    }


def test_a_fault_of_the_stream_degrades_until_it_is_gone(clock):
    health = monitor(clock, {})
    health.observe(StreamHealth(1.0, ("clipping",), 960, "loud"))
    state = health.state(AT, NONE)
    assert (state.state, state.faults, state.lost_frames) == ("degraded", ("clipping",), 960)
    health.observe(StreamHealth(2.0, (), 960, "quiet again"))
    state = health.state(AT, NONE)
    assert (state.state, state.faults, state.lost_frames) == ("ok", (), 960)


def test_no_audio_is_a_failure(clock):
    health = monitor(clock, {})
    health.audio_processed(0.1)
    clock.now_s += 5.1
    health.audio_processed(0.1)  # the same audio again is no audio
    assert health.state(AT, NONE).faults == ("no_audio",)
    assert health.state(AT, NONE).state == "failed"
    health.audio_processed(0.2)
    assert health.state(AT, NONE).state == "ok"


def test_a_lost_device_is_a_failure_for_good(clock):
    health = monitor(clock, {})
    health.observe(DeviceLost(1.0, "hw:1", "unplugged"))
    health.observe(StreamHealth(1.0, (), 0, "fine"))
    assert health.state(AT, NONE).state == "failed"
    assert health.state(AT, NONE).faults == ("device_lost",)


def test_a_disk_that_fails_degrades(clock):
    state = monitor(clock, {}).state(AT, OutputCounts(0, 0, 0, 0, storage_failed=True))
    assert (state.state, state.faults) == ("degraded", ("storage_failed",))


def test_a_clock_that_was_never_set_degrades(clock):
    state = monitor(clock, {}).state(datetime(1970, 1, 1, 0, 1, tzinfo=UTC), NONE)
    assert (state.state, state.faults) == ("degraded", ("clock_not_set",))


def test_safe_mode_degrades(clock):
    health = HealthMonitor(notifier=Notifier({}), version="1.2.3", monotonic_s=clock, safe_mode=True)
    assert (health.state(AT, NONE).state, health.state(AT, NONE).faults) == ("degraded", ("safe_mode",))


def test_a_card_that_is_missing_at_the_start_is_a_failure_until_it_is_there(clock):
    health = monitor(clock, {})
    health.device_missing()
    assert (health.state(AT, NONE).state, health.state(AT, NONE).faults) == ("failed", ("device_lost",))
    health.ready()
    assert health.state(AT, NONE).state == "ok"
