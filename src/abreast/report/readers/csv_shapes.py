"""Tables of results in other shapes, as tables with a row a run: a row a value, a column a seed or method."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from abreast.report.readers.csv_table import INDEX, Row
from abreast.report.readers.foreign_run import as_number
from abreast.report.readers.metric_names import STAGES, is_measured, is_metric
from abreast.report.readers.settings import DATA, REPEATS, SEEDS, base_name
from abreast.report.readers.summaries import base_of_summary

NAMES = (  # of a column of metrics
    *("metric", "metrics", "metric_name", "measure", "variable", "score_name"),
    *("function", "evaluation_measure"),  # of OpenML
)
VALUES = ("value", "values", "score", "result", "metric_value")
KEYS = (INDEX, "key", "name", "field", "parameter", *NAMES)
PARTS = ("part", "split", "stage", "phase", "subset", "set", "partition", "eval_split")  # of stages
VALUE = "value"  # of a table with a column a seed
_REPEAT = re.compile(
    r"(?:(.*?[^\s_\-./])??[\s_\-./]+)?(seed|run|rep|repeat|repetition|replicate|trial|fold)[\s_\-#=]*(\d{1,9})",
    re.IGNORECASE,
)
_CARET = re.compile(r"Fold(\d+)(?:\.Rep(\d+))?")
_NUMBERED = re.compile(r"()([A-Za-z#]{0,2}[\s_\-#=]?)(\d{1,9})")


def row_a_run(rows: Sequence[Row], metric: str | None = None) -> list[Row]:
    """The table with a row a run, whatever its shape.

    Args:
        rows: The rows by column.
        metric: The metric that was asked for, which a table with a column a seed may not name.
    """
    rows = _from_parts(_from_values(_from_chart(_from_pairs(rows))), metric)
    return _from_methods(_from_columns(rows, metric), metric)


def _from_pairs(rows: Sequence[Row]) -> list[Row]:
    """Of the settings and results of a single run, a row each (pandas' `Series.to_csv`), one with one row."""
    columns = [*rows[0]]
    if len(columns) != 2 or columns[0].lower() not in KEYS or columns[1].lower() not in (*VALUES, "0"):
        return list(rows)
    names = [row[columns[0]] for row in rows]
    if len({*names}) < len(names) or "" in names or not any(map(is_metric, names)):
        return list(rows)
    return [{row[columns[0]]: row[columns[1]] for row in rows}]


def _from_chart(rows: Sequence[Row]) -> list[Row]:
    """Of a chart that W&B exports (`Step,NAME - METRIC,NAME - METRIC__MIN`) one with a row a run and step.

    So of the folds that R's caret writes (`Resample,NAME~METRIC`).
    """
    steps, *others = [column for column in rows[0] if column != INDEX] or [INDEX]
    charted = [column for column in others if not column.endswith(("__MIN", "__MAX"))]
    parts = {column: column.rpartition("~" if "~" in column else " - ") for column in charted}
    is_folds = steps == "Resample" and all(_CARET.fullmatch(row[steps]) for row in rows)
    if not others or not all(name and metric for name, _, metric in parts.values()):
        return list(rows)
    is_chart = len(charted) < len(others)
    if _is_no_axis(steps) and not is_folds and not is_chart:
        return list(rows)
    axis = "step" if _is_no_axis(steps) else steps.lower()
    names = list(dict.fromkeys(name for name, _, _ in parts.values()))
    made: list[Row] = []
    for name in names:
        columns = {metric: column for column, (other, _, metric) in parts.items() if other == name}
        for row in rows:
            cells = {metric: row[column] for metric, column in columns.items()}
            fold = _CARET.fullmatch(row[steps]) if is_folds else None
            where = {"fold": fold[1], "rep": fold[2] or "1"} if fold else {axis: row[steps]}
            made += [{"name": name, **where, **cells}] if any(cells.values()) else []
    return made or list(rows)


def _is_no_axis(column: str) -> bool:
    return column.lower().replace(" ", "_") not in ("step", "epoch", "global_step", "trainer/global_step")


def _from_values(rows: Sequence[Row]) -> list[Row]:
    """Of a table with a row for each metric (`metric,value`) one with a column for each."""
    by_name = {column.lower(): column for column in rows[0]}
    name = next((by_name[key] for key in NAMES if key in by_name), None)
    value = next((by_name[key] for key in VALUES if key in by_name), None)
    if name is None or value is None or any(as_number(row[name]) is not None for row in rows):
        return list(rows)
    metrics = list(dict.fromkeys(row[name] for row in rows if row[name]))
    keys = [column for column in rows[0] if column not in (name, value, INDEX)]
    if any(metric in keys for metric in metrics):
        return list(rows)
    cells = [{row[name]: row[value]} if row[name] else {} for row in rows]
    return _joined(rows, cells, keys, name)


def _from_parts(rows: Sequence[Row], metric: str | None) -> list[Row]:
    """Of a table with a row for each stage (`split` is `val` or `test`) one with a column for each."""
    for part in rows[0]:
        stages = list(dict.fromkeys(row[part].lower() for row in rows))
        if part.lower() in PARTS and len(stages) > 1 and STAGES.keys() >= {*stages}:
            results = [column for column in rows[0] if column == metric or is_metric(column)]
            keys = [column for column in rows[0] if column not in (*results, part, INDEX)]
            cells = [{f"{row[part].lower()}_{name}": row[name] for name in results} for row in rows]
            return _joined(rows, cells, keys, part)
    return list(rows)


def _joined(rows: Sequence[Row], cells: Sequence[Row], keys: Sequence[str], name: str) -> list[Row]:
    """A row for all rows that are equal in `keys`, with their cells; equal in `name` too they are repeats."""
    columns = dict.fromkeys((column for row in cells for column in row), "")
    made: dict[tuple[object, ...], Row] = {}
    seen: Counter[tuple[object, ...]] = Counter()
    for row, values in zip(rows, cells, strict=True):
        settings = tuple(row[key] for key in keys)
        again = seen[settings, row[name]]  # a repeat that no column tells
        seen[settings, row[name]] += 1
        made.setdefault((*settings, again), {**{key: row[key] for key in keys}, **columns}).update(values)
    return list(made.values())


def _from_columns(rows: Sequence[Row], metric: str | None) -> list[Row]:
    """Of a table with a column for each seed (`seed_0,seed_1`, `acc_seed0`, `0,1`) a row for each."""
    matches = {column: match for column in rows[0] if (match := _REPEAT.fullmatch(column))}
    numeric = {column: match for column, match in matches.items() if _is_numeric(rows, column)}
    if len({(match[2].lower(), match[3]) for match in numeric.values()}) < 2:
        numeric = _numbered(rows, metric)
    if len(numeric) < 2:
        return list(rows)
    kind = next(iter(numeric.values()))[2].lower()
    kind = kind if len(kind) > 3 or kind in REPEATS else "seed"
    summaries = [
        c for c in rows[0] if c not in numeric and (base_of_summary(c) or ("x", ""))[0] in ("", metric)
    ]
    others = [column for column in rows[0] if column not in (*numeric, *summaries, INDEX)]
    made = []
    for row in rows:
        by_seed: dict[int, Row] = {}
        for column, match in numeric.items():
            name = (match[1] or "").strip(" _-./") or metric or VALUE
            by_seed.setdefault(int(match[3]), {})[name] = row[column]
        made += [
            {**{key: row[key] for key in others}, kind: str(seed), **values}
            for seed, values in by_seed.items()
            if any(values.values())
        ]
    return made or list(rows)


def _numbered(rows: Sequence[Row], metric: str | None) -> dict[str, re.Match[str]]:
    """Columns that are numbers, or one short name with numbers (`s1,s2`), where none is a metric."""
    matches = {c: match for c in rows[0] if (match := _NUMBERED.fullmatch(c)) and _is_numeric(rows, c)}
    kinds = {match[2].lower() for match in matches.values()}
    others = [column for column in rows[0] if column not in matches]
    is_result = any(column == metric or is_metric(column) for column in others)
    if len(kinds) != 1 or is_result or (kinds != {""} and (metric is None or metric in rows[0])):
        return {}
    return matches


def _is_numeric(rows: Sequence[Row], column: str) -> bool:
    return all(as_number(row[column]) is not None for row in rows if row[column])


def _from_methods(rows: Sequence[Row], metric: str | None) -> list[Row]:
    """Of a table with a column for each method (`seed,ours,baseline`) one with a row for each.

    Only where no column is a metric, and the table has nothing but seeds, folds and data sets beside the
    methods. A table of means by data set is one, too.
    """
    columns = [column for column in rows[0] if column != INDEX]
    methods = [column for column in columns if base_name(column) not in (*SEEDS, *REPEATS, *DATA, "fold")]
    if metric is None or len(methods) < 2:
        return list(rows)
    if any(c == metric or is_metric(c) or is_measured(c) or not _is_numeric(rows, c) for c in methods):
        return list(rows)
    keys = [column for column in columns if column not in methods]
    if not keys and any(row.get(INDEX, "") and as_number(row[INDEX]) is None for row in rows):
        return list(rows)  # names of rows: settings that a column ought to name
    return [
        {**{key: row[key] for key in keys}, "method": method, str(metric): row[method]}
        for method in methods
        for row in rows
    ]
