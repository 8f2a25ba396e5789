"""Chirps and a tone through the virtual room: emission, propagation and range gates in one loop."""

import itertools

import numpy as np
import pytest

from appliance.dsp.ranges import RangeGate
from appliance.emission.player import EmissionPlayer
from appliance.hardware.room import VirtualRoom
from appliance.simulation.propagation import microphone_places
from appliance.simulation.scenes import walk
from appliance.types import Chirps, Emission, Tones

BLOCK_FRAMES = 1_920
ROOM_LATENCY_FRAMES = 2 * BLOCK_FRAMES
CHIRPS = Chirps(34_000.0, 43_000.0, 0.005, 0.001, 20.0, 78.0)
TWEETER_ABOVE_ARRAY_M = 0.06


def test_somebody_who_walks_is_followed_beside_a_tone():
    scene = walk(distance_m=3.5, start_s=1.5)
    room = VirtualRoom(scene, mics=4, block_frames=BLOCK_FRAMES)
    player = EmissionPlayer(rate_hz=room.rate_hz, outputs=1, fade_s=0.1, full_scale_db_spl=90.0)
    player.follow(Emission(tones=Tones((45_000.0,), 70.0), chirps=CHIRPS))
    tweeter_m = np.array(scene.device_m) + np.array([0.0, 0.0, TWEETER_ABOVE_ARRAY_M])
    direct_m = np.linalg.norm(microphone_places(4, scene.device_m) - tweeter_m, axis=1)
    gate = RangeGate(CHIRPS, rate_hz=room.rate_hz, mics=4, direct_m=direct_m.tolist())
    frames = []
    while (block := room.read()) is not None and block.end_s < 4.2:
        room.write(player.process(len(block.samples), first_frame=block.first_frame))
        frames += gate.process(block)
    # A wall is 6 cm behind the device: its image of the tweeter blends with the direct path.
    assert gate.round_trip.offset_frames == pytest.approx(ROOM_LATENCY_FRAMES, abs=1.0)
    assert gate.round_trip.heard_by == (0, 1, 2, 3)

    misses_m = []
    for before, frame in itertools.pairwise(frames):
        if not 2.2 < frame.t_s < 3.4:
            continue
        moved = (np.abs(frame.echoes - before.echoes) ** 2).sum(axis=0)
        far = frame.range_m > 0.3
        found_m = frame.range_m[far][moved[far].argmax()]
        chest = scene.people[0].positions(np.array([frame.t_s]))[0, 1]
        misses_m.append(abs(found_m - np.linalg.norm(chest - np.array(scene.device_m))))
    assert len(misses_m) > 20
    # Hands and feet swing around the chest, at the distance of which the person is counted.
    assert np.quantile(misses_m, 0.8) < 0.3
