"""The whole surface on MQTT as an AsyncAPI 3.0 document, made from the tables and models that are published by."""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from appliance.fields import ROUTINE_ID
from appliance.outputs.commands import COMMANDS, Command, Numbers, RoutineIds
from appliance.outputs.payloads import TOPICS, Message, Status, Topic

_SCHEMAS = "#/components/schemas/{model}"
_NODE = {"$ref": "#/components/parameters/node"}


def asyncapi_document(*, base: str, version: str) -> dict[str, Any]:
    """The document as plain values; each channel is a topic below `base` and the parameter `node`.

    Args:
        base: first part of our topics.
        version: of this software.
    """
    models = tuple(model for topic in TOPICS.values() for model in topic.models)
    _, schemas = models_json_schema([(model, "serialization") for model in models], ref_template=_SCHEMAS)
    published = {topic.name: _publication(topic, base) for topic in TOPICS.values()}
    obeyed = {f"set_{command.name}": _order(command, base) for command in COMMANDS.values()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pipistrelle",
            "version": version,
            "description": "Presence by inaudible sound. Times are RFC 3339 in UTC, velocities in m/s, + towards the "
            "microphones. A command that cannot be obeyed is answered on `error`.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": published | obeyed,
        "operations": {
            **{f"send_{name}": _operation("send", name, TOPICS[name]) for name in published},
            **{f"receive_{name}": _operation("receive", name, None) for name in obeyed},
        },
        "components": {
            "schemas": schemas["$defs"],
            "parameters": {"node": {"description": "The appliance's name, `node` in its configuration."}},
        },
    }


def _publication(topic: Topic, base: str) -> dict[str, Any]:
    messages: Mapping[str, dict[str, Any]] = {model.__name__: _json(model) for model in topic.models} or {
        "Status": {"contentType": "text/plain", "payload": {"type": "string", "enum": [each.value for each in Status]}}
    }
    return {
        "address": f"{base}/{{node}}/{topic.name}",
        "description": topic.meaning,
        "parameters": {"node": _NODE},
        "messages": messages,
    }


def _json(model: type[Message]) -> dict[str, Any]:
    return {"contentType": "application/json", "payload": {"$ref": _SCHEMAS.format(model=model.__name__)}}


def _order(command: Command, base: str) -> dict[str, Any]:
    if isinstance(command.takes, Numbers):
        payload = {"type": "number", "minimum": command.takes.low, "maximum": command.takes.high}
    elif isinstance(command.takes, RoutineIds):
        payload = {"type": "string", "pattern": f"^{ROUTINE_ID}$"}
    else:
        payload = {"type": "string", "enum": list(command.takes.meaning)}
    content = "application/json" if isinstance(command.takes, Numbers) else "text/plain"
    return {
        "address": f"{base}/{{node}}/set/{command.name}",
        "description": command.meaning,
        "parameters": {"node": _NODE},
        "messages": {"command": {"contentType": content, "payload": payload}},
    }


def _operation(action: str, channel: str, topic: Topic | None) -> dict[str, Any]:
    """What the appliance itself does with a channel; commands must not be retained."""
    mqtt = {"qos": topic.qos if topic else 1, "retain": bool(topic and topic.retained)}
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "bindings": {"mqtt": mqtt}}
