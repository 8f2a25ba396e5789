"""Results on disk, one file a case, so that a run that was killed goes on where it was."""

import json
import os
from pathlib import Path

from appliance.errors import ApplianceError
from appliance.evaluation.cases import Case
from appliance.evaluation.judge import Outcome


class ResultsError(ApplianceError):
    """The folder of results cannot be used; what is in it stays."""


class Store:
    """The results of one detector and one version of the code, and of any others beside them.

    Args:
        folder: made if it is not there.
        version: of the code and the detector; results of another one are not seen.

    Raises:
        ResultsError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, version: str) -> None:
        self.folder, self._version = folder, version
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResultsError(f"{folder}: {error.strerror}; name another folder with --results") from error

    def load(self, case: Case) -> Outcome | None:
        """What became of a case; None if it has to be judged, or judged again because its file is damaged."""
        try:
            found = json.loads(self._path(case).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and "case" in found else None

    def save(self, case: Case, outcome: Outcome) -> None:
        """Keep a result: whole or not at all.

        Raises:
            ResultsError: it cannot be written.
        """
        path = self._path(case)
        partial = path.with_suffix(f".{os.getpid()}")
        try:
            partial.write_text(json.dumps(outcome), encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise ResultsError(
                f"{self.folder}: {error.strerror}; what is done is kept: make room and run the same command again"
            ) from error

    def _path(self, case: Case) -> Path:
        return self.folder / f"{case.key(self._version)}.json"
