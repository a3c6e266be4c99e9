"""How far a stack is, in the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from abreast.metrics.objective import ranked_by
from abreast.runtime.console import console as standard_console
from abreast.runtime.console import fitting, is_live
from abreast.runtime.printable import printable
from abreast.stacking.lane import Lane, LaneState

REFRESH_SECONDS = 0.5
BEST_LANES = 5
NARROW = 60  # columns, below which some details are left out


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


class Progress(Protocol):
    """A stack."""

    @property
    def lanes(self) -> Sequence[Lane]:
        """Its lanes, with some that have ended."""

    @property
    def max_epochs(self) -> int | None:
        """The epochs of each."""


class OtherRuns(Protocol):
    """The runs of a group that are not lanes of its stack: some wait, others have ended."""

    @property
    def ends(self) -> Mapping[str, LaneState]:
        """How runs have ended, by the path of their directory."""

    @property
    def count_waiting(self) -> int:
        """How many wait."""


class ProgressTable:
    """A live table in a terminal, with the best lanes so far; elsewhere a line per epoch.

    Args:
        titles: What sets each lane apart, by the path of its directory.
        others: The runs that are not lanes.
        console: Where to print; None for standard output.
    """

    def __init__(self, titles: Mapping[str, str], others: OtherRuns, console: Console | None = None) -> None:
        self.titles = titles
        self.others = others
        self.console = console or standard_console()
        self.live: Live | None = None
        self._best: dict[str, Best] = {}  # by the path of the lane's directory, also when it has left
        self._counted: dict[str, int] = {}  # steps of the lanes, where they were last counted
        self._trained = 0  # steps of all lanes until then
        self._began = time.perf_counter()
        self._drawn = 0.0

    def on_begin(self, lanes: Iterable[Lane]) -> None:
        """Count the steps of lanes from here on."""
        self._counted |= {_key(lane): lane.steps for lane in lanes}

    def on_block_end(self, progress: Progress) -> None:
        """Redraw the table now and then."""
        if is_live(self.console) and time.perf_counter() - self._drawn > REFRESH_SECONDS:
            self._draw(progress)

    def on_epoch_end(self, progress: Progress) -> None:
        """Redraw the table, or print a line."""
        for lane in progress.lanes:
            self._note(lane)
        self._trained += self._new_steps(progress)
        self.on_begin(progress.lanes)
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
        key = _key(lane)
        best = Best(name, value, lane.epoch + 1, mode)
        if key not in self._best or best.cost < self._best[key].cost:
            self._best[key] = best

    def _new_steps(self, progress: Progress) -> int:
        """Steps of the lanes since they were last counted."""
        return sum(lane.steps - self._counted.get(_key(lane), 0) for lane in progress.lanes)

    def ranked(self, lanes: Sequence[Lane]) -> list[tuple[str, Best, LaneState]]:
        """All runs that have a value and have not failed, the best so far first.

        Args:
            lanes: The stack's lanes; others have left it.

        Returns:
            The path of each run's directory, its best value, and its state.
        """
        states = {**self.others.ends, **{_key(lane): lane.state for lane in lanes}}
        ranking = [(key, best, states.get(key, "stopped")) for key, best in self._best.items()]
        return sorted((entry for entry in ranking if entry[2] != "failed"), key=lambda entry: entry[1].cost)

    def _facts(self, progress: Progress) -> Iterator[str]:
        """Epoch, time left, runs and throughput: the most important first."""
        lanes, ends, waiting = progress.lanes, self.others.ends, self.others.count_waiting
        seconds = max(1e-9, time.perf_counter() - self._began)
        running = [lane for lane in lanes if lane.running]
        steps = self._trained + self._new_steps(progress)
        left = sum(lane.learner.total_steps - lane.steps for lane in running)
        left += waiting * sum(lane.learner.total_steps for lane in lanes) // max(1, len(lanes))
        failed = sum(lane.state == "failed" for lane in lanes)
        epochs = sorted({lane.epoch + 1 for lane in running or lanes})
        facts = [
            f"epoch {'-'.join(map(str, epochs[:: max(1, len(epochs) - 1)]))}/{progress.max_epochs}",
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

    def _leader(self, progress: Progress) -> Iterator[str]:
        for key, best, _ in self.ranked(progress.lanes)[:1]:
            title = self.titles.get(key, "")
            yield f"best {best.metric} {best.value:.4f}" + (f" ({title})" if title else "")

    def _draw(self, progress: Progress) -> None:
        self._drawn = time.perf_counter()
        ranking = self.ranked(progress.lanes)[:BEST_LANES]
        metrics = {best.metric for _, best, _ in ranking}
        common = metrics.pop() if len(metrics) == 1 else ""
        table = Table(box=None, pad_edge=False, show_header=False)
        for justify in ("right", "right", "left"):
            table.add_column(justify=justify, overflow="fold")
        for key, best, state in ranking:
            value = f"{best.value:.4f}" if common else f"{best.metric} {best.value:.4f}"
            ended = "" if state == "running" else f" ({state})"
            name = self.titles.get(key, "") or PurePath(key).name
            epoch = "" if self.console.width < NARROW else f"epoch {best.epoch}"
            table.add_row(*(Text(printable(cell)) for cell in (value, epoch, f"{name}{ended}")))
        lines = [fitting(self._facts(progress), self.console.width)]
        lines += [f"best {common}".strip()] if ranking else []
        shown = Group(*map(Text, lines), table)
        if self.live is None:
            self.live = Live(shown, console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(shown, refresh=True)


def _key(lane: Lane) -> str:
    return str(lane.directory.path)
