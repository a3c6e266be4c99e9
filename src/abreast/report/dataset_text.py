"""Ranks over data sets: in sentences, as a section of the page, and as ranks.csv."""

from __future__ import annotations

import math
from pathlib import Path

from abreast.report.datasets import Datasets
from abreast.report.figures.base import Section
from abreast.report.figures.critical_difference import critical_difference
from abreast.report.formatting import format_first, format_number, format_p_value, metric_title
from abreast.report.tables import CsvTable
from abreast.runs.files import REPORT_RANKS
from abreast.statistics.comparison import ALPHA
from abreast.statistics.dataset_ranks import FEWEST, DatasetRanks

MOST_LISTED = 6


def rank_sentences(datasets: Datasets) -> list[str]:
    """Say how the groups rank over the data sets, whether they differ, and what was left out."""
    ranks, lines = datasets.ranks, []
    if ranks is None:
        lines.append("Ranks over data sets need two groups that were run on two data sets.")
    else:
        means = [f"{group} {mean:.2f}" for group, mean in _means(ranks).items()]
        listed = format_first(means, MOST_LISTED)
        lines.append(f"Mean rank over {len(ranks.datasets)} data sets (1 is best): {listed}.")
        lines += _tests(ranks)
    for group, missing in list(datasets.left_out.items())[:MOST_LISTED]:
        lines.append(f"Not ranked: {group}, which was not run on {', '.join(missing)}.")
    if len(datasets.left_out) > MOST_LISTED:
        lines.append(
            f"Not ranked: {len(datasets.left_out) - MOST_LISTED} more groups with missing data sets."
        )
    for data in datasets.not_ranked[:MOST_LISTED]:
        lines.append(f"Not ranked on: {data}, where fewer than half of the groups were run.")
    for group, failed in list(datasets.failed.items())[:MOST_LISTED]:
        lines.append(f"Last on {', '.join(failed)}: {group}, which has no result there.")
    return lines


def ranks_section(datasets: Datasets) -> Section:
    """Make the section with the ranks on each data set and the critical-difference figure."""
    ranks = datasets.ranks
    paragraphs = rank_sentences(datasets)
    titles = " or ".join(sorted({metric_title(datasets.metrics[data]) for data in datasets.names}))
    paragraphs.append(
        f"Groups are ranked by their mean {titles} on each data set, over all runs that have it, those at "
        "chance too; ties share a rank. A data set counts once, however many runs there are on it: the tests "
        "speak of data sets like these. The rank of a group depends on which others are compared (Benavoli "
        "et al. 2016, JMLR 17)."
    )
    if ranks is None:
        return Section("datasets", "Ranks over data sets", paragraphs, position="top")
    figure = critical_difference(ranks)
    p = ranks.p_holm or (None,) * len(ranks.groups)
    means = _means(ranks)
    rows = [
        (
            group,
            f"{means[group]:.2f}",
            *([format_p_value(p[index]) if index else "—"] if ranks.p_holm else []),
            *(
                f"{rank:g} ({_score(datasets.scores[group][data])})"
                for rank, data in zip(ranks.ranks[index], ranks.datasets, strict=True)
            ),
        )
        for index, group in enumerate(ranks.groups)
    ]
    headers = (
        "group",
        "mean rank",
        *(["p (Holm)"] if ranks.p_holm else []),
        *(f"{data}: rank (mean)" for data in ranks.datasets),
    )
    figures = [figure] if figure else []
    return Section(
        "datasets", "Ranks over data sets", paragraphs, figures, headers=headers, rows=rows, position="top"
    )


def write_ranks(datasets: Datasets | None, folder: Path) -> tuple[Path, ...]:
    """Write `ranks.csv`, a row for each group; remove it where there are no ranks.

    Args:
        datasets: The ranks, or None for a single data set.
        folder: The report's directory.

    Returns:
        The file, if there is one.

    Raises:
        OSError: If it cannot be written.
    """
    file = folder / REPORT_RANKS
    if datasets is None or datasets.ranks is None:
        file.unlink(missing_ok=True)
        return ()
    ranks = datasets.ranks
    columns = [
        *("group", "mean_rank", "critical_difference", "p_friedman", "p_holm"),
        *(f"rank {data}" for data in ranks.datasets),
        *(f"{datasets.metrics[data]} {data}" for data in ranks.datasets),
    ]
    rows = []
    for index, (group, mean) in enumerate(_means(ranks).items()):
        p = ranks.p_holm[index] if ranks.p_holm and index else None
        scores = datasets.scores[group]
        rows.append(
            [
                group,
                *map(_cell, (mean, ranks.critical_difference, ranks.p, p)),
                *map(_cell, ranks.ranks[index].tolist()),
                *(_cell(scores[data]) for data in ranks.datasets),
            ]
        )
    CsvTable(columns, rows).write(file)
    return (file,)


def _tests(ranks: DatasetRanks[str, str]) -> list[str]:
    if ranks.p is None or ranks.critical_difference is None:
        return [f"Too few data sets for a test of ranks: {len(ranks.datasets)} of {FEWEST}."]
    k, n = ranks.ranks.shape
    f = "∞" if math.isinf(ranks.f) else f"{ranks.f:.2f}"
    differ = "The mean ranks differ" if ranks.p <= ALPHA else "The mean ranks do not differ significantly"
    line = (
        f"{differ} (Friedman's test in Iman and Davenport's form: F({k - 1}, {(k - 1) * (n - 1)}) = {f}, "
        f"p {_equals(ranks.p)}); critical difference {ranks.critical_difference:.2f} (Nemenyi, {ALPHA:.0%})."
    )
    means = _means(ranks)
    best = ranks.groups[0]
    worse = [group for group in ranks.groups if means[group] - means[best] >= ranks.critical_difference]
    if ranks.p > ALPHA:
        return [line]
    if not worse:
        return [line, f"No group ranks significantly worse than {best}."]
    listed = "; ".join(worse[:MOST_LISTED]) + (" and others" if len(worse) > MOST_LISTED else "")
    return [line, f"Significantly worse than {best}: {listed}."]


def _means(ranks: DatasetRanks[str, str]) -> dict[str, float]:
    return dict(zip(ranks.groups, ranks.mean_ranks.tolist(), strict=True))


def _equals(p: float) -> str:
    text = format_p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _score(value: float) -> str:
    return format_number(value) if math.isfinite(value) else "failed"


def _cell(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.7g}"
