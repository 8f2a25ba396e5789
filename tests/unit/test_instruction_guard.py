"""The guard tells what got dearer, and what it cannot tell."""

import pytest
from benchmarks import guard


@pytest.mark.parametrize(("count", "faults", "remarks"), [(102.9, 0, 0), (103.1, 1, 0), (97.1, 0, 0), (96.9, 0, 1)])
def test_three_percent_are_allowed(count, faults, remarks):
    told = guard.compare("C", {"tone 2": 100.0}, {"tone 2": count})
    assert (len(told[0]), len(told[1])) == (faults, remarks)


def test_fault_names_case_both_figures_and_the_cure():
    ((fault,), _) = guard.compare("C", {"tone 2": 100.0}, {"tone 2": 150.0})
    for part in ("tone 2", "150.00", "100.00", "+50.0%", "make baseline"):
        assert part in fault


def test_case_without_a_baseline_is_a_fault():
    ((fault,), _) = guard.compare("C", {}, {"tone 2": 150.0})
    assert "not in the baseline" in fault


def test_case_that_this_processor_cannot_do_is_said_to_be_skipped():
    faults, (remark,) = guard.compare("C", {"tone 2": 1.0}, {})
    assert not faults
    assert "skipped" in remark


def test_another_compiler_is_named():
    told = guard.differences({"compiler": "gcc 12", "processor": "avx2"}, {"compiler": "gcc 14", "processor": "avx2"})
    assert told == "compiler: baseline gcc 12, here gcc 14"


def test_group_that_cannot_be_counted_is_skipped_with_its_reason(monkeypatch, capsys):
    monkeypatch.setattr(guard, "GROUPS", {"C": (lambda: "no valgrind", None, None)})
    assert guard.check() == 0
    assert "C: skipped (no valgrind)" in capsys.readouterr().out


def test_dearer_case_fails_the_check(monkeypatch, capsys, tmp_path):
    path = tmp_path / "baseline.json"
    path.write_text('{"C": {"conditions": {}, "counts": {"tone 2": 100.0}}}')
    monkeypatch.setattr(guard, "BASELINE", path)
    monkeypatch.setattr(guard, "GROUPS", {"C": (lambda: "", dict, lambda folder: {"tone 2": 150.0})})
    assert guard.check() == 1
    assert "tone 2" in capsys.readouterr().err
    assert guard.accept() == 0
    assert guard.check() == 0


def test_every_case_is_in_the_committed_baseline():
    held = guard.json.loads(guard.BASELINE.read_text())
    not_here = {"C": "neon", "C on aarch64": "avx2"}
    for group, path in not_here.items():
        assert set(held[group]["counts"]) == {line for line in guard.LINES if path not in line}
