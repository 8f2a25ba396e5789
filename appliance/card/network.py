"""Whether the device is on a network, and if not, why: told on the card, since nobody can be told otherwise."""

import logging
import subprocess
from pathlib import Path

from appliance.card.apply import ERRORS_NAME, write_whole
from appliance.card.bootloader import writable

_log = logging.getLogger(__name__)

NETWORK_STATE = Path("/run/systemd/netif/state")
WIRELESS_SETTINGS = Path("/data/owner/current/wpa_supplicant.conf")
WIRELESS_DEVICE = Path("/sys/class/net/wlan0")
_TITLE = "The device is on no network:"


def online(state: str) -> bool:
    """Whether systemd-networkd's state says that the world can be reached."""
    return "OPER_STATE=routable" in state.splitlines()


def fault_of(*, wireless: bool, device: bool, log: str) -> str:
    """Why there is no network.

    Args:
        wireless: whether the owner named a Wi-Fi.
        device: whether there is a Wi-Fi adapter.
        log: what wpa_supplicant and the kernel said of it.
    """
    if not wireless:
        return "no Wi-Fi is named in pipistrelle.yaml, and no network cable brings an address"
    if not device:
        if "brcmfmac" in log and "failed" in log:
            return "this board's Wi-Fi chip needs firmware that is not in this image; a cable or a USB adapter would do"
        return "no Wi-Fi adapter was found; a cable would do"
    if "WRONG_KEY" in log or "4-Way Handshake failed" in log:
        return "wifi.password: the Wi-Fi refuses it"
    if "CTRL-EVENT-CONNECTED" in log:
        return "the Wi-Fi is connected, but gives the device no address (DHCP)"
    if "CTRL-EVENT-ASSOC-REJECT" in log or "CTRL-EVENT-AUTH-REJECT" in log:
        return "wifi: the access point refuses the device; does it filter devices, or want WPA3 alone?"
    return "wifi.name: no such Wi-Fi is heard here; is its name written right, is it near, and has it 2.4 GHz?"


def report(card: Path, fault: str | None) -> bool:
    """Write the fault on the card, or take away what was written of it; faults of the card's file stay.

    Args:
        card: the first partition.
        fault: None where the device is on a network.

    Returns:
        whether something was written.

    Raises:
        OSError: the card cannot be written to.
    """
    path = card / ERRORS_NAME
    before = path.read_bytes().decode("utf-8", "replace") if path.exists() else None
    if before is not None and not before.startswith(_TITLE):
        return False
    text = None if fault is None else f"{_TITLE}\r\n{fault}\r\n"
    if text == before:
        return False
    with writable(card):
        if text is None:
            path.unlink()
        else:
            write_whole(path, text, mode=0o644)
    return True


def said() -> str:
    """What was said of the Wi-Fi since the start."""
    command = ("journalctl", "-b", "-q", "--no-pager", "-o", "cat", "-n", "400")
    log = ""
    for of in (("-u", "pipistrelle-wireless"), ("-k", "-g", "brcmfmac")):
        log += subprocess.run([*command, *of], capture_output=True, text=True, check=False).stdout
    return log
