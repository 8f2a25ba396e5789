"""The pipeline that keeps snippets: what it keeps, when, and that it judges as every other one does."""

import math
from itertools import pairwise

import numpy as np
import pytest
from support.lockstep import FALSE_ALARMS_PER_DAY, TONES, listen, make_pipeline
from support.snippets import keeping_pipeline

from appliance.classify.second import SecondOpinion
from appliance.classify.threshold import ThresholdDetector
from appliance.errors import OutputError
from appliance.pipeline import Pipeline
from appliance.simulation.scenes import empty
from appliance.snippets.answer import Answer
from appliance.snippets.keeper import keep_now
from appliance.snippets.replay import replay
from appliance.snippets.snippet import SCORE_COLUMNS, Reason, decode, encode, score_row
from appliance.types import Emission, MotionClass, PcmBlock, Score, Tones

RATE_HZ, BLOCK_FRAMES, CARRIER_HZ = 192_000, 1920, 40_000.0


class Hum:
    """A tone, a converter's noise, from a time on an echo that comes nearer, and whatever else is added."""

    def __init__(self, *, mics=1, moves_s=math.inf, frames=BLOCK_FRAMES):
        self._mics, self._moves_s, self._frames, self.frame = mics, moves_s, frames, 0
        self._random = np.random.default_rng(1)

    def __call__(self, *, added=None, lost=0):
        self.frame += lost
        n = self.frame + np.arange(self._frames)
        sound = 0.05 * np.sin(2 * np.pi * (CARRIER_HZ / RATE_HZ * n % 1.0))
        if n[0] >= self._moves_s * RATE_HZ:
            sound += 1e-3 * np.sin(2 * np.pi * ((CARRIER_HZ + 230.0) / RATE_HZ * n % 1.0))
        if added is not None:
            sound += added(n)
        noise = 1e-6 * self._random.standard_normal((self._frames, self._mics))
        block = PcmBlock(np.rint((sound[:, None] + noise) * 2**31).astype(np.int32), self.frame, RATE_HZ, lost)
        self.frame += self._frames
        return block


def hear(pipeline, hum, seconds, **about):
    """The steps of so many seconds."""
    until = hum.frame + seconds * RATE_HZ
    steps = []
    while hum.frame < until:
        steps.append(pipeline.process(hum(**about)))
    return steps


class Told:
    """A detector that says what it is told to, by stream time."""

    failure = None

    def __init__(self, motion_at):
        self._motion_at = motion_at

    def process(self, frame):
        motion = self._motion_at(frame.t_s)
        return Score({MotionClass.MAJOR: motion, MotionClass.NOTHING: 1.0 - motion}, None, frame.t_s, "told")

    def tune(self, *, false_alarms_per_day):
        pass

    def reset(self):
        pass


def kept_of(seconds, motion_at, *, other_at=None, before_s=5.0, after_s=1.0):
    kept = []
    first = Told(motion_at)
    detector = first if other_at is None else SecondOpinion(first, Told(other_at))
    pipeline = keeping_pipeline(
        kept.append, mics=1, before_s=before_s, after_s=after_s, make_detector=lambda _doppler: detector
    )
    hear(pipeline, Hum(), seconds)
    return kept


def rows(steps):
    return [score_row(score, math.nan) for step in steps for score in step.scores]


@pytest.mark.parametrize("block_frames", [1920, 1344])
def test_a_replay_from_the_streams_beginning_is_equal_to_the_last_bit(block_frames):
    """1344 frames are no whole number of baseband samples."""
    kept = []
    pipeline = keeping_pipeline(kept.append, mics=2, before_s=20.0)
    said = hear(pipeline, Hum(mics=2, moves_s=3.0, frames=block_frames), 4)
    pipeline.keep_now(Answer.SOMEBODY)
    snippet = decode(encode(kept[0]), name="x")
    assert snippet.facts.why is Reason.WRONG
    assert snippet.facts.answer is Answer.SOMEBODY
    again = np.array(rows(replay(snippet)))
    assert again.tobytes() == snippet.scores.tobytes() == np.array(rows(said)).tobytes()
    assert snippet.motion.max() > 0.9


def test_a_replay_from_where_the_tone_was_switched_on_is_equal_to_the_last_bit():
    kept = []
    pipeline, hum = keeping_pipeline(kept.append, mics=1), Hum()
    hear(pipeline, hum, 3)
    pipeline.switch_emission(on=False, t_s=3.0, cause="test")
    hear(pipeline, hum, 1)
    pipeline.switch_emission(on=True, t_s=4.0, cause="test")
    hear(pipeline, hum, 3)
    pipeline.keep_now(Answer.NOBODY)
    snippet = kept[0]
    assert snippet.duration_s == pytest.approx(3.0)
    again = np.array(rows(replay(snippet)))
    assert len(again) > 30
    assert again.tobytes() == snippet.scores.tobytes()


def test_it_judges_as_a_pipeline_does_that_keeps_nothing():
    ours, theirs = [
        [step.events for step in hear(pipeline, Hum(mics=2, moves_s=3.0), 4)]
        for pipeline in (keeping_pipeline([].append, mics=2), make_pipeline(mics=2))
    ]
    assert ours == theirs
    assert any(ours)


def voice():
    """As loud as it gets: harmonics from 120 Hz to 8 kHz and four syllables a second, -6 dBFS at its peaks."""
    t_s = np.arange(RATE_HZ // 4) / RATE_HZ
    sound = sum(np.sin(2 * np.pi * 120 * k * t_s + k * k) / k for k in range(1, 66))
    sound *= 0.5 + 0.5 * np.sin(2 * np.pi * 4 * t_s)
    return 0.5 * sound / np.abs(sound).max()


def test_what_is_kept_holds_no_sound_below_28_khz():
    """By its spectrum: the same room with and without somebody who speaks loudly into the microphone."""
    spectra, said = [], voice()
    for added in (None, lambda n: said[n % len(said)]):
        kept = []
        pipeline = keeping_pipeline(kept.append, mics=1)
        hear(pipeline, Hum(), 3, added=added)
        pipeline.keep_now(Answer.OTHER)
        snippet = decode(encode(kept[0]), name="x")
        assert min(snippet.facts.carriers_hz) - snippet.facts.rate_hz / 2 >= 28_000
        spectra.append(np.fft.fft(snippet.iq[0, 0] * np.hanning(snippet.iq.shape[2])) / (snippet.iq.shape[2] / 2))
        hz = CARRIER_HZ + np.fft.fftfreq(snippet.iq.shape[2], 1 / snippet.facts.rate_hz)
    assert hz.min() >= 28_000
    assert np.abs(spectra[0]).max() == pytest.approx(0.05, rel=0.02), "the tone is there"
    leaked_db = 20 * np.log10(np.abs(spectra[1] - spectra[0]).max() / 0.5)
    assert leaked_db < -100, f"of a voice at -6 dBFS, {leaked_db:.0f} dB came through"


def test_a_snippet_bridges_no_gap():
    kept = []
    pipeline, hum = keeping_pipeline(kept.append, mics=1), Hum()
    hear(pipeline, hum, 3)
    pipeline.process(hum(lost=500))
    behind = hum.frame - BLOCK_FRAMES
    hear(pipeline, hum, 2.5)
    pipeline.keep_now(Answer.NOBODY)
    assert behind <= kept[0].facts.first_frame < behind + 80
    assert list(replay(kept[0]))


def test_silence_and_a_missing_tone_leave_nothing_to_keep():
    kept = []
    pipeline, hum = keeping_pipeline(kept.append, mics=1), Hum()
    hear(pipeline, hum, 3)
    hear(pipeline, hum, 1, added=lambda n: -0.05 * np.sin(2 * np.pi * (CARRIER_HZ / RATE_HZ * n % 1.0)))
    with pytest.raises(OutputError, match="nothing was sensed in the last 2 s"):
        pipeline.keep_now(Answer.NOBODY)
    assert kept == []


def test_who_asks_again_at_once_is_refused():
    kept = []
    pipeline, hum = keeping_pipeline(kept.append, mics=1), Hum()
    hear(pipeline, hum, 3)
    pipeline.keep_now(Answer.NOBODY)
    with pytest.raises(OutputError, match="less than 5 s ago"):
        pipeline.keep_now(Answer.NOBODY)
    hear(pipeline, hum, 5)
    pipeline.keep_now(Answer.NOBODY)
    assert len(kept) == 2


def test_a_request_tells_why_it_is_refused():
    refusals = []
    request = keep_now(Answer.NOBODY, refusals.append)
    assert request(make_pipeline(), 1.0) == []
    assert request(keeping_pipeline([].append), 1.0) == []
    assert refusals == ["captures.on is false in the configuration", "nothing was sensed in the last 2 s"]


def test_a_score_near_the_threshold_is_kept_with_what_was_before_and_behind():
    (snippet,) = kept_of(12, lambda t_s: 0.45 if 8 < t_s < 10 else 0.01)
    facts = snippet.facts
    assert facts.why is Reason.NEAR_THRESHOLD
    assert facts.at_s == pytest.approx(8.4, abs=0.1)
    assert snippet.duration_s == pytest.approx(6.0)
    first_s = facts.first_frame / RATE_HZ
    assert first_s == pytest.approx(facts.at_s + 1.0 - 6.0, abs=0.05)
    assert first_s < snippet.scores[0, 0] < first_s + 0.05
    assert snippet.scores[-1, 0] <= facts.at_s + 1.05
    assert facts.doubt > 0.8
    assert facts.source == "told"


def test_detectors_that_differ_are_kept_with_what_both_said():
    (snippet,) = kept_of(11, lambda t_s: 0.99 * (t_s > 8), other_at=lambda _t_s: 0.02)
    assert snippet.facts.why is Reason.DISAGREEMENT
    assert (snippet.scores[:, SCORE_COLUMNS.index("other")] == 0.02).all()


def test_a_fan_all_night_is_one_lesson_in_ten_minutes():
    pipeline = keeping_pipeline((kept := []).append, mics=1, make_detector=lambda _doppler: Told(lambda _t_s: 0.45))
    hum = Hum()
    hear(pipeline, hum, 8)
    assert len(kept) == 1
    # nobody waits for ten minutes here: the pipeline's clock is the frame counter
    hum.frame += 600 * RATE_HZ
    hear(pipeline, hum, 4)
    assert len(kept) == 2
    assert all(later.facts.at_s - before.facts.at_s >= 600 for before, later in pairwise(kept))


def test_what_is_asked_for_takes_the_place_of_what_was_pending():
    kept = []
    pipeline = keeping_pipeline(
        kept.append, mics=1, after_s=3.0, make_detector=lambda _doppler: Told(lambda t_s: 0.45 if t_s > 4 else 0.0)
    )
    hum = Hum()
    hear(pipeline, hum, 6)
    pipeline.keep_now(Answer.PET)
    hear(pipeline, hum, 3)
    assert [(each.facts.why, each.facts.answer) for each in kept] == [(Reason.WRONG, Answer.PET)]


def test_four_carriers_and_eight_microphones_are_kept():
    emission = Emission(tones=Tones((33_000.0, 37_000.0, 41_000.0, 45_000.0), 75.0))
    kept = []
    pipeline = keeping_pipeline(kept.append, mics=8, emission=emission)
    for _, _step in listen(empty(2.5), pipeline, mics=8):
        pass
    pipeline.keep_now(Answer.NOBODY)
    assert kept[0].iq.shape[:2] == (4, 8)
    assert np.array(rows(replay(kept[0]))).tobytes() == kept[0].scores.tobytes()


def test_a_second_opinion_changes_nothing_but_is_remembered():
    made = []

    def make(doppler):
        rates = (FALSE_ALARMS_PER_DAY, 1000.0)
        made.append(SecondOpinion(*(ThresholdDetector(doppler=doppler, false_alarms_per_day=rate) for rate in rates)))
        return made[0]

    second = Pipeline(
        rate_hz=RATE_HZ,
        mics=1,
        emission=TONES,
        hold_s=8.0,
        false_alarms_per_day=FALSE_ALARMS_PER_DAY,
        make_detector=make,
    )
    said, alone = [rows(hear(each, Hum(moves_s=3.0), 4)) for each in (second, make_pipeline(mics=1))]
    assert np.array(said).tobytes() == np.array(alone).tobytes()
    heard = made[0].said()
    assert set(heard) == {row[0] for row in said}
    assert made[0].said() == {}
