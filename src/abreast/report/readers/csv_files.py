"""CSV files: a table with a row a run, Keras's and Lightning's loggers, scikit-learn's cross-validations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from abreast.errors import RunError
from abreast.report.readers.copies import without_copies
from abreast.report.readers.csv_rows import FOLDS, names_seeds, runs_of_rows, settings_of_cell
from abreast.report.readers.csv_shapes import row_a_run
from abreast.report.readers.csv_table import INDEX, Row, read_rows
from abreast.report.readers.curves import counters, logged_columns
from abreast.report.readers.foreign_run import MOST_TEXT, ForeignRun, as_number, flat
from abreast.report.readers.hparams import named_settings
from abreast.report.readers.metric_names import NOT_RESULTS, is_measured, is_metric, split_stage
from abreast.report.readers.run_names import settings_of_name
from abreast.report.readers.settings import SEEDS, base_name
from abreast.report.readers.summaries import with_merged_cells, without_summary_rows
from abreast.report.readers.table_text import bare_name
from abreast.runs.files import REPORT
from abreast.runtime.printable import printable
from abreast.suggestions import listed

MOST_FILES = 10_000
TAG = re.compile(r"run-(.+)-tag-(.+)")  # the name of a scalar's file from TensorBoard's page
FOLD = re.compile(r"split(\d{1,4})_test_(\w+)")


def read_csv(path: Path, metric: str | None = None) -> list[ForeignRun]:
    """The runs of a CSV file: one for each row, or one of a file that holds a curve.

    Args:
        path: The file.
        metric: A column that is a result, whatever its name.
    """
    rows, below = read_rows(path, metric)
    merged, remarks = with_merged_cells(rows)
    remarks += [f"Left out, as a note below the table: {printable(note[:MOST_TEXT])}" for note in below]
    table, left_out = without_summary_rows(merged)
    if not table:
        raise RunError(
            f"{path}: holds nothing but summaries ({listed(left_out)}). The values of the runs that they "
            "summarise are needed"
        )
    runs = _runs_of(path, table, metric)
    for run in runs:
        run.left_out, run.remarks = tuple(left_out), tuple(remarks)
    return runs


def _runs_of(path: Path, table: Sequence[Row], metric: str | None) -> list[ForeignRun]:
    if any(FOLD.fullmatch(column) for column in table[0]):
        return _cross_validation(path, table)
    rows = row_a_run(table, metric)
    is_history = _is_history(rows)
    _name_index(rows)
    steps, logged = counters(rows), logged_columns(rows)
    results = {column for column in rows[0] if is_metric(column) or is_measured(column)}
    others = {metric, *steps, *logged, *results}
    settings = [column for column in rows[0] if column not in others and not _varies(rows, column)]
    # A row for each epoch, not for each run with the epoch that it has reached.
    groups = {tuple(row[column] for column in settings) for row in rows}
    is_curve = steps and (len(rows) == 1 or len(groups) < len(rows))
    return _curves(path, rows, settings) if is_history or is_curve else runs_of_rows(path, rows, metric)


def _name_index(rows: Sequence[Row]) -> None:
    """Make the column without a name a setting where it holds names of rows; else drop it."""
    names = [row.pop(INDEX, "") for row in rows]
    if any(name and as_number(name) is None for name in names):
        key = next(name for name in ("name", "row", "row name") if name not in rows[0])
        for row, name in zip(rows, names, strict=True):
            row[key] = name


def _is_history(rows: Sequence[Row]) -> bool:
    """Whether a table is the history of a training that pandas wrote: `loss` and `val_loss` by epoch."""
    columns = [column for column in rows[0] if column != INDEX]
    validated = {base for stage, base in map(split_stage, columns) if stage == "val"}
    is_by_epoch = [row.get(INDEX) for row in rows] == [str(number) for number in range(len(rows))]
    results = [column for column in columns if is_metric(column)]
    others = [column for column in columns if column not in results and not NOT_RESULTS.fullmatch(column)]
    return len(rows) > 1 and is_by_epoch and not others and any(base in results for base in validated)


def read_csv_folder(folder: Path, metric: str | None = None) -> list[ForeignRun]:
    """The runs of a folder of CSV files, with the settings of files beside them, or else of their names."""
    files = sorted(path for path in folder.rglob("*.[ct]sv*") if _is_csv(path) and REPORT not in path.parts)
    if len(files) > MOST_FILES:
        raise RunError(f"{folder}: more than {MOST_FILES} CSV files. Give a folder with fewer")
    stems = {path.stem for path in files}
    is_in_folders = len(stems) == 1 and len(files) > 1  # the name of the file says nothing
    read: dict[Path, list[ForeignRun]] = {}
    failed: list[ForeignRun] = []
    for path in files:
        try:
            read[path] = read_csv(path, metric)
        except RunError as error:  # noqa: PERF203
            failed.append(_unreadable(path, folder, error))
    kept, remark = without_copies(read)
    runs: list[ForeignRun] = []
    for path, rows in kept.items():
        try:
            _add_name(rows, path, folder, is_in_folders)
            runs += rows
        except RunError as error:  # noqa: PERF203
            failed.append(_unreadable(path, folder, error))
    if remark and runs:
        runs[0].remarks += (remark,)
    return sorted([*_of_tensorboard(runs), *failed], key=lambda run: run.path)


def _unreadable(path: Path, folder: Path, error: RunError) -> ForeignRun:
    return ForeignRun(path, str(path.relative_to(folder)), status="unreadable", reason=str(error))


def _of_tensorboard(runs: Sequence[ForeignRun]) -> list[ForeignRun]:
    """The runs of the files that TensorBoard's page gives for each scalar: `run-NAME-tag-TAG.csv`."""
    made: dict[str, ForeignRun] = {}
    for run in runs:
        match = TAG.fullmatch(run.path.stem)
        if match is None or {*run.curves} - {"Value", "Wall time", "Step"}:
            made[f"{run.path} {run.name}"] = run
            continue
        whole = made.setdefault(match[1], ForeignRun(run.path, match[1], settings_of_name(match[1])))
        whole.curves[match[2]] = run.curves.get("Value", [])
    return list(made.values())


def _is_csv(path: Path) -> bool:
    return bare_name(path).endswith((".csv", ".tsv")) and path.is_file()


def _add_name(runs: Sequence[ForeignRun], path: Path, folder: Path, is_in_folders: bool) -> None:
    """Add what the file's name and the files of settings beside it say."""
    name = path.relative_to(folder).with_suffix("")
    parts = name.parent if is_in_folders or path.stem in ("metrics", "progress") else name  # a folder each
    for run in runs:
        run.name = str(parts) if len(runs) == 1 else f"{parts} {run.name}"
        remarks: list[str] = []
        run.settings = {**named_settings(str(parts), path.parent, folder, remarks), **run.settings}
        run.remarks += tuple(remarks)


def _varies(rows: Sequence[Row], column: str) -> bool:
    """Whether a column changes from row to row of a curve: a number that is logged, not a setting."""
    values = [row[column] for row in rows]
    is_number = all(as_number(value) is not None for value in values if value)
    return (
        is_number and len({*values}) > max(1, len(values) // 2) and base_name(column) not in (*SEEDS, *FOLDS)
    )


def _curves(path: Path, rows: Sequence[Row], settings: Sequence[str]) -> list[ForeignRun]:
    runs: dict[tuple[str, ...], ForeignRun] = {}
    parsed = [column for column in settings if names_seeds(rows, column)]
    for row in rows:
        key = tuple(row[column] for column in settings)
        if key not in runs:
            name = path.name if not settings else f"{path.name} {' '.join(key)}"[:200]
            runs[key] = ForeignRun(path, name)
            for column in settings:
                runs[key].settings |= settings_of_cell(column, row[column], is_name=column in parsed)
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
