"""What the owner may change at run time: the rules between mode and emission, and the file."""

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from appliance.config.schema import Config
from appliance.controls import Controls, state_directory
from appliance.outputs.payloads import Mode
from appliance.outputs.settings import Settings, SettingsFile
from appliance.presence.sensitivity import MAX_SENSITIVITY, false_alarms_per_day, sensitivity

PLAIN = Settings(hold_s=120.0, sensitivity=40.0, emission=True)
COMMANDS = st.one_of(
    st.tuples(st.just("hold_s"), st.floats(5.0, 3600.0)),
    st.tuples(st.just("sensitivity"), st.integers(0, 100).map(float)),
    st.tuples(st.just("emission"), st.booleans()),
    st.tuples(st.just("mode"), st.sampled_from([mode.value for mode in Mode])),
)


@pytest.mark.parametrize(("number", "a_day"), [(0.0, 0.001), (40.0, 0.1), (60.0, 1.0), (MAX_SENSITIVITY, 100.0)])
def test_sensitivity_is_a_logarithm_of_false_alarms(number, a_day):
    assert false_alarms_per_day(number) == pytest.approx(a_day)
    assert sensitivity(a_day) == pytest.approx(number)


def test_rest_is_silence_and_its_end_is_sound():
    resting = PLAIN.after("mode", "rest")
    assert (resting.mode, resting.emission) == (Mode.REST, False)
    assert resting.after("mode", "away").emission
    assert resting.after("emission", True).mode is Mode.NORMAL
    assert resting.after("emission", False) == resting.after("mode", "rest") == resting
    silent = PLAIN.after("emission", False)
    assert silent.mode is Mode.NORMAL
    assert not silent.after("mode", "away").emission


def test_away_makes_false_alarms_ten_times_rarer():
    assert PLAIN.after("mode", "away").false_alarms_per_day == pytest.approx(0.1 * PLAIN.false_alarms_per_day)


@hypothesis_settings(deadline=None)  # it waits for the disk
@given(st.lists(COMMANDS, max_size=20))
def test_mode_and_emission_never_contradict_and_all_is_kept(tmp_path_factory, commands):
    settings = PLAIN
    for name, value in commands:
        settings = settings.after(name, value)
        assert not (settings.mode is Mode.REST and settings.emission)
        if name != "mode":
            assert getattr(settings, name) == value
    file = SettingsFile(tmp_path_factory.mktemp("settings") / "settings.json", PLAIN)
    file.save(settings)
    assert file.load() == settings


def test_the_configurations_newer_word_counts(tmp_path):
    path = tmp_path / "settings.json"
    SettingsFile(path, PLAIN).save(Settings(30.0, 60.0, emission=False))
    changed = Settings(hold_s=90.0, sensitivity=40.0, emission=True)
    assert SettingsFile(path, changed).load() == Settings(90.0, 60.0, emission=False)


def test_a_configuration_that_plays_ends_a_rest(tmp_path):
    path = tmp_path / "settings.json"
    SettingsFile(path, Settings(120.0, 40.0, emission=False)).save(
        Settings(120.0, 40.0, emission=False, mode=Mode.REST)
    )
    assert SettingsFile(path, PLAIN).load() == PLAIN


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"5",
        b"{}",
        b"[" * 100_000,
        json.dumps({"configured": {}, "wanted": {}}).encode(),
        *(
            json.dumps(
                {
                    "configured": {"hold_s": 120.0, "sensitivity": 40.0, "emission": True, "mode": "normal"},
                    "wanted": {"hold_s": 10, "sensitivity": 50, "emission": True, "mode": "normal"} | wrong,
                }
            ).encode()
            for wrong in (
                {"hold_s": 1e9},
                {"hold_s": "soon"},
                {"hold_s": None},
                {"hold_s": [5]},
                {"emission": "maybe"},
                {"emission": 1},
                {"mode": "party"},
                {"mode": 3},
            )
        ),
    ],
)
def test_a_file_that_is_wrong_is_said_and_not_used(tmp_path, caplog, content):
    (tmp_path / "settings.json").write_bytes(content)
    assert SettingsFile(tmp_path / "settings.json", PLAIN).load() == PLAIN
    assert "is not used" in caplog.text


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path, caplog):
    file = SettingsFile(tmp_path / "gone" / "settings.json", PLAIN)
    file.save(PLAIN)
    assert "cannot be written" in caplog.text
    assert file.load() == PLAIN


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    file = SettingsFile(tmp_path / "settings.json", PLAIN)
    file.save(PLAIN.after("hold_s", 30.0))

    def cut(_):
        raise OSError(5, "power cut")

    monkeypatch.setattr("appliance.outputs.settings.os.fsync", cut)
    file.save(PLAIN.after("hold_s", 60.0))
    assert file.load().hold_s == 30.0


@pytest.fixture
def controls(tmp_path):
    told = {"requests": [], "states": [], "restarts": []}

    def make():
        made = Controls(
            Config(),
            directory=tmp_path,
            request=told["requests"].append,
            tell=told["states"].append,
            restart=lambda: told["restarts"].append(1),
        )
        return made, told

    return make


def test_commands_are_obeyed_told_and_kept(controls, monkeypatch):
    monkeypatch.setattr("appliance.controls._KEEP_S", 3600.0)
    made, told = controls()
    made.command("hold_s", 30.0)
    made.command("mode", "rest")
    assert len(told["requests"]) == 2
    assert [state.hold_s for state in told["states"]] == [30.0, 30.0]
    made.close()
    again, _ = controls()
    assert (again.settings.hold_s, again.settings.mode) == (30.0, Mode.REST)
    applied = again.applied(Config())
    assert (applied.sensing.hold_s, applied.emission.on) == (30.0, False)
    made.command("restart", True)
    assert told["restarts"] == [1]


def test_many_commands_write_once(controls, monkeypatch):
    monkeypatch.setattr("appliance.controls._KEEP_S", 3600.0)
    made, _ = controls()
    saved = []
    monkeypatch.setattr(SettingsFile, "save", lambda _self, settings: saved.append(settings.hold_s))
    for hold_s in range(5, 1005):
        made.command("hold_s", float(hold_s))
    assert saved == []
    made.close()
    assert saved == [1004.0]


def test_where_to_keep_things():
    assert state_directory({}) is None
    assert state_directory({"STATE_DIRECTORY": "/var/lib/pipistrelle:/var/lib/other"}).name == "pipistrelle"
