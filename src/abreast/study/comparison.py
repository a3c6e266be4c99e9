"""The cells of a study compared by the tests of their repeats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from abreast.config.override_keys import key_of
from abreast.metrics.registry import bounds
from abreast.report.analysis import answers, is_task
from abreast.report.splits import Splits, splits_of_repeats
from abreast.statistics.comparison import ALPHA, Comparison, SeedValues
from abreast.statistics.holm import holm
from abreast.statistics.ranking import Ranking, best_of, compare
from abreast.statistics.summary import Summary, summarise
from abreast.study.cells import Cell
from abreast.study.criteria import Criteria, containing_pairs
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
        splits: For each cell the splits that the repeats were trained on, whose means are compared.
    """

    summaries: tuple[Summary, ...]
    rankings: tuple[Ranking, ...]
    warnings: tuple[str, ...] = ()
    splits: tuple[Splits, ...] = ()


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
    cells = [choice.cell for choice in choices]
    members: dict[tuple[str, ...], list[int]] = {}
    for index, cell in enumerate(cells):
        members.setdefault(task_of(cell), []).append(index)
    rankings: dict[str, Ranking] = {}
    splits: dict[str, Splits] = {}
    scores: dict[str, SeedValues] = {}
    for indices in members.values():
        measured = {
            cells[index].name: [outcome for outcome in repeats[index] if outcome.score is not None]
            for index in indices
        }
        ranking, pooled, of_task = _compare([choices[index] for index in indices], criteria, measured, margin)
        scores |= pooled
        rankings |= dict.fromkeys(measured, ranking)
        splits |= dict.fromkeys(measured, of_task)
    return CellComparison(
        tuple(
            rankings[cell.name].summaries.get(cell.name)
            or summarise(scores[cell.name].values(), overlap=splits[cell.name].overlap)
            for cell in cells
        ),
        tuple(rankings[cell.name] for cell in cells),
        tuple(_tuning_failures(cells, criteria, scores, splits)),
        tuple(splits[cell.name] for cell in cells),
    )


def _compare(
    choices: Sequence[Choice],
    criteria: Criteria,
    measured: Mapping[str, Sequence[Outcome]],
    margin: float | None,
) -> tuple[Ranking, dict[str, SeedValues], Splits]:
    """Rank the cells of one task by the repeats that have a score; their scores by block, and the blocks."""
    higher_is_better = criteria.mode == "max"
    runs = [outcome for outcomes in measured.values() for outcome in outcomes]
    splits = _splits(runs, criteria.metric)
    scores, collapsed = (
        {
            name: splits.pooled(
                {
                    outcome.seed if outcome.repeat is None else outcome.repeat: outcome.score
                    for outcome in outcomes
                    if outcome.score is not None and outcome.is_collapsed is is_collapsed
                }
            )
            for name, outcomes in measured.items()
        }
        for is_collapsed in (False, True)
    )
    validation = f"val/{criteria.metric.partition('/')[2]}"
    tuned: dict[str, SeedValues] = {}
    for choice in choices:
        score = choice.best.mean(validation) if choice.best and scores[choice.cell.name] else None
        tuned[choice.cell.name] = {} if score is None else {0: score}
    ranking = compare(
        scores,
        higher_is_better=higher_is_better,
        reference=best_of(tuned, higher_is_better=higher_is_better),
        margin=margin,
        bounds=bounds(criteria.metric),
        collapsed=collapsed,
        examples=answers([run.sizes for run in runs], criteria.metric, splits),
        overlap=splits.overlap,
    )
    return ranking, dict(scores), splits


def _splits(runs: Sequence[Outcome], metric: str) -> Splits:
    folds = [run.repeat[2] for run in runs if isinstance(run.repeat, tuple)]
    count = None if not folds or None in folds else max(folds) + 1
    return splits_of_repeats([(run.repeat, run.sizes, count) for run in runs], metric)


def task_of(cell: Cell) -> tuple[str, ...]:
    """Return the overrides of a cell that change its data: cells in which these differ are not compared."""
    keys = {line: key_of(line) for line in cell.overrides}
    return tuple(line for line, key in keys.items() if is_task(key))


def _tuning_failures(
    cells: Sequence[Cell], criteria: Criteria, scores: Mapping[str, SeedValues], splits: Mapping[str, Splits]
) -> Iterator[str]:
    """A warning for each cell that is significantly worse than a cell whose space it contains."""
    pairs = [
        (cells[outer].name, cells[inner].name) for outer, inner in containing_pairs(cells, criteria.cells)
    ]
    compared = [
        _pair(scores, outer, inner, criteria.mode, splits[inner].overlap)
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
