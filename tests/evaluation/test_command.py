"""`pipistrelle evaluate` as an owner types it."""

import json
import re

import pytest
from evaluation.small_run import small_cases

from appliance.cli.main import main
from appliance.evaluation import profiles
from appliance.evaluation.judge import Subject, code_version, judge
from appliance.simulation.captures import Captures


@pytest.mark.slow
@pytest.mark.skipif("walk" not in Captures().names, reason="no motion captures: pybullet is not installed")
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
    assert walking["measured"].startswith("100.0 %"), walking
    assert quiet["met"] is None
    assert report["quiet"]["false_alarms"] == 0
    assert report["coverage"]["major"][0][0] == 1.0
    assert report["about"]["missing"] == 0

    assert main(command) == 0
    again = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert again == report
    cases = len(profiles.cases_of("quick", Subject()))
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


def test_ctrl_c_writes_the_report_of_what_is_judged(tmp_path, capsys, monkeypatch):
    def interrupted(*_args, **_options):
        def judging(cases):
            yield cases[0], judge(cases[0], Subject(), code_version())
            raise KeyboardInterrupt

        return judging

    monkeypatch.setattr("appliance.evaluation.evaluate.crew", interrupted)
    monkeypatch.setattr("appliance.evaluation.evaluate.cases_of", lambda *_: small_cases(2, 6.0))
    assert main(["evaluate", "--results", str(tmp_path / "results"), "--out", str(tmp_path)]) == 130
    report = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert report["about"]["missing"] == 1
    assert report["quiet"] is not None
    assert len(list((tmp_path / "results").iterdir())) == 1


def test_without_its_extra_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(["evaluate"]) == 1
    assert "pip install 'pipistrelle[evaluation]'" in capsys.readouterr().err
