"""The report: one HTML file with everything in it, and the same figures as JSON."""

import json
import math
from pathlib import Path

from appliance.evaluation.figures import Figures
from appliance.evaluation.plots import plots_of
from appliance.evaluation.store import ResultsError

REPORT_VERSION = 1
"""Of the JSON's shape."""

_TEMPLATE = Path(__file__).with_name("report.html.j2")


def write_report(folder: Path, about: Figures, figures: Figures) -> tuple[Path, Path]:
    """Write evaluation.html and evaluation.json; returns their paths.

    Raises:
        ResultsError: they cannot be written.
    """
    report = {"report_version": REPORT_VERSION, "about": about, **figures}
    page, data = folder / "evaluation.html", folder / "evaluation.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        page.write_text(html_of(report), encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{folder}: the report cannot be written: {error.strerror}") from error
    return page, data


def html_of(report: Figures) -> str:
    """The page."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "seconds": seconds, "rate": rate, "words": words}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(r=report, plots=plots_of(report))


def percent(share: float | None) -> str:
    """A share in words; never rounded up to all, nor down to nothing."""
    if share is None:
        return "-"
    places = 0 if share in (0.0, 1.0) else 1
    scale = 10**places * 100.0
    return f"{(math.floor(share * scale) if share > 0.5 else math.ceil(share * scale)) / 10**places:.{places}f} %"


def seconds(time_s: float | None) -> str:
    """A latency in words."""
    return "never" if time_s is None else f"{time_s:.2f} s"


def rate(per_day: float) -> str:
    """A number of false alarms a day, with as many figures as it deserves."""
    return (
        f"{per_day:.0f}"
        if per_day >= 20.0 or per_day == 0.0
        else f"{per_day:.1f}"
        if per_day >= 2.0
        else f"{per_day:.2f}"
    )


def words(name: str) -> str:
    """An identifier as words."""
    return name.replace("_", " ")
