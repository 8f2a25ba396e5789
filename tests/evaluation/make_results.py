"""Writes RESULTS.md and its plots from a report's data: `make_results.py evaluation.json FOLDER`.

FOLDER is where this is for the threshold detector, `model` in it for the model.
"""

import json
import sys
from pathlib import Path

from appliance.evaluation.page import percent, rate, seconds, words
from appliance.evaluation.plots import plots_of

FROM_HAND = "findings.md"
"""What the figures mean, in words; the rest of the page is made."""

PLOTS = {
    "curves": "Recall of walks against false alarms a day, the threshold swept; dots: as shipped, hollow: none seen",
    "range": "Recall of walks in quiet rooms, by the distance of their far end (from 3 m on)",
    "latency": "Walks at 1.2 m/s to 6 m: from the first movement to motion being told",
    "splits": "Recall of all walks, by room, unit and person",
    "major": "NEMA WD 7, major motion: % of tries found in each cell of 3 x 3 ft",
    "minor": "NEMA WD 7, minor motion: the same with the arm",
}
NAMES = {"threshold": "threshold detector", "motion": "model `motion`"}
ACTIVITIES = {
    "empty": "empty: false alarms a day (95 %)", "walk": "walk: recall", "arm": "WD 7 arm: recall",
    "sit": "sit: presence kept", "sleep": "sleep: presence kept",
}  # fmt: skip


def table(head, rows):
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]


def cell(activity, found):
    if found is None:
        return "-"
    if activity == "empty":
        text = f"{rate(found['per_day'])} ({rate(found['per_day_low'])} to {rate(found['per_day_high'])})"
        visits = f", {found['pet_visits_told']} of {found['pet_visits']} visits told" if "pet_visits" in found else ""
        return text + f", occupied {percent(found['false_occupied_share'])}{visits}"
    if activity in ("walk", "arm"):
        masked = f", {found['masked']} masked" if found["masked"] else ""
        return f"{percent(found['recall'])} of {found['events']}{masked}; p95 {seconds(found['latency_s']['p95'])}"
    return percent(found["kept"])


def latency(times_s):
    return " / ".join(seconds(times_s[p]) for p in ("p50", "p95", "p99"))


def found_of(found):
    bounds = f"{percent(found['recall_low'])} to {percent(found['recall_high'])}"
    return f"{percent(found['recall'])} of {found['events']} ({bounds})"


def stress(report):
    rows = [
        [words(row["nuisance"]), *(cell(activity, row["cells"].get(activity)) for activity in ACTIVITIES)]
        for row in report["stress"]["rows"]
    ]
    yield from table(["beside", *ACTIVITIES.values()], rows)
    yield ""
    for worst in report["stress"]["worst"]:
        value = f"{rate(worst['value'])} a day" if worst["activity"] == "empty" else percent(worst["value"])
        yield f"- Worst {worst['kind']}: **{words(worst['nuisance'])} / {worst['activity']}**, {value}."


def walks(report):
    walk = report["walk"]
    rows = [["1.2 m/s, to 6 m", found_of(walk["near"]), latency(walk["near"]["latency_s"])]]
    rows += [[f"all, {name}", found_of(f), latency(f["latency_s"])] for name, f in walk["by_direction"].items()]
    yield from table(["walks (simulated)", "recall (95 %)", "latency p50 / p95 / p99"], rows)
    yield ""
    rows = [
        [name, str(len(split["groups"])), *(percent(split[which]) for which in ("worst", "median", "best"))]
        for name, split in walk["splits"].items()
    ]
    yield from table(["all walks by", "groups", "worst", "median", "best"], rows)


def others(report):
    rows = []
    if visit := report["visit"]:
        for what, name in (
            ("someone comes in: until occupied", "to_occupied_s"),
            ("... leaves: until vacant", "to_vacant_s"),
        ):
            rows.append([what, f"{visit[name]['events']} visits", latency(visit[name]), visit["basis"]])
    if gestures := report["gestures"]:
        for name, f in gestures["by_speed"].items():
            alarms = f"{f['false_alarms']} false alarms in {f['empty_s']:.0f} s"
            rows.append([f"hands in the air, {name}", f"{found_of(f)}, {alarms}", latency(f["latency_s"]), f["basis"]])
        for name, f in gestures["by_person"].items():
            rows.append([f"hands of {name}", found_of(f), latency(f["latency_s"]), f["basis"]])
    for kind, sounds in (report["sounds"] or {}).items():
        alarms = f"{sounds['false_alarms']} false alarms in {sounds['sounds']} of them, {sounds['hours']:.1f} h"
        rows.append([f"{kind} in empty rooms", alarms, "", sounds["basis"]])
    yield from table(["what", "result", "p50 / p95 / p99", "basis"], rows)


def section(title, lines):
    return [f"## {title}", "", *lines, ""]


def page(report, folder):
    about, cost = report["about"], report["cost"]
    judged = about["cases"] - about["missing"]
    yield from (
        f"# Results of the {NAMES.get(Path(about['detector']).stem, about['detector'])}",
        "",
        f"Made by `make_results.py` from `pipistrelle evaluate --profile {about['profile']}`, {about['date']}, code",
        f"{about['code']}: {judged} of {about['cases']} cases. One operating point for all figures, the shipped one:",
        f"{', '.join(about['operating_point'])}.",
        "Nothing here was measured in a real room: every figure is simulated, but those that are marked otherwise.",
        "",
    )
    met = {True: "met", False: "**missed**", None: "too short a run to tell"}
    rows = [[bar["name"], bar["wanted"], bar["measured"], met[bar["met"]]] for bar in report["bars"]]
    yield from table(["bar", "wanted", "result", ""], rows)
    yield ""
    if (folder / FROM_HAND).exists():
        yield from ((folder / FROM_HAND).read_text(encoding="utf-8").rstrip(), "")
    if report["walk"]:
        yield from section("Walks in quiet rooms", walks(report))
    if report["stress"]:
        yield from section("Stress cells (simulated)", stress(report))
    yield from section("Visits, real hands, sudden sounds", others(report))
    for name, title in PLOTS.items():
        if (folder / f"{name}.svg").exists():
            yield from (f"![{title}]({name}.svg)", "", f"*{title} (simulated).*", "")
    yield "## What it cost (measured)"
    yield ""
    yield f"{cost['simulated_hours']:.1f} simulated hours in {cost['core_hours']:.1f} core hours,"
    yield f"{cost['times_real_time']:.0f} times real time."


def main():
    report, folder = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    drawn = plots_of(report)
    for path in folder.glob("*.svg"):
        if path.stem not in drawn:
            path.unlink()
    for name, svg in drawn.items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / "RESULTS.md").write_text("\n".join(page(report, folder)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
