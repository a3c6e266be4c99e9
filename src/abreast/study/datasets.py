"""The cells of a study ranked over its data sets."""

from __future__ import annotations

import math

from abreast.config.override_keys import key_of
from abreast.report.analysis import is_task
from abreast.report.datasets import VARIANTS, Datasets, Scores, rank_scores
from abreast.runs.schema import data_digest
from abreast.study.cells import Cell
from abreast.study.comparison import task_of
from abreast.study.results import StudyResult


def study_datasets(result: StudyResult) -> Datasets | None:
    """Rank the cells of a finished study by the test scores of their repeats, those at chance too.

    Cells that differ in their data alone are the same group, although tuning may have chosen another setting
    on each data set. Options with the same content are one data set, under the first one's name.

    Returns:
        The ranks; None for a single data set.
    """
    if result.repeats is None:
        return None
    cells = [choice.cell for choice in result.choices]
    labels = [_data(cell) for cell in cells]
    digests: dict[str, str] = {}
    for label, outcomes in zip(labels, result.repeats, strict=True):
        for digest in filter(None, (data_digest(outcome.sizes) for outcome in outcomes)):
            digests.setdefault(label, digest)
    first: dict[str, str] = {}
    scores: Scores = {}
    for cell, label, outcomes in zip(cells, labels, result.repeats, strict=True):
        data = first.setdefault(digests.get(label, label), label)
        measured = [outcome.score for outcome in outcomes if outcome.score is not None]
        mean = math.fsum(measured) / len(measured) if measured else None
        scores.setdefault(_name(cell), {}).setdefault(data, {})[" ".join(task_of(cell))] = mean
    return rank_scores(scores, dict.fromkeys(first.values(), result.criteria.metric))


def _data(cell: Cell) -> str:
    """The data of a cell, without what only varies them."""
    return " ".join(line for line in task_of(cell) if key_of(line) not in VARIANTS).removeprefix("data=")


def _name(cell: Cell) -> str:
    """The cell without its data."""
    parts = {key: value for key, value in cell.parts.items() if not is_task(key)}
    return ", ".join(parts.values()) or "all cells"
