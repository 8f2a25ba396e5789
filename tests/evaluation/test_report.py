"""Figures by hand, and what a report promises: every figure labelled, one file, nothing from elsewhere."""

import json
import re

import pytest

from appliance.errors import ApplianceError
from appliance.evaluation.cases import MEASURED, REPLAYED, SIMULATED
from appliance.evaluation.figures import alarms, figures_of, recall
from appliance.evaluation.judge import THRESHOLDS
from appliance.evaluation.page import html_of, percent, rate, seconds, write_report

ABOUT = {
    "detector": "threshold", "profile": "quick", "version": "0.1.0", "code": "abc", "date": "2026-11-23",
    "operating_point": ["hold_s 120.0"], "cases": 30, "missing": 0,
}  # fmt: skip
SEVERAL = len(THRESHOLDS)


def outcome(section, activity, *, nuisance="quiet", latencies_s=(), empty_s=0.0, alarms=0, **about):
    case = {
        "section": section, "nuisance": nuisance, "activity": activity, "room": 1, "unit": 2, "person": 3,
        "distance_m": 3.0, "speed_mps": 1.2, "cell": [-1, -1], "stretch": 1.0,
    }  # fmt: skip
    events = [
        {"onset_s": 9.0, "duration_s": 2.0, "latency_s": latency_s, "masked": latency_s is None and nuisance != "quiet",
         "radial_mps": 0.7, "distance_m": 3.0, "kind": "major"}
        for latency_s in latencies_s
    ]  # fmt: skip
    found = sum(latency_s is not None for latency_s in latencies_s)
    return {
        "case": case | {key: value for key, value in about.items() if key in case},
        "basis": SIMULATED, "simulated_s": 100.0, "empty_s": empty_s, "false_alarms": alarms,
        "false_moving_s": 0.5 * alarms, "events": events, "false_occupied_s": 10.0 * alarms, "occupied_s": 50.0,
        "keepable_s": about.get("keepable_s", 0.0), "kept_s": about.get("kept_s", 0.0),
        "to_occupied_s": about.get("to_occupied_s", []), "to_vacant_s": about.get("to_vacant_s", []),
        "swept_false_alarms": [alarms] * SEVERAL, "swept_found": [found] * SEVERAL, "gait": about.get("gait", "walk"),
        "cost": {"scene_s": 1.0, "sense_s": 2.0, "score_s": 0.5},
    }  # fmt: skip


def outcomes():
    yield from (outcome("quiet", "empty", empty_s=84 * 3600.0) for _ in range(2))
    yield from (
        outcome("walk", "walk", latencies_s=(0.1, 0.2) * 25, distance_m=m, room=m, unit=m) for m in (1.0, 3.0, 6.0)
    )
    yield outcome("walk", "walk", latencies_s=(None, None), distance_m=8.0, gait="02_01")
    for nuisance, count in (("quiet", 0), ("fan", 7)):
        yield outcome("stress", "empty", nuisance=nuisance, empty_s=600.0, alarms=count)
        yield outcome("stress", "walk", nuisance=nuisance, latencies_s=(0.3, None))
        yield outcome("stress", "arm", nuisance=nuisance, latencies_s=(None,))
        yield outcome("stress", "sit", nuisance=nuisance, keepable_s=200.0, kept_s=50.0)
        yield outcome("stress", "sleep", nuisance=nuisance, keepable_s=200.0, kept_s=0.0)
    for told in (2, 0):
        yield outcome("stress", "empty", nuisance="cat") | {"pet_visits": 10, "pet_visits_told": told}
    yield outcome("coverage", "walk", latencies_s=(0.1, 0.1), cell=[0, 0])
    yield outcome("coverage", "arm", latencies_s=(0.1, None), cell=[5, 4])
    yield outcome("visit", "visit", to_occupied_s=[0.4], to_vacant_s=[None])
    yield outcome("gestures", "gesture", latencies_s=(0.1,), empty_s=9.0, gait="p1")
    yield outcome("gestures", "gesture", latencies_s=(0.1,), empty_s=9.0, gait="p2", stretch=0.5)
    for kind in ("bats", "clicks"):
        yield outcome("sounds", "empty", nuisance=kind, empty_s=600.0) | {"sounds": 200}


@pytest.fixture(scope="module")
def report():
    return {"report_version": 1, "about": ABOUT, **figures_of(list(outcomes()))}


def test_false_alarms_by_hand():
    found = alarms([outcome("quiet", "empty", empty_s=6 * 3600.0, alarms=n) for n in (0, 1, 1)])
    assert (found["false_alarms"], found["hours"]) == (2, 18.0)
    assert found["per_day"] == pytest.approx(2 / 0.75)
    assert (found["per_day_low"], found["per_day_high"]) == pytest.approx((0.3554 / 0.75, 6.2958 / 0.75), rel=1e-3)
    assert found["false_moving_share"] == pytest.approx(1.0 / 64_800)


def test_none_in_168_hours_is_at_most_three_in_that_time(report):
    assert report["quiet"]["per_day"] == 0.0
    assert report["quiet"]["per_day_high"] == pytest.approx(3.0 / 7.0, rel=2e-3)


def test_recall_by_hand():
    found = recall([outcome("walk", "walk", latencies_s=(0.1, 0.3, None))])
    assert (found["events"], found["found"], found["masked"]) == (3, 2, 0)
    assert found["latency_s"] == {"p50": 0.3, "p95": None, "p99": None}
    assert recall([])["recall"] is None


def test_bars_by_hand(report):
    walking, quiet = report["bars"]
    assert (walking["met"], quiet["met"]) == (True, True)
    assert walking["measured"].startswith("100.0 % of 150")
    assert quiet["measured"].startswith("0 in 168.0 h")
    short = figures_of([outcome("quiet", "empty", empty_s=3600.0)])["bars"]
    assert short[0]["met"] is None
    few = figures_of([outcome("walk", "walk", latencies_s=(0.1, None))])["bars"]
    assert few[0]["met"] is None


def test_the_worst_cells_are_named(report):
    worst = {cell["kind"]: (cell["nuisance"], cell["activity"]) for cell in report["stress"]["worst"]}
    assert worst == {"false alarms": ("fan", "empty"), "recall": ("quiet", "arm"), "presence kept": ("quiet", "sleep")}


def test_splits_put_the_worst_first(report):
    split = report["walk"]["splits"]["person"]
    assert split["groups"][0]["name"] == "02_01, body 3"
    assert (split["worst"], split["best"]) == (0.0, 1.0)


def test_every_figure_says_what_it_rests_on(report):
    labels = {SIMULATED, REPLAYED, MEASURED}
    telling = {"recall", "per_day", "kept", "core_hours", "measured"}

    def look(value, labelled):
        if isinstance(value, dict):
            labelled = value.get("basis", labelled)
            assert labelled is None or labelled in labels
            assert not telling & value.keys() or labelled, value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner, labelled)

    look(report, None)
    assert report["gestures"]["by_speed"]["as recorded"]["basis"] == REPLAYED
    assert report["sounds"]["bats"]["sounds"] == 200
    cat = next(row for row in report["stress"]["rows"] if row["nuisance"] == "cat")["cells"]["empty"]
    assert (cat["pet_visits"], cat["pet_visits_told"]) == (20, 2)
    assert report["cost"]["basis"] == MEASURED


def test_the_json_is_strict_and_whole(tmp_path, report):
    figures = figures_of(list(outcomes()))
    _, data = write_report(tmp_path / "new", ABOUT, figures)
    read = json.loads(data.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert read == json.loads(json.dumps(report))
    assert set(read) == {
        "report_version", "about", "bars", "quiet", "walk", "stress", "coverage", "visit", "gestures", "sounds",
        "curves", "cost",
    }  # fmt: skip


def test_the_page_needs_nothing_else(report):
    page = html_of(report)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", page)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<script" not in page
    assert page.count("<svg") == 6
    for text in ("fan / empty", "never", "168.0 hours", "NEMA WD 7", "hands of p1"):
        assert text in page


def test_names_from_elsewhere_are_text_and_no_markup():
    page = html_of({"report_version": 1, "about": ABOUT | {"detector": "<script>"}, **figures_of(list(outcomes()))})
    assert "<script" not in page


def test_a_report_of_nothing_but_quiet_rooms_is_one():
    page = html_of({"report_version": 1, "about": ABOUT, **figures_of([outcome("quiet", "empty", empty_s=60.0)])})
    assert "<svg" not in page


def test_the_same_figures_give_the_same_page(report):
    assert html_of(report) == html_of(report)


def test_a_report_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ApplianceError, match="cannot be written"):
        write_report(tmp_path / "file", ABOUT, figures_of(list(outcomes())))


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "-"), (0.0, "0 %"), (1.0, "100 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50.0 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share, text):
    assert percent(share) == text


def test_numbers_in_words():
    assert (seconds(None), seconds(0.25)) == ("never", "0.25 s")
    assert [rate(per_day) for per_day in (0.0, 0.43, 2.66, 1440.0)] == ["0", "0.43", "2.7", "1440"]
