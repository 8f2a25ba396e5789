"""Every message of a run against the AsyncAPI document, by a validator that knows nothing of our models."""

import json

import jsonschema

from appliance.outputs.asyncapi import asyncapi_document

DOCUMENT = asyncapi_document(base="pipistrelle", version="1")


def channels(node):
    """Topic to the channel's name."""
    return {channel["address"].format(node=node): name for name, channel in DOCUMENT["channels"].items()}


def validator(schema):
    whole = {"$ref": "#/schema", "schema": schema, "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


def check(node, message):
    """The channel's name of a message; fails where payload, quality of service or retain flag are not as documented."""
    name = channels(node)[message.topic]
    operation = DOCUMENT["operations"][f"send_{name}"]
    assert message.qos == operation["bindings"]["mqtt"]["qos"]
    faults = []
    for each in DOCUMENT["channels"][name]["messages"].values():
        is_json = each["contentType"] == "application/json"
        content = json.loads(message.payload) if is_json else message.payload.decode()
        faults.append([fault.message for fault in validator(each["payload"]).iter_errors(content)])
    # One and only one of a channel's messages fits.
    assert [len(found) == 0 for found in faults].count(True) == 1, (message, faults)
    return name
