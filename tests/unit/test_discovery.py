import json
import re

import pytest

from appliance.outputs.commands import COMMANDS, parse_command
from appliance.outputs.discovery import discovery_message
from appliance.outputs.payloads import EVENT_TYPES, TOPICS

TOPIC, PAYLOAD = discovery_message(
    node="attic-2",
    base="pipistrelle",
    prefix="homeassistant",
    version="1.2.3",
    no_occupancy_since=True,
    captures=True,
    updates=True,
)


def plain_message(*, node, base):
    """Of an appliance on which nothing is switched on that is off by default."""
    return discovery_message(
        node=node,
        base=base,
        prefix="homeassistant",
        version="1",
        no_occupancy_since=False,
        captures=False,
        updates=False,
    )


# Shared root keys of 2025.4, the oldest version promised, with their abbreviations; any other key rejects the device.
ROOT_KEYS = {"dev", "o", "cmps", "avty_t", "pl_avail", "pl_not_avail", "stat_t", "cmd_t"}


def test_topic_is_the_devices_own():
    assert TOPIC == "homeassistant/device/pipistrelle_attic-2/config"
    assert re.fullmatch(r"[A-Za-z0-9_-]+", TOPIC.split("/")[2])


def test_root_holds_what_home_assistant_demands_and_no_more():
    assert set(PAYLOAD) <= ROOT_KEYS
    assert PAYLOAD["o"]["name"]
    assert PAYLOAD["dev"]["ids"]
    assert PAYLOAD["dev"]["sw"] == "1.2.3"
    assert json.loads(json.dumps(PAYLOAD)) == PAYLOAD


def test_availability_is_our_status():
    assert PAYLOAD["avty_t"] == "pipistrelle/attic-2/status"
    assert (PAYLOAD["pl_avail"], PAYLOAD["pl_not_avail"]) == ("online", "offline")


@pytest.mark.parametrize("key", list(PAYLOAD["cmps"]))
def test_every_component_is_complete(key):
    component = PAYLOAD["cmps"][key]
    assert component["p"] in {"binary_sensor", "sensor", "event", "number", "switch", "select", "button", "update"}
    assert component["uniq_id"].startswith("pipistrelle_attic-2_")
    assert re.fullmatch(rf"{component['p']}\.[a-z0-9_]+", component["def_ent_id"])
    if "cmd_t" in component:
        root, name = component["cmd_t"].split("/set/")
        assert root == "pipistrelle/attic-2"
        assert name in COMMANDS
    if component["p"] == "button":
        assert parse_command(name, component["pl_prs"].encode()) in {True, "nobody", "somebody"}
        return
    node, topic = component["stat_t"].rsplit("/", 1)
    assert node == "pipistrelle/attic-2"
    models = TOPICS[topic].models
    if component["p"] == "update":
        # no template: Home Assistant takes these keys as they are, and refuses others
        assert set(models[0].model_fields) == {
            "installed_version", "latest_version", "in_progress", "update_percentage"
        }  # fmt: skip
        assert parse_command("update", component["pl_inst"].encode()) == "install"
        return
    fields = set(re.findall(r"value_json\.([a-z_]+)", component["val_tpl"]))
    assert fields
    assert all(fields <= set(model.model_fields) for model in models)


def test_identities_are_unique():
    components = PAYLOAD["cmps"].values()
    for key in ("uniq_id", "def_ent_id", "name"):
        assert len({component[key] for component in components}) == len(components)


def test_event_types_are_those_we_send():
    assert PAYLOAD["cmps"]["event"]["evt_typ"] == list(EVENT_TYPES)


def test_an_unknown_state_is_neither_on_nor_off():
    for key in ("occupancy", "motion"):
        template = PAYLOAD["cmps"][key]["val_tpl"]
        assert ".get(" in template  # a missing key renders None, which Home Assistant shows as unknown
        assert "else" not in template
        assert "unknown" not in template


def test_diagnostics_are_marked_as_such():
    diagnostic = {key for key, component in PAYLOAD["cmps"].items() if component.get("ent_cat") == "diagnostic"}
    assert diagnostic == {"problem", "health", "lost_frames", "uptime", "wrong_nobody", "wrong_somebody"}


def test_two_nodes_and_two_bases_never_share_an_identity():
    ids = set()
    for base in ("pipistrelle", "site/pipistrelle"):
        for node in ("a", "b"):
            topic, payload = plain_message(node=node, base=base)
            ids |= {topic, payload["cmps"]["motion"]["uniq_id"]}
    assert len(ids) == 8


def test_what_home_assistant_sends_is_what_we_take():
    switch, select = PAYLOAD["cmps"]["emission"], PAYLOAD["cmps"]["mode"]
    assert [parse_command("emission", switch[key].encode()) for key in ("pl_on", "pl_off")] == [True, False]
    assert [parse_command("mode", mode.encode()) for mode in select["options"]] == select["options"]
    for key in ("hold", "sensitivity"):
        number = PAYLOAD["cmps"][key]
        name = number["cmd_t"].rsplit("/", 1)[1]
        for end in ("min", "max"):
            assert parse_command(name, str(number[end]).encode()) == number[end]


def test_nobody_is_promised_a_number_that_never_comes():
    _, payload = plain_message(node="a", base="pipistrelle")
    assert "no_occupancy_since" in PAYLOAD["cmps"]
    assert "no_occupancy_since" not in payload["cmps"]
    assert {"wrong_nobody", "wrong_somebody", "update"}.isdisjoint(payload["cmps"])
