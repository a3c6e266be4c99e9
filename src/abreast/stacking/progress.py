"""How far a stack is, in the terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table as Grid

from abreast.metrics.objective import ranked_by

if TYPE_CHECKING:
    from abreast.stacking.lane import Lane
    from abreast.stacking.module import Stack

REFRESH = 0.5  # seconds between two drawings
BEST = 5


class Table:
    """A live table in a terminal, with the best lanes so far; without one, a line an epoch.

    `titles` say what sets each lane apart, by the lane's directory.
    """

    def __init__(self, titles: dict[str, str], console: Console | None = None) -> None:
        self.titles = titles
        self.console = console or Console(file=sys.stdout, highlight=False)
        self.live: Live | None = None
        self._began = time.perf_counter()
        self._drawn = 0.0

    def stepped(self, stack: Stack) -> None:
        """A block of steps is done."""
        if not self.console.is_terminal:
            return
        if time.perf_counter() - self._drawn > REFRESH:
            self._draw(stack)

    def epoch(self, stack: Stack) -> None:
        """An epoch is over."""
        if self.console.is_terminal:
            self._draw(stack)
        else:
            self.console.print(self.headline(stack), soft_wrap=True)

    def close(self) -> None:
        """Take the live table away."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def headline(self, stack: Stack) -> str:
        """One line: lanes, epoch, throughput, time left, the best lane."""
        trainer = stack.trainer
        seconds = max(1e-9, time.perf_counter() - self._began)
        steps = trainer.global_step
        total = stack.lanes[0].learner.total_steps
        failed = sum(lane.state == "failed" for lane in stack.lanes)
        parts = [
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}",
            f"{len(stack.running)} of {len(stack.lanes)} lanes" + (f" ({failed} failed)" if failed else ""),
            f"{steps * len(stack.lanes) / seconds:,.0f} lane-steps/s",
            f"{max(0, total - steps) * seconds / max(1, steps):,.0f} s left",
        ]
        best = ranked(stack.lanes)
        if best:
            lane, name, value = best[0]
            parts.append(f"best {name} {value:.4f} ({self.titles.get(str(lane.directory.path), '')})")
        return "  ".join(parts)

    def _draw(self, stack: Stack) -> None:
        self._drawn = time.perf_counter()
        grid = Grid(title=self.headline(stack), title_justify="left", box=None, pad_edge=False)
        for column in ("lane", "value", "state", "job"):
            grid.add_column(column)
        for lane, name, value in ranked(stack.lanes)[:BEST]:
            path = lane.directory.path
            grid.add_row(path.name, f"{name} {value:.4f}", lane.state, self.titles.get(str(path), ""))
        if self.live is None:
            self.live = Live(grid, console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(grid, refresh=True)


def ranked(lanes: list[Lane]) -> list[tuple[Lane, str, float]]:
    """The lanes with a value of their monitored metric, best first."""
    found: list[tuple[float, Lane, str, float]] = []
    for lane in lanes:
        name, mode = ranked_by(lane.cfg)
        if lane.state != "failed" and name in lane.learner.values:
            value = lane.learner.values[name]
            found.append((value if mode == "min" else -value, lane, name, value))
    found.sort(key=lambda each: each[0])
    return [(lane, name, value) for _, lane, name, value in found]
