"""What sound cards are there, what each can do, and which to take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from appliance.errors import DeviceBusy, DeviceNotFound, HardwareError
from appliance.hardware.samples import SAMPLE_BYTES
from appliance.types import MAX_MICS

RATES_HZ: Final = (192_000, 96_000)
SAMPLE_FORMATS: Final = tuple(SAMPLE_BYTES)
MAX_OUTPUTS: Final = 8


@dataclass(frozen=True, slots=True)
class PcmAbility:
    """What one direction of a card can do: those of our rates, all counts of channels, all formats by ALSA's names."""

    rates_hz: tuple[int, ...]
    channels: tuple[int, ...]
    formats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardInfo:
    """A sound card: `device` is a name that stays the same over restarts, `name` the one its maker gave.

    A direction is None where the card lacks it or another program holds it; `busy` tells which.
    """

    device: str
    name: str
    capture: PcmAbility | None
    playback: PcmAbility | None
    busy: bool = False


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """What `AlsaAudio` is to open: `playback` is None and `outputs` 0 where nothing is to be played."""

    capture: str
    playback: str | None
    rate_hz: int
    mics: int
    outputs: int


def choose(
    cards: Sequence[CardInfo],
    device: str = "auto",
    *,
    playback: str | None = None,
    rate_hz: int | None = None,
    mics: int | None = None,
    outputs: int = 2,
) -> DeviceChoice:
    """Choose the PCM to record from and the one to play to.

    Args:
        cards: those that are there.
        device: a card's stable name (`hw:CARD=NAME`), or `auto` for the card that can do most: 192 before 96 kHz,
            then both directions in one card (they share a clock), then the most microphones up to 8. Any other name
            is taken for a PCM of ALSA's configuration and believed.
        playback: another card for the tones; by default the same.
        rate_hz: insist on one rate.
        mics: insist on so many microphones; needed for a PCM that is no card, which cannot be asked.
        outputs: 0 to play nothing, else at least so many channels are played if the card asks for more.

    Raises:
        DeviceNotFound: no such card, or none that records at a rate we can use; names those that are there.
        DeviceBusy: the only candidates are held by another program.
        HardwareError: `mics` is missing for a PCM that is no card.
    """
    if device != "auto" and not device.startswith("hw:"):
        if mics is None:
            raise HardwareError(
                f"{device}: not a card's own name, so that it cannot be asked; set how many mics it has"
            )
        return DeviceChoice(device, (playback or device) if outputs else None, rate_hz or RATES_HZ[0], mics, outputs)
    wanted_rates = RATES_HZ if rate_hz is None else (rate_hz,)
    candidates = [card for card in cards if device in ("auto", card.device)]
    if not candidates:
        raise DeviceNotFound(f"{device}: no such sound card; {what_is_there(cards)}")
    if playback is not None:
        players = [card for card in cards if card.device == playback]
        if not players:
            raise DeviceNotFound(f"{playback}: no such sound card; {what_is_there(cards)}")
    else:
        players = list(cards) if device == "auto" else candidates
    pairs = (_together(card, player, wanted_rates, mics, outputs) for card in candidates for player in players)
    choices = [choice for choice in pairs if choice is not None]
    if not choices:
        if any(card.busy for card in candidates):
            raise DeviceBusy(f"{device}: held by another program; stop it (`fuser -v /dev/snd/*` names it)")
        rates = " or ".join(str(rate) for rate in wanted_rates)
        need = "records" + (f" {mics} channels" if mics else "") + f" at {rates} Hz"
        need += f" and plays {outputs} channels" if outputs else ""
        raise DeviceNotFound(f"{device}: no sound card {need}; {what_is_there(cards)}")
    return max(choices, key=lambda c: (c.rate_hz, c.playback in (None, c.capture), c.mics))


def _together(
    card: CardInfo, player: CardInfo, rates_hz: Sequence[int], mics: int | None, outputs: int
) -> DeviceChoice | None:
    """The best both can do together, or None."""
    for rate_hz in rates_hz:
        recorded = [n for n in _usable(card.capture, rate_hz, MAX_MICS) if mics in (None, n)]
        played = [n for n in _usable(player.playback, rate_hz, MAX_OUTPUTS) if n >= outputs]
        if recorded and not outputs:
            return DeviceChoice(card.device, None, rate_hz, max(recorded), 0)
        if recorded and played:
            return DeviceChoice(card.device, player.device, rate_hz, max(recorded), min(played))
    return None


def _usable(ability: PcmAbility | None, rate_hz: int, most: int) -> list[int]:
    """The channel counts up to `most` that this direction offers at `rate_hz` in a format we speak."""
    if ability is None or rate_hz not in ability.rates_hz or not set(SAMPLE_FORMATS) & set(ability.formats):
        return []
    return [channels for channels in ability.channels if channels <= most]


def what_is_there(cards: Sequence[CardInfo]) -> str:
    """The end of a message about a card that is not there."""
    if not cards:
        return "no card is there: plug one in and check it with `arecord -l`"
    return "there are " + ", ".join(f"{card.device} ({card.name})" for card in cards)
