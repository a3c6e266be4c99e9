"""The cells of a study ranked over its data sets."""

from __future__ import annotations

from abreast.report.analysis import is_task
from abreast.report.datasets import VARIANTS, Datasets, Scores, rank_scores
from abreast.study.cells import Cell
from abreast.study.comparison import task_of
from abreast.study.overrides import key_of
from abreast.study.results import StudyResult


def study_datasets(result: StudyResult) -> Datasets | None:
    """Rank the cells of a finished study by the test scores of their repeats.

    Cells that differ in their data alone are the same group, although tuning may have chosen another setting
    on each data set.

    Returns:
        The ranks; None for a single data set.
    """
    if result.comparison is None:
        return None
    scores: Scores = {}
    metrics: dict[str, str] = {}
    for choice, summary in zip(result.choices, result.comparison.summaries, strict=True):
        task = task_of(choice.cell)
        data = " ".join(line for line in task if key_of(line) not in VARIANTS).removeprefix("data=")
        variant = " ".join(line for line in task if key_of(line) in VARIANTS)
        metrics[data] = result.criteria.metric
        scores.setdefault(_name(choice.cell), {}).setdefault(data, {})[variant] = summary.mean
    return rank_scores(scores, metrics)


def _name(cell: Cell) -> str:
    """The cell without its data."""
    parts = {key: value for key, value in cell.parts.items() if not is_task(key)}
    return ", ".join(parts.values()) or "all cells"
