from datetime import UTC, datetime, timedelta

from appliance.events import DeviceLost, MotionStarted, MotionUpdated, PresenceChanged
from appliance.outputs.health import HealthMonitor, Notifier
from appliance.outputs.outbox import OutputCounts
from appliance.outputs.publisher import EventPublisher
from appliance.types import MotionClass, Presence

START = datetime(1970, 1, 1, tzinfo=UTC)


class RecordingSink:
    def __init__(self):
        self.sent = []

    def publish_state(self, name, state):
        self.sent.append((name, state))

    def publish_event(self, event):
        self.sent.append(("event", event))

    def counts(self):
        return OutputCounts(0, 5, 0, 0)


def make(**more):
    sink = RecordingSink()
    ticks = iter(range(1000))
    monitor = HealthMonitor(notifier=Notifier({}), version="1", monotonic_s=lambda: 0.0)
    return sink, EventPublisher(sink, lambda: START + timedelta(seconds=next(ticks)), monitor, **more)


def test_at_start_nothing_is_known():
    sink, publisher = make()
    publisher.start()
    assert [name for name, _ in sink.sent] == ["presence", "motion", "health"]
    presence, motion, health = (state for _, state in sink.sent)
    assert presence.presence is Presence.UNKNOWN
    assert motion.motion is None
    assert health.events_dropped == 5


def test_states_come_before_the_event_and_share_its_time():
    sink, publisher = make()
    publisher.handle(PresenceChanged(1.0, Presence.VACANT, Presence.OCCUPIED, 0.9, "hold"))
    assert [name for name, _ in sink.sent] == ["presence", "motion", "event"]
    assert sink.sent[0][1].since == sink.sent[2][1].at == START


def test_an_update_of_motion_is_a_state_and_no_event():
    sink, publisher = make()
    publisher.handle(MotionStarted(1.0, MotionClass.MINOR, 0.7, None, "c"))
    publisher.handle(MotionUpdated(1.2, MotionClass.MAJOR, 0.9, 1.1, "c"))
    assert [name for name, _ in sink.sent] == ["motion", "event", "motion"]


def test_a_lost_device_shows_in_health_at_once():
    sink, publisher = make()
    publisher.handle(DeviceLost(1.0, "hw:1", "unplugged"))
    assert [name for name, _ in sink.sent] == ["health", "event"]
    assert sink.sent[0][1].state == "failed"


def test_for_how_long_nobody_has_been_there():
    sink, publisher = make(no_occupancy_since=(60, 10, 10))
    publisher.handle(PresenceChanged(100.0, Presence.VACANT, Presence.OCCUPIED, 0.9, "hold"))
    for t_s in (100.1, 109.9, 110.0, 111.0, 159.9, 170.0, 1000.0):
        publisher.advance(t_s)
    told = [state.no_occupancy_since for name, state in sink.sent if name == "presence"]
    assert told == [None, 10, 60]
    assert len({state.since for name, state in sink.sent if name == "presence"}) == 1
    publisher.handle(PresenceChanged(1001.0, Presence.OCCUPIED, Presence.VACANT, 0.9, "motion"))
    publisher.advance(2000.0)
    assert sink.sent[-2][1].no_occupancy_since is None


def test_an_unknown_room_is_not_said_to_be_empty_for_long():
    sink, publisher = make(no_occupancy_since=(10,))
    publisher.handle(PresenceChanged(1.0, Presence.VACANT, Presence.OCCUPIED, 0.9, "hold"))
    publisher.handle(PresenceChanged(2.0, Presence.UNKNOWN, Presence.VACANT, 0.0, "blind"))
    publisher.advance(100.0)
    assert not any(getattr(state, "no_occupancy_since", None) for _, state in sink.sent)
