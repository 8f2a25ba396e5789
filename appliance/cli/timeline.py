"""The demonstration's picture: radial velocity over time, motion, presence, the light and the messages."""

import itertools
import json
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from appliance.types import DopplerFrame, Presence

WIDTH = 112
_BESIDE_COLUMNS = 16
"""Of the width, what labels and frame take."""

_ROWS_MPS = (2.0, 1.5, 1.1, 0.8, 0.5, 0.25, 0.1, -0.1, -0.25, -0.5, -0.8, -1.1, -1.5, -2.0)
"""Edges of the strip's rows; the one in the middle holds what stands still and is drawn as a line."""

_SHADES = ("grey7", "#1d2b53", "#27408b", "#1f77b4", "#2ca02c", "#bcbd22", "#ff9f1c", "#ff5400")
_GLYPHS = " ░▒▓▓███"
"""Beside the colours, for a terminal that has none."""

_STEP_DB = 4.0
_MESSAGES = 8
_PRESENCE_STYLE = {Presence.UNKNOWN: "grey30", Presence.VACANT: "blue", Presence.OCCUPIED: "green"}


@dataclass(slots=True)
class _Column:
    """What happened in one column's time: the loudest power of each row (dB over the quietest seen), and states."""

    rows_db: NDArray[np.float32]
    moving: bool = False
    presence: Presence = Presence.UNKNOWN
    light: bool = False


@dataclass(slots=True)
class Timeline:
    """Collects what the pipeline and the subscriber say, and draws it. Not thread-safe: one thread at a time.

    Args:
        title: above the picture.
        duration_s: what the whole width stands for.
        width: of the picture, in characters.
    """

    title: str
    duration_s: float
    width: int = WIDTH
    now_s: float = 0.0
    moving: bool = False
    presence: Presence = Presence.UNKNOWN
    light: bool = False
    radial_mps: float | None = None
    _columns: dict[int, _Column] = field(default_factory=dict)
    _quiet_db: NDArray[np.float32] | None = None
    _messages: deque[tuple[float, str, str]] = field(default_factory=lambda: deque(maxlen=_MESSAGES))

    @property
    def _count(self) -> int:
        """Columns of the strip."""
        return max(20, self.width - _BESIDE_COLUMNS)

    def hear(self, frame: DopplerFrame) -> None:
        """Take a frame into the strip."""
        power_db = frame.power_dbfs.mean(axis=(0, 1))
        velocity_mps = frame.velocity_mps[0]
        rows = [
            power_db[(velocity_mps < upper) & (velocity_mps >= lower)].max()
            for upper, lower in itertools.pairwise(_ROWS_MPS)
        ]
        rows_db = np.array(rows, np.float32)
        # the median over time is what the empty room sounds like; it is followed slowly
        self._quiet_db = (
            rows_db if self._quiet_db is None else self._quiet_db + 0.05 * np.sign(rows_db - self._quiet_db)
        )
        column = self._column()
        column.rows_db = np.maximum(column.rows_db, rows_db - self._quiet_db)

    def advance(self, t_s: float) -> None:
        """Move on to stream time `t_s` with the states as they are."""
        self.now_s = t_s
        column = self._column()
        column.moving |= self.moving
        column.presence = self.presence
        column.light |= self.light

    def message(self, topic: str, payload: bytes) -> None:
        """Show a message as a subscriber got it."""
        self._messages.append((self.now_s, topic, _short(payload)))

    def _column(self) -> _Column:
        index = min(self._count - 1, int(self.now_s / self.duration_s * self._count))
        if index not in self._columns:
            self._columns[index] = _Column(np.full(len(_ROWS_MPS) - 1, -99.0, np.float32))
        return self._columns[index]

    def draw(self) -> RenderableType:
        """The whole picture."""
        way = "" if self.radial_mps is None else f"  {self.radial_mps:+.1f} m/s"
        now = Text.assemble(
            (f"{self.now_s:5.1f} s", "bold"),
            f" of {self.duration_s:g} s   motion ",
            (("yes" + way) if self.moving else "no", "bold yellow" if self.moving else "grey62"),
            "   presence ",
            (self.presence.value, f"bold {_PRESENCE_STYLE[self.presence]}"),
            "   light ",
            ("ON", "bold black on bright_yellow") if self.light else ("off", "grey62"),
        )
        picture = Group(now, Text(), *self._strip(), *self._bars(), self._axis(), Text(), self._table())
        return Panel(picture, title=self.title, width=self.width, border_style="grey42")

    def strip(self) -> RenderableType:
        """The velocities alone, and when motion was told."""
        return Group(*self._strip(), self._bars()[1], self._axis())

    def _strip(self) -> list[Text]:
        middle = len(_ROWS_MPS) // 2 - 1
        lines = [Text(" " * 11 + "radial velocity, + towards the array", "grey62")]
        for row in range(len(_ROWS_MPS) - 1):
            if row == middle:
                lines.append(Text("still ".rjust(11), "grey62").append("─" * self._count, "grey30"))
                continue
            outer_mps = _ROWS_MPS[row if row < middle else row + 1]
            line = Text(f"{outer_mps:+.2g} m/s ".rjust(11), "grey62")
            for index in range(self._count):
                line.append(*self._cell(index, row))
            lines.append(line)
        return lines

    def _cell(self, index: int, row: int) -> tuple[str, str]:
        column = self._columns.get(index)
        if column is None:
            return " ", ""
        shade = int(np.clip(column.rows_db[row] / _STEP_DB - 0.5, 0, len(_SHADES) - 1))
        return _GLYPHS[shade], _SHADES[shade]

    def _bars(self) -> list[Text]:
        lines = [Text("motion ".rjust(11), "grey62"), Text("presence ".rjust(11), "grey62")]
        lines.append(Text("light ".rjust(11), "grey62"))
        for index in range(self._count):
            column = self._columns.get(index)
            if column is None:
                continue
            lines[0].append("▆" if column.moving else "·", "yellow" if column.moving else "grey30")
            lines[1].append("▆", _PRESENCE_STYLE[column.presence])
            lines[2].append("▆" if column.light else "·", "bright_yellow" if column.light else "grey30")
        return [Text(), *lines]

    def _axis(self) -> Text:
        line = [" "] * (self._count + 4)
        for second in range(0, int(self.duration_s), 5):
            label = f"{second} s" if second == 0 else str(second)
            at = round(second / self.duration_s * self._count)
            line[at : at + len(label)] = label
        return Text(" " * 11 + "".join(line[: self._count]), "grey62")

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 1), show_header=False, title_justify="left")
        table.title = Text("as an MQTT subscriber sees it", "grey62")
        table.add_column(justify="right", style="grey62", width=7)
        table.add_column(style="cyan", no_wrap=True, width=25)
        table.add_column(no_wrap=True, overflow="ellipsis", width=max(10, self._count - 26))
        rows = [(f"{t_s:.1f} s", topic, words) for t_s, topic, words in self._messages]
        for row in rows + [("", "", "")] * (_MESSAGES - len(rows)):
            table.add_row(*row)
        return table


def _short(payload: bytes) -> str:
    """A payload on one line, without JSON's quotes and braces."""
    text = payload.decode("utf-8", "replace")
    try:
        fields = json.loads(text)
    except ValueError:
        return text
    if not isinstance(fields, dict):
        return text
    # what it is comes first, when it was comes last and may be cut off
    order = sorted(fields, key=lambda key: (key != "type", key in ("at", "since", "t_s")))
    return "  ".join(f"{key} {_word(fields[key])}" for key in order)


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
