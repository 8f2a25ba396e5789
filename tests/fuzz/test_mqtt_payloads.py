"""Whatever comes on the command topics: a value, or a refusal in words, and nothing else.

`PIPISTRELLE_FUZZ_PAYLOADS=1000000` tries so many; the usual number keeps the suite short.
"""

import json
import os
import random
import re

from appliance.outputs.commands import COMMANDS, CommandRejected, Numbers, RoutineIds, parse_command
from appliance.outputs.payloads import Mode
from appliance.outputs.settings import Settings

COUNT = int(os.environ.get("PIPISTRELLE_FUZZ_PAYLOADS", "20000"))
SEEDS = [b"5", b"3600", b"12.5", b"on", b"OFF", b"rest", b"away", b"restart", b"nan", b"1e9", b"-0", b"0x10", b"{}"]
SEEDS += [b"../../etc/passwd", b"$(reboot)", b"`id`", b"; rm -rf /", b"%n%n%n", b"\x00" * 8, "\u0665".encode(), b"1_0"]
SEEDS += [json.dumps({"mode": "rest"}).encode(), b"[" * 200, b"9" * 256, b"9" * 257]


def mutated(random_):
    """A seed with some bytes changed, cut, doubled or joined with another; or noise."""
    if random_.random() < 0.2:
        return random_.randbytes(random_.randrange(300))
    payload = bytearray(random_.choice(SEEDS))
    for _ in range(random_.randrange(4)):
        place = random_.randrange(len(payload) + 1)
        match random_.randrange(4):
            case 0:
                payload[place:place] = random_.randbytes(random_.randrange(1, 4))
            case 1:
                del payload[place : place + random_.randrange(1, 4)]
            case 2:
                payload += random_.choice(SEEDS)
            case _:
                payload[place : place + 1] = bytes([random_.randrange(256)])
    return bytes(payload)


def allowed(name, value):
    takes = COMMANDS[name].takes
    if isinstance(takes, Numbers):
        return type(value) is float and takes.low <= value <= takes.high
    if isinstance(takes, RoutineIds):
        return re.fullmatch("[a-z0-9_]{1,64}", value) is not None
    return value in takes.meaning.values()


def test_any_payload_of_any_command():
    random_ = random.Random(20_261_123)
    names = [*COMMANDS, "", "x", "../hold_s", "hold_s ", "HOLD_S", "\x00", "+"]
    settings = Settings(120.0, 40.0, emission=True)
    taken, refusals = 0, set()
    for _ in range(COUNT):
        name, payload = random_.choice(names), mutated(random_)
        try:
            value = parse_command(name, payload)
        except CommandRejected as refused:
            refusals.add(str(refused))
            continue
        taken += 1
        assert allowed(name, value)
        if name not in {"restart", "routine", "wrong"}:
            settings = settings.after(name, value)
            assert not (settings.mode is Mode.REST and settings.emission)
    assert taken > COUNT // 200
    assert all(words.isprintable() and len(words) < 200 for words in refusals)
