"""What an event costs with 10,000 routines of all sorts, and when all of them wait for it.

python tests/benchmarks/bench_routines.py
"""

import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from support.routines import STOPPED, becomes, bench, motion, mqtt, presence, routine, started  # noqa: E402

COUNT = 10_000
REPEATS = 15
AFTER = {"condition": "time", "after": "23:00"}


def mixed(n):
    triggers = (
        mqtt(f"room/{n}"),
        presence(("vacant", "occupied")[n % 2], 5 + n % 600),
        motion(speed_above_mps=(n % 90) / 10.0 + 1.0),
        {"trigger": "time", "at": f"{n % 24:02}:{n % 60:02}"},
        {"trigger": "health", "event": "appears", "fault": "silence"},
    )
    return routine(triggers[n % 5], name=f"r{n}", conditions=[AFTER])


def cost_ms(rules, prepare, event):
    """The median of an event; `prepare` brings the engine there."""
    table = bench(*rules)
    costs = []
    for _ in range(REPEATS):
        prepare(table)
        began_s = time.process_time()
        outputs = (
            table.engine.handle(event, table.at(table.t_s)) if event else table.engine.advance(table.at(table.t_s))
        )
        costs.append((time.process_time() - began_s) * 1e3)
    return statistics.median(costs), len(outputs)


def main():
    all_sorts = [mixed(n) for n in range(COUNT)]
    all_wait = [routine(presence("vacant", 600), name=f"r{n}") for n in range(COUNT)]
    all_judged = [routine(presence("vacant"), name=f"r{n}", conditions=[AFTER]) for n in range(COUNT)]
    vacant, occupied = becomes("vacant"), becomes("occupied")
    for name, rules, prepare, event in (
        ("a look at the clock, all sorts", all_sorts, lambda _table: None, None),
        ("a motion begins, all sorts", all_sorts, lambda table: table.event(STOPPED), started(radial_mps=0.5)),
        ("the room becomes vacant, all sorts", all_sorts, lambda table: table.event(occupied), vacant),
        ("the room becomes vacant, 10,000 begin to wait", all_wait, lambda table: table.event(occupied), vacant),
        (
            "the room becomes vacant, 10,000 conditions are judged",
            all_judged,
            lambda table: table.event(occupied),
            vacant,
        ),
    ):
        ms, outputs = cost_ms(rules, prepare, event)
        print(f"{name:55} {ms:8.3f} ms, decisions: {outputs}")


if __name__ == "__main__":
    main()
