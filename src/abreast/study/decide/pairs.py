"""The test values of two settings, paired by seed; runs that failed or collapsed are counted apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abreast.errors import RunError
from abreast.runs.chance import at_chance, chance_of
from abreast.runs.directory import RunDirectory
from abreast.study.selection import Outcome

SIDES = (0, 1)


@dataclass
class Pairs:
    """The runs of two settings by seed.

    Attributes:
        outcomes: For each seed the outcome of the first setting's run, and of the second's.
        collapsed: For each setting the seeds on which its run finished, but learned nothing.
        examples: Number of test examples; None where no run says it.
    """

    outcomes: dict[int, tuple[Outcome, Outcome]] = field(default_factory=dict)
    collapsed: tuple[set[int], set[int]] = field(default_factory=lambda: (set(), set()))
    examples: int | None = None

    def add(self, seed: int, outcomes: Sequence[Outcome]) -> None:
        """Add the outcomes of a seed's two runs."""
        first, second = outcomes
        self.outcomes[seed] = (first, second)
        for side in SIDES:
            result = _result(outcomes[side])
            chance = chance_of(result)
            if chance is not None:
                self.examples = chance.examples
            if at_chance(result, "accuracy") or at_chance(result, "r2"):
                self.collapsed[side].add(seed)

    def failed(self, side: int) -> dict[int, str]:
        """Return the reason of each failed run of a setting, by seed."""
        return {
            seed: outcomes[side].reason
            for seed, outcomes in self.outcomes.items()
            if outcomes[side].score is None
        }

    def values(self) -> dict[int, tuple[float, float]]:
        """Return the two values of every seed on which both runs finished and neither collapsed."""
        collapsed = self.collapsed[0] | self.collapsed[1]
        return {
            seed: (first.score, second.score)
            for seed, (first, second) in self.outcomes.items()
            if first.score is not None and second.score is not None and seed not in collapsed
        }

    def differences(self) -> list[float]:
        """Return the second value minus the first, of the same seeds."""
        return [second - first for first, second in self.values().values()]

    def only_collapsed(self, side: int) -> int:
        """Count the seeds on which a setting collapsed and the other neither collapsed nor failed."""
        other = self.collapsed[1 - side] | self.failed(1 - side).keys()
        return len(self.collapsed[side] - other)


def _result(outcome: Outcome) -> Mapping[str, object]:
    """The result of a finished run; empty for one without."""
    try:
        return {} if outcome.score is None else RunDirectory(outcome.directory).read_result()
    except RunError:
        return {}
