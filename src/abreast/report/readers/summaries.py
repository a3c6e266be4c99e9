"""What of a table summarises its runs: rows and columns of means and spreads; and cells that were merged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from abreast.report.readers.csv_table import INDEX, Row
from abreast.report.readers.foreign_run import as_number
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.report.readers.settings import REPEATS, SEEDS, base_name

FOLDS = ("fold", "cv_fold", "fold_id", "outer_fold", "fold_idx", "split", "split_id")
MEANS = ("mean", "avg", "average", "median", "mean_value")
_SPREADS = (
    r"std|sd|std_?dev|stdev|stddev|standard_deviation|std_?err(or)?|standard_error|se|sem|stderr|var|variance|iqr|"
    r"ci_?\d*(_?(low(er)?|high|up(per)?))?|(low(er)?|high|up(per)?)_(ci_?\d*|bound)|lower|upper|error_bar"
)
_OTHERS = r"min(imum)?|max(imum)?|count|n|n_(seeds|runs)|25%|50%|75%|sum"
SPREAD = re.compile(_SPREADS)
SUMMARY = re.compile(rf"{'|'.join(MEANS)}|{_SPREADS}|{_OTHERS}|(mean|average)_?(±|\+/?-)_?(std|sd|se)")
_AT_END = re.compile(rf"{'|'.join(MEANS)}|{_SPREADS}|overall|(mean|average)_?(±|\+/?-)_?(std|sd|se)")
_DEVIATION = re.compile(r"std|sd|std_?dev|stdev|stddev|standard_deviation")
_OF_ANY = re.compile(
    r"ci_?\d*(_?(low(er)?|high|up(per)?))?|(low(er)?|high|up(per)?)_ci_?\d*|std_?err(or)?|sem"
)
_WORD = re.compile(r"[\s_.\-/()\[\]]+")


def _word(text: str) -> str:
    return _WORD.sub("_", text.strip().lower()).strip("_")


def without_summary_rows(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows without those of means and spreads of other rows.

    A row is one if its seed, its fold or its unnamed name says so (`mean`, `std`), or if the first cell does
    and the row lacks a seed that all others have, or no column is a seed and it stands below all others.

    Returns:
        The rows, and what those that are left out are called.
    """
    repeats = [
        column for column in rows[0] if column == INDEX or base_name(column) in (*SEEDS, *REPEATS, *FOLDS)
    ]
    seeds = [column for column in repeats if column != INDEX]
    first = next((column for column in rows[0] if column != INDEX), INDEX)

    def summary_of(row: Row) -> str:
        for column in repeats:
            if as_number(row[column]) is None and SUMMARY.fullmatch(_word(row[column])):
                return row[column]
        lacks = not seeds or any(not row[column] for column in seeds)
        return row[first] if lacks and _AT_END.fullmatch(_word(row[first])) else ""

    names = [summary_of(row) for row in rows]
    of_first = [
        bool(name) and all(row[column] != name for column in repeats)
        for name, row in zip(names, rows, strict=True)
    ]
    if not seeds and True in of_first and not all(of_first[of_first.index(True) :]):
        names = ["" if only else name for only, name in zip(of_first, names, strict=True)]
    kept = [row for row, name in zip(rows, names, strict=True) if not name]
    return kept, list(dict.fromkeys(name for name in names if name))


def with_merged_cells(rows: Sequence[Row]) -> list[Row]:
    """The rows with the text of a cell that a spreadsheet merged over several rows in each of them.

    That is a column of texts in which each text stands once above empty cells, within each text of the
    columns before it that were merged, too.
    """
    made = [dict(row) for row in rows]
    above: list[str] = []
    for column in rows[0]:
        filled = _filled(
            [tuple(row[other] for other in above) for row in made], [row[column] for row in made]
        )
        if filled is None:
            break
        for row, value in zip(made, filled, strict=True):
            row[column] = value
        above.append(column)
    return made


def _filled(groups: Sequence[tuple[str, ...]], cells: Sequence[str]) -> list[str] | None:
    """The cells of a column filled downwards; None if it has no cells that were merged."""
    filled: list[str] = []
    followed: dict[tuple[tuple[str, ...], str], bool] = {}
    for index, (group, cell) in enumerate(zip(groups, cells, strict=True)):
        is_new = index == 0 or groups[index - 1] != group
        if cell:
            if as_number(cell) is not None or (group, cell) in followed:
                return None
            followed[group, cell] = False
            filled.append(cell)
        elif is_new:
            return None
        else:
            filled.append(filled[-1])
            followed[group, filled[-1]] = True
    return filled if followed and all(followed.values()) else None


def base_of_summary(column: str) -> tuple[str, str] | None:
    """The metric of a column of summaries, and which summary it is.

    >>> base_of_summary("acc_std"), base_of_summary("mean_test_score"), base_of_summary("accuracy")
    (('acc', 'std'), ('test_score', 'mean'), None)
    """
    words = [part for part in _word(column).split("_") if part]
    for size in (3, 2, 1):
        for summary, rest in ((words[-size:], words[:-size]), (words[:size], words[size:])):
            if SUMMARY.fullmatch("_".join(summary)) and len(words) >= size:
                return "_".join(rest), "_".join(summary)
    return None


def spreads_of(columns: Iterable[str]) -> list[str]:
    """The columns that summarise runs otherwise than by their mean: spreads of a metric, counts beside means.

    >>> spreads_of(["method", "acc_mean", "acc_std", "acc_count"]), spreads_of(["std", "acc"])
    (['acc_std', 'acc_count'], [])
    """
    parts = {column: base_of_summary(column) for column in columns}
    means = {part[0] for part in parts.values() if part is not None and part[1] in MEANS}
    return [
        column
        for column, part in parts.items()
        if part is not None
        and part[1] not in MEANS
        and (
            part[0] in means
            or _OF_ANY.fullmatch(part[1])
            or (SPREAD.fullmatch(part[1]) and (is_metric(part[0]) or is_measured(part[0])))
        )
    ]


def spreads_over_runs(metric: str, spreads: Iterable[str]) -> list[str]:
    """The columns that show a metric to be a mean over runs: standard deviations, or any spread of a `mean`.

    Args:
        metric: The metric.
        spreads: The columns of spreads.
    """
    base, summary = base_of_summary(metric) or (_word(metric), "")
    return [
        spread
        for spread in spreads
        if (part := base_of_summary(spread)) is not None
        and part[0] == base
        and (summary in MEANS or _DEVIATION.fullmatch(part[1]))
    ]
