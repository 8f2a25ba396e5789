import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.outputs import commands
from appliance.outputs.payloads import TOPICS


@pytest.mark.parametrize(
    ("name", "payload", "value"),
    [
        ("hold_s", b"5", 5.0),
        ("hold_s", b" 12.5\n", 12.5),
        ("hold_s", b"3600", 3600.0),
        ("emission", b"ON", True),
        ("emission", b"off", False),
        ("sensitivity", b"0", 0.0),
        ("sensitivity", b"62.5", 62.5),
        ("mode", b"Away", "away"),
        ("restart", b"restart", True),
        ("routine", b"light_off\n", "light_off"),
        ("wrong", b"Nobody", "nobody"),
        ("wrong", b"pet", "pet"),
    ],
)
def test_commands(name, payload, value):
    assert commands.parse_command(name, payload) == value


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        ("hold_s", b"4.9", "from 5 to 3600"),
        ("hold_s", b"3600.1", "from 5 to 3600"),
        ("hold_s", b"nan", "from 5 to 3600"),
        ("hold_s", b"1e3", "from 5 to 3600"),
        ("hold_s", b"true", "from 5 to 3600"),
        ("hold_s", b"", "from 5 to 3600"),
        ("hold_s", b"9" * 1_000_000, "1000000 bytes"),
        ("emission", b"1", "wants on or off"),
        ("emission", b"\xff\x00", "not plain text"),
        ("sensitivity", b"100.1", "from 0 to 100"),
        ("sensitivity", b"-1", "from 0 to 100"),
        ("sensitivity", b"1_0", "from 0 to 100"),
        ("sensitivity", "\u0661".encode(), "not plain text"),
        ("mode", b"party", "normal, away or rest"),
        ("restart", b"", "wants restart"),
        ("wrong", b"yes", "wants nobody, somebody, pet, fan, curtain or other"),
        ("routine", b"", "the id of a routine, 1 to 64 of a-z, 0-9 and _"),
        ("routine", b"Light", "the id of a routine"),
        ("routine", b"../x", "the id of a routine"),
        ("routine", b"a" * 65, "the id of a routine"),
        ("volume", b"1", "known are hold_s, sensitivity, emission, mode, routine, wrong, update, restart"),
    ],
)
def test_refused_commands_say_what_would_do(name, payload, words):
    with pytest.raises(commands.CommandRejected, match=words):
        commands.parse_command(name, payload)


@given(st.sampled_from([*commands.COMMANDS, "other"]), st.binary(max_size=300))
def test_any_payload_is_a_value_or_a_refusal(name, payload):
    try:
        value = commands.parse_command(name, payload)
    except commands.CommandRejected:
        return
    assert isinstance(value, (bool, str)) or 0.0 <= value <= 3600.0


def test_the_table_has_a_row_for_each_topic_and_command():
    table = commands.topic_table_markdown()
    for name in TOPICS:
        assert f"| `{name}` | out |" in table
    for name in commands.COMMANDS:
        assert f"| `set/{name}` | in |" in table
    assert {line.count("|") for line in table.splitlines()} == {7}
