"""What is judged is the service's own pipeline: from baseband on it cannot tell where the baseband came from."""

from dataclasses import replace

import numpy as np
import pytest
from support.lockstep import listen

from appliance.config.load import load_config
from appliance.dsp.downconvert import DownConverter
from appliance.evaluation.hearing import DETECTORS, Heard, hear_baseband, make_pipeline
from appliance.events import MotionStarted, PresenceChanged
from appliance.simulation.scenes import walk
from appliance.types import BasebandBlock, MotionClass, Presence, Score

CARRIERS_HZ = (40_000.0,)


def pipeline(**about):
    about = {"detector": "threshold", "rate_hz": 192_000, "mics": 2, "carriers_hz": CARRIERS_HZ, "chirps": None} | about
    return make_pipeline(load_config(None), **about)


@pytest.fixture(scope="module")
def blocks():
    """What two microphones hear of somebody who walks."""
    heard = []
    for _ in listen(walk(distance_m=2.0, start_s=4.0), mics=2, heard=lambda block: heard.append(block) or block):
        pass
    return heard


def test_baseband_in_long_blocks_gives_what_the_pcm_gives(blocks):
    by_pcm, whole, down = Heard(), pipeline(), DownConverter(rate_hz=192_000, mics=2, carriers_hz=CARRIERS_HZ)
    parts = []
    for block in blocks:
        by_pcm.note(whole.process(block), block.end_s)
        parts.append(down.process(block))
    long = BasebandBlock(np.concatenate([part.iq for part in parts], axis=2), parts[0].first_frame, 2400.0, CARRIERS_HZ)
    by_baseband = hear_baseband(pipeline(), iter([long]), pcm_rate_hz=192_000, block_ms=10)
    assert by_pcm.motions()
    assert by_baseband.scores == by_pcm.scores
    assert by_baseband.t_s == by_pcm.t_s
    assert by_baseband.motions() == by_pcm.motions()
    assert [type(event) for _, event in by_baseband.events] == [type(event) for _, event in by_pcm.events]


def test_a_jump_of_the_frame_counter_is_a_loss(blocks):
    down = DownConverter(rate_hz=192_000, mics=2, carriers_hz=CARRIERS_HZ)
    parts = [down.process(block) for block in blocks[:300]]
    late = [part if n < 200 else replace(part, first_frame=part.first_frame + 960) for n, part in enumerate(parts)]
    heard = pipeline()
    hear_baseband(heard, iter(late), pcm_rate_hz=192_000, block_ms=10)
    assert heard.lost_frames == 960


def test_another_detector_is_one_line(blocks, monkeypatch):
    class Always:
        failure = None

        def process(self, frame):
            return Score({MotionClass.MAJOR: 1.0}, None, frame.t_s, "always")

        def process_ranges(self, frame):
            pass

        def tune(self, *, false_alarms_per_day):
            pass

        def reset(self):
            pass

    monkeypatch.setitem(DETECTORS, "always", lambda _config: lambda _doppler: Always())
    down = DownConverter(rate_hz=192_000, mics=2, carriers_hz=CARRIERS_HZ)
    parts = (down.process(block) for block in blocks[:200])
    heard = hear_baseband(pipeline(detector="always"), parts, pcm_rate_hz=192_000, block_ms=10)
    ((start_s, end_s),) = heard.motions()
    assert start_s < 1.5
    assert end_s == heard.end_s


def test_times_of_presence_by_hand():
    heard = Heard(end_s=90.0)
    before = Presence.UNKNOWN
    for said_s, presence in (
        (10.0, Presence.VACANT),
        (20.0, Presence.OCCUPIED),
        (50.0, Presence.VACANT),
        (60.0, Presence.OCCUPIED),
    ):
        heard.events.append((said_s, PresenceChanged(said_s, presence, before, 1.0, "test")))
        before = presence
    heard.events.append((61.0, MotionStarted(61.0, MotionClass.MAJOR, 1.0, None, "test")))
    assert heard.times_of(Presence.OCCUPIED) == [(20.0, 50.0), (60.0, 90.0)]
    assert heard.times_of(Presence.VACANT) == [(10.0, 20.0), (50.0, 60.0)]
    assert heard.motions() == [(61.0, 90.0)]
