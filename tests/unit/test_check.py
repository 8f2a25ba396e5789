"""`pipistrelle check`."""

import argparse

import pytest

from appliance.cli import check


@pytest.fixture
def run(capsys):
    def run_with(*argv):
        parser = argparse.ArgumentParser()
        check.register(parser.add_subparsers(required=True))
        args = parser.parse_args(["check", *map(str, argv)])
        code = args.run(args)
        out, err = capsys.readouterr()
        return code, out, err

    return run_with


ROUTINES = """\
- id: chime
  triggers: [{trigger: motion}]
  actions: [{action: command, command: chime}]
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "appliance.yaml"
    file.write_text("node: den\nroutines: {file: routines.yaml, commands: {chime: [aplay]}}\n")
    return file


@pytest.fixture
def routines(tmp_path):
    file = tmp_path / "routines.yaml"
    file.write_text(ROUTINES)
    return file


def test_good_files(run, config, routines):
    assert run(config) == (0, f"ok\n{config}: node den\n{routines}: 1 routine\n", "")


def test_a_configuration_without_routines(run, config):
    config.write_text("")
    assert run(config) == (0, f"ok\n{config}: node pipistrelle\n", "")


def test_routines_on_the_command_line_come_first(run, config, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("")
    assert run(config, other) == (0, f"ok\n{config}: node den\n{other}: 0 routines\n", "")


def test_the_faults_of_both_files_come_at_once(run, config, routines):
    config.write_text("nod: den\naudio: {mics: 9}\n")
    routines.write_text(ROUTINES.replace("motion", "loudness"))
    assert run(config, routines) == (
        78,
        "",
        (
            f"{config}:1:1: nod: is not a known key (did you mean node?)\n"
            f"{config}:2:15: audio.mics: must be a whole number from 1 to 8, or auto\n"
            f"{routines}:2:24: chime.triggers[0].trigger: must be presence, motion, mqtt, time, sun or health\n"
        ),
    )


def test_routines_that_are_named_and_not_there(run, config, tmp_path):
    assert run(config) == (
        78,
        "",
        f"{tmp_path / 'routines.yaml'}:1:1: file: cannot be read: No such file or directory\n",
    )


def test_without_arguments_the_installed_configuration_is_checked(run, monkeypatch, config, routines):
    monkeypatch.setattr(check, "CONFIG_PATH", config)
    assert run()[1].startswith(f"ok\n{config}: ")


def test_without_an_installed_configuration_the_defaults_hold(run, monkeypatch, tmp_path):
    monkeypatch.setattr(check, "CONFIG_PATH", tmp_path / "none.yaml")
    assert run() == (0, "ok\nbuilt-in defaults: node pipistrelle\n", "")


@pytest.mark.parametrize(("outputs", "code"), [("[]", 78), ("[2]", 0)])
def test_what_plays_wants_a_loudspeaker(run, config, routines, outputs, code):
    config.write_text(f"audio: {{music_outputs: {outputs}}}\n")
    routines.write_text(ROUTINES.replace("command, command: chime", "play, media: /a.flac"))
    found, _, err = run(config, routines)
    assert found == code
    assert ("name the loudspeaker's channels in audio.music_outputs" in err) is bool(code)
