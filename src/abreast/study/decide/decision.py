"""The decision between two settings as far as it has come, and the file `decision.json` that stores it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from abreast import __version__
from abreast.config.types import Json
from abreast.metrics.registry import bounds, lookup
from abreast.runs.atomic import write_json
from abreast.runs.files import DECISION
from abreast.statistics.sequential import (
    SequentialInterval,
    Verdict,
    seeds_needed,
    sequential_interval,
    sequential_verdict,
)
from abreast.study.decide.pairs import SIDES, Pairs
from abreast.study.decide.protocol import DecideProtocol
from abreast.study.selection import seeds_by_reason

EXIT_CODES: Mapping[Verdict, int] = {"better": 0, "worse": 3, "equivalent": 4, "undecided": 5}
ROUNDING = 1e-6  # relative: metrics are stored as float32
MOST_FAILED = 0.5  # of a setting's runs; above it no verdict is looked for


@dataclass(frozen=True)
class Look:
    """What was known after a wave.

    Attributes:
        wave: Number of the wave, from 1.
        seeds: Seeds trained so far.
        interval: Of the second setting's values minus the first's.
        verdict: What follows from it.
        failed: For each setting the number of its runs that failed.
        collapsed: For each setting the number of its runs that collapsed.
        needed: Seeds at which a verdict is due if mean and standard deviation stay as they are.
    """

    wave: int
    seeds: int
    interval: SequentialInterval
    verdict: Verdict
    failed: tuple[int, int]
    collapsed: tuple[int, int]
    needed: int | None


@dataclass
class Decision:
    """A decision as far as it has come.

    Attributes:
        protocol: What is to be decided.
        directory: The directory of its runs.
        command: The command line.
        pairs: The values of all runs.
        looks: One for each wave.
        stopped: Why it stopped without a verdict, if not for its budget.
    """

    protocol: DecideProtocol
    directory: Path
    command: tuple[str, ...]
    pairs: Pairs = field(default_factory=Pairs)
    looks: list[Look] = field(default_factory=list)
    stopped: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict so far, of the second setting compared with the first."""
        return self.looks[-1].verdict if self.looks else "undecided"

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 better, 3 worse, 4 equivalent, 5 undecided."""
        return EXIT_CODES[self.verdict]

    def look(self) -> Look:
        """Look at the values that there are, after a wave."""
        protocol, pairs = self.protocol, self.pairs
        interval = sequential_interval(
            pairs.differences(), resolution=self.resolution(), most=protocol.largest_difference
        )
        failed = len(pairs.failed(0)), len(pairs.failed(1))
        verdict = sequential_verdict(
            interval,
            protocol.margin,
            higher_is_better=protocol.higher_is_better,
            only_first_collapsed=pairs.only_collapsed(0),
            only_second_collapsed=pairs.only_collapsed(1),
        )
        if max(failed) > MOST_FAILED * len(pairs.outcomes):
            self.stopped = "more than half of the runs of a setting failed"
            verdict = "undecided"
        collapsed = len(pairs.collapsed[0]), len(pairs.collapsed[1])
        needed = self._needed(interval) if verdict == "undecided" else None
        look = Look(len(self.looks) + 1, len(pairs.outcomes), interval, verdict, failed, collapsed, needed)
        self.looks.append(look)
        return look

    def _needed(self, interval: SequentialInterval) -> int | None:
        """The seeds to train until a verdict is due, if as many have two values as before."""
        seeds, pairs = len(self.pairs.outcomes), seeds_needed(interval, self.protocol.margin)
        needed = math.ceil(pairs * seeds / interval.n) if pairs is not None and interval.n else None
        return needed if needed is not None and needed > seeds else None

    def resolution(self) -> float:
        """Return the least difference of two values: one test example, or else the rounding of a value."""
        if self._is_share() and self.pairs.examples:
            return 1 / self.pairs.examples
        return ROUNDING * max(
            (abs(value) for pair in self.pairs.values().values() for value in pair), default=0
        )

    def _is_share(self) -> bool:
        """Whether the metric is the share of the test examples that a run got right."""
        metric = lookup(self.protocol.metric)
        return metric is not None and metric.name == "accuracy"

    def notes(self) -> list[str]:
        """Say what else the reader has to know: failed and collapsed runs, and a verdict's limits."""
        lines = []
        for side in SIDES:
            setting, total = self.protocol.settings[side], len(self.pairs.outcomes)
            failed = self.pairs.failed(side)
            if failed:
                lines.append(
                    f"{setting}: {len(failed)} of {total} runs failed, and their seeds are left out "
                    f"({seeds_by_reason(failed.items())})"
                )
            collapsed = sorted(self.pairs.collapsed[side])
            if collapsed:
                lines.append(
                    f"{setting}: {len(collapsed)} of {total} runs collapsed (no better than a constant "
                    f"prediction), and the interval leaves their seeds out (seed "
                    f"{', '.join(map(str, collapsed))})"
                )
        return [*lines, *self._limits()]

    def _limits(self) -> list[str]:
        """What a verdict does not say."""
        lines: list[str] = []
        look = self.looks[-1] if self.looks else None
        if look is None:
            return lines
        low, high = look.interval.low, look.interval.high
        if look.verdict == "equivalent" and low is not None and high is not None and (low > 0 or high < 0):
            lines.append("There is a difference, but it is smaller than the margin.")
        favoured = 0 if look.verdict == "worse" else 1
        if look.verdict in ("better", "worse") and look.collapsed[favoured] > look.collapsed[1 - favoured]:
            lines.append(
                f"But {self.protocol.settings[favoured]} collapsed more often: the verdict is of the runs "
                "that did not."
            )
        if self._is_share() and look.interval.sd is not None and look.interval.sd == self.resolution():
            lines.append(
                "The differences vary by less than one test example; a standard deviation of one example "
                "was assumed."
            )
        return lines

    def write(self) -> None:
        """Write `decision.json`; an earlier one is replaced atomically."""
        write_json(self.directory / DECISION, self.content())

    def content(self) -> Json:
        """Return everything as plain data."""
        protocol, pairs = self.protocol, self.pairs
        first, second = protocol.settings
        last = self.looks[-1].interval if self.looks else SequentialInterval(0)
        values = pairs.values()
        return {
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "stopped": self.stopped or None,
            "first": first,
            "second": second,
            "metric": protocol.metric,
            "mode": "max" if protocol.higher_is_better else "min",
            "bounds": bounds(protocol.metric),
            "margin": protocol.margin,
            "max_seeds": protocol.max_seeds,
            "first_seed": protocol.first_seed,
            "seeds": len(pairs.outcomes),
            "n": last.n,
            "difference": last.mean,
            "low": last.low,
            "high": last.high,
            "notes": self.notes(),
            "fixed": list(protocol.fixed),
            "command": list(self.command),
            "directory": str(self.directory),
            "looks": [asdict(look) for look in self.looks],
            "runs": [
                {
                    "seed": seed,
                    "paired": seed in values,
                    "runs": [outcome.path_in(self.directory) for outcome in outcomes],
                    "values": [outcome.score for outcome in outcomes],
                    "collapsed": [seed in pairs.collapsed[side] for side in SIDES],
                    "failed": [outcome.reason or None for outcome in outcomes],
                }
                for seed, outcomes in pairs.outcomes.items()
            ],
            "versions": {"abreast": __version__},
        }
