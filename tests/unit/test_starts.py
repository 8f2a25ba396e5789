"""Starts that come to nothing are counted, whatever ended them."""

import json

import pytest

from appliance.starts import FAILED_MAX, Starts, runtime_directory, safe_mode_reason

NO_WORDS = "ended without a word: killed, crashed or hung"


def test_five_that_were_killed_bring_safe_mode_until_one_succeeds(tmp_path):
    for _ in range(FAILED_MAX):
        assert Starts(tmp_path).begin() == ""
        assert safe_mode_reason(tmp_path) == ""
    for _ in range(3):  # safe mode that is killed stays safe mode
        safe = Starts(tmp_path)
        assert safe.begin() == f"the last 5 starts came to nothing:\n{NO_WORDS}"
        assert safe_mode_reason(tmp_path) == f"the last 5 starts came to nothing:\n{NO_WORDS}"
    safe.succeeded()
    assert Starts(tmp_path).begin() == ""
    assert safe_mode_reason(tmp_path) == ""


def test_the_reasons_are_told_each_once_the_newest_first(tmp_path):
    for why in ("a", "b", "b", "c", "b"):
        starts = Starts(tmp_path)
        assert starts.begin() == ""
        starts.failed(why)
    assert Starts(tmp_path).begin().splitlines()[1:] == ["b", "c", "a"]


def test_what_is_excused_does_not_count(tmp_path):
    for _ in range(FAILED_MAX - 1):
        Starts(tmp_path).begin()
    for _ in range(10):
        excused = Starts(tmp_path)
        assert excused.begin() == ""
        excused.excused()
    assert Starts(tmp_path).begin() == ""
    assert Starts(tmp_path).begin() != ""


def test_a_hundred_leave_a_small_file(tmp_path):
    for number in range(100):
        starts = Starts(tmp_path)
        starts.begin()
        starts.failed(str(number))
    assert json.loads((tmp_path / "starts.json").read_text()) == [str(number) for number in range(95, 100)]


@pytest.mark.parametrize("content", [b"", b"{}", b"7", b"\xff", b"[" * 100_000, b'{"a": 1}'])
def test_a_damaged_count_counts_nothing(tmp_path, content):
    (tmp_path / "starts.json").write_bytes(content)
    assert Starts(tmp_path).begin() == ""
    assert json.loads((tmp_path / "starts.json").read_text()) == [NO_WORDS]


def test_where_nothing_can_be_written_it_is_said_and_starts_go_on(tmp_path, caplog):
    starts = Starts(tmp_path / "gone")
    assert starts.begin() == ""
    starts.failed("x")
    starts.succeeded()
    assert "starts are not counted" in caplog.text


def test_without_systemd_nothing_is_counted():
    assert runtime_directory({}) is None
    assert runtime_directory({"RUNTIME_DIRECTORY": "/run/a:/run/b"}).as_posix() == "/run/a"
    for _ in range(10):
        assert Starts(None).begin() == ""
