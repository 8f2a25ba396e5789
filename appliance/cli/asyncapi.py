"""`pipistrelle asyncapi`: what goes over MQTT, for programs that want to know."""

import argparse
import json

from appliance import __version__
from appliance.cli.run import add_config, config_path
from appliance.config.load import load_config
from appliance.outputs.asyncapi import asyncapi_document


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "asyncapi",
        help="what goes over MQTT, as an AsyncAPI document",
        description="Prints every topic, its payload's JSON schema, quality of service and whether it is retained, as "
        "an AsyncAPI 3.0 document in JSON, for generators of documentation and of clients.",
    )
    add_config(parser)
    parser.set_defaults(run=asyncapi)


def asyncapi(args: argparse.Namespace) -> int:
    """Print the document of the configured base topic."""
    config = load_config(config_path(args))
    print(json.dumps(asyncapi_document(base=config.mqtt.base_topic, version=__version__), indent=2))
    return 0
