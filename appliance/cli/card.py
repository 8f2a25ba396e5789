"""`pipistrelle card`: the file that the owner of the image writes on the SD card."""

import argparse
from pathlib import Path

from appliance.card.apply import CardError, apply_card, read_card_file
from appliance.card.bootloader import CARD, writable
from appliance.card.lamp import Blinks, blink, dark
from appliance.card.network import (
    NETWORK_STATE,
    WIRELESS_DEVICE,
    WIRELESS_SETTINGS,
    fault_of,
    online,
    report,
    said,
)
from appliance.errors import ConfigError

OWNER = Path("/data/owner")


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = subparsers.add_parser(
        "card",
        help="the image's pipistrelle.yaml: check it, or take it up",
        description="The file pipistrelle.yaml on the SD card of the image: network, name, broker, key.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="tell every fault of such a file")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=_check)
    apply = commands.add_parser("apply", help="take it up, as the device does when it starts")
    apply.add_argument("--card", type=Path, default=CARD, help=f"the card's first partition, default: {CARD}")
    apply.add_argument("--owner", type=Path, default=OWNER, help=f"where it is kept, default: {OWNER}")
    apply.set_defaults(run=_apply)
    network = commands.add_parser("network", help="tell on the card why the device is on no network, if it is not")
    network.add_argument("--card", type=Path, default=CARD, help=f"the card's first partition, default: {CARD}")
    network.set_defaults(run=_network)


def _check(args: argparse.Namespace) -> int:
    card = read_card_file(args.file)
    said = [name for name, value in card if value is not None]
    print(f"ok: {args.file} says {', '.join(said) or 'nothing'}")
    return 0


def _apply(args: argparse.Namespace) -> int:
    try:
        with writable(args.card):
            taken_up = apply_card(args.card, args.owner)
    except ConfigError:
        blink(Blinks.CARD_FILE)
        raise
    except CardError:
        blink(Blinks.NOT_KEPT)
        raise
    print("taken up" if taken_up else "the card's file says nothing")
    return 0


def _network(args: argparse.Namespace) -> int:
    state = NETWORK_STATE.read_text(encoding="ascii", errors="replace") if NETWORK_STATE.exists() else ""
    fault = None
    if not online(state):
        fault = fault_of(wireless=WIRELESS_SETTINGS.exists(), device=WIRELESS_DEVICE.exists(), log=said())
    try:
        changed = report(args.card, fault)
    except OSError as error:
        raise CardError(f"{args.card}: cannot be written: {error.strerror}") from error
    if changed and fault:
        blink(Blinks.NO_NETWORK)
    elif changed:
        dark()
    print(fault or "the device is on a network")
    return 0
