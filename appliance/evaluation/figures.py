"""From outcomes to the figures of the report: plain values, each with what it rests on."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from appliance.evaluation.cases import (
    ACTIVITIES,
    COVERAGE_CELLS,
    MEASURED,
    NUISANCES,
    RANGES_M,
    REPLAYED,
    SIMULATED,
)
from appliance.evaluation.judge import THRESHOLDS, Outcome
from appliance.evaluation.scoring import DAY_S, MISS_S, percentile_s, poisson_bounds, share_bounds

Figures = dict[str, Any]

BAR_RANGE_M, BAR_RECALL, BAR_HOURS, BAR_FALSE_ALARMS = 6.0, 0.98, 168.0, 1
BAR_SPEED_MPS, BAR_WALKS = 1.2, 150

_HOPELESS_PER_DAY = 240.0
"""False alarms from which a cell cannot look worse."""


def figures_of(outcomes: Sequence[Outcome]) -> Figures:
    """All figures that the outcomes allow; sections without outcomes are None."""
    by = defaultdict(list)
    for outcome in outcomes:
        by[outcome["case"]["section"]].append(outcome)
    near = [outcome for outcome in by["walk"] if _is_bar(outcome)]
    return {
        "bars": _bars(near, by["quiet"]),
        "quiet": alarms(by["quiet"]) if by["quiet"] else None,
        "walk": _walks(by["walk"], near) if by["walk"] else None,
        "stress": _stress(by["stress"]) if by["stress"] else None,
        "coverage": _coverage(by["coverage"]) if by["coverage"] else None,
        "visit": _visits(by["visit"]) if by["visit"] else None,
        "gestures": _gestures(by["gestures"]) if by["gestures"] else None,
        "sounds": _sounds(by["sounds"]) if by["sounds"] else None,
        "curves": _curves(near, by["quiet"], by["stress"]),
        "cost": _cost(outcomes),
    }


def _is_bar(outcome: Outcome) -> bool:
    case = outcome["case"]
    return bool(case["distance_m"] <= BAR_RANGE_M and case["speed_mps"] == BAR_SPEED_MPS)


def alarms(outcomes: Sequence[Outcome]) -> Figures:
    """False alarms of empty rooms, with their interval a day."""
    count = sum(outcome["false_alarms"] for outcome in outcomes)
    empty_s = sum(outcome["empty_s"] for outcome in outcomes)
    low, high = poisson_bounds(count)
    days = max(empty_s / DAY_S, 1e-9)
    return {
        "basis": SIMULATED, "false_alarms": count, "hours": empty_s / 3600.0,
        "per_day": count / days, "per_day_low": low / days, "per_day_high": high / days,
        "false_moving_share": sum(outcome["false_moving_s"] for outcome in outcomes) / max(empty_s, 1e-9),
        "false_occupied_share": sum(outcome.get("false_occupied_s", 0.0) for outcome in outcomes) / max(empty_s, 1e-9),
    }  # fmt: skip


def _sounds(outcomes: Sequence[Outcome]) -> Figures:
    """False alarms by what sounds, and how many of them there were."""
    by = defaultdict(list)
    for outcome in outcomes:
        by[outcome["case"]["nuisance"]].append(outcome)
    return {
        kind: alarms(some) | {"basis": some[0]["basis"], "sounds": sum(outcome["sounds"] for outcome in some)}
        for kind, some in sorted(by.items())
    }


def recall(outcomes: Sequence[Outcome]) -> Figures:
    """Events found, and how fast."""
    return _recall([event for outcome in outcomes for event in outcome["events"]])


def _recall(events: Sequence[Outcome]) -> Figures:
    latencies_s = [MISS_S if event["latency_s"] is None else event["latency_s"] for event in events]
    hits = sum(latency_s < MISS_S for latency_s in latencies_s)
    low, high = share_bounds(hits, len(events))
    return {
        "basis": SIMULATED, "events": len(events), "found": hits, "masked": sum(event["masked"] for event in events),
        "recall": hits / len(events) if events else None, "recall_low": low, "recall_high": high,
        "latency_s": {f"p{p}": _plain(percentile_s(latencies_s, p)) for p in (50, 95, 99)} if events else None,
    }  # fmt: skip


def _plain(latency_s: float) -> float | None:
    """None where it is infinite, which JSON cannot say."""
    return None if latency_s == MISS_S else latency_s


def _bars(walks: Sequence[Outcome], quiet: Sequence[Outcome]) -> list[Figures]:
    bars = []
    if walks:
        found = recall(walks)
        bars.append({
            "name": f"walking at {BAR_SPEED_MPS:g} m/s to {BAR_RANGE_M:g} m in a quiet room: recall",
            "wanted": f">= {100 * BAR_RECALL:g} %", "basis": SIMULATED,
            "measured": f"{100 * found['recall']:.1f} % of {found['events']} "
            f"({100 * found['recall_low']:.1f} to {100 * found['recall_high']:.1f} %)",
            "met": found["recall"] >= BAR_RECALL if found["events"] >= BAR_WALKS else None,
        })  # fmt: skip
    if quiet:
        found = alarms(quiet)
        enough = found["hours"] >= BAR_HOURS - 1e-6
        bars.append({
            "name": f"quiet empty room, {BAR_HOURS:g} h: false alarms", "wanted": f"<= {BAR_FALSE_ALARMS}",
            "basis": SIMULATED,
            "measured": f"{found['false_alarms']} in {found['hours']:.1f} h, at most {found['per_day_high']:.2f} a day",
            "met": (found["false_alarms"] <= BAR_FALSE_ALARMS) if enough else None,
        })  # fmt: skip
    return bars


def _walks(walks: Sequence[Outcome], near: Sequence[Outcome]) -> Figures:
    events = [event | {"speed_mps": outcome["case"]["speed_mps"]} for outcome in walks for event in outcome["events"]]
    # a walk that comes nearer counts at the range at which it began: that of its case
    grid = _grouped(walks, lambda outcome: (outcome["case"]["speed_mps"], outcome["case"]["distance_m"]))
    speeds = sorted({speed for speed, _ in grid})
    radial = _grouped(events, lambda event: "radially (> 0.6 m/s)" if event.get("radial_mps", 0.0) > 0.6 else
                      "across (< 0.3 m/s)" if event.get("radial_mps", 0.0) < 0.3 else "between")  # fmt: skip
    return {
        "basis": SIMULATED,
        "near": recall(near) if near else None,
        "ranges_m": [distance_m for distance_m in RANGES_M if any((speed, distance_m) in grid for speed in speeds)],
        "speeds_mps": speeds,
        "by_range_and_speed": [
            {"speed_mps": speed, "distance_m": distance_m} | recall(group)
            for (speed, distance_m), group in sorted(grid.items())
        ],
        "by_direction": {name: _recall(group) for name, group in sorted(radial.items())},
        "latencies_s": sorted(
            event["latency_s"] for outcome in near for event in outcome["events"] if event["latency_s"] is not None
        ),
        "splits": {
            name: _split(walks, key)
            for name, key in (
                ("room", lambda outcome: outcome["case"]["room"]),
                ("unit", lambda outcome: outcome["case"]["unit"]),
                ("person", lambda outcome: f"{outcome['gait']}, body {outcome['case']['person']}"),
            )
        },
    }


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return dict(groups)


def _split(outcomes: Sequence[Outcome], key: Callable[[Outcome], Any]) -> Figures:
    """Recall of each group, the worst first."""
    groups: list[Figures] = [{"name": str(name)} | recall(group) for name, group in _grouped(outcomes, key).items()]
    groups.sort(key=lambda group: (group["recall"], -group["events"]))
    shares = [group["recall"] for group in groups]
    return {"groups": groups, "worst": shares[0], "median": statistics.median(shares), "best": shares[-1]}


def _stress(outcomes: Sequence[Outcome]) -> Figures:
    cells = _grouped(outcomes, lambda outcome: (outcome["case"]["nuisance"], outcome["case"]["activity"]))
    rows = []
    for nuisance in NUISANCES:
        row: Figures = {"nuisance": nuisance, "basis": SIMULATED, "cells": {}}
        for activity in ACTIVITIES:
            if group := cells.get((nuisance, activity)):
                row["cells"][activity] = _cell(activity, group)
        if row["cells"]:
            rows.append(row)
    return {"basis": SIMULATED, "rows": rows, "worst": _worst(rows)}


def _cell(activity: str, group: Sequence[Outcome]) -> Figures:
    """The one figure of a cell in `value`, 0 best and 1 worst in `badness`, and all that is behind it."""
    if activity == "empty":
        found = alarms(group)
        badness = max(found["false_occupied_share"], min(1.0, found["per_day"] / _HOPELESS_PER_DAY))
        if "pet_visits" in group[0]:
            found |= {name: sum(outcome[name] for outcome in group) for name in ("pet_visits", "pet_visits_told")}
        return found | {"value": found["per_day"], "badness": badness}
    if activity in ("walk", "arm"):
        found = recall(group)
        return found | {"value": found["recall"], "badness": 1.0 - found["recall"]}
    keepable_s = sum(outcome["keepable_s"] for outcome in group)
    kept = sum(outcome["kept_s"] for outcome in group) / max(keepable_s, 1e-9)
    return {"basis": SIMULATED, "kept": kept, "minutes": keepable_s / 60.0, "value": kept, "badness": 1.0 - kept}


def _worst(rows: Sequence[Figures]) -> list[Figures]:
    """The worst cell of each kind: most false alarms, fewest events found, least presence kept."""
    found = []
    for kind, activities in (
        ("false alarms", ("empty",)),
        ("recall", ("walk", "arm")),
        ("presence kept", ("sit", "sleep")),
    ):
        cells: list[Figures] = [
            {"kind": kind, "nuisance": row["nuisance"], "activity": activity, "value": row["cells"][activity]["value"]}
            for row in rows
            for activity in activities
            if activity in row["cells"] and row["cells"][activity]["badness"] > 0.0
        ]
        if cells:
            found.append(max(cells, key=lambda cell: cell["value"] if kind == "false alarms" else -cell["value"]))
    return found


def _coverage(outcomes: Sequence[Outcome]) -> Figures:
    """Share of tries found in each cell, [away from the device][across]; None where none was made."""
    maps: Figures = {"basis": SIMULATED}
    for kind, activity in (("major", "walk"), ("minor", "arm")):
        cells = _grouped((o for o in outcomes if o["case"]["activity"] == activity), lambda o: tuple(o["case"]["cell"]))
        maps[kind] = [
            [recall(cells[x, y])["recall"] if (x, y) in cells else None for y in range(COVERAGE_CELLS[1])]
            for x in range(COVERAGE_CELLS[0])
        ]
        shares = [share for column in maps[kind] for share in column if share is not None]
        maps[f"{kind}_covered"] = sum(share == 1.0 for share in shares) / len(shares) if shares else None
    return maps


def _visits(outcomes: Sequence[Outcome]) -> Figures:
    def told(name: str) -> Figures:
        times_s = [MISS_S if time is None else time for outcome in outcomes for time in outcome[name]]
        return {f"p{p}": _plain(percentile_s(times_s, p)) for p in (50, 95, 99)} | {"events": len(times_s)}

    return {"basis": SIMULATED, "to_occupied_s": told("to_occupied_s"), "to_vacant_s": told("to_vacant_s")}


def _gestures(outcomes: Sequence[Outcome]) -> Figures:
    by_speed = _grouped(
        outcomes, lambda outcome: "as recorded" if outcome["case"]["stretch"] == 1.0 else "at double speed"
    )
    return {
        "basis": REPLAYED,
        "by_speed": {
            name: recall(group) | {"basis": REPLAYED, "false_alarms": sum(o["false_alarms"] for o in group),
                                   "empty_s": sum(o["empty_s"] for o in group)}
            for name, group in sorted(by_speed.items())
        },
        "by_person": {
            name: recall(group) | {"basis": REPLAYED}
            for name, group in sorted(_grouped(outcomes, lambda o: o["gait"]).items())
        },
    }  # fmt: skip


def _curves(walks: Sequence[Outcome], quiet: Sequence[Outcome], stress: Sequence[Outcome]) -> list[Figures]:
    """Recall against false alarms a day: quiet rooms by the long runs, nuisances by their cells."""
    curves = [_curve("quiet", walks, quiet)] if walks and quiet else []
    cells = _grouped(stress, lambda outcome: (outcome["case"]["nuisance"], outcome["case"]["activity"]))
    for nuisance in NUISANCES[1:]:
        walked, empty = cells.get((nuisance, "walk")), cells.get((nuisance, "empty"))
        if walked and empty:
            curves.append(_curve(nuisance, walked, empty))
    return curves


def _curve(name: str, walked: Sequence[Outcome], empty: Sequence[Outcome]) -> Figures:
    events = sum(len(outcome["events"]) for outcome in walked)
    days = sum(outcome["empty_s"] for outcome in empty) / DAY_S
    points = []
    for number, threshold in enumerate(THRESHOLDS):
        count = sum(outcome["swept_false_alarms"][number] for outcome in empty)
        found = sum(outcome["swept_found"][number] for outcome in walked)
        low, high = poisson_bounds(count)
        points.append({
            "threshold": threshold, "recall": found / max(events, 1), "per_day": count / days,
            "per_day_low": low / days, "per_day_high": high / days,
        })  # fmt: skip
    return {"name": name, "basis": SIMULATED, "points": points, "events": events, "hours": 24.0 * days}


def _cost(outcomes: Sequence[Outcome]) -> Figures:
    """Processor time, and how many times faster than time itself."""
    spent = {name: sum(outcome["cost"][name] for outcome in outcomes) for name in ("scene_s", "sense_s", "score_s")}
    simulated_s = sum(outcome["simulated_s"] for outcome in outcomes)
    total_s = sum(spent.values())
    return {
        "basis": MEASURED, "cases": len(outcomes), "simulated_hours": simulated_s / 3600.0,
        "core_hours": total_s / 3600.0, "times_real_time": simulated_s / max(total_s, 1e-9), **spent,
    }  # fmt: skip
