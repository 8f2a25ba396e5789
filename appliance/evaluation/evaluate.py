"""A whole evaluation: which cases there are, which are done, who does the others, and the report of all."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from appliance.errors import ApplianceError
from appliance.evaluation.cases import Case
from appliance.evaluation.crew import crew
from appliance.evaluation.figures import Figures, figures_of
from appliance.evaluation.judge import Outcome, Subject, code_version
from appliance.evaluation.page import write_report
from appliance.evaluation.profiles import cases_of, expected_s, machine_factor
from appliance.evaluation.store import Store


class Evaluation:
    """The cases of a profile and what became of them.

    Args:
        profile: one of `PROFILES`.
        subject: what is judged, and what with.
        results: folder in which each result is kept.

    Raises:
        ResultsError: the folder cannot be used.
    """

    def __init__(self, profile: str, subject: Subject, *, results: Path) -> None:
        self._profile, self._subject = profile, subject
        self._code = code_version()
        captures = "default" if subject.captures is None else str(subject.captures)
        self._store = Store(results, version=f"{self._code} {subject.identity} {captures}")
        self.cases = cases_of(profile, subject)
        self._outcomes: dict[Case, Outcome] = {}

    def run(self, *, workers: int, scheduler: str | None) -> list[str]:
        """Judge all that is not judged yet; what went wrong with single cases.

        Raises:
            ResultsError: a result cannot be kept.
            CrewLost: nobody is left to judge.
        """
        for case in self.cases:
            if (known := self._store.load(case)) is not None:
                self._outcomes[case] = known
        left = [case for case in self.cases if case not in self._outcomes]
        console = Console(stderr=True)
        console.print(self._plan(left, workers=workers, scheduler=scheduler), soft_wrap=True)
        failures = []
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=len(self.cases), completed=len(self._outcomes))
            judged = crew(self._subject, self._code, workers=workers, scheduler=scheduler)
            for case, outcome in judged(left) if left else ():
                name = f"{case.section} {case.nuisance} {case.activity}"
                if isinstance(outcome, ApplianceError):
                    failures.append(f"{name}: {outcome}")
                else:
                    self._store.save(case, outcome)
                    self._outcomes[case] = outcome
                progress.update(task, advance=1, description=name)
        return failures

    def _plan(self, left: list[Case], *, workers: int, scheduler: str | None) -> str:
        """What is to be done and how long it will take."""
        done = len(self.cases) - len(left)
        hours = sum(case.duration_s for case in left) / 3600.0
        about = (
            f"{self._profile} profile: {len(self.cases)} cases, {done} of them done; {hours:.1f} simulated hours to go"
        )
        if not left:
            return about
        core_s = sum(map(expected_s, left)) * machine_factor(self._subject)
        if scheduler is not None:
            return (
                f"{about}, about {_long(core_s)} of one core such as this one's, shared by the workers at {scheduler}"
            )
        return f"{about}, about {_long(core_s / workers)} on {workers} core{'' if workers == 1 else 's'}"

    def report(self, folder: Path, *, version: str, date: str, operating_point: list[str]) -> tuple[Path, Path]:
        """Write the report of what is judged; its page and its data.

        Raises:
            ResultsError: they cannot be written.
        """
        about: Figures = {
            "detector": self._subject.detector, "profile": self._profile, "version": version, "code": self._code,
            "date": date, "operating_point": operating_point, "cases": len(self.cases),
            "missing": len(self.cases) - len(self._outcomes),
        }  # fmt: skip
        ordered = [self._outcomes[case] for case in self.cases if case in self._outcomes]
        return write_report(folder, about, figures_of(ordered))


def _long(time_s: float) -> str:
    return f"{time_s / 3600.0:.1f} hours" if time_s >= 5400.0 else f"{max(1, round(time_s / 60.0))} min"
