import json

import pytest
from support.wire import DOCUMENT, validator

from appliance.outputs.commands import COMMANDS, CommandRejected, parse_command
from appliance.outputs.payloads import TOPICS


def references(value):
    if isinstance(value, dict):
        for key, each in value.items():
            yield from [each] if key == "$ref" else references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolved(reference):
    value = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def test_it_is_plain_json_and_every_reference_leads_somewhere():
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    found = list(references(DOCUMENT))
    assert found
    for reference in found:
        assert resolved(reference)


def test_every_topic_and_command_has_its_channel_and_operation():
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert addresses == {
        *(f"pipistrelle/{{node}}/{name}" for name in TOPICS),
        *(f"pipistrelle/{{node}}/set/{name}" for name in COMMANDS),
    }
    used = [operation["channel"]["$ref"].rsplit("/", 1)[1] for operation in DOCUMENT["operations"].values()]
    assert sorted(used) == sorted(DOCUMENT["channels"])
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}


def test_every_schema_is_one():
    for schema in DOCUMENT["components"]["schemas"].values():
        type(validator({})).check_schema(schema)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_what_a_command_documents_is_what_it_takes(name):
    message = DOCUMENT["channels"][f"set_{name}"]["messages"]["command"]
    payload = message["payload"]
    if "pattern" in payload:
        good, wrong = ["light_off"], ["Light off", "", "a" * 65]
    else:
        good = payload.get("enum") or [payload["minimum"], payload["maximum"]]
        wrong = ["nonsense", -1, 4000]
    for value in good:
        assert validator(payload).is_valid(value)
        parse_command(name, str(value).encode())
    for value in wrong:
        assert not validator(payload).is_valid(value)
        with pytest.raises(CommandRejected):
            parse_command(name, str(value).encode())


def test_a_payload_with_a_key_too_many_or_of_a_wrong_type_is_invalid():
    presence = {"presence": "vacant", "since": "2026-01-01T00:00:00.000Z", "confidence": 1.0, "cause": ""}
    presence |= {"no_occupancy_since": None}
    checker = validator({"$ref": "#/components/schemas/PresenceState"})
    assert checker.is_valid(presence)
    for wrong in ({"extra": 1}, {"confidence": 2}, {"presence": "maybe"}, {"cause": None}):
        assert not checker.is_valid(presence | wrong)
