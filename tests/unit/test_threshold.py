"""The detector: what it calls motion in noise, how it learns, what it follows and what it must not absorb."""

import numpy as np
import pytest
from reference.cfar import deviate

from appliance.classify.threshold import ThresholdDetector
from appliance.dsp.spectrum import independent
from appliance.events import MotionStarted
from appliance.features.doppler import HOP_SAMPLES, WINDOW_SAMPLES, Doppler
from appliance.physics import doppler_hz
from appliance.presence.motion import START_SCORE, MotionTracker
from appliance.types import DopplerFrame, MotionClass

RATE_HZ = 2400.0
CARRIERS_HZ = (40_000.0, 45_000.0)
BATCH_FRAMES = 256
NOISE = 1e-5


class Room:
    """A detector, and the noise that it hears: stationary unless told otherwise."""

    def __init__(self, *, carriers=1, mics=4, false_alarms_per_day=1.0, seed=1):
        carriers_hz = CARRIERS_HZ[:carriers]
        self._shape = (carriers, mics)
        self._doppler = Doppler(carriers_hz=carriers_hz, mics=mics, rate_hz=RATE_HZ, pcm_rate_hz=192_000)
        self.detector = ThresholdDetector(doppler=self._doppler, false_alarms_per_day=false_alarms_per_day)
        self._random = np.random.default_rng(seed)
        self._sample = 0
        self._past = np.zeros((*self._shape, 0), np.complex64)

    @property
    def now_s(self):
        return self._sample / RATE_HZ

    def __call__(self, seconds, *, gain=lambda t_s: 1.0, echoes=()):
        """Scores of the next seconds.

        `gain` of the noise over time; `echoes`: (velocity, amplitude in multiples of the noise).
        """
        end = self._sample + round(seconds * RATE_HZ)
        scores = []
        while self._sample < end:
            samples = min(BATCH_FRAMES * HOP_SAMPLES, end - self._sample)
            heard = np.concatenate([self._past, self._sound(samples, gain, echoes)], axis=2)
            first = self._sample - self._past.shape[2]
            if heard.shape[2] < WINDOW_SAMPLES:
                self._sample, self._past = first + heard.shape[2], heard
                break
            windows = np.lib.stride_tricks.sliding_window_view(heard, WINDOW_SAMPLES, axis=2)[:, :, ::HOP_SAMPLES]
            power_db = 10 * np.log10(self._doppler.spectrum.power(windows))
            for number in range(power_db.shape[2]):
                t_s = (first + WINDOW_SAMPLES + number * HOP_SAMPLES) / RATE_HZ
                level = np.zeros(self._shape, np.float32)
                scores.append(
                    self.detector.process(DopplerFrame(power_db[:, :, number], self._doppler.velocity_mps, level, t_s))
                )
            self._sample = first + heard.shape[2]
            self._past = heard[..., power_db.shape[2] * HOP_SAMPLES :]
        return scores

    def _sound(self, samples, gain, echoes):
        t_s = (self._sample + np.arange(samples)) / RATE_HZ
        noise = self._random.standard_normal((*self._shape, samples, 2), np.float32).view(np.complex64)[..., 0]
        sound = NOISE * gain(t_s) * noise / np.sqrt(2)
        for velocity_mps, amplitude in echoes:
            for carrier, carrier_hz in enumerate(CARRIERS_HZ[: self._shape[0]]):
                phase = np.arange(self._shape[1])[:, None]
                turns = doppler_hz(velocity_mps, carrier_hz) * t_s
                sound[carrier] += NOISE * amplitude * np.exp(1j * (2 * np.pi * turns + phase))
        return sound.astype(np.complex64)


def starts(scores):
    tracker = MotionTracker()
    return sum(isinstance(event, MotionStarted) for score in scores if score for event in tracker.process(score))


def share_moving(scores):
    return float(np.mean([score.motion >= START_SCORE for score in scores if score]))


def count_starts(*, carriers, mics, false_alarms_per_day, seconds):
    """Motion starts that were counted in noise, over those that were asked for."""
    room = Room(carriers=carriers, mics=mics, false_alarms_per_day=false_alarms_per_day)
    room(30.0)
    return starts(room(seconds)) / (false_alarms_per_day * seconds / 86_400)


@pytest.mark.parametrize("carriers", [1, 2])
@pytest.mark.parametrize("mics", [1, 4, 8])
def test_noise_is_called_motion_as_often_as_was_asked(carriers, mics):
    # 46 are asked for, which chance scatters by 15 %.
    ratio = count_starts(carriers=carriers, mics=mics, false_alarms_per_day=20_000, seconds=200)
    assert 0.5 < ratio < 2.0


@pytest.mark.slow
@pytest.mark.parametrize("carriers", [1, 2])
@pytest.mark.parametrize("mics", [1, 4, 8])
def test_rarer_alarms_are_calibrated_as_well(carriers, mics):
    # 42 are asked for, which chance scatters by 15 %.
    ratio = count_starts(carriers=carriers, mics=mics, false_alarms_per_day=2_000, seconds=1_800)
    assert 0.5 < ratio < 2.0


def test_fewer_false_alarms_need_more_evidence():
    thresholds = [Room(false_alarms_per_day=rate).detector.threshold for rate in (1000, 1, 0.01)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] < thresholds[-1]


def test_a_room_is_not_judged_before_it_is_known():
    room = Room()
    scores = room(4.0)
    unknown = next(number for number, score in enumerate(scores) if score is not None)
    assert unknown * HOP_SAMPLES / RATE_HZ == pytest.approx(1.5, abs=0.06)
    assert None not in scores[unknown:]
    assert not starts(scores)


def test_a_room_is_not_learned_before_it_is_quiet():
    room = Room()
    # Somebody walks about: strong, and never at one velocity for long.
    for number in range(16):
        assert not any(room(0.5, echoes=[((0.3, 1.2, -0.8, -0.4)[number % 4], 30.0)]))
    scores = room(4.0)
    assert scores[0] is None
    assert scores[-1] is not None
    assert not starts(scores)
    assert share_moving(room(1.0, echoes=[(0.5, 3.0)])) > 0.8


def test_a_room_that_is_never_quiet_is_learned_after_half_a_minute():
    room = Room()
    walk = [room(0.5, echoes=[((0.3, 1.2, -0.8, -0.4)[number % 4], 30.0)]) for number in range(66)]
    scores = [score for part in walk for score in part]
    assert scores[round(29.0 * RATE_HZ / HOP_SAMPLES)] is None
    assert scores[-1] is not None


def test_reset_learns_the_room_again():
    room = Room()
    assert room(3.0)[-1] is not None
    room.detector.reset()
    assert room(1.0, gain=lambda _t_s: 10.0)[-1] is None
    scores = room(10.0, gain=lambda _t_s: 10.0)
    assert scores[-1] is not None
    assert not starts(scores)


@pytest.mark.parametrize("db_per_s", [0.02, -0.05])
def test_the_floor_follows_a_slow_drift(db_per_s):
    room = Room()
    room(20.0)
    assert not starts(room(120.0, gain=lambda t_s: 10 ** (db_per_s * (t_s - 20.0) / 20)))
    last_gain = 10 ** (db_per_s * 120.0 / 20)
    # What stood out from the old floor by as much must stand out from the new one.
    assert share_moving(room(2.0, gain=lambda _t_s: last_gain, echoes=[(0.7, 3.0 * last_gain)])) > 0.8


def test_a_steady_fan_is_absorbed_in_minutes():
    room = Room()
    room(10.0)
    assert share_moving(room(5.0, echoes=[(0.9, 3.0)])) > 0.9
    room(300.0, echoes=[(0.9, 3.0)])
    assert share_moving(room(30.0, echoes=[(0.9, 3.0)])) == 0.0


def test_noise_that_rises_at_all_velocities_is_a_nuisance_and_is_absorbed():
    room = Room()
    room(10.0)
    louder = 10 ** (6.0 / 20)
    scores = room(5.0, gain=lambda _t_s: louder)
    assert np.mean([score.probabilities[MotionClass.NUISANCE] > 0.5 for score in scores]) > 0.9
    assert share_moving(scores) < 0.05
    room(60.0, gain=lambda _t_s: louder)
    scores = room(30.0, gain=lambda _t_s: louder)
    assert all(score.probabilities[MotionClass.NOTHING] > 0.5 for score in scores)


@pytest.mark.parametrize("amplitude", [3.0, 30.0])
def test_a_person_who_moves_for_half_a_minute_is_not_absorbed(amplitude):
    room = Room()
    room(10.0)
    scores = []
    for number in range(30):
        scores += room(1.0, echoes=[((0.9, -0.6)[number % 2], amplitude)])
    assert share_moving(scores[8:]) > 0.95
    assert starts(scores) == 1
    assert share_moving(room(5.0)[15:]) == 0.0, "and when he is gone it is quiet at once"


def test_who_moves_slowly_for_minutes_leaves_a_room_that_is_quiet():
    # Only a few bands hear this one; the floor of the others must stay where it is.
    room = Room()
    room(10.0)
    for number in range(150):
        room(1.0, echoes=[((0.3, -0.2)[number % 2], 10.0)])
    assert share_moving(room(5.0)[15:]) == 0.0


def test_who_went_by_does_not_blind_for_the_next():
    room = Room()
    room(10.0)
    for _ in range(15):
        room(1.0, echoes=[(0.9, 30.0)])
    room(5.0)
    assert share_moving(room(2.0, echoes=[(0.9, 3.0)])) > 0.8


@pytest.mark.parametrize("velocity_mps", [1.2, -1.2, 0.4, -0.4, 2.5, -2.5])
@pytest.mark.parametrize("carriers", [1, 2])
def test_velocity_has_its_sign_and_kind(velocity_mps, carriers):
    room = Room(carriers=carriers)
    room(5.0)
    score = room(2.0, echoes=[(velocity_mps, 10.0)])[-1]
    assert score.motion > 0.99
    # A band is up to a third of its velocity wide.
    assert score.radial_mps == pytest.approx(velocity_mps, rel=0.25)
    major, minor = (score.probabilities[kind] for kind in (MotionClass.MAJOR, MotionClass.MINOR))
    assert (major > minor) == (abs(velocity_mps) > 0.65)
    assert f"{'+' if velocity_mps > 0 else '-'}" in score.cause
    assert "dB above the quiet room" in score.cause


def test_a_direction_is_told_only_where_one_prevails():
    room = Room()
    room(5.0)
    score = room(2.0, echoes=[(0.8, 10.0), (-0.8, 10.0)])[-1]
    assert score.motion > 0.99
    assert score.radial_mps is None


def test_a_quiet_room_has_no_cause_and_no_direction():
    room = Room()
    quiet = [score for score in room(20.0) if score]
    sure = [score for score in quiet if score.probabilities[MotionClass.NOTHING] > 0.99]
    assert all((score.cause, score.radial_mps) == ("", None) for score in sure)
    assert len(sure) > 0.6 * len(quiet)
    assert all(sum(score.probabilities.values()) == pytest.approx(1.0) for score in quiet)
    assert {score.source for score in quiet} == {"threshold"}


def test_slower_than_the_first_band_is_no_motion():
    room = Room()
    room(5.0)
    # Air and warmth: 0.02 m/s is 4.7 Hz at 40 kHz. That it begins at once is no motion of air.
    room(1.0, echoes=[(0.02, 3.0)])
    assert not starts(room(10.0, echoes=[(0.02, 3.0)]))


def test_a_deviate_of_gamma_noise_is_standard_normal():
    rng = np.random.default_rng(1)
    for shape in (1.5, 6.0, 50.0):
        normal = deviate(rng.gamma(shape, 1 / shape, 200_000), np.array(shape))
        assert normal.mean() == pytest.approx(0, abs=0.02)
        assert normal.std() == pytest.approx(1, abs=0.03)
        assert np.quantile(normal, 0.999) == pytest.approx(3.09, abs=0.15)


def test_looks_that_are_alike_count_once():
    assert independent(7, lambda _apart: 0.0) == 7
    assert independent(7, lambda _apart: 1.0) == pytest.approx(1)
    assert 1 < independent(7, lambda apart: 0.5**apart) < 7
