"""How far a stack is, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from abreast.runtime.console import ProgressLines, fitting, is_live
from abreast.runtime.console import console as standard_console
from abreast.runtime.printable import printable
from abreast.stacking.lane import Lane, LaneState
from abreast.stacking.lane_progress import Best, LaneProgress

REFRESH_SECONDS = 0.5
BEST_LANES = 5
NARROW = 60  # columns, below which some details are left out


class Trained(Protocol):
    """A stack."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """Its lanes, with some that have ended."""

    @property
    def max_epochs(self) -> int | None:
        """The epochs of each."""


class Progress(Protocol):
    """Shows how far a stack is, or tells another process."""

    def on_begin(self, lanes: Iterable[Lane]) -> None:
        """Count the steps of lanes from here on."""

    def on_block_end(self, stack: Trained) -> None:
        """Show it now and then."""

    def on_epoch_end(self, stack: Trained) -> None:
        """Show it."""

    def close(self) -> None:
        """Show it no more."""


class OtherRuns(Protocol):
    """The runs of a group that are not lanes of its stack: some wait, others have ended."""

    @property
    def ends(self) -> Mapping[Path, LaneState]:
        """How runs have ended, by their directory."""

    @property
    def count_waiting(self) -> int:
        """How many wait."""


class ProgressTable:
    """A live table in a terminal, with the best lanes so far; elsewhere lines at ends of epochs.

    Args:
        titles: What sets each lane apart, by its directory.
        others: The runs that are not lanes.
        console: Where to print; None for standard output.
    """

    def __init__(self, titles: Mapping[Path, str], others: OtherRuns, console: Console | None = None) -> None:
        self.titles = titles
        self.others = others
        self.console = console or standard_console()
        self.live: Live | None = None
        self._lines = ProgressLines()
        self._best: dict[Path, Best] = {}  # by the lane's directory, also when it has left
        self._counted: dict[Path, int] = {}  # steps of the lanes, where they were last counted
        self._trained = 0  # steps of all lanes until then
        self._began = time.perf_counter()
        self._drawn = 0.0

    def on_begin(self, lanes: Iterable[Lane]) -> None:
        """Count the steps of lanes from here on."""
        self.begin(map(LaneProgress.of, lanes))

    def on_block_end(self, stack: Trained) -> None:
        """Redraw the table now and then."""
        if self.is_due():
            self.draw([*map(LaneProgress.of, stack.lanes)], stack.max_epochs)

    def on_epoch_end(self, stack: Trained) -> None:
        """Redraw the table, or print a line."""
        lanes = [*map(LaneProgress.of, stack.lanes)]
        self.note(lanes)
        self.draw(lanes, stack.max_epochs)

    def is_due(self) -> bool:
        """Whether a live table was drawn long enough ago."""
        return is_live(self.console) and time.perf_counter() - self._drawn > REFRESH_SECONDS

    def begin(self, lanes: Iterable[LaneProgress]) -> None:
        """Count the steps of lanes from here on."""
        self._counted |= {lane.directory: lane.steps for lane in lanes}

    def note(self, lanes: Sequence[LaneProgress]) -> None:
        """Take note of lanes at an epoch's end."""
        for lane in lanes:
            best = self._best.get(lane.directory)
            if lane.last is not None and (best is None or lane.last.cost < best.cost):
                self._best[lane.directory] = lane.last
        self._trained += self._new_steps(lanes)
        self.begin(lanes)

    def draw(self, lanes: Sequence[LaneProgress], max_epochs: int | None) -> None:
        """Redraw the table, or print a line.

        Args:
            lanes: All lanes, with some that have ended.
            max_epochs: The epochs of each.
        """
        if is_live(self.console):
            self._draw_table(lanes, max_epochs)
        elif self._lines.is_due(max((lane.epoch + 1 for lane in lanes), default=0), max_epochs):
            parts = [*self._facts(lanes, max_epochs), *self._leader(lanes)]
            self.console.print(Text(printable("  ".join(parts))), soft_wrap=True)

    def close(self) -> None:
        """Remove the live table."""
        if self.live is not None:
            self.live.stop()
            self.live = None

    def _new_steps(self, lanes: Iterable[LaneProgress]) -> int:
        """Steps of the lanes since they were last counted."""
        return sum(lane.steps - self._counted.get(lane.directory, 0) for lane in lanes)

    def ranked(self, lanes: Iterable[LaneProgress]) -> list[tuple[Path, Best, LaneState]]:
        """All runs that have a value and have not failed, the best so far first.

        Args:
            lanes: The stack's lanes; others have left it.

        Returns:
            Each run's directory, its best value, and its state.
        """
        states = {**self.others.ends, **{lane.directory: lane.state for lane in lanes}}
        ranking = [(path, best, states.get(path, "stopped")) for path, best in self._best.items()]
        return sorted((entry for entry in ranking if entry[2] != "failed"), key=lambda entry: entry[1].cost)

    def _facts(self, lanes: Sequence[LaneProgress], max_epochs: int | None) -> Iterator[str]:
        """Epoch, time left, runs and throughput: the most important first."""
        ends, waiting = self.others.ends, self.others.count_waiting
        seconds = max(1e-9, time.perf_counter() - self._began)
        running = [lane for lane in lanes if lane.is_running]
        steps = self._trained + self._new_steps(lanes)
        left = sum(lane.total_steps - lane.steps for lane in running)
        left += waiting * sum(lane.total_steps for lane in lanes) // max(1, len(lanes))
        failed = sum(lane.state == "failed" for lane in lanes)
        epochs = sorted({lane.epoch + 1 for lane in running or lanes})
        facts = [
            f"epoch {'-'.join(map(str, epochs[:: max(1, len(epochs) - 1)]))}/{max_epochs}",
            f"{left * seconds / max(1, steps):,.0f} s left",
        ]
        if ends or waiting:
            failed += sum(state == "failed" for state in ends.values())
            done = len(ends) + len(lanes) - len(running)
            count = f"{done} of {done + len(running) + waiting} done" + f" ({failed} failed)" * bool(failed)
            if not is_live(self.console) or self.console.width >= NARROW:
                count += f", {len(running)} training" + f", {waiting} waiting" * bool(waiting)
            facts = [count, *reversed(facts)]
        else:
            facts.append(f"{len(running)} of {len(lanes)} lanes" + f" ({failed} failed)" * bool(failed))
        yield from facts
        yield f"{steps / seconds:,.0f} lane-steps/s"

    def _leader(self, lanes: Sequence[LaneProgress]) -> Iterator[str]:
        for path, best, _ in self.ranked(lanes)[:1]:
            title = self.titles.get(path, "")
            yield f"best {best.metric} {best.value:.4f}" + (f" ({title})" if title else "")

    def _draw_table(self, lanes: Sequence[LaneProgress], max_epochs: int | None) -> None:
        self._drawn = time.perf_counter()
        ranking = self.ranked(lanes)[:BEST_LANES]
        metrics = {best.metric for _, best, _ in ranking}
        common = metrics.pop() if len(metrics) == 1 else ""
        table = Table(box=None, pad_edge=False, show_header=False)
        is_narrow = self.console.width < NARROW
        for justify in ("right", "left") if is_narrow else ("right", "right", "left"):
            table.add_column(justify=justify, overflow="fold")
        for path, best, state in ranking:
            value = f"{best.value:.4f}" if common else f"{best.metric} {best.value:.4f}"
            ended = "" if state == "running" else f" ({state})"
            name = self.titles.get(path, "") or path.name
            epoch = [] if is_narrow else [f"epoch {best.epoch}"]
            table.add_row(*(Text(printable(cell)) for cell in (value, *epoch, f"{name}{ended}")))
        lines = [fitting(self._facts(lanes, max_epochs), self.console.width)]
        lines += [f"best {common}".strip()] if ranking else []
        shown = Group(*map(Text, lines), table)
        if self.live is None:
            self.live = Live(shown, console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(shown, refresh=True)
