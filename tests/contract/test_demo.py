"""The demonstration: what a newcomer sees first."""

import re

import pytest
from support.service import pipistrelle

from appliance.cli.broker import find_mosquitto
from appliance.cli.main import main


@pytest.mark.broker
@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_the_visit_is_noticed_told_and_lit(tmp_path):
    picture = tmp_path / "demo.svg"
    ended = pipistrelle("demo", "--fast", "--picture", picture, limit_s=120)
    assert (ended.returncode, ended.stderr) == (0, "")
    summary = ended.stdout[ended.stdout.rindex("the visit") :]

    def seconds(row):
        return float(re.search(rf"{row} +([0-9.]+) s", summary)[1])

    entered_s, left_s = seconds("the person entered"), seconds("the person left")
    occupied_s, vacant_s = seconds("`occupied` was published"), seconds("`vacant` was published")
    assert entered_s < seconds("motion was noticed") <= occupied_s
    # The scene's first second brings a foot and a shin through the door; the scenarios test the reaction time.
    assert occupied_s < entered_s + 1.0
    assert left_s < vacant_s < left_s + 8.0 + 3.0
    assert re.search(r"the light +ON at [0-9.]+ s, OFF at [0-9.]+ s +by two routines", summary)

    svg = picture.read_text()
    assert svg.startswith("<svg")
    assert "occupied" in svg
    urls = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", svg))
    assert urls <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in svg


def test_without_mosquitto_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("appliance.cli.broker.shutil.which", lambda _name, path: None)
    code = main(["demo", "--fast"])
    out, err = capsys.readouterr()
    assert (code, out) == (1, "")
    assert err == "pipistrelle: mosquitto is not installed; apt-get install mosquitto\n"


def test_a_picture_that_cannot_be_written_is_told_before_the_visit(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("appliance.cli.demo.PrivateBroker", lambda *_: pytest.fail("the visit began"))
    assert main(["demo", "--fast", "--picture", str(tmp_path / "nowhere" / "demo.svg")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pipistrelle: {tmp_path}/nowhere/demo.svg: cannot be written")
    assert len(err.splitlines()) == 1
