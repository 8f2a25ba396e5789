"""Anybody's rule files and payloads: no crash, no way out of an argument, an address or a topic.

    make fuzz-routines                                  1,000,000 files; FILES=10000 for fewer, SEED=any for others
    python tests/fuzz/test_routines.py 10000 any        the same; prints how they ended

One file in fifty is read as text; the others begin as what the reader of YAML makes of it, which takes a tenth of the
time. Each that is accepted lives through twenty events and messages.
"""

import json
import os
import random
import re
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

import pytest

from appliance.config.load import load_routines, routines_in
from appliance.config.yaml12 import Document, Mark
from appliance.errors import ConfigError
from appliance.events import MotionStarted, PresenceChanged, StreamHealth
from appliance.routines.actions import arguments
from appliance.routines.effects import Instant, Note, Perform, Publish, Refused, Request, Start
from appliance.routines.engine import Engine
from appliance.routines.outcome import Outcome
from appliance.routines.sun import SunTimes
from appliance.types import MotionClass, Presence

STEPS = 20
TEXT_EACH = 50
TELL_EACH = 10_000
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ARGV = ("say", "-t", "{text}", "{x}", "end")
TEXTS = [
    "{x}",
    "{x.a}",
    "{trigger.payload}",
    "{trigger.topic} {x}",
    "{trigger.payload.0.a}",
    "plain",
    "",
    "{",
    "{{x}}",
    "{x!r}",
    "{x:>99999999}",
    "{x.__class__}",
    "{0}",
    "{trigger.payload}" * 50,
    "$(id)",
    "`id`",
    "; rm -rf /",
    "../../etc/passwd",
    "a\nb",
    "\x1b[2J",
    "%s%n",
    "{% x %}",
    "-rf",
    "\udcff",
]
GOOD_TEXTS = TEXTS[:6]
EXPRESSIONS = [
    "x > 1",
    "x.a == 'b'",
    "trigger.payload",
    "x * x * x",
    "'a' * x",
    "x[0]",
    "().__class__",
    "x if y else z",
    "x + trigger.payload",
    "len(x) > 3",
    "int(x)",
    "x.__class__",
    "__import__('os')",
    "1/x",
    "-" * 500 + "x",
    "(" * 300,
    "x in trigger.payload",
    "round(x, x)",
    "str(x) == 'a'",
    "9 ** 9 ** 9",
    "lambda: 1",
    "[x, [x]] == x",
    "x % 5",
    "'%s' % x",
    "max(x)",
    "not x and y",
]
PAYLOADS = [
    b"",
    b"on",
    b"1",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b'"a"',
    b'{"a": "b"}',
    b'{"a": {"a": [1, 2, {"a": "../.."}]}}',
    b"[" * 5000,
    b"[1, 2]",
    b"\xff\xfe\x00",
    b"\x00",
    b'"\\ud800"',
    b'{"a": "\\ud800"}',
    b"9" * 5000,
    b"$(reboot)",
    b"-rf",
    b"--help",
    b"..",
    b"../../etc/passwd",
    b"a b;c|d&e>f\n`g`",
    b"x" * 70_000,
    "ä€\u202e".encode(),
    b'{"__class__": "x"}',
    b"http://evil/",
    b"@evil/?#",
    b"%2e%2e/",
    b"\r\nX: y",
]
WORDS = [
    *TEXTS,
    0,
    1,
    -1,
    5,
    1e300,
    True,
    None,
    [],
    {},
    "vacant",
    "occupied",
    "on",
    "off",
    "a/b",
    "a/#",
    "r0",
    "r1",
    "sunset",
    "12:00",
    "0:00:05",
]


def template(pick):
    """A routine that may well be right, with values everywhere."""
    text = lambda: pick.choice(TEXTS if pick.random() < 0.1 else GOOD_TEXTS)  # noqa: E731
    topic = lambda: pick.choice(["a", "b", "c/d"])  # noqa: E731
    triggers = [
        lambda: {"trigger": "mqtt", "topic": topic()},
        lambda: {"trigger": "mqtt", "topic": topic(), "payload": "on", "value": "a.a"},
        lambda: {
            "trigger": "presence",
            "to": pick.choice(["vacant", "occupied", "unknown"]),
            "for": pick.choice([0, 5, 9]),
        },
        lambda: {"trigger": "motion", "speed_above_mps": pick.choice([0, 1])},
        lambda: {"trigger": "time", "at": "12:00:30"},
        lambda: {"trigger": "sun", "event": "sunset", "offset": -60},
        lambda: {"trigger": "health", "event": "appears"},
    ]
    conditions = [
        lambda: {
            "condition": "state",
            "name": pick.choice(["x", "x.a", "y", "trigger.payload"]),
            "state": pick.choice(["b", 1, True]),
        },
        lambda: {
            "condition": "expression",
            "expression": pick.choice(EXPRESSIONS if pick.random() < 0.1 else EXPRESSIONS[:6]),
        },
        lambda: {"condition": "time", "after": pick.choice(["sunset", "11:00"]), "weekday": "mon"},
    ]
    actions = [
        lambda: {"action": "mqtt.publish", "topic": topic(), "payload": pick.choice([text(), {"a": [text()], "b": 1}])},
        lambda: {
            "action": "webhook",
            "url": f"http://home/{text()}/x?y={text()}",
            "json": {"a": text()},
            "response_variable": "y",
        },
        lambda: {"action": "command", "command": "say", "values": {"text": text(), "x": text()}},
        lambda: {"action": "announce", "text": text()},
        lambda: {"action": "set_value", "name": pick.choice(["x", "y"]), "value": text()},
        lambda: {"action": "delay", "for": pick.choice([0, 1, 7])},
        lambda: {"action": "routine", "routine": pick.choice(["r0", "r1", "r2"])},
        lambda: {"action": "emission", "state": "off"},
        lambda: {
            "action": "choose",
            "options": [{"conditions": [pick.choice(conditions)()], "actions": [pick.choice(actions)()]}],
            "default": [pick.choice(actions[:5])()],
        },
    ]
    several = lambda of, least, most: [pick.choice(of)() for _ in range(pick.randint(least, most))]  # noqa: E731
    return {
        "triggers": several(triggers, 1, 3),
        "conditions": several(conditions, 0, 1),
        "actions": several(actions, 1, 4),
        "mode": pick.choice(["single", "restart", "queued", "parallel"]),
        "cooldown": pick.choice([0, 0, 3]),
        "variables": {"x": {"topic": topic()}},
    }


def spoil(pick, value):
    """The same with something in it exchanged, taken out or doubled."""
    if isinstance(value, dict) and value and pick.random() < 0.9:
        key = pick.choice(list(value))
        if pick.random() < 0.1:
            return {other: inner for other, inner in value.items() if other != key}
        if pick.random() < 0.1:
            return value | {f"{key}s": value[key]}
        return value | {key: spoil(pick, value[key])}
    if isinstance(value, list) and value and pick.random() < 0.9:
        place = pick.randrange(len(value))
        return [*value[:place], spoil(pick, value[place]), *value[place + 1 :]]
    return pick.choice(WORDS)


def made(pick):
    rules = [{"id": f"r{number}"} | template(pick) for number in range(pick.randint(1, 3))]
    return spoil(pick, rules) if pick.random() < 0.3 else rules


def write(pick, rules, file):
    text = json.dumps(rules, ensure_ascii=pick.random() < 0.5).encode("utf-8", "surrogatepass")
    if pick.random() < 0.1:
        at = pick.randrange(len(text))
        text = text[:at] + pick.randbytes(pick.randint(0, 4)) + text[at + pick.randint(0, 9) :]
    file.write_bytes(text)


def as_read(rules):
    """The document that reading such rules gives; each place with a mark of its own."""
    document = Document(data=rules)
    waiting = [((), rules)]
    while waiting:
        place, value = waiting.pop()
        document.values[place] = Mark(len(document.values) + 1, 1)
        if isinstance(value, dict):
            document.keys |= {(*place, key): Mark(1, 1) for key in value}
            waiting += [((*place, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*place, index), inner) for index, inner in enumerate(value)]
    return document


def texts_in(value):
    """Every text that a file holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts_in(inner)


def live(pick, routines, ended):
    """Plays anything through the engine and looks at everything that comes out."""
    ended.written = set(texts_in([routine.model_dump(warnings=False) for routine in routines]))
    engine = Engine(routines, sun=SunTimes(52.5, 13.4))
    t_s = 0.0
    obey(pick, engine, engine.start(Instant(t_s, NOON)), ended)
    for _ in range(STEPS):
        t_s += pick.choice([0.0, 1.0, 10.0, 100.0])
        at = Instant(0.0, NOON).on_elapsed(t_s)
        for moment in engine.moments_until(at):
            obey(pick, engine, engine.advance(moment), ended)
        match pick.randrange(5):
            case 0:
                event = PresenceChanged(0.0, pick.choice(list(Presence)), Presence.UNKNOWN, 1.0, "x")
                outputs = engine.handle(event, at)
            case 1:
                outputs = engine.handle(MotionStarted(0.0, MotionClass.MAJOR, 1.0, pick.choice([None, 2.0]), "x"), at)
            case 2:
                outputs = engine.handle(StreamHealth(0.0, pick.choice([(), ("silence",)]), 0, "x"), at)
            case _:
                ended["payloads"] += 1
                payload, topic = pick.choice(PAYLOADS), pick.choice(["a", "b", "c/d"])
                outputs = engine.message(topic, payload, at, retained=pick.random() < 0.5)
        obey(pick, engine, outputs, ended)


def obey(pick, engine, outputs, ended):
    waiting, steps = list(outputs), 0
    while waiting:
        steps += 1
        assert steps < 20_000, "nothing goes on for ever in one moment"
        output = waiting.pop(0)
        if isinstance(output, Refused):
            assert all(note.words.isprintable() for note in output.notes())
        if isinstance(output, Note):
            ended["failed"] += output.outcome is Outcome.FAILED
            assert output.words.isprintable(), "one line, without control characters"
        if isinstance(output, Perform):
            look_at(output.effect, ended)
            failed = pick.random() < 0.1
            answer = pick.choice([None, {"a": "b"}, [1], "x"])
            waiting += engine.finished(output.run, output.at, answer=answer, error="no" if failed else None)


def look_at(effect, ended):
    """What leaves the engine stays where its file put it."""
    ended[type(effect).__name__] += 1
    match effect:
        case Publish():
            assert effect.topic in ended.written, "as it stands in the file"
        case Request():
            parts = urlsplit(effect.url)
            assert (parts.scheme, parts.netloc) == ("http", "home")
            assert re.fullmatch(r"[!-~]+", effect.url), "no line break, no space"
            if effect.body is not None:
                json.loads(effect.body)
        case Start():
            argv = arguments(ARGV, effect.values)
            assert len(argv) == len(ARGV)
            assert (argv[0], argv[1], argv[4]) == ("say", "-t", "end")
            for argument in argv[2:4]:
                assert "\0" not in argument
                assert not re.match(r"-[^0-9.]", argument), "no option"
                os.fsencode(argument)


def one_try(pick, file, ended, *, as_text):
    rules = made(pick)
    try:
        # Half a surrogate pair is refused by the reader.
        if as_text or any("\udcff" in text for text in texts_in(rules)):
            ended["read as text"] += 1
            write(pick, rules, file)
            routines = load_routines(file, commands={"say": ARGV}, can_play=True)
        else:
            routines = routines_in(as_read(rules), file, commands={"say": ARGV}, place_known=True, can_play=True)
    except ConfigError as error:
        ended["refused"] += 1
        told = str(error).split("\n")
    else:
        told = []
    assert all(line.startswith(f"{file}:") for line in told)
    if told:
        return
    ended["loaded"] += 1
    live(pick, routines, ended)


class Ended(Counter):
    """How the tries ended."""


def many(count, seed, file, *, first=0, text_each=TEXT_EACH):
    ended = Ended()
    for number in range(first, first + count):
        ended["files"] += 1
        pick = random.Random(f"{seed} {number}")
        try:
            one_try(pick, file, ended, as_text=number % text_each == 0)
        except Exception:
            print(f"seed {seed}, file {number}", file=sys.stderr)
            raise
    return ended


def test_files_and_payloads_of_anybody(tmp_path):
    ended = many(1000, "suite", tmp_path / "r.yaml", text_each=5)
    assert min(ended[name] for name in ("loaded", "refused", "read as text", "payloads")) > 100
    assert min(ended[name] for name in ("Publish", "Request", "Start", "Announce", "failed")) > 0


@pytest.mark.slow
def test_many_more(tmp_path):
    many(20_000, "slow", tmp_path / "r.yaml")


if __name__ == "__main__":
    wanted, seed = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "0"
    total: Counter = Counter()
    with tempfile.TemporaryDirectory() as folder:
        while total["files"] < wanted:
            count = min(TELL_EACH, wanted - total["files"])
            total += many(count, seed, Path(folder) / "r.yaml", first=total["files"])
            print(dict(total), flush=True)
    print(f"{total['files']} files and {total['payloads']} payloads, no crash")
