"""`pipistrelle devices`: the sound cards that are here."""

import argparse
import json
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from appliance.errors import HardwareError
from appliance.hardware.alsa import find_device, list_devices
from appliance.hardware.cards import CardInfo, PcmAbility


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    parser = commands.add_parser(
        "devices",
        help="the sound cards here, and which of them would be used",
        description="Lists the sound cards, what they can do at 192 and 96 kHz, and which one `auto` would choose. "
        "The name in the first column goes into audio.capture of the configuration; it stays the same over restarts.",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=devices)


def devices(args: argparse.Namespace) -> int:
    """Print them; 69 if none can be used."""
    cards = list_devices()
    if args.json:
        print(json.dumps([asdict(card) for card in cards]))
        return 0
    if cards:
        table = Table(box=None, header_style="bold")
        for column in ("device", "card", "microphones", "outputs"):
            table.add_column(column, overflow="fold")
        for card in cards:
            table.add_row(card.device, card.name, _ability(card, card.capture), _ability(card, card.playback))
        Console().print(table)
    try:
        choice = find_device()
    except HardwareError as error:
        print(f"auto would choose none: {error}")
        return HardwareError.exit_code
    playback = f", playing to {choice.playback}" if choice.playback else ""
    print(f"auto would choose {choice.capture} at {choice.rate_hz} Hz with {choice.mics} microphones{playback}")
    return 0


def _ability(card: CardInfo, ability: PcmAbility | None) -> str:
    if ability is None:
        return "in use" if card.busy else "none"
    rates = ", ".join(f"{rate // 1000} kHz" for rate in ability.rates_hz) or "neither 192 nor 96 kHz"
    return f"up to {max(ability.channels)} at {rates}"
