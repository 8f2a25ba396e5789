"""Looks for updates of the whole system and has RAUC install them: the updater's side of `appliance/updates.py`.

An update comes from a folder on the network that `updates.url` names, or from a USB stick. Either holds the bundles as
`image/build` names them; the folder on the network also its SHA256SUMS, which says which bundles there are. Whether a
bundle is to be trusted is RAUC's to say: it checks the signature of all that it installs.
"""

import http.client
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from appliance.errors import ApplianceError
from appliance.outputs.payloads import UpdateState
from appliance.updates import Told

_NAME = re.compile(r"pipistrelle-(\d{1,6}\.\d{1,6}\.\d{1,6})-arm64\.raucb")
_PERCENT = re.compile(r"\s*(\d{1,3})%")
_LIST_NAME = "SHA256SUMS"
_MAX_LIST_BYTES = 65_536
_ANSWER_S = 30.0
_LAST_LINES = 5

RAUC = ("rauc", "install")


class UpdateError(ApplianceError):
    """There is no update to be had, or it was not installed; the message says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle: its version, and where RAUC finds it (a path or URL)."""

    version: str
    location: str


def number_of(version: str) -> tuple[int, ...]:
    """What versions are compared by; what is behind the three numbers does not count.

    Raises:
        UpdateError: it does not begin with three numbers.
    """
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        raise UpdateError(f"{version!r} is no version such as 1.2.3")
    return tuple(map(int, found.groups()))


def newest(names: Iterable[str]) -> tuple[str, str] | None:
    """Version and name of the newest bundle among some names of files; None without one."""
    bundles = [(found[1], name) for name in names if (found := _NAME.fullmatch(name))]
    return max(bundles, key=lambda bundle: number_of(bundle[0]), default=None)


def offer_of_folder(folder: Path) -> Offer | None:
    """The newest bundle in a folder."""
    found = newest(path.name for path in folder.iterdir() if path.is_file())
    return Offer(found[0], str(folder / found[1])) if found else None


def offer_of_url(url: str) -> Offer | None:
    """The newest bundle of a folder on the network, by its SHA256SUMS.

    Raises:
        UpdateError: it cannot be read.
    """
    base = url if url.endswith("/") else f"{url}/"
    try:
        with urllib.request.urlopen(urljoin(base, _LIST_NAME), timeout=_ANSWER_S) as answer:  # noqa: S310 -- checked
            lines = answer.read(_MAX_LIST_BYTES).decode("utf-8", "replace").splitlines()
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UpdateError(f"{base}{_LIST_NAME}: {reason}") from error
    found = newest(line.split()[-1].removeprefix("*") for line in lines if line.strip())
    return Offer(found[0], urljoin(base, found[1])) if found else None


class Updater:
    """Tells the service how things stand, and installs.

    Args:
        running: the version that runs.
        told: the file that the service reads.
        rauc: the command that installs, without the bundle.
    """

    def __init__(self, *, running: str, told: Path, rauc: Sequence[str] = RAUC) -> None:
        self._running, self._told, self._rauc = running, told, rauc

    def look(self, url: str | None) -> Offer | None:
        """The newest version that `url` has, if it is newer than what runs; it is told.

        Raises:
            UpdateError: nobody answers there; that is told too.
        """
        try:
            found = offer_of_url(url) if url else None
        except UpdateError as error:
            self._tell(error=str(error))
            raise
        offer = found if found and self.is_newer(found.version) else None
        self._tell(offer)
        return offer

    def is_newer(self, version: str) -> bool:
        """Whether that is newer than what runs."""
        return number_of(version) > number_of(self._running)

    def refuse(self, why: str) -> UpdateError:
        """Tell why nothing is installed; returns the error to raise."""
        self._tell(error=why)
        return UpdateError(why)

    def install(self, offer: Offer) -> None:
        """Write the other system, and tell how far it has come.

        Raises:
            UpdateError: RAUC refuses or fails; what it said is told.
        """
        self._tell(offer, percentage=0)
        said: list[str] = []
        try:
            with subprocess.Popen(
                [*self._rauc, offer.location], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:
                assert process.stdout is not None
                for line in process.stdout:
                    said = [*said, line.strip()][-_LAST_LINES:]
                    if found := _PERCENT.match(line):
                        self._tell(offer, percentage=min(int(found[1]), 100))
        except OSError as error:
            self._tell(offer, error=f"{self._rauc[0]}: {error.strerror}")
            raise UpdateError(f"{self._rauc[0]}: {error.strerror}") from error
        if process.returncode:
            why = f"{offer.location} was not installed: {'; '.join(filter(None, said)) or process.returncode}"
            self._tell(offer, error=why)
            raise UpdateError(why)

    def _tell(self, offer: Offer | None = None, *, percentage: int | None = None, error: str | None = None) -> None:
        state = UpdateState(
            installed_version=self._running,
            latest_version=offer.version if offer else self._running,
            in_progress=percentage is not None,
            update_percentage=percentage,
        )
        self._told.parent.mkdir(parents=True, exist_ok=True)
        new = self._told.with_suffix(".new")
        new.write_text(Told(state=state, error=error).model_dump_json(), encoding="utf-8")
        new.chmod(0o644)
        new.replace(self._told)
