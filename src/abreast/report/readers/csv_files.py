"""CSV files: a table with a row a run, Keras's and Lightning's loggers, scikit-learn's cross-validations."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

from abreast.config.identity import Scalar
from abreast.errors import RunError
from abreast.report.readers.foreign_run import ForeignRun, as_number, as_scalar, flat
from abreast.report.readers.hparams import read_hparams
from abreast.report.readers.metric_names import is_measured, is_metric
from abreast.runs.files import REPORT
from abreast.runs.small_file import read_text

MOST_ROWS, MOST_COLUMNS, MOST_FILES = 1_000_000, 2_000, 10_000
EPOCHS = ("epoch", "step", "iteration", "global_step")
FOLD = re.compile(r"split(\d{1,4})_test_(\w+)")
_PAIR = re.compile(r"([A-Za-z][\w.]*?)=([^\s_,/]+)")
_BEFORE_PAIR = re.compile(r"[_/,\s](?=[A-Za-z][\w.]*?=)")
_SEED = re.compile(r"(?:^|[\s_\-./])(seed|rng)[_\-]?(\d+)", re.IGNORECASE)

Row = dict[str, str]


def read_csv(path: Path, metric: str | None = None) -> list[ForeignRun]:
    """The runs of a CSV file: one for each row, or one of a file that holds a curve.

    Args:
        path: The file.
        metric: A column that is a result, whatever its name.
    """
    rows = read_rows(path)
    columns = list(rows[0])
    if any(FOLD.fullmatch(column) for column in columns):
        return _cross_validation(path, rows)
    epoch = next((column for column in columns if column.lower() in EPOCHS), None)
    if epoch is not None:
        settings = [
            c for c in columns if not is_metric(c) and c.lower() not in EPOCHS and not _varies(rows, c)
        ]
        return _curves(path, rows, settings)
    results = [column for column in columns if column == metric or _is_result(rows, column)]
    runs = []
    for number, row in enumerate(rows, 1):
        run = ForeignRun(path, f"{path.name} row {number}")
        run.settings = {column: as_scalar(row[column]) for column in row if column not in results}
        run.final = {name: n for name in results if (n := as_number(row[name])) is not None}
        if not all(map(math.isfinite, run.final.values())) or len(run.final) == 0:
            run.status, run.reason = "failed", "its row has no finite result"
        runs.append(run)
    return runs


def _is_result(rows: Sequence[Row], column: str) -> bool:
    """Whether a column of numbers is a result: by its name, or as most runs have other fractions there."""
    values = [row[column] for row in rows if row[column].strip()]
    numbers = [as_number(value) for value in values]
    if not values or any(number is None for number in numbers) or "seed" in column.lower():
        return False
    fractions = [number for number in numbers if number is not None and not float(number).is_integer()]
    is_other_everywhere = len(rows) > 3 and min(2 * len({*values}), 2 * len(fractions)) > len(rows)
    return is_metric(column) or is_measured(column) or is_other_everywhere


def read_csv_folder(folder: Path, metric: str | None = None) -> list[ForeignRun]:
    """The runs of a folder of CSV files, with the settings of `hparams.yaml`, or else of the file's name."""
    files = sorted(path for path in folder.rglob("*.csv") if path.is_file() and REPORT not in path.parts)
    if len(files) > MOST_FILES:
        raise RunError(f"{folder}: more than {MOST_FILES} CSV files. Give a folder with fewer")
    runs = []
    for path in files:
        try:
            runs += _named(read_csv(path, metric), path, folder)
        except RunError as error:  # noqa: PERF203
            runs.append(
                ForeignRun(path, str(path.relative_to(folder)), status="unreadable", reason=str(error))
            )
    return runs


def _named(runs: list[ForeignRun], path: Path, folder: Path) -> list[ForeignRun]:
    name = path.relative_to(folder).with_suffix("")
    parts = name.parent if path.stem == "metrics" else name  # Lightning's: a folder each
    given = read_hparams(path.parent)
    for run in runs:
        run.name = str(parts) if len(runs) == 1 else f"{parts} {run.name}"
        run.settings = {**(settings_of_name(str(parts)) if given is None else given), **run.settings}
    return runs


def settings_of_name(name: str) -> dict[str, Scalar]:
    """The settings that a name tells: `lr=0.1_seed=3`, `adam_seed3`; what is left of it is `run`.

    >>> settings_of_name("adam_lr=0.1_seed3")
    {'run': 'adam', 'lr': 0.1, 'seed': 3}
    """
    spaced = _BEFORE_PAIR.sub(" ", name)
    settings = {key: as_scalar(value) for key, value in _PAIR.findall(spaced)}
    rest = _PAIR.sub(" ", spaced)
    for key, value in _SEED.findall(rest):
        settings[key.lower()] = int(value[:15])
    rest = re.sub(r"version_\d+|[\s/_,\-]+", " ", _SEED.sub(" ", rest)).strip()
    return {**({"run": rest} if rest else {}), **settings}


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV or TSV file by column.

    Raises:
        RunError: It is not one, or too large; the message names the file and the line.
    """
    text = read_text(path).removeprefix("\ufeff")
    head = text[: text.find("\n") + 1] or text
    delimiter = max(",;\t", key=head.count)
    rows: list[Row] = []
    try:
        reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
        columns = [column.strip() for column in next(reader, [])]
        if len(columns) > MOST_COLUMNS or len({*columns}) < len(columns):
            raise RunError(f"{path}: line 1: the columns must have different names, at most {MOST_COLUMNS}")
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise RunError(
                    f"{path}: line {reader.line_num}: {len(cells)} cells in a table of {len(columns)} columns"
                )
            rows.append(dict(zip(columns, cells, strict=True)))
            if len(rows) > MOST_ROWS:
                raise RunError(f"{path}: more than {MOST_ROWS} rows")
    except csv.Error as error:
        raise RunError(f"{path}: not a CSV file ({error})") from None
    if not rows:
        raise RunError(f"{path}: holds no rows below its header")
    for row in rows:
        row.pop("", None)  # the index that pandas writes
    return rows


def _varies(rows: Sequence[Row], column: str) -> bool:
    """Whether a column changes from row to row of a curve: a number that is logged, not a setting."""
    values = [row[column] for row in rows]
    return len({*values}) > max(1, len(values) // 2) and all(as_number(v) is not None for v in values if v)


def _curves(path: Path, rows: Sequence[Row], settings: Sequence[str]) -> list[ForeignRun]:
    runs: dict[tuple[str, ...], ForeignRun] = {}
    for row in rows:
        key = tuple(row[column] for column in settings)
        if key not in runs:
            name = path.name if not settings else f"{path.name} {' '.join(key)}"[:200]
            runs[key] = ForeignRun(path, name, flat({column: row[column] for column in settings}))
        for column, value in row.items():
            if column not in settings and value != "":
                runs[key].add(column, value)
    return list(runs.values())


def _cross_validation(path: Path, rows: Sequence[Row]) -> list[ForeignRun]:
    """The folds of scikit-learn's `cv_results_`, written by pandas: a row for each setting."""
    runs = []
    for number, row in enumerate(rows, 1):
        settings = flat({k.removeprefix("param_"): v for k, v in row.items() if k.startswith("param_")})
        matches = {column: match for column in row if (match := FOLD.fullmatch(column))}
        folds = sorted({int(match[1]) for match in matches.values()})
        for fold in folds:
            run = ForeignRun(path, f"{path.name} row {number} fold {fold}", dict(settings))
            run.fold = (fold, len(folds))
            for column, match in matches.items():
                value = as_number(row[column])
                if int(match[1]) == fold and value is not None:
                    run.final[f"test_{match[2]}"] = value
            runs.append(run)
    return runs
