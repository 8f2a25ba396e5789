"""The whole way on spoilt streams: what is lost, silent, switched or clipped is told, and is never motion."""

from dataclasses import replace

import numpy as np
import pytest
from support.lockstep import TONES, events_of, listen, make_pipeline

from appliance.classify.threshold import ThresholdDetector
from appliance.events import EmissionChanged, MotionStarted, MotionStopped, PresenceChanged, StreamHealth
from appliance.simulation.scenes import empty, walk
from appliance.types import Chirps, Emission, PcmBlock, Presence, Tones

RATE_HZ = 192_000
BLOCK_FRAMES = 1920
HOLD_S = 2.0
LEARNED_S = 3.0
"""By then tone, floor and clutter are known, with room to spare."""


class Tone:
    """Cheap microphones: a tone and a converter's noise, no room."""

    def __init__(self, *, mics=4, amplitude=0.01, carrier_hz=40_000.0, seed=1):
        self._mics, self.amplitude, self._carrier_hz = mics, amplitude, carrier_hz
        self._random = np.random.default_rng(seed)
        self.frame = 0

    def __call__(self, frames=BLOCK_FRAMES, *, amplitude=None, dc=0.0, lost_frames=0, cut=None):
        """The next block; behind `cut` frames the tone is gone."""
        self.frame += lost_frames
        n = self.frame + np.arange(frames)
        level = np.full(frames, self.amplitude if amplitude is None else amplitude)
        level[cut if cut is not None else frames :] = 0.0
        sine = level * np.sin(2 * np.pi * (self._carrier_hz / RATE_HZ * n % 1.0))
        noise = 1e-5 * self._random.standard_normal((frames, self._mics))
        samples = np.clip(np.rint((sine[:, None] + noise + dc) * 2**31), -(2**31), 2**31 - 256).astype(np.int32)
        block = PcmBlock(samples, self.frame, RATE_HZ, lost_frames)
        self.frame += frames
        return block


def hear(pipeline, tone, seconds, *, frames=BLOCK_FRAMES, **about):
    events = []
    for _ in range(round(seconds * RATE_HZ / frames)):
        events += pipeline.process(tone(frames, **about)).events
    return events


def kinds(events):
    return [type(event).__name__ for event in events]


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def faults(events):
    return [event.faults for event in of(events, StreamHealth)]


def states(events):
    return [event.presence for event in of(events, PresenceChanged)]


def vacant_pipeline(**about):
    """A pipeline that knows a quiet room, and the tone in it."""
    pipeline, tone = make_pipeline(hold_s=HOLD_S, **about), Tone()
    assert states(hear(pipeline, tone, LEARNED_S + HOLD_S)) == [Presence.VACANT]
    return pipeline, tone


def test_a_quiet_stream_is_well_and_becomes_vacant_after_the_hold_time():
    pipeline, tone = make_pipeline(hold_s=HOLD_S), Tone()
    events = hear(pipeline, tone, 6.0)
    assert kinds(events) == ["PresenceChanged"]
    assert events[0].presence is Presence.VACANT
    # It took at least a window and the learning of the floor before anything was sensed.
    assert HOLD_S + 1.5 < events[0].t_s < HOLD_S + LEARNED_S


@pytest.mark.parametrize("lost_ms", [1, 10, 50, 500])
def test_lost_frames_are_told_counted_and_are_no_motion(lost_ms):
    pipeline, tone = vacant_pipeline()
    lost = lost_ms * RATE_HZ // 1000
    events = []
    for _ in range(4):
        # A gap turns the tone's phase by any angle where the loss was no whole number of periods.
        events += pipeline.process(tone(lost_frames=lost + 1)).events
        events += hear(pipeline, tone, 0.73)
    assert not of(events, MotionStarted)
    assert pipeline.presence.presence is Presence.VACANT
    assert pipeline.lost_frames == 4 * (lost + 1)
    told = of(events, StreamHealth)
    assert [event.lost_frames for event in told] == [(lost + 1) * count for count in range(1, 5)]
    assert {event.faults for event in told} == {("frames_lost",)}
    assert told[0].cause == f"{lost + 1} frames lost"
    assert faults(hear(pipeline, tone, 1.5)) == [()], "a second later the stream is well"


def test_a_walker_is_noticed_between_gaps():
    lost = [0]

    def gappy(block):
        if not round(block.first_frame / BLOCK_FRAMES) % 50:
            lost[0] += 960
            samples = np.ascontiguousarray(block.samples[960:])
            return PcmBlock(samples, block.first_frame + 960, RATE_HZ, 960)
        return block

    events = events_of(walk(distance_m=3.0), heard=gappy)
    started = of(events, MotionStarted)
    assert started
    assert 5.0 <= started[0].t_s < 5.6
    assert lost[0] > 0
    assert of(events, StreamHealth)[-1].lost_frames == lost[0]


def test_an_hour_that_was_lost_is_no_quiet_hour():
    pipeline, tone = make_pipeline(hold_s=120.0), Tone()
    hear(pipeline, tone, LEARNED_S)
    pipeline.process(tone(lost_frames=3600 * RATE_HZ))
    assert states(hear(pipeline, tone, 2.0)) == []
    assert pipeline.presence.presence is Presence.UNKNOWN


def test_digital_silence_is_unknown_and_neither_motion_nor_presence():
    pipeline, tone = vacant_pipeline()
    events = []
    for _ in range(300):
        block = tone()
        events += pipeline.process(replace(block, samples=np.zeros_like(block.samples))).events
    assert not of(events, MotionStarted)
    assert states(events) == [Presence.UNKNOWN]
    assert "silence" in faults(events)[-1]
    first = of(events, StreamHealth)[0]
    assert first.t_s - (LEARNED_S + HOLD_S) == pytest.approx(0.5, abs=0.05)
    after = hear(pipeline, tone, LEARNED_S + HOLD_S)
    assert not of(after, MotionStarted)
    assert faults(after)[-1] == ()
    assert states(after) == [Presence.VACANT]


@pytest.mark.parametrize("cut", [0, 960, 1700, 1900])
@pytest.mark.parametrize("phase_blocks", [0, 1, 2])
def test_a_tone_that_breaks_off_is_missing_and_its_end_is_no_motion(cut, phase_blocks):
    pipeline, tone = vacant_pipeline()
    hear(pipeline, tone, phase_blocks * 0.01)
    events = list(pipeline.process(tone(cut=cut)).events) + hear(pipeline, tone, 2.0, amplitude=0.0)
    assert not of(events, MotionStarted)
    assert states(events) == [Presence.UNKNOWN]
    assert faults(events) == [("tone_missing",)]
    assert of(events, StreamHealth)[0].t_s - (LEARNED_S + HOLD_S) < 1.0
    after = hear(pipeline, tone, LEARNED_S + HOLD_S)
    assert not of(after, MotionStarted)
    assert faults(after) == [()]
    assert states(after) == [Presence.VACANT]


def test_a_tone_that_never_comes_is_missing_and_nothing_else_is_said():
    pipeline, tone = make_pipeline(hold_s=HOLD_S), Tone(amplitude=0.0)
    events = hear(pipeline, tone, 10.0)
    assert kinds(events) == ["StreamHealth"]
    assert events[0].faults == ("tone_missing",)
    assert 0.5 <= events[0].t_s < 0.7
    assert pipeline.presence.presence is Presence.UNKNOWN


@pytest.mark.parametrize("mics", [1, 8])
def test_a_missing_tone_is_said_once_with_any_number_of_microphones(mics):
    pipeline, tone = make_pipeline(hold_s=HOLD_S, mics=mics), Tone(mics=mics, amplitude=0.0)
    assert kinds(hear(pipeline, tone, 10.0)) == ["StreamHealth"]


def test_another_carrier_is_no_tone_of_ours():
    pipeline, tone = make_pipeline(hold_s=HOLD_S), Tone(carrier_hz=42_000.0)
    assert faults(hear(pipeline, tone, 3.0)) == [("tone_missing",)]


def test_a_tone_that_is_switched_by_command_is_unknown_until_it_is_back():
    asked = {3.0 + HOLD_S: False, 8.0 + HOLD_S: True}

    def command(pipeline, t_s):
        for at_s in [at_s for at_s in asked if t_s >= at_s]:
            return pipeline.switch_emission(on=asked.pop(at_s), t_s=t_s, cause="command")
        return []

    events = events_of(empty(16.0), make_pipeline(hold_s=HOLD_S), before=command)
    assert not of(events, MotionStarted)
    assert [(event.emission.on, event.cause) for event in of(events, EmissionChanged)] == [
        (False, "command"),
        (True, "command"),
    ]
    assert states(events) == [Presence.VACANT, Presence.UNKNOWN, Presence.VACANT]
    off, on = of(events, EmissionChanged)
    unknown, vacant = of(events, PresenceChanged)[1:]
    assert unknown.t_s == off.t_s
    assert unknown.cause == "emission off"
    assert on.t_s + HOLD_S < vacant.t_s < on.t_s + HOLD_S + LEARNED_S
    assert not of(events, StreamHealth), "a tone that was switched off is not missing"


def test_a_switch_to_what_is_already_so_is_no_event():
    pipeline = make_pipeline()
    assert pipeline.switch_emission(on=True, t_s=0.0, cause="command") == []
    assert pipeline.emission == TONES


def test_after_switching_on_again_a_walker_is_noticed():
    def command(pipeline, t_s):
        if t_s >= 3.0 and pipeline.emission.on and not asked:
            asked.append(t_s)
            return pipeline.switch_emission(on=False, t_s=t_s, cause="command")
        return pipeline.switch_emission(on=t_s >= 4.0 or not asked, t_s=t_s, cause="command")

    asked = []
    events = events_of(walk(distance_m=3.0, start_s=8.0), before=command)
    assert len(of(events, EmissionChanged)) == 2
    assert 8.0 <= of(events, MotionStarted)[0].t_s < 8.5


def test_clipping_is_told_and_sensing_goes_on():
    pipeline, tone = vacant_pipeline()
    # Air that is pushed slowly, as by a door, up to the converter's highest code: nothing of it lies at the carrier.
    push = 0.99 * 2**31 * np.sin(np.pi * np.arange(10 * BLOCK_FRAMES) / (10 * BLOCK_FRAMES)) ** 2
    events = []
    for number in range(10):
        block = tone()
        loud = block.samples + push[number * BLOCK_FRAMES :][:BLOCK_FRAMES, None]
        clipped = np.clip(loud, -(2**31), 2**31 - 256).astype(np.int32)
        events += pipeline.process(replace(block, samples=clipped)).events
    events += hear(pipeline, tone, 0.5)
    assert faults(events) == [("clipping",)]
    assert faults(hear(pipeline, tone, 2.0)) == [()]
    assert pipeline.presence.presence is Presence.VACANT


def test_a_constant_offset_changes_nothing():
    pipeline, tone = make_pipeline(hold_s=HOLD_S), Tone()
    events = hear(pipeline, tone, 6.0, dc=0.1)
    assert kinds(events) == ["PresenceChanged"]
    assert events[0].presence is Presence.VACANT


def test_a_block_of_another_stream_is_refused():
    pipeline = make_pipeline(mics=4)
    with pytest.raises(ValueError, match=r"wanted samples \[frames, 4\]"):
        pipeline.process(Tone(mics=2)())
    with pytest.raises(ValueError, match="wanted a rate of 192000 Hz, got 96000"):
        pipeline.process(replace(Tone()(), rate_hz=96_000))


@pytest.mark.parametrize("block_frames", [960, 4800, 9600])
def test_how_the_stream_is_cut_changes_no_event(block_frames):
    def told(frames):
        # The room is heard once in blocks of 10 ms and cut anew, so that both pipelines hear the same samples.
        pipeline = make_pipeline()
        events = []
        for start in range(0, len(heard) - frames + 1, frames):
            block = PcmBlock(np.ascontiguousarray(heard[start : start + frames]), start, RATE_HZ)
            events += pipeline.process(block).events
        return events

    heard = recorded(walk(distance_m=3.0))
    wanted, found = told(1920), told(block_frames)
    edges = (MotionStarted, MotionStopped, PresenceChanged)
    assert kinds(of(found, edges)) == kinds(of(wanted, edges))
    assert kinds(of(wanted, edges)) == ["MotionStarted", "PresenceChanged", "MotionStopped"]
    hop_s = 64 / 2400
    for before, after in zip(of(wanted, edges), of(found, edges), strict=True):
        assert after.t_s == pytest.approx(before.t_s, abs=1.01 * hop_s)


_RECORDED = {}


def recorded(scene):
    """All that the microphones heard of a scene, [frames, mics]."""
    if scene.name not in _RECORDED:
        blocks = []

        def keep(block):
            blocks.append(block.samples)
            return block

        for _ in listen(scene, heard=keep):
            pass
        _RECORDED[scene.name] = np.concatenate(blocks)
    return _RECORDED[scene.name]


def test_what_was_going_on_ends_when_the_source_is_given_up():
    pipeline = make_pipeline(hold_s=HOLD_S)
    for _, step in listen(walk(distance_m=2.0), pipeline):
        if Presence.OCCUPIED in states(step.events):
            break
    t_s = 6.0
    events = pipeline.give_up(t_s=t_s, cause="device lost")
    assert kinds(events) == ["MotionStopped", "PresenceChanged"]
    assert [event.cause for event in events] == ["device lost", "device lost"]
    assert events[1].presence is Presence.UNKNOWN
    assert pipeline.give_up(t_s=t_s, cause="device lost") == []


def test_time_never_runs_back_and_no_event_lies_ahead_of_its_block():
    last_s = 0.0
    for t_s, step in listen(walk(distance_m=3.0)):
        for event in step.events:
            assert last_s <= event.t_s <= t_s
            last_s = event.t_s


def test_chirps_without_tones_are_refused():
    chirps = Chirps(34_000.0, 43_000.0, pulse_s=0.005, fade_s=0.002, pulses_hz=20.0, level_db_spl=70.0)
    with pytest.raises(ValueError, match="wanted tones, got none"):
        make_pipeline(emission=Emission(chirps=chirps))


def test_chirps_beside_the_tone_bring_echoes_by_range_and_rest_with_it():
    chirps = Chirps(34_000.0, 43_000.0, pulse_s=0.005, fade_s=0.002, pulses_hz=20.0, level_db_spl=70.0)
    pipeline = make_pipeline(emission=Emission(tones=Tones((45_000.0,), level_db_spl=74.0), chirps=chirps))

    def rest(pipeline, t_s):
        return pipeline.switch_emission(on=not 3.0 <= t_s < 4.0, t_s=t_s, cause="command")

    heard = list(listen(empty(duration_s=6.0), pipeline, before=rest))
    frames = [frame for _, step in heard for frame in step.ranges]
    starts_s = np.array([frame.t_s for frame in frames])
    # 16 pulses find the round trip, at the start and behind the rest; fades take a tenth of a second
    assert len(frames) == pytest.approx((3.0 + 2.0 - 2 * 16 / 20.0) * 20, abs=8)
    assert np.ptp(starts_s % 0.05) < 1e-5
    assert not ((starts_s > 3.2) & (starts_s < 4.8)).any()
    power = np.mean([(np.abs(frame.echoes) ** 2).mean(axis=0) for frame in frames], axis=0)
    assert power[frames[0].range_m < 0.1].max() == power.max()
    edges = (MotionStarted, PresenceChanged)
    assert Presence.OCCUPIED not in states([event for _, step in heard for event in of(step.events, edges)])


def test_the_detector_hears_the_echoes_that_its_frames_come_with():
    class Notes(ThresholdDetector):
        def process(self, frame):
            order.append(("frame", frame.t_s))
            return super().process(frame)

        def process_ranges(self, frame):
            order.append(("echoes", frame.t_s))

    order = []
    chirps = Chirps(34_000.0, 43_000.0, pulse_s=0.005, fade_s=0.002, pulses_hz=20.0, level_db_spl=70.0)
    pipeline = make_pipeline(
        emission=Emission(tones=Tones((45_000.0,), level_db_spl=74.0), chirps=chirps),
        make_detector=lambda doppler: Notes(doppler=doppler, false_alarms_per_day=1.0),
    )
    heard = list(listen(empty(duration_s=3.0), pipeline))
    told = [frame.t_s for _, step in heard for frame in step.ranges]
    assert len(told) > 20
    assert [t_s for kind, t_s in order if kind == "echoes"] == told
    between = [order[at - 1][1] for at, (kind, _) in enumerate(order) if kind == "echoes"]
    assert np.ptp(np.subtract(told, between)) < 0.05, "they come between the frames of their time"
