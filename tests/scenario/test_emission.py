"""Chirps beside a tone, heard by the whole way in a virtual room: sensing by the tone must not notice them."""

import pytest
from support.lockstep import events_of, make_pipeline

from appliance.events import MotionStarted, MotionStopped, PresenceChanged
from appliance.simulation.scenes import empty, walk
from appliance.types import Chirps, Emission, Presence, Tones

TONES = Tones((45_000.0,), level_db_spl=75.0)
CHIRPS = Chirps(34_000.0, 43_000.0, pulse_s=0.01, fade_s=0.001, pulses_hz=25.0, level_db_spl=72.0)


def turns(scene, emission):
    """When motion and presence turned, and to what."""
    events = events_of(scene, make_pipeline(emission=emission))
    kinds = (MotionStarted, MotionStopped, PresenceChanged)
    return [event for event in events if isinstance(event, kinds)]


@pytest.mark.slow
def test_a_walk_is_seen_as_without_chirps():
    with_chirps = turns(walk(distance_m=3.0), Emission(TONES, CHIRPS))
    without = turns(walk(distance_m=3.0), Emission(TONES))
    assert MotionStarted in map(type, without)
    assert [type(event) for event in with_chirps] == [type(event) for event in without]
    assert [event.t_s for event in with_chirps] == pytest.approx([event.t_s for event in without], abs=0.5)


@pytest.mark.slow
def test_an_empty_room_is_quiet():
    (only,) = turns(empty(), Emission(TONES, CHIRPS))
    assert only.presence is Presence.VACANT
