"""What an event costs with 10,000 routines of all sorts, and when all of them wait for it.

python tests/benchmarks/bench_routines.py

Processor time of the engine for one event, as a whole: which triggers it brings, what their conditions say of it, and
what is told of that. The least of many, because everything else on a computer only adds to it.
"""

import json
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from support.routines import STOPPED, becomes, bench, motion, mqtt, presence, routine, started  # noqa: E402

from appliance.routines.sun import SunTimes  # noqa: E402

COUNT = 10_000
REPEATS = 25
AFTER = {"condition": "time", "after": "23:00"}
SUN = {"condition": "time", "after": "sunset", "before": "sunrise", "after_offset": 600}
WEATHER = {"w": {"topic": "home/weather"}}
VACANT, OCCUPIED = becomes("vacant"), becomes("occupied")


def mixed(n):
    triggers = (
        mqtt(f"room/{n}"),
        presence(("vacant", "occupied")[n % 2], 5 + n % 600),
        motion(speed_above_mps=(n % 90) / 10.0 + 1.0),
        {"trigger": "time", "at": f"{n % 24:02}:{n % 60:02}"},
        {"trigger": "health", "event": "appears", "fault": "silence"},
    )
    return routine(triggers[n % 5], name=f"r{n}", conditions=[AFTER])


def all_of(condition, **more):
    """All wait for a vacant room, each with a condition that does not hold; `condition` may depend on the number."""
    return [
        routine(
            presence("vacant"),
            name=f"r{n}",
            conditions=[condition(n) if callable(condition) else condition],
            variables=WEATHER,
            **more,
        )
        for n in range(COUNT)
    ]


def cost_ms(table, prepare, event):
    """The least of an event's costs; `prepare` brings the engine there."""
    costs = []
    for _ in range(REPEATS):
        prepare(table)
        began_s = time.process_time()
        event(table.engine, table.at(table.t_s))
        costs.append((time.process_time() - began_s) * 1e3)
    return min(costs)


def weather(engine, at):
    """A message that all the conditions ask for."""
    payload = {"wind": at.elapsed_s, "sky": "clear", "temperature": 1}
    return engine.message("home/weather", json.dumps(payload).encode(), at, retained=True)


def main():
    wait = [routine(presence("vacant", 600), name=f"r{n}") for n in range(COUNT)]
    all_sorts = bench(*(mixed(n) for n in range(COUNT)))
    becomes_vacant = lambda engine, at: engine.handle(VACANT, at)  # noqa: E731
    occupy = lambda table: table.event(OCCUPIED)  # noqa: E731
    report("a look at the clock, all sorts", cost_ms(all_sorts, lambda _: None, lambda engine, at: engine.advance(at)))
    moves = started(radial_mps=0.5)
    report(
        "a motion begins, all sorts",
        cost_ms(all_sorts, lambda table: table.event(STOPPED), lambda engine, at: engine.handle(moves, at)),
    )
    report("the room becomes vacant, all sorts", cost_ms(all_sorts, occupy, becomes_vacant))
    report("the room becomes vacant, 10,000 begin to wait", cost_ms(bench(*wait), occupy, becomes_vacant))

    print("the room becomes vacant, 10,000 conditions are judged and do not hold:")
    for name, condition in (
        ("presence", {"condition": "presence", "state": "occupied"}),
        ("a time window", AFTER),
        ("a window by the sun", SUN),
        ("the state of a value", {"condition": "state", "name": "w.sky", "state": "rain"}),
        ("an expression", {"condition": "expression", "expression": "w.temperature > 25 and w.wind < 3"}),
        ("a time window, each its own", lambda n: AFTER | {"after": f"23:{n // 60 % 60:02}:{n % 60:02}"}),
        ("a state, each its own", lambda n: {"condition": "state", "name": "w.sky", "state": f"rain {n}"}),
        (
            "an expression, each its own",
            lambda n: {"condition": "expression", "expression": f"w.temperature > {n + 2}"},
        ),
    ):
        table = bench(*all_of(condition), sun=SunTimes(52.5, 13.4))

        def prepare(table):
            weather(table.engine, table.at(table.t_s + 1))
            table.event(OCCUPIED)

        report(f"  {name}", cost_ms(table, prepare, becomes_vacant))


def report(name, ms):
    print(f"{name:50} {ms:8.3f} ms", flush=True)


if __name__ == "__main__":
    main()
