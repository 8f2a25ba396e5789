"""Scenes as files: what they make, and every fault with its place."""

from pathlib import Path

import numpy as np
import pytest

from appliance.errors import ConfigError, SourceError
from appliance.simulation.baseband import BasebandRoom
from appliance.simulation.sample import ACTIVITIES, NUISANCES, sample_scene, sample_words
from appliance.simulation.scene_file import load_scene, scene_named
from appliance.simulation.scenes import Scene, visit
from appliance.simulation.truth import truth
from appliance.simulation.words import SceneWords
from appliance.types import MotionClass, Tones

needs_captures = pytest.mark.skipif(
    not __import__("importlib.util").util.find_spec("pybullet_data"), reason="the extra `simulation` is not installed"
)

SCENE = """\
name: evening
duration_s: 20
seed: 7
room: {size_m: [5.5, 4, 2.5], t60_s: 0.12}
air: {temperature_c: 22, relative_humidity_percent: 40}
device: {at_m: [0.06, 2.0, 1.2], unit: random, unit_seed: 3, gaps: [{start_s: 3, lost_ms: 10}]}
music: {level: 0.2}
people:
  - at_m: [3, 1]
    height_m: 1.6
    do:
      - {act: stay, posture: sit, for_s: 12, gestures: [turn_pages, drink]}
things:
  - {thing: fan, at_m: [3.5, 3.5, 1.0], axis_deg: [230, 0], on_s: 5, off_s: 10, oscillation_s: 8}
  - {thing: curtain, at_m: [4.8, 2, 1.2]}
  - {thing: blind, at_m: [4.8, 1, 1.2]}
  - {thing: plant, at_m: [2, 3, 1.2]}
  - {thing: cat, path_m: [[1, 1], [3, 3.5]], start_s: 5}
  - {thing: dog, path_m: [[1, 1], [3, 3.5]], trots: true}
  - {thing: vacuum, path_m: [[1, 1], [3, 3.5]]}
  - {thing: door, hinge_m: [5.5, 1], opens_s: 4}
  - {thing: falling, at_m: [2, 2, 1], at_s: 6}
  - {thing: wd7_arm, at_m: [2, 2]}
sounds:
  - {sound: keys, at_m: [5, 1, 1]}
  - {sound: tone, frequency_hz: 40100, at_m: [5, 1, 1]}
  - {sound: taps}
"""


def write(folder, text=SCENE):
    path = folder / "scene.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_makes_its_scene(tmp_path):
    scene = load_scene(write(tmp_path))
    assert (scene.name, scene.duration_s, scene.seed, scene.size_m) == ("evening", 20.0, 7, (5.5, 4.0, 2.5))
    assert [thing.kind for thing in scene.things] == [
        "fan", "curtain", "blind", "plant", "cat", "dog", "vacuum", "door", "falling", "wd7_arm",
    ]  # fmt: skip
    assert [sound.kind for sound in scene.sounds] == ["keys", "tone", "taps"]
    assert scene.unit.gaps[0].lost_s == pytest.approx(0.01)
    assert scene.unit.tweeter_ripple_db > 0
    assert scene.music.level == pytest.approx(0.2)
    room = BasebandRoom(scene, tones=Tones((40_000.0,), 75.0))
    assert np.isfinite(room.read(2.0).iq).all()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[5.5, 4, 2.5]", "[5.5, -4, 2.5]", "4:22: room.size_m[1]: must be a number from 1 to 30"),
        ("at_m: [3, 1]", "at_m: [3, 3.95]", "9:11: people[0].at_m: is in a wall or behind it"),
        ("at_m: [3, 1]", "at_m: [5.45, 1]", "9:11: people[0].at_m: is in the wall at x = 5.5"),
        ("at_m: [3, 1]", "at_m: [0.15, 2.0]", "9:11: people[0].at_m: is where the device is"),
        ("[0.06, 2.0, 1.2]", "[0.06, 2.0, 3]", "6:16: device.at_m: is outside of the room, which is 5.5 x 4 x 2.5 m"),
        ("at_m: [3.5, 3.5, 1.0]", "at_m: [9, 3.5, 1]", "14:24: things[0].at_m: is outside of the room"),
        ("thing: fan", "thing: fann", "14:13: things[0].thing: must be fan, curtain"),
        ("[turn_pages, drink]", "[turn_page]", "(did you mean turn_pages?)"),
        ("posture: sit", "posture: squat", "12:30: people[0].do[0].posture: must be stand, sit or lie"),
        (
            "{act: stay, posture: sit, for_s: 12, gestures: [turn_pages, drink]}",
            "{act: go, gait: wlak, to_m: [[2, 2]]}",
            "is called wlak",
        ),
        ("seed: 7", "sead: 7", "3:1: sead: is not a known key (did you mean seed?)"),
        ("duration_s: 20\n", "", "duration_s: is missing"),
        ("duration_s: 20", "duration_s: .inf", "2:13: duration_s: must be a number from 0.5"),
    ],
)
def test_a_fault_is_told_with_its_place(old, new, told, tmp_path):
    assert old in SCENE
    path = write(tmp_path, SCENE.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        load_scene(path)
    assert told in str(raised.value)
    assert all(line.startswith(f"{path}:") for line in str(raised.value).splitlines())


def test_all_faults_are_told_at_once(tmp_path):
    text = SCENE.replace("at_m: [3, 1]", "at_m: [3, 9]").replace("[0.06, 2.0, 1.2]", "[9, 9, 9]")
    with pytest.raises(ConfigError) as raised:
        load_scene(write(tmp_path, text))
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize("text", ["", "[1, 2]", "\t", "a: &b 1\n", "name: [\n"])
def test_what_is_no_scene_is_refused(text, tmp_path):
    with pytest.raises(ConfigError):
        load_scene(write(tmp_path, text))


def test_a_missing_file_and_a_missing_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_scene(tmp_path / "none.yaml")
    with pytest.raises(SourceError, match="none: no such folder of motion captures"):
        load_scene(write(tmp_path, SCENE + "captures: none\n"))
    with pytest.raises(SourceError, match="none: no WAV files there"):
        load_scene(write(tmp_path, SCENE + "  - {sound: bats, folder: none}\n"))


def test_scenes_are_found_by_name_or_file(tmp_path):
    assert scene_named("visit").name == visit().name
    assert scene_named(str(write(tmp_path))).name == "evening"
    with pytest.raises(SourceError, match="room:party: no such scene; there are empty, visit, and files"):
        scene_named("party")


@needs_captures
@pytest.mark.parametrize("activity", ACTIVITIES)
def test_every_activity_can_be_drawn(activity):
    scene = sample_scene(11, duration_s=12.0, people=(activity,))
    labels = truth(scene, np.arange(0.0, 12.0, 0.05))
    assert labels.occupied.all()
    assert np.isfinite(labels.distance_m).all()
    moving = {"walk": MotionClass.MAJOR, "run": MotionClass.MAJOR, "wave": MotionClass.MINOR, "type": MotionClass.MINOR}
    assert moving.get(activity, MotionClass.BREATHING) in labels.motion


@pytest.mark.parametrize("nuisance", NUISANCES)
def test_every_nuisance_can_be_drawn_and_heard(nuisance):
    scene = sample_scene(12, duration_s=3.0, nuisances=(nuisance,))
    assert np.isfinite(BasebandRoom(scene, tones=Tones((40_000.0,), 75.0)).read(3.0).iq).all()
    labels = truth(scene, np.arange(0.0, 3.0, 0.05))
    assert labels.occupied.any() == (nuisance == "wd7_arm")
    assert not np.isin(labels.motion, [MotionClass.MAJOR, MotionClass.BREATHING]).any()


def test_a_seed_gives_its_scene_again_and_others_give_others():
    assert sample_words(5, people=("sit",), nuisances=("fan",)) == sample_words(5, people=("sit",), nuisances=("fan",))
    sizes = {tuple(sample_words(seed)["room"]["size_m"]) for seed in range(50)}
    assert len(sizes) == 50


def test_what_is_drawn_is_what_a_file_may_say():
    for seed in range(30):
        drawn = sample_words(seed, people=("walk", "drink"), nuisances=tuple(NUISANCES))
        assert SceneWords.model_validate(drawn).seed == seed


def test_unknown_activities_and_nuisances_are_named():
    with pytest.raises(SourceError, match=r"no activity is called wlak \(did you mean walk\?\)"):
        sample_words(1, people=("wlak",))
    with pytest.raises(SourceError, match=r"no nuisance is called fann \(did you mean fan\?\)"):
        sample_words(1, nuisances=("fann",))


def test_the_truth_of_a_visit_is_that_of_its_script():
    scene = visit()
    labels = truth(scene, np.arange(0.0, scene.duration_s, 0.05))
    entered_s, left_s = scene.inside_s()
    inside = (labels.t_s > entered_s + 0.1) & (labels.t_s < left_s - 0.1)
    assert labels.occupied[inside].all()
    assert not labels.occupied[(labels.t_s < entered_s - 0.1) | (labels.t_s > left_s + 0.1)].any()
    coming = (labels.t_s > 6.5) & (labels.t_s < 7.5)
    assert (labels.motion[coming] == MotionClass.MAJOR).all()
    assert np.median(labels.radial_mps[coming]) == pytest.approx(1.2, abs=0.1)
    assert MotionClass.MINOR in labels.motion[(labels.t_s > 11) & (labels.t_s < 20)]
    assert (labels.motion[~labels.occupied] == MotionClass.NOTHING).all()


def test_an_empty_room_is_empty():
    labels = truth(Scene(name="empty", duration_s=5.0), np.arange(0.0, 5.0, 0.1))
    assert not labels.occupied.any()
    assert set(labels.motion) == {MotionClass.NOTHING}


@pytest.mark.shared
def test_real_bat_calls_are_heard_from_a_folder(tmp_path):
    bats = Path(__file__).parents[2].parent / "shared" / "data" / "bats"
    if not bats.is_dir():
        pytest.skip(f"the real recordings are not at {bats}")
    text = "duration_s: 4\nsounds:\n  - {sound: bats, folder: FOLDER, per_minute: 300}\n".replace("FOLDER", str(bats))
    scene = load_scene(write(tmp_path, text))
    assert np.isfinite(BasebandRoom(scene, tones=Tones((40_000.0,), 75.0)).read(4.0).iq).all()


@needs_captures
def test_the_example_is_a_scene_in_which_somebody_comes_and_goes():
    scene = load_scene(Path(__file__).parents[2] / "appliance/simulation/example.yaml")
    labels = truth(scene, np.arange(0.0, scene.duration_s, 0.1))
    assert 10.0 < labels.occupied.sum() * 0.1 < 35.0
    assert not labels.occupied[0]
    assert not labels.occupied[-1]
    assert set(labels.motion) >= {MotionClass.MAJOR, MotionClass.MINOR, MotionClass.NUISANCE}
