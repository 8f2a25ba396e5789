"""`pipistrelle evaluate` as an owner types it."""

import json
import re

import pytest

from appliance.cli.main import main
from appliance.evaluation import profiles


@pytest.mark.slow
def test_the_quick_profile_from_end_to_end_and_again_from_what_is_kept(tmp_path, capsys):
    command = ["evaluate", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "out"), "--workers", "2"]
    assert main(command) == 0
    first = capsys.readouterr()
    assert re.search(r"quick profile: \d+ cases, 0 of them done; [\d.]+ simulated hours to go, about \d", first.err)
    assert first.out.splitlines() == [
        str(tmp_path / "out" / "evaluation.html"),
        str(tmp_path / "out" / "evaluation.json"),
    ]
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    walking, quiet = report["bars"]
    assert walking["met"], walking
    assert quiet["met"] is None
    assert report["quiet"]["false_alarms"] == 0
    assert report["coverage"]["major"][0][0] == 1.0
    assert report["about"]["missing"] == 0

    assert main(command) == 0
    again = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert again == report
    cases = len(profiles.cases_of("quick", profiles.Subject()))
    assert f"{cases} cases, {cases} of them done; 0.0 simulated hours to go\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--detector", "treshold"], "no detector is called treshold (did you mean threshold?); there are threshold"),
        (["--workers", "0"], "--workers: wanted 1 or more, got 0"),
        (["--captures", "/nowhere"], "/nowhere: no such folder"),
        (["--recordings", "/nowhere"], "/nowhere: no such folder"),
    ],
)
def test_wrong_arguments_are_told_at_once(tmp_path, capsys, arguments, told):
    assert main(["evaluate", "--results", str(tmp_path), "--out", str(tmp_path), *arguments]) == 1
    assert told in capsys.readouterr().err


def test_without_its_extra_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(["evaluate"]) == 1
    assert "pip install 'pipistrelle[evaluation]'" in capsys.readouterr().err
