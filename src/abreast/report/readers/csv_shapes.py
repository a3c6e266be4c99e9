"""Tables of results in other shapes, as tables with a row a run: a row a value, a column a seed or method."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from abreast.report.readers.csv_table import INDEX, Row
from abreast.report.readers.foreign_run import as_number
from abreast.report.readers.metric_names import STAGES, is_measured, is_metric
from abreast.report.readers.settings import REPEATS, SEEDS

NAMES = ("metric", "metrics", "metric_name", "measure", "variable", "score_name")  # of a column of metrics
VALUES = ("value", "values", "score", "result", "metric_value")
PARTS = (
    "part",
    "split",
    "stage",
    "phase",
    "subset",
    "set",
    "partition",
    "eval_split",
)  # of a column of stages
VALUE = "value"  # of a table with a column a seed
_REPEAT = re.compile(
    r"(?:(.*?)[\s_\-./]+)?(seed|run|rep|repeat|repetition|replicate|trial)[\s_\-#=]*(\d{1,9})", re.IGNORECASE
)


def row_a_run(rows: Sequence[Row], metric: str | None = None) -> list[Row]:
    """The table with a row a run, whatever its shape.

    Args:
        rows: The rows by column.
        metric: The metric that was asked for, which a table with a column a seed may not name.
    """
    return _from_methods(_from_columns(_from_parts(_from_values(rows), metric), metric), metric)


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
    """Of a table with a column for each seed (`seed_0,seed_1` or `acc_seed0`) one with a row for each."""
    matches = {column: match for column in rows[0] if (match := _REPEAT.fullmatch(column))}
    numeric = {
        c: m for c, m in matches.items() if all(as_number(row[c]) is not None for row in rows if row[c])
    }
    if len(numeric) < 2:
        return list(rows)
    others = [column for column in rows[0] if column not in numeric and column != INDEX]
    kind = next(iter(numeric.values()))[2].lower()
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


def _from_methods(rows: Sequence[Row], metric: str | None) -> list[Row]:
    """Of a table with a column for each method (`seed,ours,baseline`) one with a row for each.

    Only where no column is a metric, and the table has nothing but a seed beside the methods.
    """
    columns = [column for column in rows[0] if column != INDEX]
    methods = [column for column in columns if column.lower() not in (*SEEDS, *REPEATS)]
    is_other = metric is None or len(methods) < 2 or len(columns) > len(methods) + 1
    if is_other or any(c == metric or is_metric(c) or is_measured(c) for c in methods):
        return list(rows)
    if any(as_number(row[column]) is None for row in rows for column in methods if row[column]):
        return list(rows)
    seeds = [column for column in columns if column not in methods]
    return [
        {**{key: row[key] for key in seeds}, "method": method, str(metric): row[method]}
        for method in methods
        for row in rows
    ]
