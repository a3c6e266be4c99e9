"""What of a table summarises its runs: rows and columns of means and spreads; and cells that were merged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean, median

from abreast.report.readers.csv_table import INDEX, Row
from abreast.report.readers.foreign_run import as_number
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.report.readers.settings import REPEATS, SEEDS, base_name
from abreast.runtime.printable import printable

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
    A first cell that repeats, or comes as often as others without their mean, is the level of a factor.

    Returns:
        The rows, and what those that are left out are called.
    """
    repeats = [
        column for column in rows[0] if column == INDEX or base_name(column) in (*SEEDS, *REPEATS, *FOLDS)
    ]
    seeds = [column for column in repeats if column != INDEX and any(row[column] for row in rows)]
    first = next((column for column in rows[0] if column != INDEX), INDEX)
    by_repeat = [_summary_of(row, repeats) for row in rows]
    by_first = [
        not name
        and (not seeds or any(not row[column] for column in seeds))
        and _AT_END.fullmatch(_word(row[first])) is not None
        for row, name in zip(rows, by_repeat, strict=True)
    ]
    others = [row for row, name in zip(rows, by_repeat, strict=True) if not name]
    levels = _levels(others, first, repeats, is_by_seed=bool(seeds)) if any(by_first) else set()
    by_first = [summary and row[first] not in levels for row, summary in zip(rows, by_first, strict=True)]
    if not seeds and True in by_first and not all(by_first[by_first.index(True) :]):
        by_first = [False] * len(rows)
    names = [
        row[first] if summary else name for row, name, summary in zip(rows, by_repeat, by_first, strict=True)
    ]
    kept = [row for row, name in zip(rows, names, strict=True) if not name]
    return kept, list(dict.fromkeys(name for name in names if name))


def _summary_of(row: Row, repeats: Sequence[str]) -> str:
    cells = (row[column] for column in repeats)
    return next((cell for cell in cells if as_number(cell) is None and SUMMARY.fullmatch(_word(cell))), "")


def _levels(rows: Sequence[Row], first: str, repeats: Sequence[str], *, is_by_seed: bool) -> set[str]:
    """The words for summaries in the first column that are levels of a factor, such as a method VAR.

    A summary comes once for each combination of the other settings. Where all names do, it is a summary if
    its numbers are the mean of the other rows, or it stands beside a row whose numbers are.
    """
    words = {row[first] for row in rows if _AT_END.fullmatch(_word(row[first]))}
    results = [column for column in rows[0] if is_metric(column) or is_measured(column)]
    settings = [column for column in rows[0] if column not in (first, *results, *repeats)]
    keys = [(row[first], *(row[column] for column in settings)) for row in rows]
    if is_by_seed:  # a mean below each block is no level
        return {key[0] for key, below in pairwise(keys) if key == below and key[0] in words}
    counts = Counter(keys)
    repeated = {key[0] for key, count in counts.items() if count > 1}
    single = {row[first] for row in rows} - words - repeated
    unsure = words - repeated
    if not single or any(_is_mean(rows, word, first, settings, results) for word in unsure):
        return words & repeated
    return words


def _is_mean(
    rows: Sequence[Row], word: str, first: str, settings: Sequence[str], results: Sequence[str]
) -> bool:
    """Whether the rows of a word hold, up to rounding, the means or medians of the rows of other names."""
    columns = results or [column for column in settings if as_number(rows[0][column]) is not None]
    fixed = [column for column in settings if column not in columns]
    checked = 0
    for row in rows:
        alike = [
            other
            for other in rows
            if not _AT_END.fullmatch(_word(other[first])) and all(other[c] == row[c] for c in fixed)
        ]
        for column in columns if row[first] == word else ():
            value = as_number(row[column])
            numbers = [n for other in alike if (n := as_number(other[column])) is not None]
            if value is None or not numbers:
                continue
            digits = len(row[column].partition(".")[2])
            if all(abs(value - mean(numbers)) > 0.6 * 10**-digits for mean in (fmean, median)):
                return False
            checked += 1
    return checked > 0


def with_merged_cells(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows with the text of a cell that a spreadsheet merged over several rows in each of them.

    That is a column of two or more texts each of which stands once above empty cells, within each text of the
    columns before it that were merged, too, where a later column begins again below each text and tells the
    rows below it apart. Else an empty cell may be a setting that is None, as pandas writes it.

    Returns:
        The rows, and sentences on the columns that have such cells.
    """
    made = [dict(row) for row in rows]
    columns = [column for column in rows[0] if not is_metric(column) and not is_measured(column)]
    above: list[str] = []
    remarks: list[str] = []
    for column in rows[0]:
        groups = [tuple(row[other] for other in above) for row in made]
        filled = _filled(groups, [row[column] for row in made])
        if filled is None:
            break
        blocks: dict[tuple[tuple[str, ...], str], list[Row]] = {}
        for row, group, value in zip(made, groups, filled, strict=True):
            blocks.setdefault((group, value), []).append(row)
        later = [other for other in columns if other not in (*above, column, INDEX)]
        if len({*filled}) < 2 or not _begins_again(list(blocks.values()), later):
            remarks.append(
                f"Empty cells of {printable(column)} were read as a setting of their own, "
                "not as the text above them."
            )
            break
        remarks.append(f"Empty cells of {printable(column)} were read as the text above them.")
        for row, value in zip(made, filled, strict=True):
            row[column] = value
        above.append(column)
    return made, remarks


def _begins_again(blocks: Sequence[Sequence[Row]], columns: Sequence[str]) -> bool:
    """Whether the rows of each block differ in the columns, and one has different values that all share."""
    shared: dict[str, set[str]] = {}
    for block in blocks:
        rows: list[tuple[str, ...]] = []
        for row in block:  # cells that are merged in turn
            before = rows[-1] if rows else ("",) * len(columns)
            rows.append(tuple(row[c] or last for c, last in zip(columns, before, strict=True)))
        if len({*rows}) < len(rows):
            return False
        for index, column in enumerate(columns):
            values = {row[index] for row in rows} - {""}
            shared[column] = shared.get(column, values) & values if len(values) > 1 else set()
    return any(shared.values())


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
