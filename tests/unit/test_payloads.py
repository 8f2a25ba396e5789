import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from appliance.errors import PublishRejected
from appliance.events import (
    DeviceLost,
    EmissionChanged,
    MotionStarted,
    MotionStopped,
    MotionUpdated,
    PresenceChanged,
    StreamHealth,
)
from appliance.outputs import payloads
from appliance.types import Chirps, Emission, MotionClass, Presence, Tones

AT = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=UTC)
EVENTS = [
    MotionStarted(1.0, MotionClass.MAJOR, 0.91239, -0.504, "score"),
    MotionUpdated(1.5, MotionClass.MINOR, 0.7, None, "kind"),
    MotionStopped(2.0, 0.1, None, "quiet"),
    PresenceChanged(2.5, Presence.VACANT, Presence.OCCUPIED, 0.98765, "hold time over"),
    EmissionChanged(3.0, Emission(tones=Tones((33_000.0, 39_000.0), 64.04)), "calibrated"),
    EmissionChanged(3.2, Emission(chirps=Chirps(34e3, 43e3, 0.005, 0.002, 20.0, 70.0), on=False), "command"),
    StreamHealth(3.5, ("frames_lost",), 960, "overrun"),
    DeviceLost(4.0, "hw:1", "unplugged"),
]


def wire(message):
    return json.loads(payloads.encode(message))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_but_an_update_has_a_message_that_reads_back(event):
    message = payloads.event_message(event, AT)
    if isinstance(event, MotionUpdated):
        assert message is None
        return
    again = TypeAdapter(payloads.EventMessage).validate_json(payloads.encode(message))
    assert type(again) is type(message)
    assert again.type in payloads.EVENT_TYPES
    assert again.at == AT.replace(microsecond=891000)


def test_motion_message_rounds_what_it_shows():
    assert wire(payloads.event_message(EVENTS[0], AT)) == {
        "at": "2026-03-04T05:06:07.891Z",
        "t_s": 1.0,
        "cause": "score",
        "type": "motion_started",
        "kind": "major",
        "score": 0.912,
        "radial_mps": -0.5,
    }


def test_an_emission_tells_tones_and_chirps():
    tones, chirps = Tones((45_000.0,), 75.0), Chirps(34_000.0, 43_000.0, 0.0051, 0.002, 20.0, 70.04)
    both = wire(payloads.event_message(EmissionChanged(0.0, Emission(tones, chirps), "start"), AT))
    assert both == {
        "at": "2026-03-04T05:06:07.891Z",
        "t_s": 0.0,
        "cause": "start",
        "type": "emission_changed",
        "on": True,
        "carriers_hz": [45_000.0],
        "level_db_spl": 75.0,
        "chirps": {
            "start_hz": 34_000.0,
            "stop_hz": 43_000.0,
            "pulse_ms": 5.1,
            "fade_ms": 2.0,
            "pulses_hz": 20.0,
            "level_db_spl": 70.0,
        },
    }
    assert wire(payloads.event_message(EmissionChanged(0.0, Emission(tones), ""), AT))["chirps"] is None
    without = wire(payloads.event_message(EmissionChanged(0.0, Emission(chirps=chirps), ""), AT))
    assert (without["carriers_hz"], without["level_db_spl"]) == ([], None)


def test_time_is_utc_whatever_zone_it_came_in():
    there = AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert payloads.rfc3339(there) == "2026-03-04T05:06:07.891Z"


def test_a_velocity_too_small_to_show_has_no_sign():
    state = payloads.motion_state(MotionStarted(0.0, MotionClass.MINOR, 0.8, -0.001, "c"))
    assert payloads.encode(state) == b'{"motion":true,"kind":"minor","radial_mps":0.0,"score":0.8}'


def test_presence_state_is_the_new_presence_since_now():
    assert wire(payloads.presence_state(EVENTS[3], AT)) == {
        "presence": "vacant",
        "since": "2026-03-04T05:06:07.891Z",
        "confidence": 0.988,
        "cause": "hold time over",
        "no_occupancy_since": None,
    }


@pytest.mark.parametrize(
    ("event", "motion"),
    [
        (MotionStarted(0, MotionClass.MAJOR, 1.0, 0.2, "c"), True),
        (MotionUpdated(0, MotionClass.MINOR, 1.0, 0.2, "c"), True),
        (MotionStopped(0, 0.0, None, "c"), False),
        (PresenceChanged(0, Presence.VACANT, Presence.OCCUPIED, 1.0, "c"), False),
        (PresenceChanged(0, Presence.UNKNOWN, Presence.OCCUPIED, 1.0, "c"), None),
    ],
)
def test_motion_is_true_false_or_unknown(event, motion):
    assert payloads.motion_state(event).motion is motion


@pytest.mark.parametrize(
    "event", [EVENTS[4], EVENTS[5], EVENTS[6], PresenceChanged(0, Presence.OCCUPIED, Presence.VACANT, 1, "")]
)
def test_other_events_say_nothing_of_motion(event):
    assert payloads.motion_state(event) is None


def test_models_are_frozen_and_closed():
    state = payloads.UNKNOWN_MOTION
    with pytest.raises(ValidationError):
        state.motion = True
    with pytest.raises(ValidationError):
        payloads.MotionState(motion=True, kind=None, radial_mps=None, score=None, extra=1)
    with pytest.raises(ValidationError):
        payloads.MotionState(motion=True, kind=None, radial_mps=float("nan"), score=None)
    with pytest.raises(ValidationError):
        payloads.PresenceState(presence="vacant", since=datetime(2026, 1, 1), confidence=1.0, cause="")  # noqa: DTZ001


@pytest.mark.parametrize("topic", ["", "a/+/b", "#", "$SYS/x", "a\x00b", "a\nb", "\ud800", "x" * 2000])
def test_topics_nobody_may_publish_to(topic):
    with pytest.raises(PublishRejected):
        payloads.check_topic(topic)


@pytest.mark.parametrize("topic", ["a", "home/hall lamp/set", "zimmer/küche"])
def test_topics_that_are_fine(topic):
    payloads.check_topic(topic)


@pytest.mark.parametrize("topic_filter", ["", "a+/b", "a/#/b", "a#", "$SYS/#", "a\x00/+", "x/" * 1000, "++"])
def test_filters_nobody_may_subscribe_to(topic_filter):
    with pytest.raises(PublishRejected):
        payloads.check_filter(topic_filter)


@pytest.mark.parametrize("topic_filter", ["a", "+", "#", "home/+/state", "home/#", "+/+"])
def test_filters_that_are_fine(topic_filter):
    payloads.check_filter(topic_filter)
