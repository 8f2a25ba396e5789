"""`pipistrelle run` as systemd starts it: what it counts, what it keeps, and how it leaves safe mode."""

import itertools
import json
import os

import pytest
from support.audio import FakeAudio, block

from appliance.cli.main import main
from appliance.errors import DeviceLost
from appliance.sources import Source
from appliance.starts import FAILED_MAX, Starts, safe_mode_reason


@pytest.fixture
def directories(monkeypatch, tmp_path):
    """What systemd passes."""
    made = {}
    for name in ("runtime", "state"):
        made[name] = tmp_path / name
        made[name].mkdir()
        monkeypatch.setenv(f"{name.upper()}_DIRECTORY", str(made[name]))
    made["config"] = tmp_path / "appliance.yaml"
    made["config"].write_text("node: den\nmqtt: {enabled: false}\n")
    return made


@pytest.fixture
def play(monkeypatch):
    """Puts blocks in the place of the card."""

    def play(blocks):
        source = Source(FakeAudio(blocks, outputs=1), (40_000.0,))
        monkeypatch.setattr("appliance.cli.run.open_source", lambda *_: source)

    return play


def without_end():
    return (block(number * 1920) for number in itertools.count())


def until(condition):
    return itertools.takewhile(lambda _: not condition(), without_end())


def counted(directories):
    return json.loads((directories["runtime"] / "starts.json").read_text())


def run(directories):
    return main(["run", "--config", str(directories["config"])])


def test_a_start_counts_until_it_has_run_for_a_while_and_its_configuration_is_kept(directories, play, monkeypatch):
    monkeypatch.setattr("appliance.cli.run.SETTLED_S", 0.05)
    seen = []
    kept = directories["state"] / "appliance-that-ran.yaml"

    def settled():
        seen.append(counted(directories))
        return kept.exists()

    play(until(settled))
    assert run(directories) == 0
    assert len(seen[0]) == 1
    assert counted(directories) == []
    assert kept.read_text() == directories["config"].read_text()


def test_a_fault_of_the_configuration_counts_with_its_words(directories, play):
    play(without_end())
    directories["config"].write_text("mqtt: {enabled: maybe}\n")
    assert run(directories) == 78
    (why,) = counted(directories)
    assert "mqtt.enabled" in why


def test_a_card_that_goes_away_does_not_count(directories, play):
    def blocks():
        yield block(0)
        raise DeviceLost("gone")

    play(blocks())
    assert run(directories) == 69
    assert counted(directories) == []


def test_safe_mode_is_left_after_a_while(directories, play, monkeypatch):
    for _ in range(FAILED_MAX):
        Starts(directories["runtime"]).begin()
    monkeypatch.setattr("appliance.cli.run.SAFE_MODE_S", 0.05)
    began_anew = []
    monkeypatch.setattr(os, "execv", lambda *arguments: began_anew.append(arguments))
    reasons = []

    def look():
        reasons.append(safe_mode_reason(directories["runtime"]))
        return False

    play(until(look))
    directories["config"].write_text("mqtt: {enabled: false}\nsensing: {hold_s: never}\n")
    assert run(directories) == 0
    assert "came to nothing" in reasons[0]
    assert len(began_anew) == 1
    assert counted(directories) == []
    assert not (directories["state"] / "appliance-that-ran.yaml").exists()
