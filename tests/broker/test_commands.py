"""Commands from the broker: obeyed, or refused with words, and never fatal."""

import json

import pytest
from support.mosquitto import wait_until

from appliance.outputs.commands import CommandRejected
from appliance.outputs.payloads import ErrorMessage

ROOT = "pipistrelle/attic"


@pytest.fixture
def commands():
    return []


@pytest.fixture
def listening(broker, make_output, commands):
    def on_command(name, value):
        commands.append((name, value))
        if value == 13.0:
            raise CommandRejected("not while calibrating")
        if value == 666.0:
            raise RuntimeError("a fault of ours")

    output = make_output(broker, on_command=on_command)
    output.start()
    wait_until(lambda: output.connected, "our connection")
    return output


def test_good_commands_arrive_parsed(listening, subscribe, commands):
    live = subscribe()
    live.publish(f"{ROOT}/set/hold_s", b"30")
    live.publish(f"{ROOT}/set/emission", b"OFF")
    wait_until(lambda: len(commands) == 2, "both commands")
    assert commands == [("hold_s", 30.0), ("emission", False)]


@pytest.mark.parametrize(
    ("name", "payload", "words"),
    [
        ("hold_s", b"\x00\xff\xfe", "not plain text"),
        ("hold_s", b"1" * 1_000_000, "1000000 bytes"),
        ("hold_s", b'{"hold_s": 5}', "from 5 to 3600"),
        ("emission", b"", "wants on or off"),
        ("self_destruct", b"now", "unknown command"),
    ],
)
def test_bad_commands_are_answered(listening, subscribe, commands, name, payload, words):
    live = subscribe()
    live.publish(f"{ROOT}/set/{name}", payload)
    live.wait_for(f"{ROOT}/error", words.encode())
    error = ErrorMessage.model_validate_json(live.on(f"{ROOT}/error")[-1])
    assert error.topic == f"{ROOT}/set/{name}"
    assert commands == []
    assert listening.counts().callback_errors == 0
    live.publish(f"{ROOT}/set/hold_s", b"7")
    wait_until(lambda: commands == [("hold_s", 7.0)], "a good command afterwards")


def test_retained_commands_are_refused_at_each_connection(broker, subscribe, make_output, commands):
    live = subscribe()
    live.publish(f"{ROOT}/set/emission", b"off", retain=True)
    output = make_output(broker, on_command=lambda *command: commands.append(command))
    output.start()
    live.wait_for(f"{ROOT}/error", b"without retain")
    assert commands == []


def test_a_refusal_by_the_appliance_is_answered_in_its_words(listening, subscribe):
    live = subscribe()
    live.publish(f"{ROOT}/set/hold_s", b"13")
    live.wait_for(f"{ROOT}/error", b"not while calibrating")
    assert listening.counts().callback_errors == 0


def test_a_callback_that_raises_is_counted_and_the_next_command_heard(listening, subscribe, commands, caplog):
    live = subscribe()
    live.publish(f"{ROOT}/set/hold_s", b"666")
    live.wait_for(f"{ROOT}/error", b"the command failed")
    wait_until(lambda: listening.counts().callback_errors == 1, "the count")
    assert "a fault of ours" in caplog.text
    assert b"fault of ours" not in live.on(f"{ROOT}/error")[-1]
    live.publish(f"{ROOT}/set/hold_s", b"7")
    wait_until(lambda: commands[-1] == ("hold_s", 7.0), "the next command")
    assert listening.connected


def test_a_command_sent_right_behind_online_is_heard(broker, make_output, subscribe, commands):
    live = subscribe()
    make_output(broker, on_command=lambda *command: commands.append(command)).start()
    live.wait_for(f"{ROOT}/status", b"online")
    live.publish(f"{ROOT}/set/hold_s", b"9")
    wait_until(lambda: commands == [("hold_s", 9.0)], "the command")
    assert json.loads(json.dumps(commands)) == [["hold_s", 9.0]]
