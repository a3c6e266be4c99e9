"""How far a stack is, in the terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from abreast.metrics.objective import ranked_by
from abreast.runtime.printable import printable
from abreast.stacking.lane import Lane

REFRESH_SECONDS = 0.5
BEST_LANES = 5


class RankedLane(NamedTuple):
    """A lane with the metric that it is ranked by."""

    lane: Lane
    metric: str
    value: float


@dataclass(frozen=True)
class StackProgress:
    """What there is to show: the stack's lanes, ended ones included, and how many epochs each has."""

    lanes: Sequence[Lane]
    max_epochs: int | None


class ProgressTable:
    """A live table in a terminal, with the best lanes so far; elsewhere a line per epoch.

    Args:
        titles: What sets each lane apart, by the path of its directory.
        console: Where to print; None for standard output.
    """

    def __init__(self, titles: Mapping[str, str], console: Console | None = None) -> None:
        self.titles = titles
        self.console = console or Console(file=sys.stdout, highlight=False)
        self.live: Live | None = None
        self._began = time.perf_counter()
        self._drawn = 0.0

    def on_block_end(self, progress: StackProgress) -> None:
        """Redraw the table now and then."""
        if self.console.is_terminal and time.perf_counter() - self._drawn > REFRESH_SECONDS:
            self._draw(progress)

    def on_epoch_end(self, progress: StackProgress) -> None:
        """Redraw the table, or print a line."""
        if self.console.is_terminal:
            self._draw(progress)
        else:
            self.console.print(Text(printable(self.headline(progress))), soft_wrap=True)

    def close(self) -> None:
        """Remove the live table."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def headline(self, progress: StackProgress) -> str:
        """One line: epoch, lanes, throughput, time left, the best lane."""
        lanes = progress.lanes
        seconds = max(1e-9, time.perf_counter() - self._began)
        running = [lane for lane in lanes if lane.running]
        steps = sum(lane.steps for lane in lanes)
        left = sum(lane.learner.total_steps - lane.steps for lane in running)
        failed = sum(lane.state == "failed" for lane in lanes)
        epochs = sorted({lane.epoch + 1 for lane in running or lanes})
        parts = [
            f"epoch {'-'.join(map(str, epochs[:: max(1, len(epochs) - 1)]))}/{progress.max_epochs}",
            f"{len(running)} of {len(lanes)} lanes" + (f" ({failed} failed)" if failed else ""),
            f"{steps / seconds:,.0f} lane-steps/s",
            f"{left * seconds / max(1, steps):,.0f} s left",
        ]
        best = ranked(lanes)[:1]
        parts += [f"best {metric} {value:.4f} ({self._title(lane)})" for lane, metric, value in best]
        return "  ".join(parts)

    def _title(self, lane: Lane) -> str:
        return self.titles.get(str(lane.directory.path), "")

    def _draw(self, progress: StackProgress) -> None:
        self._drawn = time.perf_counter()
        table = Table(
            title=Text(printable(self.headline(progress))), title_justify="left", box=None, pad_edge=False
        )
        for column in ("lane", "value", "state", "job"):
            table.add_column(column)
        for lane, metric, value in ranked(progress.lanes)[:BEST_LANES]:
            cells = (lane.directory.path.name, f"{metric} {value:.4f}", lane.state, self._title(lane))
            table.add_row(*(Text(printable(cell)) for cell in cells))
        if self.live is None:
            self.live = Live(table, console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(table, refresh=True)


def ranked(lanes: Sequence[Lane]) -> list[RankedLane]:
    """The lanes that have a value of their monitored metric, best first."""
    ranking: list[tuple[float, RankedLane]] = []
    for lane in lanes:
        name, mode = ranked_by(lane.cfg)
        if lane.state != "failed" and name in lane.learner.values:
            value = lane.learner.values[name]
            ranking.append((value if mode == "min" else -value, RankedLane(lane, name, value)))
    ranking.sort(key=lambda entry: entry[0])
    return [lane for _, lane in ranking]
