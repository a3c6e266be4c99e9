"""The cells of a study compared by the tests of their repeats."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from abreast.metrics.registry import bounds
from abreast.report.analysis import is_task
from abreast.report.splits import Splits, splits_of_repeats
from abreast.statistics.comparison import ALPHA, Comparison, SeedValues
from abreast.statistics.holm import holm
from abreast.statistics.ranking import Ranking, best_of, compare
from abreast.statistics.summary import Summary, summarise
from abreast.study.cells import Cell
from abreast.study.criteria import Criteria, containing_pairs
from abreast.study.overrides import key_of
from abreast.study.selection import Choice, Outcome


@dataclass(frozen=True)
class CellComparison:
    """The test scores of all cells over the fresh seeds, and their comparison with a reference.

    The reference of the cells with the same data is the one with the best validation score in tuning. Neither
    the test examples nor the fresh seeds selected it, so the corrected tests keep their significance level
    however many cells there are.

    Attributes:
        summaries: Mean and interval of each cell's test score.
        rankings: For each cell the ranking of all cells with its data.
        warnings: Cells that are worse than a cell they contain.
        splits: The splits that the repeats were trained on, whose means are compared.
    """

    summaries: tuple[Summary, ...]
    rankings: tuple[Ranking, ...]
    warnings: tuple[str, ...] = ()
    splits: Splits = field(default_factory=Splits)


def compare_cells(
    choices: Sequence[Choice],
    criteria: Criteria,
    repeats: Sequence[Sequence[Outcome]],
    margin: float | None = None,
) -> CellComparison:
    """Compare the cells by the test scores of their repeats.

    Args:
        choices: The chosen setting of each cell.
        criteria: The test metric, and the configurations of the cells.
        repeats: For each cell the outcomes of its repeats.
        margin: The difference up to which cells are equivalent.
    """
    higher_is_better = criteria.mode == "max"
    names = [choice.cell.name for choice in choices]
    measured = [outcome for outcomes in repeats for outcome in outcomes if outcome.score is not None]
    splits = _splits(measured, criteria.metric)
    scores, collapsed = (
        {
            name: splits.pooled(
                {
                    _repeat(outcome): outcome.score
                    for outcome in outcomes
                    if outcome.score is not None and outcome.is_collapsed is is_collapsed
                }
            )
            for name, outcomes in zip(names, repeats, strict=True)
        }
        for is_collapsed in (False, True)
    )
    validation = f"val/{criteria.metric.partition('/')[2]}"
    tuned: dict[str, SeedValues] = {}
    for choice in choices:
        score = choice.best.mean(validation) if choice.best and scores[choice.cell.name] else None
        tuned[choice.cell.name] = {} if score is None else {0: score}
    cells = [choice.cell for choice in choices]
    rankings: dict[tuple[str, ...], Ranking] = {}
    for task in dict.fromkeys(map(task_of, cells)):
        compared = [cell.name for cell in cells if task_of(cell) == task]
        reference = best_of({name: tuned[name] for name in compared}, higher_is_better=higher_is_better)
        rankings[task] = compare(
            {name: scores[name] for name in compared},
            higher_is_better=higher_is_better,
            reference=reference,
            margin=margin,
            bounds=bounds(criteria.metric),
            collapsed={name: collapsed[name] for name in compared},
            overlap=splits.overlap,
        )
    return CellComparison(
        tuple(
            rankings[task_of(cell)].summaries.get(cell.name)
            or summarise(scores[cell.name].values(), overlap=splits.overlap)
            for cell in cells
        ),
        tuple(rankings[task_of(cell)] for cell in cells),
        tuple(_tuning_failures(cells, criteria, scores, splits.overlap)),
        splits,
    )


def _repeat(outcome: Outcome) -> Hashable:
    return outcome.seed if outcome.repeat is None else outcome.repeat


def _splits(runs: Sequence[Outcome], metric: str) -> Splits:
    folds = [run.repeat[2] for run in runs if isinstance(run.repeat, tuple)]
    count = None if not folds or None in folds else max(folds) + 1
    return splits_of_repeats([(run.repeat, run.sizes, count) for run in runs], metric)


def task_of(cell: Cell) -> tuple[str, ...]:
    """Return the overrides of a cell that change its data: cells in which these differ are not compared."""
    keys = {line: key_of(line) for line in cell.overrides}
    return tuple(line for line, key in keys.items() if is_task(key))


def _tuning_failures(
    cells: Sequence[Cell], criteria: Criteria, scores: Mapping[str, SeedValues], overlap: float
) -> Iterator[str]:
    """A warning for each cell that is significantly worse than a cell whose space it contains."""
    pairs = [
        (cells[outer].name, cells[inner].name) for outer, inner in containing_pairs(cells, criteria.cells)
    ]
    compared = [
        _pair(scores, outer, inner, criteria.mode, overlap)
        for outer, inner in pairs
        if scores[outer] and scores[inner]
    ]
    tested = [(comparison, comparison.p) for comparison in compared if comparison.p is not None]
    for (comparison, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        difference = comparison.difference
        if p <= ALPHA and difference and (difference < 0) == (criteria.mode == "max"):
            yield (
                f"The tuning failed: {comparison.name} contains every setting of {comparison.reference}, but "
                f"its {criteria.metric} is worse by {abs(difference):.4g} (p = {p:.2g}); give it more trials"
            )


def _pair(scores: Mapping[str, SeedValues], outer: str, inner: str, mode: str, overlap: float) -> Comparison:
    both = {name: scores[name] for name in (outer, inner)}
    ranking = compare(both, higher_is_better=mode == "max", reference=inner, overlap=overlap)
    return ranking.comparisons[outer]
