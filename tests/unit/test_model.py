"""The model in the service: golden scores, what refuses it, and the threshold detector that stands by."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from support.lockstep import TONES, listen

from appliance.classify.manifest import read_manifest
from appliance.classify.model import SOURCE, ModelDetector, Network
from appliance.classify.standby import StandbyDetector
from appliance.classify.threshold import SOURCE as THRESHOLD
from appliance.errors import ModelError
from appliance.events import MotionStarted, StreamHealth
from appliance.features.doppler import WINDOW_SAMPLES, Doppler
from appliance.features.evidence import SETTLE_S
from appliance.pipeline import Pipeline
from appliance.sensing import load_network
from appliance.simulation.scenes import walk
from appliance.types import DopplerFrame, MotionClass, Score

MODELS = Path(__file__).parents[2] / "models"
FILE = MODELS / "motion.tflite"
MODEL, MANIFEST = FILE.read_bytes(), json.loads(FILE.with_suffix(".json").read_bytes())

PETS = [{"false_alarms_per_day": 10.0, "log_odds": 4.0}, {"false_alarms_per_day": 0.1, "log_odds": 12.0}]


NO_PETS = {"thresholds_with_pets": []}


def network(**about):
    return Network(json.dumps(MANIFEST | about).encode(), MODEL, name="motion.tflite")


def doppler():
    return Doppler(carriers_hz=(40_000.0,), mics=4, rate_hz=2400.0, pcm_rate_hz=192_000)


def detector(**about):
    return ModelDetector(doppler=doppler(), network=network(**about), false_alarms_per_day=1.0)


def frames(count, *, loud_from=None, seed=1):
    """Noise, and from a frame on a tone at 0.9 m/s."""
    rng, stage = np.random.default_rng(seed), doppler()
    for number in range(count):
        power = 10 * np.log10(rng.exponential(1e-10, (1, 4, WINDOW_SAMPLES)))
        if loud_from is not None and number >= loud_from:
            power[..., WINDOW_SAMPLES // 2 + 15 : WINDOW_SAMPLES // 2 + 30] += rng.uniform(20, 40)
        carrier = np.full((1, 4), -30, np.float32)
        yield DopplerFrame(power.astype(np.float32), stage.velocity_mps, carrier, number * 0.0267)


def make_pipeline(network, *, tamper=None):
    made = []

    def make(stage):
        made.append(StandbyDetector(doppler=stage, network=network, false_alarms_per_day=1.0))
        return made[0]

    pipeline = Pipeline(
        rate_hz=192_000, mics=4, emission=TONES, hold_s=8.0, false_alarms_per_day=1.0, make_detector=make
    )
    return pipeline, made[0]


def test_scores_are_the_golden_ones():
    golden = np.load(MODELS / "golden" / "motion.npz")
    runs = network()
    found = np.array([runs.step(each) for each in golden["features"].astype(np.float32)])
    np.testing.assert_allclose(found, golden["outputs"], atol=2e-3, rtol=1e-3)
    assert np.ptp(found[:, 1]) > 1.0, "golden values in which nothing happens show nothing"


def test_state_begins_anew_after_a_reset():
    golden = np.load(MODELS / "golden" / "motion.npz")["features"].astype(np.float32)
    runs = network()
    first = [runs.step(each) for each in golden[:50]]
    runs.reset()
    assert [runs.step(each) for each in golden[:50]] == first


def test_score_has_all_classes_and_sums_to_one():
    judge = detector()
    scores = [score for frame in frames(150, loud_from=100) if (score := judge.process(frame)) is not None]
    assert 80 < len(scores) < 110, "none until the floor is known"
    for score in scores:
        assert set(score.probabilities) == set(MotionClass)
        assert sum(score.probabilities.values()) == pytest.approx(1.0)
        assert score.source == SOURCE
        assert score.radial_mps is None or math.isfinite(score.radial_mps)


def test_log_odds_between_known_rates_lie_between():
    manifest = read_manifest(json.dumps(MANIFEST).encode(), name="m")
    rates = [5000, 1000, 300, 100, 3, 1, 0.3, 0.02, 0.001]
    odds = [manifest.log_odds(rate) for rate in rates]
    assert odds == sorted(odds)
    assert odds[0] == manifest.thresholds[0][1]
    assert odds[-1] == manifest.thresholds[-1][1]


def test_a_home_with_pets_has_thresholds_of_its_own():
    manifest = read_manifest(json.dumps(MANIFEST | {"thresholds_with_pets": PETS}).encode(), name="m")
    assert manifest.log_odds(1.0, pets=True) == pytest.approx(8.0)
    known = {each["false_alarms_per_day"]: each["log_odds"] for each in MANIFEST["thresholds"]}
    assert manifest.log_odds(1.0) == pytest.approx(known[1.0])


def test_a_model_that_does_not_know_homes_with_pets_leaves_them_to_the_threshold_detector():
    with pytest.raises(ModelError, match=r"no operating point for homes with pets; set sensing.pets: false"):
        ModelDetector(doppler=doppler(), network=network(**NO_PETS), false_alarms_per_day=1.0, pets=True)
    judge = StandbyDetector(doppler=doppler(), network=network(**NO_PETS), false_alarms_per_day=1.0, pets=True)
    assert "pets" in str(judge.failure)
    knows = network(thresholds_with_pets=PETS)
    assert StandbyDetector(doppler=doppler(), network=knows, false_alarms_per_day=1.0, pets=True).failure is None


def test_frame_that_is_no_number_gives_no_score_and_changes_nothing():
    spoilt, well = detector(), detector()
    for number, frame in enumerate(frames(130)):
        if number == 90:
            power = frame.power_dbfs.copy()
            power[0, 1, 150] = np.nan
            assert spoilt.process(DopplerFrame(power, frame.velocity_mps, frame.carrier_dbfs, frame.t_s)) is None
        assert spoilt.process(frame) == well.process(frame)


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"feature_version": 99}, "version 99"),
        ({"features": 44}, "44 features"),
        ({"state": 99}, "found float32"),
        ({"format": 2}, "wanted format 1, found 2"),
        ({"classes": ["nothing"]}, "wanted each of nothing, major"),
        ({"classes": ["nothing", "major", "minor", "breathing", "cat"]}, "cat"),
        ({"thresholds": []}, "wanted rates above 0"),
        ({"thresholds": [{"false_alarms_per_day": 1, "log_odds": math.nan}]}, "wanted rates above 0"),
        ({"thresholds": [{"false_alarms_per_day": -1, "log_odds": 3}]}, "wanted rates above 0"),
        ({"thresholds": [{"log_odds": 3}]}, "KeyError"),
        ({"thresholds_with_pets": [{"log_odds": 3}]}, "KeyError"),
        ({"thresholds_with_pets": 3}, "TypeError"),
        ({"thresholds_with_pets": [*reversed(PETS)]}, "thresholds_with_pets: wanted falling rates"),
        (
            {"thresholds": [{"false_alarms_per_day": 1, "log_odds": 3}, {"false_alarms_per_day": 2, "log_odds": 4}]},
            "falling rates",
        ),
        ({"state": "4032"}, "wanted int"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_its_reason(about, words):
    with pytest.raises(ModelError, match=words) as told:
        network(**about)
    assert "install the model" in str(told.value) or "found float32" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'"x"', b'{"format": 1}'])
def test_a_damaged_manifest_is_refused(text):
    with pytest.raises(ModelError, match="install the model anew"):
        read_manifest(text, name="m")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"motion\.json: No such file"):
        load_network(tmp_path / "motion.tflite")
    (tmp_path / "motion.json").write_text("{}")
    with pytest.raises(ModelError, match=r"motion\.tflite: No such file"):
        load_network(tmp_path / "motion.tflite")


def test_the_model_that_comes_with_the_software_has_a_name(tmp_path, monkeypatch):
    assert load_network(Path("motion")).manifest.sha256 == MANIFEST["sha256"]
    monkeypatch.setattr("appliance.sensing._SHIPPED", (tmp_path / "motion.tflite",))
    with pytest.raises(ModelError, match=rf"{tmp_path}/motion\.json: No such file.*install the model"):
        load_network(Path("motion"))


def _fault_events(events):
    return [event for event in events if isinstance(event, StreamHealth)]


def test_without_a_model_the_threshold_detector_judges_and_health_says_so():
    pipeline, standby = make_pipeline(ModelError("gone.tflite: No such file"))
    steps = [step for _, step in listen(walk(distance_m=2.0, start_s=4.0), pipeline)]
    events = [event for step in steps for event in step.events]
    assert {score.source for step in steps for score in step.scores} == {THRESHOLD}
    assert any(isinstance(event, MotionStarted) for event in events)
    (said,) = _fault_events(events)
    assert said.faults == ("model_failed",)
    assert said.cause == "gone.tflite: No such file"
    assert standby.failure is not None


def _poison(runs):
    runs._state()[:] = np.nan


def _hold(runs):
    runs.held = runs._outputs()


@pytest.mark.parametrize(("break_it", "words"), [(_poison, "no numbers"), (_hold, "runtime failed")])
def test_a_model_that_fails_while_it_runs_is_replaced_for_good(break_it, words):
    runs = network()
    pipeline, standby = make_pipeline(runs)
    sources, faults, broken = [], [], False
    for t_s, step in listen(walk(distance_m=2.0, start_s=4.0), pipeline):
        sources += [score.source for score in step.scores]
        faults += [event.faults for event in _fault_events(step.events)]
        if t_s > 3.0 and not broken:
            assert not faults
            break_it(runs)
            broken = True
    assert words in str(standby.failure)
    assert sources == sorted(sources), "first the model, then the threshold detector"
    assert set(sources) == {SOURCE, THRESHOLD}
    assert faults == [("model_failed",)]


def test_tuning_reaches_whoever_judges():
    standby = StandbyDetector(doppler=doppler(), network=ModelError("x"), false_alarms_per_day=1.0)
    before = standby._detector.threshold
    standby.tune(false_alarms_per_day=0.1)
    assert standby._detector.threshold > before


class Sure:
    """A model that says the same of each hop."""

    def __init__(self, **outputs):
        classes = [*map(str, MotionClass), "pet"]
        text = json.dumps(MANIFEST | {"classes": classes, "thresholds_with_pets": PETS}).encode()
        self.manifest = read_manifest(text, name="m")
        self._outputs = [*(outputs.get(name, -9.0) for name in classes), 0.0, 0.0]

    def step(self, features):
        assert features.shape == (MANIFEST["features"],)
        return self._outputs

    def reset(self):
        pass


def sure(*, rate=1.0, pets=False, **outputs):
    return ModelDetector(doppler=doppler(), network=Sure(**outputs), false_alarms_per_day=rate, pets=pets)


def log_odds_of(score):
    return math.log(score.motion / (1.0 - score.motion))


def told(judge, sounds):
    return [score for frame in sounds if (score := judge.process(frame)) is not None]


@pytest.mark.parametrize(("pets", "kind"), [(False, MotionClass.MAJOR), (True, MotionClass.NUISANCE)])
def test_what_goes_about_like_a_pet_is_somebody_only_where_no_pets_live(pets, kind):
    score = told(sure(pet=30.0, rate=1000.0, pets=pets), frames(150, loud_from=100))[-1]
    assert max(score.probabilities, key=score.probabilities.__getitem__) is kind
    assert set(score.probabilities) == set(MotionClass)
    assert sum(score.probabilities.values()) == pytest.approx(1.0)
    assert (score.motion > 0.9) is not pets


def test_tuning_moves_the_log_odds_of_motion():
    manifest = read_manifest(json.dumps(MANIFEST).encode(), name="m")
    rare, often = (sure(nothing=0.0, major=8.0, rate=rate) for rate in (0.1, 0.1))
    often.tune(false_alarms_per_day=100.0)
    # thirty times as often is left to the model, the threshold detector sees to the rest
    wanted = manifest.log_odds(3.0) - manifest.log_odds(3000.0)
    assert wanted > 1.0
    pairs = zip(told(rare, frames(120, loud_from=100)), told(often, frames(120, loud_from=100)), strict=True)
    odds = [(log_odds_of(low), log_odds_of(high)) for low, high in pairs][-10:]
    assert [high - low for low, high in odds] == pytest.approx([wanted] * 10, abs=1e-3)


def test_a_model_that_is_sure_of_people_in_a_quiet_room_is_not_believed():
    quiet, moving = told(sure(major=30.0), frames(140)), told(sure(major=30.0), frames(140, loud_from=100))
    assert max(score.motion for score in quiet) < 0.5
    assert moving[-1].motion > 0.9
    assert max(score.motion for score in told(sure(nuisance=30.0), frames(140, loud_from=100))) < 0.5


class Restless:
    """A threshold detector that always sees motion."""

    def process(self, frame):
        return Score({MotionClass.MAJOR: 1.0}, None, frame.t_s, THRESHOLD)

    def reset(self):
        pass


def _go_on(judge, duration_s):
    """Sound that lasts, and the last score."""
    again = next(frames(1))
    return [
        judge.process(dataclasses.replace(again, t_s=number * 0.0267)) for number in range(round(duration_s / 0.0267))
    ][-1]


def _restless(**outputs):
    judge = sure(**outputs)
    judge._gate = Restless()
    return judge


def test_where_something_moves_that_is_nobody_the_model_has_to_be_surer():
    judge, fresh = _restless(nuisance=30.0), _restless(nothing=0.0, major=8.0)
    _go_on(judge, 20.0 + SETTLE_S)
    judge._network._outputs = fresh._network._outputs
    before, after = log_odds_of(_go_on(fresh, 2.0)), log_odds_of(_go_on(judge, 0.03))
    assert before - after == pytest.approx(40.0 * (1.0 - math.exp(-20.0 / 300.0)), rel=0.02)
    judge._network._outputs = _restless(nuisance=30.0)._network._outputs
    _go_on(judge, 100.0)
    judge._network._outputs = fresh._network._outputs
    assert before - log_odds_of(_go_on(judge, 0.03)) == pytest.approx(6.0), "and no more than so much"
    judge.reset()
    assert log_odds_of(_go_on(judge, 2.0)) == pytest.approx(before), "another room"


@pytest.mark.parametrize("outputs", [{"major": 9.0}, {"minor": 9.0}, {"pet": 9.0}])
def test_people_and_pets_make_no_room_restless(outputs):
    judge = _restless(nothing=0.0, pets=True, **outputs)
    _go_on(judge, 60.0)
    assert judge._restless == 0.0


@pytest.mark.parametrize(
    "classes",
    [
        [*map(str, MotionClass), "cow"],
        [*map(str, MotionClass), "pet", "pet"],
        [*map(str, list(MotionClass)[1:]), "pet"],
    ],
)
def test_a_manifest_with_other_classes_is_refused(classes):
    with pytest.raises(ModelError, match=r"classes|cow"):
        read_manifest(json.dumps(MANIFEST | {"classes": classes}).encode(), name="m")
