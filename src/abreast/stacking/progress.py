"""How far a stack is, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from abreast.metrics.objective import ranked_by
from abreast.runtime.console import console as standard_console
from abreast.runtime.console import fitting, is_live
from abreast.runtime.printable import printable
from abreast.stacking.lane import Lane

REFRESH_SECONDS = 0.5
BEST_LANES = 5
NARROW = 60  # columns, below which the epoch of the best is left out


@dataclass(frozen=True)
class Best:
    """The best that a lane has reached.

    Attributes:
        metric: The metric that it is ranked by.
        value: Its best value so far.
        epoch: The epoch of that value, from 1 on.
        mode: Whether the highest (`max`) or the lowest (`min`) value is best.
    """

    metric: str
    value: float
    epoch: int
    mode: str

    @property
    def cost(self) -> float:
        """The value, the lower the better."""
        return self.value if self.mode == "min" else -self.value


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
        self.console = console or standard_console()
        self.live: Live | None = None
        self._best: dict[str, Best] = {}  # by the path of the lane's directory
        self._began = time.perf_counter()
        self._drawn = 0.0

    def on_block_end(self, progress: StackProgress) -> None:
        """Redraw the table now and then."""
        if is_live(self.console) and time.perf_counter() - self._drawn > REFRESH_SECONDS:
            self._draw(progress)

    def on_epoch_end(self, progress: StackProgress) -> None:
        """Redraw the table, or print a line."""
        for lane in progress.lanes:
            self._note(lane)
        if is_live(self.console):
            self._draw(progress)
        else:
            parts = [*self._facts(progress), *self._leader(progress)]
            self.console.print(Text(printable("  ".join(parts))), soft_wrap=True)

    def close(self) -> None:
        """Remove the live table."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _note(self, lane: Lane) -> None:
        """Keep the lane's value if it is its best so far."""
        name, mode = ranked_by(lane.cfg)
        value = lane.learner.values.get(name)
        if value is None or value != value:
            return
        key = str(lane.directory.path)
        best = Best(name, value, lane.epoch + 1, mode)
        if key not in self._best or best.cost < self._best[key].cost:
            self._best[key] = best

    def ranked(self, lanes: Sequence[Lane]) -> list[tuple[Lane, Best]]:
        """The lanes that have a value and have not failed, the best so far first."""
        ranking = [
            (lane, self._best[str(lane.directory.path)])
            for lane in lanes
            if lane.state != "failed" and str(lane.directory.path) in self._best
        ]
        return sorted(ranking, key=lambda entry: entry[1].cost)

    def _facts(self, progress: StackProgress) -> Iterator[str]:
        """Epoch, time left, lanes and throughput: the most important first."""
        lanes = progress.lanes
        seconds = max(1e-9, time.perf_counter() - self._began)
        running = [lane for lane in lanes if lane.running]
        steps = sum(lane.steps for lane in lanes)
        left = sum(lane.learner.total_steps - lane.steps for lane in running)
        failed = sum(lane.state == "failed" for lane in lanes)
        epochs = sorted({lane.epoch + 1 for lane in running or lanes})
        yield f"epoch {'-'.join(map(str, epochs[:: max(1, len(epochs) - 1)]))}/{progress.max_epochs}"
        yield f"{left * seconds / max(1, steps):,.0f} s left"
        yield f"{len(running)} of {len(lanes)} lanes" + (f" ({failed} failed)" if failed else "")
        yield f"{steps / seconds:,.0f} lane-steps/s"

    def _leader(self, progress: StackProgress) -> Iterator[str]:
        for lane, best in self.ranked(progress.lanes)[:1]:
            title = self._title(lane)
            yield f"best {best.metric} {best.value:.4f}" + (f" ({title})" if title else "")

    def _title(self, lane: Lane) -> str:
        return self.titles.get(str(lane.directory.path), "")

    def _draw(self, progress: StackProgress) -> None:
        self._drawn = time.perf_counter()
        ranking = self.ranked(progress.lanes)[:BEST_LANES]
        metrics = {best.metric for _, best in ranking}
        common = metrics.pop() if len(metrics) == 1 else ""
        table = Table(box=None, pad_edge=False, show_header=False)
        for justify in ("right", "right", "left"):
            table.add_column(justify=justify, overflow="fold")
        for lane, best in ranking:
            value = f"{best.value:.4f}" if common else f"{best.metric} {best.value:.4f}"
            state = "" if lane.state == "running" else f" ({lane.state})"
            name = self._title(lane) or lane.directory.path.name
            epoch = "" if self.console.width < NARROW else f"epoch {best.epoch}"
            table.add_row(*(Text(printable(cell)) for cell in (value, epoch, f"{name}{state}")))
        lines = [fitting(self._facts(progress), self.console.width)]
        lines += [f"best {common}".strip()] if ranking else []
        shown = Group(*map(Text, lines), table)
        if self.live is None:
            self.live = Live(shown, console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(shown, refresh=True)
