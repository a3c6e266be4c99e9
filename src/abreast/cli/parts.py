"""The parts of a plan: runs that are trained together, or individually, and what they take. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from abreast.config.types import Config
from abreast.stacking.cost import Cost
from abreast.stacking.grouping import largest_part, shared_settings

SEARCH_START = 1.3  # seconds until a search has begun, measured
ASKING = 0.03, 0.1  # seconds to ask for a trial, and to compare it at a rung; 0.03 to 0.1, measured


@dataclass(frozen=True)
class PlannedRun:
    """A run that is not trained yet.

    Attributes:
        config: Its resolved config.
        group: The settings in which it differs from others, without its seed and its split.
    """

    config: Config
    group: str = ""


@dataclass(frozen=True)
class Part:
    """Runs that are trained together, or individually for one reason.

    Attributes:
        batch: The batch of the multirun that they belong to; "" for the only one.
        runs: The runs.
        reason: Why they are trained individually; None for a stack.
        is_certain: Whether they are trained whatever comes before.
        are_settings_known: Whether these are their settings, and not others of the same kind.
        most: The most runs of a stack that are trained at a time, while others wait; None for all.
        is_asked: Whether a search asks for each run when a lane is free.
        processes: Processes that train a stack's runs side by side.
        cost: What was measured of them, or of others; None where nothing could be.
        note: What limits the cost.
    """

    batch: str
    runs: Sequence[PlannedRun]
    reason: str | None
    is_certain: bool = True
    are_settings_known: bool = True
    most: int | None = None
    is_asked: bool = False
    processes: int = 1
    cost: Cost | None = None
    note: str = ""

    @property
    def epochs(self) -> float:
        """The epochs of its runs, as the config says; infinite where only the steps are limited."""
        epochs = self.runs[0].config["trainer"].get("max_epochs")
        return math.inf if epochs is None or epochs < 0 else float(epochs)

    @property
    def lanes(self) -> int:
        """How many of its runs a stack trains at a time."""
        runs = len(self.runs)
        if self.most is None or self.most >= runs:
            return runs
        return self.most if self.is_asked else largest_part(runs, self.most)

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for parts that cost the same by the run."""
        optimizers = sorted({str(run.config["optim"]["_target_"]) for run in self.runs})
        return self.reason, shared_settings(self.runs[0].config), *optimizers


@dataclass(frozen=True)
class Estimate:
    """What all parts take.

    Asynchronous halving lets a run continue that is among the best so far: in the end up to about the square
    root of their number more than the share (Li et al. 2020, arXiv 1810.05934, section 3.3).

    Attributes:
        parts: The parts, as they turned out to be trained.
        start: Seconds before the training.
        workers: How many parts are trained side by side.
        halving: Of the launcher: the epochs after which runs are dropped, and the share that is kept.
    """

    parts: list[Part]
    start: float
    workers: int = 1
    halving: tuple[Sequence[int], float] = ((), 1.0)

    def seconds(self, parts: Sequence[Part]) -> tuple[float, float] | None:
        """The least and the most seconds of some parts; None if one was not measured."""
        low = high = 0.0
        for part in parts:
            if part.cost is None:
                return None
            least, most = self._shares(part)
            asking = len(part.runs) * part.is_asked
            low += (
                part.cost.seconds(len(part.runs), least)[0] / part.processes + asking * ASKING[0]
            ) * part.is_certain
            high += part.cost.seconds(len(part.runs), most)[1] / math.sqrt(part.processes)
            high += asking * ASKING[1] * (1 + sum(rung < part.epochs for rung in self.halving[0]))
        divisor = min(self.workers, len(parts)) or 1
        return low / divisor, high / divisor

    def total(self) -> tuple[float, float] | None:
        """The least and the most seconds of the whole command, for what was measured; None if nothing was."""
        measured = [part for part in self.parts if part.cost is not None]
        seconds = self.seconds(measured)
        return None if seconds is None or not measured else (self.start + seconds[0], self.start + seconds[1])

    def bytes(self) -> float | None:
        """The most that is written, for what was measured; None if nothing was."""
        sizes = [
            part.cost.bytes(len(part.runs), self._shares(part)[1])
            for part in self.parts
            if part.cost is not None
        ]
        return sum(sizes) if sizes else None

    @property
    def unknown(self) -> int:
        """How many runs could not be measured."""
        return sum(len(part.runs) for part in self.parts if part.cost is None)

    def _shares(self, part: Part) -> tuple[float, float]:
        """The least and the largest share of a part's epochs that halving leaves."""
        if part.reason is not None or part.cost is None or not math.isfinite(part.cost.epochs):
            return 1.0, 1.0
        runs, keep = len(part.runs), self.halving[1]
        if not part.is_asked:
            share = self._share(runs, part.cost.epochs, lambda lanes: max(1, math.ceil(lanes * keep)))
            return share, share
        least = self._share(runs, part.cost.epochs, lambda lanes: max(1, int(lanes * keep)))
        return least, self._share(
            runs, part.cost.epochs, lambda lanes: min(lanes, math.ceil(lanes * keep + math.sqrt(lanes)))
        )

    def _share(self, runs: int, epochs: float, kept: Callable[[int], int]) -> float:
        lanes, at, trained = runs, 0.0, 0.0
        for rung in [*(rung for rung in self.halving[0] if rung < epochs), epochs]:
            trained += lanes * (rung - at)
            lanes, at = kept(lanes), rung
        return trained / (runs * epochs)
