"""Chirps beside a tone, heard by the whole way in a virtual room: sensing by the tone must not notice them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import fftconvolve
from support.lockstep import FULL_SCALE_DB_SPL, events_of, make_pipeline

from appliance.dsp.chirp import chirp_pulse, period_frames, pulse_start_frame
from appliance.emission.player import EmissionPlayer
from appliance.events import MotionStarted, MotionStopped, PresenceChanged
from appliance.hardware.room import VirtualRoom
from appliance.simulation.scenes import empty, walk
from appliance.types import Chirps, Emission, Presence, Tones

RATE_HZ = 192_000
TONES = Tones((45_000.0,), level_db_spl=75.0)
CHIRPS = Chirps(34_000.0, 43_000.0, pulse_s=0.01, fade_s=0.001, pulses_hz=25.0, level_db_spl=72.0)


def test_pulses_are_heard_at_one_distance_from_the_stream_s_frames():
    chirps = replace(CHIRPS, pulses_hz=13.0)
    room = VirtualRoom(empty(), mics=1, speaker_full_scale_db_spl=FULL_SCALE_DB_SPL)
    player = EmissionPlayer(rate_hz=RATE_HZ, outputs=1, fade_s=0.1, full_scale_db_spl=FULL_SCALE_DB_SPL)
    player.follow(Emission(TONES, chirps))
    heard = []
    for _ in range(60):
        block = room.read()
        room.write(player.process(len(block.samples), first_frame=block.first_frame))
        heard.append(block.samples[:, 0] / 2**31)
    echoes = np.abs(fftconvolve(np.concatenate(heard), chirp_pulse(chirps, rate_hz=RATE_HZ)[::-1], "valid"))
    period = period_frames(chirps, rate_hz=RATE_HZ)
    starts = [pulse_start_frame(chirps, pulse, rate_hz=RATE_HZ) for pulse in range(len(echoes) // period)]
    offsets = {int(echoes[start : start + period].argmax()) for start in starts}
    assert len(starts) == 7
    assert len(offsets) == 1


def turns(scene, emission):
    """When motion and presence turned, and to what."""
    events = events_of(scene, make_pipeline(emission=emission))
    kinds = (MotionStarted, MotionStopped, PresenceChanged)
    return [event for event in events if isinstance(event, kinds)]


@pytest.mark.slow
@pytest.mark.parametrize("distance_m", [3.0, 4.0, 5.0])
def test_a_walk_is_seen_as_without_chirps(distance_m):
    with_chirps = turns(walk(distance_m=distance_m), Emission(TONES, CHIRPS))
    without = turns(walk(distance_m=distance_m), Emission(TONES))
    assert MotionStarted in map(type, without)
    assert [type(event) for event in with_chirps] == [type(event) for event in without]
    assert [event.t_s for event in with_chirps] == pytest.approx([event.t_s for event in without], abs=0.5)


@pytest.mark.slow
def test_an_empty_room_is_quiet():
    (only,) = turns(empty(), Emission(TONES, CHIRPS))
    assert only.presence is Presence.VACANT
